// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/flow/dryrun"
)

// newFlowDiffCommand returns "weir flow diff".
func newFlowDiffCommand() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Tell what a change of topology changes for its workloads",
		Long: `Try the packets of "weir flow reach" on two topologies and print what differs: lines with
+ for packets that are delivered in the second only, with - for those that are delivered in
the first only, and with ~ for those that something else stops. Workloads are the same if
their ports have the same name.`,
		Example: `  weir flow diff net.json new.json
  weir flow diff --probe tcp/22 --json net.json new.json`,
		Args: cobra.ExactArgs(2),
	}
	f.add(c, "docs/format/reach-json.md")
	c.RunE = func(c *cobra.Command, args []string) error {
		before, err := readTopology(c, args[0])
		if err != nil {
			return err
		}
		after, err := readTopology(c, args[1])
		if err != nil {
			return err
		}
		probes, err := f.list(before, after)
		if err != nil {
			return err
		}
		d, err := dryrun.Diff(before, after, probes)
		if err != nil {
			return err
		}
		if f.json {
			return json.NewEncoder(c.OutOrStdout()).Encode(d)
		}
		return d.WriteText(c.OutOrStdout())
	}
	return c
}
