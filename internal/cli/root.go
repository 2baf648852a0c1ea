// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/version"
)

// programMain is the main function of a daemon that weir stands in for.
type programMain func(args []string, stdout, stderr io.Writer) int

// programs lists the names that weir answers to beside its own.
func programs() map[string]programMain {
	return map[string]programMain{
		"lttng-relayd": lttngRelayd,
		"wulflogger":   wulflogger,
		"wulfstat":     wulfstat,
		"xmlsysd":      xmlsysdProgram,
	}
}

// newRootCommand builds the whole command tree.
func newRootCommand() *cobra.Command {
	root := newGroup("weir", "Observe a cluster of Linux hosts from one place", `weir receives trace streams from LTTng producers, stores them, and lets any
number of viewers read them while they are recorded. It records the kernel of
this host, without a module, and its applications itself, to files or to any
relay. It tells what each host counts, from CPU ticks to bytes on the wire, to
monitors that speak xmlsysd and to Prometheus, and watches a whole cluster on
one terminal. It keeps what changes in file systems as feeds, and says which
rule of a virtual network stops a packet.

"weir up" starts everything with built-in defaults and says what to type next.`,
		`  weir up
  weir top
  weir config check
  weir help up`)
	root.Version = version.Number
	root.SetVersionTemplate("weir {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = false
	for _, g := range commandGroups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.AddCommand(
		newConfigCommand(),
		newCleanupCommand(),
		newVersionCommand(),
		newGenCommand(),
		newGuardCommand(),
		newConsumerCommand(),
		newFeedHolderCommand(),
		newBenchCommand(),
	)
	root.SetHelpCommand(newHelpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	describeCompletion(root)
	return root
}

// commandGroup is a chapter of the list of commands in help texts.
type commandGroup struct {
	id, title string
	commands  []*cobra.Command
}

func commandGroups() []commandGroup {
	return []commandGroup{
		{"daemons", "Start a daemon:", []*cobra.Command{newUpCommand(), newHubCommand(), newAgentCommand(), newRelaydCommand(), newXmlsysdCommand()}},
		{"session", "Record this host (the session daemon's commands):", sessionCommands()},
		{"traces", "Read and keep traces:", []*cobra.Command{newViewCommand(), newConvertCommand(), newSessionsCommand(), newRepairCommand()}},
		{"hosts", "Watch hosts:", []*cobra.Command{newTopCommand(), newStatCommand(), newHostsCommand()}},
		{"files", "Follow changes of files:", []*cobra.Command{newFeedCommand(), newMirrorCommand()}},
		{"networks", "Ask virtual networks:", []*cobra.Command{newFlowCommand()}},
	}
}

// sessionCommands are the commands for the session daemon, with the names that
// LTTng's users know.
func sessionCommands() []*cobra.Command {
	return []*cobra.Command{
		newCreateCommand(),
		newSetSessionCommand(),
		newListCommand(),
		newStatusCommand(),
		newEnableConsumerCommand(),
		newDisableConsumerCommand(),
		newEnableChannelCommand(),
		newDisableChannelCommand(),
		newEnableEventCommand(),
		newDisableEventCommand(),
		newAddContextCommand(),
		newTrackCommand(),
		newUntrackCommand(),
		newStartCommand(),
		newStopCommand(),
		newClearCommand(),
		newRotateCommand(),
		newEnableRotationCommand(),
		newDisableRotationCommand(),
		newSnapshotCommand(),
		newSaveCommand(),
		newLoadCommand(),
		newRegenerateCommand(),
		newAddTriggerCommand(),
		newListTriggersCommand(),
		newRemoveTriggerCommand(),
		newDestroyCommand(),
	}
}

// newGroup returns a command that only holds others. Called alone it prints
// its help; an unknown word is an error, on every level.
func newGroup(use, short, long, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
}

// unknownCommand refuses the arguments of a group and suggests what may have
// been meant.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w, did you mean %q?", err, near[0])
	}
	return err
}

// noArguments refuses all arguments.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// prepare applies to every command what holds for all: errors are printed once
// and without the usage text, arguments that are not asked for are refused.
// The variable it returns turns true when a command's own code begins to run.
func prepare(root *cobra.Command) *bool {
	started := new(bool)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.SilenceUsage, c.SilenceErrors = true, true
		if c.Args == nil && !c.DisableFlagParsing {
			c.Args = noArguments
		}
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				*started = true
				return run(c, args)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(root)
	return started
}
