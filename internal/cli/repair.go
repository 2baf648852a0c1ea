// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/repair"
)

// repairProblem is one in the document of "weir repair".
type repairProblem struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// repairDocument is what "weir repair --json" prints.
type repairDocument struct {
	Traces  int             `json:"traces"`
	Changed []repair.Change `json:"changed"`
	Left    []repairProblem `json:"left"`
	Events  uint64          `json:"events"`
}

// newRepairCommand returns "weir repair".
func newRepairCommand() *cobra.Command {
	var dryRun, asJSON bool
	c := &cobra.Command{
		Use:   "repair DIR...",
		Short: "Make traces readable again whose host has crashed",
		Long: `Look through the traces at and below the directories for what a crash of the host,
or a writer that was killed, has left behind the last whole packet of each file:
a part of a packet, also one that a file system has filled up with zeros, zeros, a
part of a declaration in the metadata, index records of packets that are not there.
Readers that take whole packets only, as babeltrace2 does, refuse the trace for it. It
is cut off; of what is whole nothing goes. In the end all events are read.

Files that a process has open are left alone. What cannot be helped is told, and the
exit code is 1 then. With --dry-run nothing is changed.

With --json: traces, changed (path, cut_bytes, size_bytes, removed), left (path,
error), events.`,
		Example: "  weir repair --dry-run ~/weir-traces\n  weir repair ~/weir-traces/demo-20261128-120000",
		Args:    cobra.MinimumNArgs(1),
	}
	f := c.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "change nothing")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, dirs []string) error {
		ctx, stop := untilSignal(c)
		defer stop()
		doc := repairDocument{Changed: []repair.Change{}, Left: []repairProblem{}}
		for _, dir := range dirs {
			r, err := repair.Tree(ctx, dir, dryRun)
			doc.Traces += r.Traces
			doc.Events += r.Events
			doc.Changed = append(doc.Changed, r.Changes...)
			for _, p := range r.Left {
				doc.Left = append(doc.Left, repairProblem{p.Path, p.Err.Error()})
			}
			if err != nil {
				return err
			}
		}
		if asJSON {
			if err := writeJSON(c.OutOrStdout(), doc); err != nil {
				return err
			}
		} else {
			doc.say(c.OutOrStdout(), dryRun)
		}
		if n := len(doc.Left); n > 0 {
			return fmt.Errorf("repair: %d problems are left", n)
		}
		return nil
	}
	return c
}

// say prints what was done, for people.
func (d *repairDocument) say(w io.Writer, dryRun bool) {
	cut, removed := "cut off", "removed"
	if dryRun {
		cut, removed = "would be cut off", "would be removed"
	}
	for _, c := range d.Changed {
		if c.Removed {
			fmt.Fprintf(w, "%s: %s: readers make their own index\n", printable(c.Path), removed)
			continue
		}
		fmt.Fprintf(w, "%s: %d bytes %s, %d stay\n", printable(c.Path), c.Cut, cut, c.Size)
	}
	for _, p := range d.Left {
		fmt.Fprintf(w, "%s: left as it is: %s\n", printable(p.Path), printable(p.Error))
	}
	if dryRun {
		fmt.Fprintf(w, "%d traces, %d changes to make, %d problems\n", d.Traces, len(d.Changed), len(d.Left))
		return
	}
	fmt.Fprintf(w, "%d traces, %d changes, %d problems; %d events can be read\n", d.Traces, len(d.Changed), len(d.Left), d.Events)
}
