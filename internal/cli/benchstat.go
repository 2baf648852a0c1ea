// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/statbench"
)

// newBenchStatCommand returns "weir bench stat".
func newBenchStatCommand() *cobra.Command {
	var b statbench.Bench
	c := &cobra.Command{
		Use:   "stat",
		Short: "Measure what host statistics cost the host",
		Long: `Read a daemon of the bench's own, "weir xmlsysd", and print what that costs it, and
what watching many costs.

  message      the message of 2002: CPU time of one, and how long it takes
  default      all that is cheap to read
  tasks        the processes of this host
  processes    the same while it has 1000
  scrape       /metrics/node, in turn with node_exporter's same families
  interval     the same at one scrape in 15 s of both at once, without what idle ones take
  hung         messages while a mount never answers, which needs root
  top          "weir top" on a terminal, with 1000 simulated hosts each second
  allocations  of reading and writing a message, in this process
  memory       resident memory with ten clients
  growth       resident memory after a million messages less that before

Nothing is shared between messages. Figures are medians. What is reached of "must"
and "aim", the bars of the project, stands in the last column. The exit code is 1
when something could not be measured.`,
		Example: `  weir bench stat --quick
  weir bench stat --runs 5 --markdown
  weir bench stat --only message,default`,
		Args: cobra.NoArgs,
	}
	p := benchPlan{plan: &b.Plan, peer: "prometheus-node-exporter", file: &b.Exporter}
	p.addFlags(c, statbench.Names(), statbench.DefaultRuns)
	c.RunE = measuring(func(ctx context.Context, stdout, stderr io.Writer) error {
		return p.run(ctx, stdout, stderr, func(ctx context.Context) (*bench.Report, error) { return b.Measure(ctx) })
	})
	return c
}
