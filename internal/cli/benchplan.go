// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
)

// benchPlan holds the flags of a measurement of weir in turn with a peer.
type benchPlan struct {
	plan *bench.Plan
	peer string  // the program's name, and the flag's
	file *string // of the peer; "" when there is none
	benchForm
}

// addFlags adds the flags of a measurement of things, which are taken runs
// times by default.
func (p *benchPlan) addFlags(c *cobra.Command, things []string, runs int) {
	f := c.Flags()
	f.StringVar(&p.plan.Weir, "weir", "", "measure this `FILE` instead of this program")
	f.StringVar(p.file, p.peer, "", "compare with this `FILE`; none: with nothing; default: "+p.peer+" if it is installed")
	f.StringSliceVar(&p.plan.Only, "only", nil, "measure these `THINGS`: "+strings.Join(things, ", "))
	f.StringVar(&p.plan.Dir, "dir", "", "make traces below `DIR`; default: /dev/shm")
	f.IntVar(&p.plan.Runs, "runs", 0, fmt.Sprintf("run each thing `N` times; default: %d, with --quick 1", runs))
	f.BoolVar(&p.plan.Quick, "quick", false, "measure small amounts")
	p.benchForm.addFlags(c)
}

// complete fills in what the flags left open.
func (p *benchPlan) complete() (err error) {
	if p.plan.Runs < 0 {
		return usageErrorf("--runs: got %d, want a number from 0", p.plan.Runs)
	}
	switch *p.file {
	case "":
		*p.file = installed(p.peer)
	case "none":
		*p.file = ""
	}
	if p.plan.Weir == "" {
		p.plan.Weir, err = thisProgram()
	}
	return err
}

// run measures and prints.
func (p *benchPlan) run(ctx context.Context, stdout, stderr io.Writer, measure func(context.Context) (*bench.Report, error)) error {
	if err := p.complete(); err != nil {
		return err
	}
	status := newStatusLine(stderr)
	p.plan.OnStep = status.show
	report, err := measure(ctx)
	status.show("")
	if err != nil {
		return err
	}
	return p.print(stdout, report)
}
