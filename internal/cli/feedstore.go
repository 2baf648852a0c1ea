// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/service"
)

// newFeedCheckCommand returns "weir feed check".
func newFeedCheckCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:     "check",
		Short:   "Read the whole store of feeds and say what is wrong with it",
		Example: `  weir feed check`,
		Long: `Read all that the store of feeds holds, and compare records, names, objects and feeds
with each other. The agent must not run. The exit code is 1 if something is wrong.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := service.Check(c.Context(), dir, func(int64) {})
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]int{"journals": n})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s, nothing wrong\n", plural(int64(n), "journal"))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&dir, "state-dir", stateDir(), "state directory `DIR` of the agent")
	return c
}

// newFeedRepairCommand returns "weir feed repair".
func newFeedRepairCommand() *cobra.Command {
	var dir string
	var anew bool
	c := &cobra.Command{
		Use:     "repair",
		Short:   "Keep what is good of a damaged store of feeds",
		Example: `  weir feed repair`,
		Long: `Drop what cannot be read of the store of feeds: of a journal all behind the last good
record. A gap stands in its place, and the file system is compared when the agent starts,
which must not run meanwhile. The old store is kept beside the new one.

Of a store whose own lists of files are damaged nothing can be read: --anew puts it
aside, and the agent begins with an empty one. Its feeds must be created anew.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if anew {
				old, err := service.BeginAnew(dir)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "the old store is in %s; all feeds must be created anew\n", old)
				return err
			}
			report, err := service.Repair(c.Context(), dir)
			if errors.As(err, new(*journal.CorruptError)) {
				return fmt.Errorf("nothing can be read; --anew puts the store aside and begins with an empty one, without feeds: %w", err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.OutOrStdout(), report)
			return err
		},
	}
	c.Flags().StringVar(&dir, "state-dir", stateDir(), "state directory `DIR` of the agent")
	c.Flags().BoolVar(&anew, "anew", false, "put the store aside and keep nothing of it")
	return c
}
