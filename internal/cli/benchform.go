// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

// benchForm is how a measurement is printed.
type benchForm struct{ json, markdown bool }

func (f *benchForm) addFlags(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&f.markdown, "markdown", false, "print Markdown tables")
	c.MarkFlagsMutuallyExclusive("json", "markdown")
}

// choose returns the printer of the form that was asked for.
func choose[T any](f benchForm, text, json, markdown T) T {
	switch {
	case f.json:
		return json
	case f.markdown:
		return markdown
	default:
		return text
	}
}

// benchReport is what has been measured.
type benchReport interface {
	WriteText(io.Writer) error
	WriteJSON(io.Writer) error
	WriteMarkdown(io.Writer) error
	Err() error // what could not be measured
}

// print prints a report.
func (f *benchForm) print(w io.Writer, r benchReport) error {
	if err := choose(*f, r.WriteText, r.WriteJSON, r.WriteMarkdown)(w); err != nil {
		return err
	}
	return r.Err()
}

// measuring makes a command of a measurement, which ends with a signal.
func measuring(run func(ctx context.Context, stdout, stderr io.Writer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		ctx, restore := untilSignal(c)
		defer restore()
		return run(ctx, c.OutOrStdout(), c.ErrOrStderr())
	}
}

// statusLine is a line of a terminal that tells what is being measured.
type statusLine struct {
	w       io.Writer
	watched bool
}

func newStatusLine(w io.Writer) statusLine { return statusLine{w, isTerminal(w)} }

// show replaces the line; with an empty text it goes.
func (l statusLine) show(text string) {
	if l.watched {
		fmt.Fprint(l.w, "\r\x1b[K", text)
	}
}

// thisProgram returns the file of the running program.
func thisProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return self, nil
}

// installed returns the file of a program, "" where there is none.
func installed(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}
