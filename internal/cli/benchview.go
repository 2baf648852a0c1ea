// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/viewbench"
)

// benchView holds the flags of "weir bench view".
type benchView struct {
	weir, babeltrace string
	trace, where     string
	only             []string
	dir              string
	events, runs     int
	quick            bool
	benchForm
}

// newBenchViewCommand returns "weir bench view".
func newBenchViewCommand() *cobra.Command {
	b := &benchView{}
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
	f.StringVar(&b.weir, "weir", "", "measure this `FILE` instead of this program")
	f.StringVar(&b.babeltrace, "babeltrace2", "", "compare with this `FILE`; none: with nothing; default: babeltrace2 if it is installed")
	f.StringVar(&b.trace, "trace", "", "read the trace in `DIR`")
	f.StringVar(&b.where, "where", "", "filter that keeps few events, with --trace")
	f.StringSliceVar(&b.only, "only", nil, "measure these `THINGS`: "+strings.Join(viewbench.Names(), ", "))
	f.StringVar(&b.dir, "dir", "", "make traces below `DIR`; default: /dev/shm")
	f.IntVar(&b.events, "events", 0, "make a trace of `N` events; default: 10 million, with --quick 50000")
	f.IntVar(&b.runs, "runs", 0, "run each thing `N` times; default: 3, with --quick 1")
	f.BoolVar(&b.quick, "quick", false, "measure small amounts")
	b.benchForm.addFlags(c)
	c.RunE = measuring(b.run)
	return c
}

// run measures and prints.
func (b *benchView) run(ctx context.Context, stdout, stderr io.Writer) error {
	bench, err := b.bench()
	if err != nil {
		return err
	}
	status := newStatusLine(stderr)
	bench.OnStep = status.show
	report, err := bench.Measure(ctx)
	status.show("")
	if err != nil {
		return err
	}
	return b.print(stdout, report)
}

// bench returns the measuring program as the flags describe it.
func (b *benchView) bench() (viewbench.Bench, error) {
	measured := viewbench.Bench{
		Plan:       bench.Plan{Weir: b.weir, Runs: b.runs, Dir: b.dir, Quick: b.quick, Only: b.only},
		Babeltrace: b.babeltrace, Trace: b.trace, Where: b.where, Events: b.events,
	}
	if b.events < 0 || b.runs < 0 {
		return measured, usageErrorf("--events and --runs: want a number from 0")
	}
	if b.weir == "" {
		self, err := thisProgram()
		if err != nil {
			return measured, err
		}
		measured.Weir = self
	}
	switch b.babeltrace {
	case "":
		measured.Babeltrace = installed("babeltrace2")
	case "none":
		measured.Babeltrace = ""
	}
	return measured, nil
}
