// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
)

// leftover is one in the document of "weir cleanup".
type leftover struct {
	Name    string    `json:"name"`
	Session string    `json:"session,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// newCleanupCommand returns "weir cleanup".
func newCleanupCommand() *cobra.Command {
	var instances, dryRun, asJSON bool
	var socket string
	c := &cobra.Command{
		Use:   "cleanup --instances",
		Short: "Remove what a killed session daemon has left in the kernel",
		Long: `Remove the tracing instances and probes that a session daemon has left in the
kernel when it was killed. They go on recording, and cost CPU time, until they are
removed; the next "weir agent" does that by itself when it starts. Only what the
daemon has written down beside its socket, and whose process is gone, is touched:
instances of others, and those of a daemon that runs, stay. Needs root.

With --dry-run it prints what it would remove. With --json: removed, left.`,
		Example: "  weir cleanup --instances --dry-run\n  weir cleanup --instances",
	}
	f := c.Flags()
	f.BoolVar(&instances, "instances", false, "tracing instances and probes")
	f.BoolVar(&dryRun, "dry-run", false, "remove nothing")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	f.StringVar(&socket, "socket", agent.OwnSocket(), "of the daemon that listened on the Unix socket `PATH`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !instances {
			return usageErrorf("what to clean up? --instances")
		}
		log := slog.New(slog.DiscardHandler) // what it would say is printed
		removed, left, err := daemon.Cleanup(c.Context(), filepath.Dir(socket), dryRun, log)
		if asJSON {
			if werr := writeJSON(c.OutOrStdout(), map[string][]leftover{"removed": leftovers(removed), "left": leftovers(left)}); err == nil {
				err = werr
			}
			return err
		}
		verb := "left behind"
		if dryRun {
			verb = "would be removed"
		}
		for _, l := range removed {
			sayLeftover(c, "removed", l)
		}
		for _, l := range left {
			sayLeftover(c, verb, l)
		}
		if len(removed)+len(left) == 0 && err == nil {
			fmt.Fprintln(c.OutOrStdout(), "nothing is left behind")
		}
		return err
	}
	return c
}

func sayLeftover(c *cobra.Command, what string, l daemon.Leftover) {
	text := fmt.Sprintf("%s: %s", what, l.Name)
	if l.PID > 0 {
		text += fmt.Sprintf(", session %s of daemon %d, %s", l.Session, l.PID, l.Since.Local().Format(time.DateTime))
	}
	fmt.Fprintln(c.OutOrStdout(), text)
}

func leftovers(all []daemon.Leftover) []leftover {
	docs := make([]leftover, len(all))
	for i, l := range all {
		docs[i] = leftover(l)
	}
	return docs
}
