// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/relaydopt"
	"github.com/weir-io/weir/internal/version"
)

// newRelaydCommand returns "weir relayd". Its flags are declared for help,
// manual page and completion only: the arguments go as they are to relaydopt,
// because lttng-relayd's rules (abbreviations, INI files, a grouping that must
// not come twice) are not cobra's.
func newRelaydCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "relayd",
		Short: "Run the relay alone, with lttng-relayd's options",
		Long:  relaydopt.Long(),
		Example: `  weir relayd --output /srv/traces --live-port tcp://0.0.0.0:5344
  weir relayd --daemonize --pid-file /run/relayd.pid
  ln -s weir lttng-relayd && ./lttng-relayd -v`,
		DisableFlagParsing: true,
		ValidArgsFunction:  completeRelayd,
	}
	declareRelaydFlags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		if code := relaydMain(args, os.Environ(), c.OutOrStdout(), c.ErrOrStderr()); code != exitOK {
			return &exitError{code: code}
		}
		return nil
	}
	return c
}

func declareRelaydFlags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	for _, f := range relaydopt.Flags() {
		short := ""
		if f.Short != 0 {
			short = string(f.Short)
		}
		if f.Arg == "" {
			flags.BoolP(f.Long, short, false, f.Usage)
			continue
		}
		// pflag takes the argument's name from back quotes.
		usage := strings.Replace(f.Usage, f.Arg, "`"+f.Arg+"`", 1)
		flags.StringP(f.Long, short, f.Default, usage)
	}
}

// completeRelayd completes option names; for values the shell's file names do.
func completeRelayd(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	if !strings.HasPrefix(word, "-") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var found []string
	for _, f := range relaydopt.Flags() {
		if strings.HasPrefix("--"+f.Long, word) {
			found = append(found, "--"+f.Long+"\t"+f.Usage)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// lttngRelayd is the whole program when it is called as lttng-relayd.
func lttngRelayd(args []string, stdout, stderr io.Writer) int {
	return relaydMain(args, os.Environ(), stdout, stderr)
}

// relaydMain is lttng-relayd: args are its arguments without the program's
// name, env its environment. It returns 0 after an orderly stop and 1 after any
// failure, never another code: start scripts look for exactly these.
func relaydMain(args, env []string, stdout, stderr io.Writer) int {
	err := runRelaydProcess(args, env, stdout, stderr)
	if err == nil {
		return exitOK
	}
	// A child that exited has written its own error to the same place.
	if e, ok := errors.AsType[*daemon.StartError](err); !ok || !e.Exited() {
		fmt.Fprintf(stderr, "%s: %s\n", relaydName(), oneLine(err))
	}
	return exitFailed
}

// relaydName is how messages begin.
func relaydName() string {
	if base := filepath.Base(os.Args[0]); strings.Contains(base, relaydopt.Name) {
		return base
	}
	return "weir relayd"
}

// runRelaydProcess decides what this process is: a question to be answered, the
// caller of a background start, or the relay itself.
func runRelaydProcess(args, env []string, stdout, stderr io.Writer) error {
	parent := os.Getppid()
	waiter, err := daemon.Adopt()
	if err != nil {
		return err
	}
	opts, err := parseRelayd(args, env)
	background := opts.Start != relaydopt.Foreground
	if err != nil || !background || waiter != nil {
		// In a background start the child repeats what the caller found.
		for _, w := range opts.Warnings {
			fmt.Fprintf(stderr, "%s: warning: %s\n", relaydName(), w)
		}
	}
	switch {
	case err != nil:
		return err
	case opts.Action == relaydopt.ShowVersion:
		_, err := fmt.Fprintf(stdout, "weir %s\n", version.Number)
		return err
	case opts.Action == relaydopt.ShowHelp:
		_, err := io.WriteString(stdout, relaydopt.Help())
		return err
	case background && waiter == nil:
		return startBackground(opts, env, parent)
	}
	ready := daemon.Readiness{Waiter: waiter}
	switch {
	case waiter != nil && opts.Start == relaydopt.Daemonize:
		waiter.DetachWhenReady()
	case waiter == nil && opts.SignalParent:
		ready.SignalPID = parent
	}
	if err := daemon.KeepName(os.Args[0]); err != nil {
		fmt.Fprintf(stderr, "%s: warning: process name: %v\n", relaydName(), err)
	}
	return runRelayd(opts, env, ready, stderr)
}

// parseRelayd reads the options with this process's surroundings.
func parseRelayd(args, env []string) (relaydopt.Options, error) {
	dir, err := os.Getwd()
	if err != nil {
		return relaydopt.Options{}, fmt.Errorf("working directory: %w", err)
	}
	limit, limitErr := daemon.StartFileLimit()
	in := relaydopt.Input{Args: args, Env: env, Dir: dir, Root: os.Geteuid() == 0, FileLimit: limit}
	if u, err := user.Current(); err == nil {
		in.UserHome = u.HomeDir
	}
	opts, err := relaydopt.Parse(in)
	if limitErr != nil {
		opts.Warnings = append(opts.Warnings, limitErr.Error())
	}
	return opts, err
}

// startBackground starts the relay as a child and returns when it is ready.
func startBackground(opts relaydopt.Options, env []string, parent int) error {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	_, err := daemon.Spawn(ctx, daemon.Command{
		Args: os.Args, Env: env, Detach: opts.Start == relaydopt.Daemonize,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	// The child's parent is this process; the one that asked for a signal is
	// one further up.
	if opts.SignalParent {
		return daemon.SignalParent(parent)
	}
	return nil
}
