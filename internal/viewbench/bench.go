// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// Defaults of [Bench].
const (
	DefaultRuns   = 3 // of each thing
	defaultEvents = 10_000_000
	quickEvents   = 50_000
)

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	bench.Plan        // names: see [Names]; runs: [DefaultRuns]
	Babeltrace string // path of babeltrace2; "": not measured

	Trace  string // directory of a trace to read; "": one is made
	Where  string // filter that keeps an event of a thousand; "": one for the trace made
	Events int    // of the trace that is made; 0: 10 million, quick 50 000

	scratch string // directory for all files, removed in the end
	sizes   sizes
}

// sizes is how much of what is not the trace is measured.
type sizes struct {
	crowdStreams, crowdEvents int
	longBytes                 int64 // size of the trace that is sought in
	writeEvents               int
	live                      time.Duration
}

var (
	fullSizes  = sizes{crowdStreams: 1000, crowdEvents: 1_000_000, longBytes: 10 << 30, writeEvents: 10_000_000, live: 10 * time.Second}
	quickSizes = sizes{crowdStreams: 50, crowdEvents: 20_000, longBytes: 256 << 20, writeEvents: 200_000, live: time.Second}
)

func (b *Bench) steps() []bench.Step {
	return []bench.Step{
		{Name: "text", Run: b.text},
		{Name: "decode", Run: b.decode},
		{Name: "filter", Run: b.filter},
		{Name: "memory", Run: b.memory},
		{Name: "seek", Run: b.seek},
		{Name: "write", Run: b.write},
		{Name: "convert", Run: b.convert},
		{Name: "live", Run: b.live},
	}
}

// Names returns what can be measured.
func Names() []string { return bench.Names((&Bench{}).steps()) }

// withDefaults returns a complete copy of b.
func (b Bench) withDefaults() (_ Bench, err error) {
	b.sizes = fullSizes
	events := defaultEvents
	if b.Quick {
		b.sizes, events = quickSizes, quickEvents
	}
	if b.Events == 0 {
		b.Events = events
	}
	if b.Where == "" && b.Trace == "" {
		b.Where = keepFew
	}
	b.Plan, err = b.Plan.WithDefaults(DefaultRuns, b.steps())
	return b, err
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
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	report, err := b.Plan.Measure(ctx, b.steps())
	if err != nil {
		return nil, err
	}
	report.Events = b.Events
	return report, nil
}

// prepare makes the trace, or counts the events of the one that is there, which
// also brings it into the page cache.
func (b *Bench) prepare(ctx context.Context) error {
	if b.Trace == "" {
		b.OnStep("make the trace")
		b.Trace = filepath.Join(b.scratch, "trace")
		if err := makeTrace(b.Trace, shape{events: b.Events, streams: 2, packetBytes: 1 << 20}); err != nil {
			return fmt.Errorf("make the trace: %w", err)
		}
	}
	n, err := b.countEvents(ctx, b.Trace)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s: no events in it", b.Trace)
	}
	b.Events = n
	return nil
}
