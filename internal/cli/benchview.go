// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/viewbench"
)

// newBenchViewCommand returns "weir bench view".
func newBenchViewCommand() *cobra.Command {
	var b viewbench.Bench
	c := &cobra.Command{
		Use:   "view",
		Short: "Measure reading, showing, converting and writing traces",
		Long: `Measure how fast traces are read, shown, filtered, converted and written, how
soon a window of a long trace is found, how much memory it takes, and how late
events of a live session are shown. Where babeltrace2 is installed and does the
same it takes turns with weir, and both texts are compared.

Figures are medians; × is weir's figure divided by the peer's. Rates are for each
second of CPU time, unless the unit says otherwise. What is reached of "must" and
"aim", the bars of the project, stands in the last column. The exit code is 1
when something could not be measured or texts differ.

A trace is made as a program with LTTng-UST writes it: two streams of events with
three contexts, an integer and a text. With --trace one that is there is taken; a
filter for it that keeps little is named with --where, else filtering and
converting are left out.`,
		Example: `  weir bench view --quick
  weir bench view --runs 5 --markdown
  weir bench view --only text,decode --trace ~/lttng-traces/demo`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&b.Trace, "trace", "", "read the trace in `DIR`")
	f.StringVar(&b.Where, "where", "", "filter `EXPR` that keeps few events, with --trace")
	f.IntVar(&b.Events, "events", 0, "make a trace of `N` events; default: 10 million, with --quick 50000")
	p := benchPlan{plan: &b.Plan, peer: "babeltrace2", file: &b.Babeltrace}
	p.addFlags(c, viewbench.Names(), viewbench.DefaultRuns)
	c.RunE = measuring(func(ctx context.Context, stdout, stderr io.Writer) error {
		if b.Events < 0 {
			return usageErrorf("--events: got %d, want a number from 0", b.Events)
		}
		return p.run(ctx, stdout, stderr, func(ctx context.Context) (*bench.Report, error) { return b.Measure(ctx) })
	})
	return c
}
