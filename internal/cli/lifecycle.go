// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// newStartCommand returns "weir start".
func newStartCommand() *cobra.Command {
	c := &cobra.Command{
		Use:               "start [SESSION]",
		Short:             "Start recording a session",
		Long:              "Start recording. A session that was stopped goes on where it was.",
		Example:           "  weir start",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.name()
		if err != nil {
			return err
		}
		done, err := c.api.Start(c.ctx, name)
		if err != nil {
			return err
		}
		c.did(name, done)
		c.say("Tracing started for session %s", name)
		return nil
	})
}

// newStopCommand returns "weir stop".
func newStopCommand() *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use:   "stop [SESSION]",
		Short: "Stop recording a session",
		Long: `Stop recording, and wait until all that was recorded is where it belongs: on
disk, or confirmed by the relay. What channels had to discard since the session began is
told on standard error, with --json in losses; without -n only.`,
		Example:           "  weir stop\n  weir stop -n",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	c.Flags().BoolVarP(&noWait, "no-wait", "n", false, "do not wait; the next command for the session does")
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.name()
		if err != nil {
			return err
		}
		done, err := c.api.Stop(c.ctx, name, !noWait)
		if err != nil {
			return err
		}
		c.did(name, done)
		if !noWait {
			c.say("Waiting for data availability")
		}
		c.say("Tracing stopped for session %s", name)
		return nil
	})
}

// newClearCommand returns "weir clear".
func newClearCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "clear [SESSION]",
		Short: "Drop what a session has recorded",
		Long: `Drop what a session has recorded since it began or was rotated last; of a
session of snapshots, what its rings hold. It goes on recording if it does.`,
		Example:           "  weir clear\n  weir clear -a",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "of all sessions")
	return agentCommand(c, true, func(c *agentCall) error {
		return eachSession(c, all, func(name string) error {
			done, err := c.api.Clear(c.ctx, name)
			if err != nil {
				return err
			}
			c.did(name, done)
			c.say("Session %q cleared", name)
			return nil
		})
	})
}

// newDestroyCommand returns "weir destroy".
func newDestroyCommand() *cobra.Command {
	var all, noWait bool
	c := &cobra.Command{
		Use:   "destroy [SESSION]",
		Short: "End a session",
		Long: `End a session: stop it, wait until all that was recorded is where it belongs,
and free what it holds. The trace stays; the last chunk of a session that was rotated
goes beside the others. With -a one session that does not end in order
keeps none of the others from it.`,
		Example:           "  weir destroy\n  weir destroy -a",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "end all sessions")
	c.Flags().BoolVarP(&noWait, "no-wait", "n", false, "do not wait; sessions end in the background")
	return agentCommand(c, true, func(c *agentCall) error {
		return eachSession(c, all, func(name string) error {
			done, err := c.api.DestroySession(c.ctx, name, !noWait)
			if err != nil {
				return err
			}
			c.did(name, done)
			for _, place := range done.Names { // the last of a session that was rotated
				c.say("Trace chunk archive written at: %s", place)
			}
			c.say("Session %s destroyed", name)
			return forgetCurrentSession(os.Getenv, name)
		})
	})
}

// eachSession gives an order to the session that is meant, or to all.
func eachSession(c *agentCall, all bool, do func(name string) error) error {
	if !all {
		name, err := c.name()
		if err != nil {
			return err
		}
		return do(name)
	}
	if len(c.args) > 0 || c.session != "" {
		return usageErrorf("-a and a session exclude each other")
	}
	sessions, err := c.api.Sessions(c.ctx)
	if err != nil {
		return err
	}
	names := []string{}
	var errs []error
	for _, s := range sessions {
		switch err := do(s.Name); {
		case err == nil:
			names = append(names, s.Name)
		case c.ctx.Err() != nil:
			return err
		default: // the others are meant, too
			errs = append(errs, err)
		}
	}
	delete(c.document, "session") // there may be several
	c.set("sessions", names)
	if len(errs) == 0 {
		return nil
	}
	for _, err := range errs[1:] {
		c.warnings = append(c.warnings, *asProblem(err))
	}
	return errs[0]
}

// newRegenerateCommand returns "weir regenerate".
func newRegenerateCommand() *cobra.Command {
	c := newGroup("regenerate", "Record metadata or the state of the system again",
		"Record parts of a trace again that tell what was so when it began.", "  weir regenerate statedump")
	c.AddCommand(
		regenerateCommand("metadata", "Write the metadata again", "Metadata", `Write the metadata of a session again, with the clock's offset as it is now:
after a large correction of the host's time.`, func(c *agentCall, name string) (agent.Done, error) { return c.api.RegenerateMetadata(c.ctx, name) }),
		regenerateCommand("statedump", "Record the state of the system again", "State dump", `Record the state of the system again: processes, files, interfaces. After
"weir clear", for instance. Each snapshot has a state of its own.`, func(c *agentCall, name string) (agent.Done, error) { return c.api.RegenerateStatedump(c.ctx, name) }),
	)
	return c
}

func regenerateCommand(what, short, title, long string, do func(*agentCall, string) (agent.Done, error)) *cobra.Command {
	c := &cobra.Command{Use: what, Short: short, Long: long, Example: "  weir regenerate " + what, Args: noArguments}
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		done, err := do(c, name)
		if err != nil {
			return err
		}
		c.did(name, done)
		c.say("%s successfully regenerated for session %s", title, name)
		return nil
	})
}
