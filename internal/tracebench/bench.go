// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// DefaultRuns is how often each thing that is compared is measured.
const DefaultRuns = 5

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	bench.Plan        // names: see [Names]; runs: [DefaultRuns]
	TraceCmd   string // path of trace-cmd; "": not measured

	scratch string // directory for all files, removed in the end
	sizes   sizes
}

// sizes is how much is measured.
type sizes struct {
	syscalls, switches, storm int           // rounds of each thread
	content                   int           // likewise
	files, rounds             int           // of the load of ordinary programs
	saturated, live, idle     time.Duration // how long
	moves                     int
	away                      time.Duration
	awayRate                  int // bytes a second
}

var (
	fullSizes = sizes{
		syscalls: 2_000_000, switches: 300_000, storm: 60_000, content: 20_000, files: 400, rounds: 40,
		saturated: 5 * time.Second, live: 10 * time.Second, idle: 10 * time.Second,
		moves: 50, away: 20 * time.Second, awayRate: 20_000_000,
	}
	quickSizes = sizes{
		syscalls: 20_000, switches: 2000, storm: 300, content: 200, files: 40, rounds: 5,
		saturated: 200 * time.Millisecond, live: time.Second, idle: 500 * time.Millisecond,
		moves: 4, away: time.Second, awayRate: 1_000_000,
	}
)

func (b *Bench) steps() []bench.Step {
	return []bench.Step{
		{Name: "drain", Run: b.drain},
		{Name: "saturated", Run: b.saturated},
		{Name: "content", Run: b.content},
		{Name: "live", Run: b.live},
		{Name: "idle", Run: b.idle},
		{Name: "switch", Run: b.moving},
		{Name: "away", Run: b.away},
	}
}

// Names returns what can be measured.
func Names() []string { return bench.Names((&Bench{}).steps()) }

// withDefaults returns a complete copy of b.
func (b Bench) withDefaults() (_ Bench, err error) {
	b.sizes = fullSizes
	if b.Quick {
		b.sizes = quickSizes
	}
	if b.Plan, err = b.Plan.WithDefaults(DefaultRuns, b.steps()); err != nil {
		return b, err
	}
	f, err := tracefs.Find()
	if err != nil {
		return b, fmt.Errorf("the kernel cannot be traced: %w", err)
	}
	return b, f.Close()
}

// Measure measures all that was asked for. What fails is a row with its error;
// the error returned says that there was nothing to measure, or that the context
// has ended.
func (b Bench) Measure(ctx context.Context) (_ *bench.Report, err error) {
	if b, err = b.withDefaults(); err != nil {
		return nil, err
	}
	if b.scratch, err = os.MkdirTemp(b.Dir, "weir-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	// Consumer processes are of another user.
	if err := os.Chmod(b.scratch, 0o711); err != nil {
		return nil, err
	}
	return b.Plan.Measure(ctx, b.steps())
}
