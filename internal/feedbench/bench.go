// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// DefaultRuns is how often each thing that is compared is measured.
const DefaultRuns = 3

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	bench.Plan               // names: see [Names]; runs: [DefaultRuns]
	NATS       string        // path of nats-server; "": not measured
	Kills      int           // of the worker; 0: as many as the plan's size says
	Seeds      int           // storms on each file system; 0: likewise
	Soak       time.Duration // 0: likewise

	scratch string // directory for all files, removed in the end
	sizes   sizes
}

// sizes is how much is measured.
type sizes struct {
	storm    int // files of a run
	messages int // that the peer gets
	latency  time.Duration
	cost     int // files of a run
	feeds    int
	files    int // that are observed
	rows     int // files of the sink's run
	soak     time.Duration
	kills    int
	seeds    int
	tries    int // operations that each worker of a storm tries
}

var (
	fullSizes = sizes{
		storm: 60_000, messages: 6000, latency: 10 * time.Second, cost: 60_000, feeds: 250, files: 1_000_000,
		rows: 100_000, soak: time.Minute, kills: 50, seeds: 5, tries: 3000,
	}
	quickSizes = sizes{
		storm: 1000, messages: 100, latency: 300 * time.Millisecond, cost: 1000, feeds: 10, files: 2000,
		rows: 1000, soak: 2 * time.Second, kills: 2, seeds: 1, tries: 300,
	}
)

func (b *Bench) steps() []bench.Step {
	return []bench.Step{
		{Name: "storm", Run: b.storm},
		{Name: "jetstream", Run: b.jetStream},
		{Name: "latency", Run: b.latency},
		{Name: "cost", Run: b.cost},
		{Name: "feeds", Run: b.feeds},
		{Name: "files", Run: b.files},
		{Name: "sqlite", Run: b.sqlite},
		{Name: "soak", Run: b.soak},
		{Name: "kills", Run: b.kills},
		{Name: "storms", Run: b.storms},
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
	if b.Kills > 0 {
		b.sizes.kills = b.Kills
	}
	if b.Seeds > 0 {
		b.sizes.seeds = b.Seeds
	}
	if b.Soak > 0 {
		b.sizes.soak = b.Soak
	}
	if b.Dir == "" {
		b.Dir = os.TempDir() // a disk, as it may be: syncing is what is measured
	}
	b.Plan, err = b.Plan.WithDefaults(DefaultRuns, b.steps())
	return b, err
}

// Measure measures all that was asked for. What fails is a row with its error; the
// error returned says that there was nothing to measure, or that the context has ended.
// It is to be called in a namespace of mounts of its own, see [Namespace].
func (b Bench) Measure(ctx context.Context) (_ *bench.Report, err error) {
	if b, err = b.withDefaults(); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("watching file systems takes root: %w", os.ErrPermission)
	}
	if b.scratch, err = os.MkdirTemp(b.Dir, "weir-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	return b.Plan.Measure(ctx, b.steps())
}
