// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// newSnapshotCommand returns "weir snapshot" with its commands.
func newSnapshotCommand() *cobra.Command {
	c := newGroup("snapshot", "Record what a snapshot session has in memory",
		`Record what a session created with --snapshot has in its rings, and say where
snapshots go.`, "  weir snapshot record\n  weir snapshot add-output -n far net://192.168.1.10")
	c.AddCommand(newSnapshotRecordCommand(), newSnapshotAddOutputCommand(), newSnapshotDelOutputCommand(), newSnapshotListOutputCommand())
	return c
}

// snapshotFlags describe a place for snapshots.
type snapshotFlags struct {
	uris uriFlags
	max  sizeFlag
	name string
}

func (f *snapshotFlags) add(c *cobra.Command) {
	fl := c.Flags()
	f.uris.add(fl, "ctrl-url", "data-url")
	fl.VarP(&f.max, "max-size", "m", "keep the newest packets up to this size")
	fl.StringVarP(&f.name, "name", "n", "", "`NAME` of the snapshot, which its directory begins with")
}

func (f *snapshotFlags) output(c *agentCall) (agent.SnapshotOutput, error) {
	arg := ""
	if len(c.args) > 0 {
		arg = c.args[0]
	}
	uris, err := f.uris.parse(c, arg)
	return agent.SnapshotOutput{Name: f.name, MaxBytes: uint64(f.max), URIs: uris}, err
}

// newSnapshotRecordCommand returns "weir snapshot record".
func newSnapshotRecordCommand() *cobra.Command {
	var f snapshotFlags
	c := &cobra.Command{
		Use:     "record [URL]",
		Short:   "Record a snapshot",
		Long:    "Record what the rings hold now to URL, or to the session's output, with the\nstate of the system as it is.",
		Example: "  weir snapshot record\n  weir snapshot record -m 10M -n crash /var/traces",
		Args:    cobra.MaximumNArgs(1),
	}
	f.add(c)
	pause := c.Flags().Bool("pause", false, "record nothing while the rings are read")
	return agentCommand(c, true, func(c *agentCall) error {
		to, err := f.output(c)
		if err != nil {
			return err
		}
		to.Pause = *pause
		name, err := c.current()
		if err != nil {
			return err
		}
		done, err := c.api.RecordSnapshot(c.ctx, name, to)
		if err != nil {
			return err
		}
		c.did(name, done)
		c.say("Snapshot recorded successfully for session %s", name)
		for _, place := range done.Names {
			c.say("Snapshot written at: %s", place)
		}
		return nil
	})
}

// newSnapshotAddOutputCommand returns "weir snapshot add-output".
func newSnapshotAddOutputCommand() *cobra.Command {
	var f snapshotFlags
	c := &cobra.Command{
		Use:     "add-output [URL]",
		Short:   "Say where snapshots go",
		Long:    "Add a place that snapshots of the session are recorded to.",
		Example: "  weir snapshot add-output -n far net://192.168.1.10",
		Args:    cobra.MaximumNArgs(1),
	}
	f.add(c)
	return agentCommand(c, true, func(c *agentCall) error {
		o, err := f.output(c)
		if err != nil {
			return err
		}
		if len(o.URIs) == 0 {
			return usageErrorf("want a URL, or -C and -D")
		}
		name, err := c.current()
		if err != nil {
			return err
		}
		if o, err = c.api.AddSnapshotOutput(c.ctx, name, o); err != nil {
			return err
		}
		c.set("session", name)
		c.set("outputs", []agent.SnapshotOutput{o})
		c.say("Snapshot output successfully added for session %s", name)
		c.say("  %s", outputText(o))
		return nil
	})
}

// newSnapshotDelOutputCommand returns "weir snapshot del-output".
func newSnapshotDelOutputCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "del-output ID|NAME",
		Short:   "Remove a place for snapshots",
		Long:    "Remove a place for snapshots of the session, by its id or name. Snapshots that are there stay.",
		Example: "  weir snapshot del-output 1",
		Args:    cobra.ExactArgs(1),
	}
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		if err := c.api.RemoveSnapshotOutput(c.ctx, name, c.args[0]); err != nil {
			return err
		}
		c.set("session", name)
		what := c.args[0]
		if _, err := strconv.Atoi(what); err == nil {
			what = "id " + what
		}
		c.say("Snapshot output %s successfully deleted for session %s", what, name)
		return nil
	})
}

// newSnapshotListOutputCommand returns "weir snapshot list-output".
func newSnapshotListOutputCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list-output",
		Short:   "List the places for snapshots",
		Long:    "List the places that snapshots of the session are recorded to.",
		Example: "  weir snapshot list-output",
		Args:    noArguments,
	}
	return agentCommand(c, true, func(c *agentCall) error {
		name, err := c.current()
		if err != nil {
			return err
		}
		all, err := c.api.SnapshotOutputs(c.ctx, name)
		if err != nil {
			return err
		}
		c.set("session", name)
		c.set("outputs", all)
		c.say("Snapshot output list for session %s", name)
		for _, o := range all {
			c.say("  %s", outputText(o))
		}
		if len(all) == 0 {
			c.say("  None")
		}
		return nil
	})
}

func outputText(o agent.SnapshotOutput) string {
	text := fmt.Sprintf("[%d] %s: %s", o.ID, o.Name, agent.FormatURIs(o.URIs))
	if o.MaxBytes > 0 {
		text += fmt.Sprintf(" (max size: %d bytes)", o.MaxBytes)
	}
	return text
}
