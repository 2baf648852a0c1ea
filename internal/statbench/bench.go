// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// DefaultRuns is how often each thing that has a spread is measured.
const DefaultRuns = 5

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	bench.Plan        // names: see [Names]; runs: [DefaultRuns]
	Exporter   string // path of prometheus-node-exporter; "": not measured

	sizes sizes
}

// sizes is how much is measured.
type sizes struct {
	messages, warm int // of a run, before it
	growth         int
	clients        int
	samples        int // of which allocations are counted
	settle         time.Duration
	processes      int           // of a crowded host
	crowded        int           // messages of it
	scrapes        int           // of a run
	pace           time.Duration // of scrapes at an interval
	paced          int           // of a run
	unmeasured     time.Duration // before the first run
	hung           int           // messages
	hosts          int           // that are watched
	watched        time.Duration
}

var (
	fullSizes  = sizes{messages: 10_000, warm: 1000, growth: 1_000_000, clients: 10, samples: 2000, settle: 2 * time.Second, processes: 1000, crowded: 500, scrapes: 500, pace: 15 * time.Second, paced: 2, unmeasured: 50 * time.Second, hung: 400, hosts: 1000, watched: 20 * time.Second}
	quickSizes = sizes{messages: 200, warm: 20, growth: 2000, clients: 10, samples: 50, processes: 1, crowded: 20, scrapes: 10, pace: 200 * time.Millisecond, paced: 1, hung: 10, hosts: 20, watched: 2 * time.Second}
)

func (b *Bench) steps() []bench.Step {
	return []bench.Step{
		{Name: "message", Run: b.legacy},
		{Name: "default", Run: b.defaults},
		{Name: "tasks", Run: b.tasks},
		{Name: "processes", Run: b.processes},
		{Name: "scrape", Run: b.scrape},
		{Name: "interval", Run: b.interval},
		{Name: "hung", Run: b.hung},
		{Name: "top", Run: b.top},
		{Name: "allocations", Run: b.allocations},
		{Name: "memory", Run: b.memory},
		{Name: "growth", Run: b.growth},
	}
}

// Names returns what can be measured.
func Names() []string { return bench.Names((&Bench{}).steps()) }

// Measure measures all that was asked for. What fails is a row with its error;
// the error returned says that the context has ended, or that the plan is none.
func (b Bench) Measure(ctx context.Context) (_ *bench.Report, err error) {
	b.sizes = fullSizes
	if b.Quick {
		b.sizes = quickSizes
	}
	if b.Plan, err = b.Plan.WithDefaults(DefaultRuns, b.steps()); err != nil {
		return nil, err
	}
	return b.Plan.Measure(ctx, b.steps())
}
