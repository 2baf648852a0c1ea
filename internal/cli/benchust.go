// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/ustbench"
)

// newBenchUSTCommand returns "weir bench ust".
func newBenchUSTCommand() *cobra.Command {
	var b ustbench.Bench
	c := &cobra.Command{
		Use:   "ust",
		Short: "Measure recording applications",
		Long: `Record a program of the bench's own, which is linked with LTTng-UST, with a
session daemon of its own, and print what that costs and whether all events are
accounted for. Where lttng-sessiond is installed it takes turns with weir: the same
program and ring sizes, into files.

  burst   two threads that emit as fast as they can: CPU time of the consumer for
          each event next to lttng-consumerd's, losses
  steady  100 events at a time, with pauses
  end     CPU time of the consumer for the end of a session

What was emitted has to be recorded or discarded, all of it. Figures are medians; ×
is weir's figure divided by the peer's. What is reached of "must" and "aim", the
bars of the project, stands in the last column. It needs root, gcc and the headers
of LTTng-UST. The exit code is 1 when something could not be measured.`,
		Example: `  weir bench ust --quick
  weir bench ust --runs 5 --markdown`,
		Args: cobra.NoArgs,
	}
	p := benchPlan{plan: &b.Plan, peer: "lttng-sessiond", file: &b.Sessiond}
	p.addFlags(c, ustbench.Names(), ustbench.DefaultRuns)
	c.RunE = measuring(func(ctx context.Context, stdout, stderr io.Writer) error {
		return p.run(ctx, stdout, stderr, func(ctx context.Context) (*bench.Report, error) { return b.Measure(ctx) })
	})
	return c
}
