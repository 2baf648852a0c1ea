// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli is weir's command line: one file a command, and no logic beyond
// reading flags, calling a service and printing what it answers.
//
// Commands are built in functions and write to their command's output, never
// to the process's, so that a test sees what a person sees. Results go to
// standard output; one line for an error goes to standard error. The exit code
// is 0 when all went well, 1 when the command failed and 2 when it was called
// wrongly. Commands for the session daemon end with 3 where there is none, and
// with 4 where they are done with warnings.
package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// Of the commands that talk to the session daemon.
	exitNoDaemon = 3
	exitWarnings = 4 // done, but not quite as was asked
)

// exitError makes the program exit with a code of its own. With a nil err
// nothing is printed: the command has said what there was to say.
type exitError struct {
	code int
	err  error
}

// Error returns the cause, or the code when there is none.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.err }

// usageErrorf is an error of the caller of a command: exit code 2.
func usageErrorf(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// Main runs the command line args (args[0] is the program's name) and returns
// the exit code. The program answers to the name lttng-relayd as that daemon.
func Main(args []string, stdout, stderr io.Writer) int {
	if run := program(args[0]); run != nil {
		return run(args[1:], stdout, stderr)
	}
	root := newRootCommand()
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := prepare(root)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if !*started {
		code = exitUsage // flags and arguments were refused before the command ran
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		if e.err == nil {
			return e.code
		}
		code = e.code
	}
	fmt.Fprintf(stderr, "weir: %s\n", oneLine(err))
	return code
}

// oneLine joins an error's lines: joined errors and cobra's suggestions have
// several.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

// program returns the main function of the daemon that the program was called
// as, or nil for weir itself. The name with the prefix is what libtool's
// wrapper scripts use.
func program(argv0 string) programMain {
	return programs()[strings.TrimPrefix(filepath.Base(argv0), "lt-")]
}
