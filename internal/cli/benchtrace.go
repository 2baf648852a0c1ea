// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/tracebench"
)

// newBenchTraceCommand returns "weir bench trace".
func newBenchTraceCommand() *cobra.Command {
	var b tracebench.Bench
	c := &cobra.Command{
		Use:   "trace",
		Short: "Measure recording the kernel",
		Long: `Record loads of the bench's own with a session daemon of its own, and print what
that costs and what is lost. Where trace-cmd is installed it takes turns with
weir: the same events, clock and ring sizes, into files.

  drain      CPU time of an event: the consumer process next to trace-cmd's
             recorders, which write raw pages
  saturated  all events while the load takes all processors: losses, memory
  content    both at once: the same events
  live       how late a system call is a line of "weir view"
  idle       sessions in which nothing happens
  switch     a session that moves between files and a relay
  away       a session whose relay is away for a while

Figures are medians; × is weir's figure divided by the peer's. What is reached of
"must" and "aim", the bars of the project, stands in the last column. It needs
root, and changes nothing of the kernel's tracing but instances of its own. The
exit code is 1 when something could not be measured.`,
		Example: `  weir bench trace --quick
  weir bench trace --runs 5 --markdown
  weir bench trace --only drain,saturated`,
		Args: cobra.NoArgs,
	}
	p := benchPlan{plan: &b.Plan, peer: "trace-cmd", file: &b.TraceCmd}
	p.addFlags(c, tracebench.Names(), tracebench.DefaultRuns)
	c.RunE = measuring(func(ctx context.Context, stdout, stderr io.Writer) error {
		return p.run(ctx, stdout, stderr, func(ctx context.Context) (*bench.Report, error) { return b.Measure(ctx) })
	})
	return c
}

// newBenchLoadCommand returns the hidden "weir bench load": the load that "weir
// bench trace" records.
func newBenchLoadCommand() *cobra.Command {
	var l tracebench.Load
	var kind string
	c := &cobra.Command{
		Use:    "load",
		Short:  "Make events for the kernel's tracing",
		Hidden: true,
		Args:   cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&kind, "kind", string(tracebench.Syscalls), "what threads do: "+fmt.Sprint(tracebench.Kinds()))
	f.IntVar(&l.Count, "count", 0, "rounds of each thread")
	f.DurationVar(&l.For, "for", 0, "how long")
	f.IntVar(&l.Rate, "rate", 0, "rounds a second, of all threads")
	c.RunE = func(c *cobra.Command, _ []string) error {
		l.Kind = tracebench.Kind(kind)
		if !slices.Contains(tracebench.Kinds(), l.Kind) {
			return usageErrorf("--kind: got %q, want one of %v", kind, tracebench.Kinds())
		}
		return l.Run(c.Context(), c.InOrStdin(), c.OutOrStdout())
	}
	return c
}
