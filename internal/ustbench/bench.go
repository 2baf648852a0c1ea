// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weir-io/weir/internal/bench"
)

// DefaultRuns is how often each thing that is compared is measured.
const DefaultRuns = 5

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	bench.Plan        // names: see [Names]; runs: [DefaultRuns]
	Sessiond   string // path of lttng-sessiond; "": not measured

	scratch string // directory for all files, removed in the end
	program string // that is traced
	sizes   sizes
}

// sizes is how many events each thread emits.
type sizes struct {
	burst  int // as fast as it can
	steady int // with pauses
	last   int // likewise, before the end of a session
}

var (
	fullSizes  = sizes{burst: 2_000_000, steady: 300_000, last: 5000}
	quickSizes = sizes{burst: 20_000, steady: 5000, last: 1000}
)

func (b *Bench) steps() []bench.Step {
	return []bench.Step{{Name: "burst", Run: b.burst}, {Name: "steady", Run: b.steady}, {Name: "end", Run: b.end}}
}

// Names returns what can be measured.
func Names() []string { return bench.Names((&Bench{}).steps()) }

// Measure measures all that was asked for. What fails is a row with its error; the
// error returned says that there was nothing to measure, or that the context has ended.
func (b Bench) Measure(ctx context.Context) (_ *bench.Report, err error) {
	b.sizes = fullSizes
	if b.Quick {
		b.sizes = quickSizes
	}
	if b.Plan, err = b.Plan.WithDefaults(DefaultRuns, b.steps()); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("want root: each daemon has a mount namespace of its own")
	}
	if b.scratch, err = os.MkdirTemp(b.Dir, "weir-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	// Consumer processes are of another user.
	if err := os.Chmod(b.scratch, 0o711); err != nil {
		return nil, err
	}
	if b.program, err = buildProgram(ctx, b.scratch); err != nil {
		return nil, fmt.Errorf("the traced program: %w", err)
	}
	return b.Plan.Measure(ctx, b.steps())
}
