// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/feedbench"
)

// newBenchFeedCommand returns "weir bench feed".
func newBenchFeedCommand() *cobra.Command {
	var b feedbench.Bench
	c := &cobra.Command{
		Use:   "feed",
		Short: "Measure feeds of file-system changes",
		Long: `Have an agent of the bench's own watch file systems that a load changes, and print
what that costs, how fast and how late the records are, and whether any is lost.

  storm      records a second, from two threads that make, write, rename and remove
             files to the last record on disk: with the full index and without
  jetstream  the same against a NATS server that syncs each message, one a record
  latency    an operation to a waiting consumer, at 1000 a second
  cost       CPU time that being watched takes from who changes files
  feeds      the storm with 250 feeds that cancel, in turn with one
  files      a million files: memory of the agent, and comparing them with the disk
  sqlite     records a second into a database
  soak       disk use and memory under a steady load that two feeds read
  kills      the agent killed during a storm: what is lost or double
  storms     random storms on four file systems: whether a reader has the disk

File systems are images in memory, in a namespace of mounts of the bench's own; the
agent's store is below --dir, which is a disk if syncing is to cost what it does. It
needs root. The peer is built by "go build github.com/nats-io/nats-server/v2". Figures
are medians. What is reached of "must" and "aim", the bars of the project, stands in
the last column. The exit code is 1 when something could not be measured.`,
		Example: `  weir bench feed --quick
  weir bench feed --only storm,cost --runs 5 --markdown
  weir bench feed --only kills --kills 200
  weir bench feed --only soak --soak 1h`,
		Args: cobra.NoArgs,
	}
	p := benchPlan{plan: &b.Plan, peer: "nats-server", file: &b.NATS}
	p.addFlags(c, feedbench.Names(), feedbench.DefaultRuns)
	f := c.Flags()
	f.Lookup("dir").Usage = "keep the agent's store below `DIR`; default: the directory for temporary files"
	f.IntVar(&b.Kills, "kills", 0, "kill the agent `N` times on each file system; default: 50")
	f.IntVar(&b.Seeds, "storms", 0, "make `N` random storms on each file system; default: 5")
	f.DurationVar(&b.Soak, "soak", 0, "soak for `DURATION`; default: 1m")
	c.RunE = measuring(func(ctx context.Context, stdout, stderr io.Writer) error {
		if b.Kills < 0 || b.Seeds < 0 || b.Soak < 0 {
			return usageErrorf("--kills, --storms and --soak want positive values")
		}
		ended, err := feedbench.Namespace(ctx)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return &exitError{code: exit.ExitCode()} // it has said why
		}
		if ended || err != nil {
			return err
		}
		return p.run(ctx, stdout, stderr, func(ctx context.Context) (*bench.Report, error) { return b.Measure(ctx) })
	})
	return c
}

// newBenchChangesCommand returns the hidden "weir bench changes": the load of "weir
// bench feed".
func newBenchChangesCommand() *cobra.Command {
	var l feedbench.Load
	var kind string
	c := &cobra.Command{
		Use:    "changes",
		Short:  "Change files",
		Hidden: true,
		Args:   cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&kind, "kind", string(feedbench.Churn), "what is done: "+fmt.Sprint(feedbench.LoadKinds()))
	f.StringVar(&l.Dir, "dir", "", "where")
	f.IntVar(&l.Threads, "threads", 1, "by so many threads")
	f.IntVar(&l.Count, "count", 0, "to so many files; 0: until the input ends")
	f.IntVar(&l.Rate, "rate", 0, "files a second; 0: as fast as may be")
	f.Uint64Var(&l.Seed, "seed", 0, "of what is random")
	c.RunE = func(c *cobra.Command, _ []string) error {
		l.Kind = feedbench.Kind(kind)
		if !slices.Contains(feedbench.LoadKinds(), l.Kind) {
			return usageErrorf("--kind: got %q, want one of %v", kind, feedbench.LoadKinds())
		}
		return l.Run(c.Context(), c.InOrStdin(), c.OutOrStdout())
	}
	return c
}
