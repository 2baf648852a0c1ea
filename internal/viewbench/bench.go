// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Defaults of [Bench].
const (
	defaultEvents = 10_000_000
	defaultRuns   = 3
	quickEvents   = 50_000
	sharedMemory  = "/dev/shm"
)

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	Weir       string // path of the executable
	Babeltrace string // path of babeltrace2; "": not measured

	Trace  string   // directory of a trace to read; "": one is made
	Where  string   // filter that keeps an event of a thousand; "": one for the trace made
	Events int      // of the trace that is made; 0: 10 million, quick 50 000
	Runs   int      // of each thing; 0: 3, quick 1
	Dir    string   // where files are made; "": /dev/shm, else the system's temporary directory
	Quick  bool     // small amounts of everything: figures mean little
	Only   []string // names of what to measure, see [Names]; nil: all

	// OnStep, if not nil, is called before each thing that is measured.
	OnStep func(name string)

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

// step is one thing to measure.
type step struct {
	name string
	run  func(*Bench, context.Context) ([]Row, error)
}

var steps = []step{
	{"text", (*Bench).text},
	{"decode", (*Bench).decode},
	{"filter", (*Bench).filter},
	{"memory", (*Bench).memory},
	{"seek", (*Bench).seek},
	{"write", (*Bench).write},
	{"convert", (*Bench).convert},
	{"live", (*Bench).live},
}

// Names returns what can be measured.
func Names() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// withDefaults returns a complete copy of b.
func (b Bench) withDefaults() (Bench, error) {
	b.sizes = fullSizes
	events, runs := defaultEvents, defaultRuns
	if b.Quick {
		b.sizes = quickSizes
		events, runs = quickEvents, 1
	}
	if b.Events == 0 {
		b.Events = events
	}
	if b.Runs == 0 {
		b.Runs = runs
	}
	if b.Dir == "" {
		b.Dir = os.TempDir()
		if info, err := os.Stat(sharedMemory); err == nil && info.IsDir() {
			b.Dir = sharedMemory
		}
	}
	if b.OnStep == nil {
		b.OnStep = func(string) {}
	}
	if b.Where == "" && b.Trace == "" {
		b.Where = keepFew
	}
	for _, name := range b.Only {
		if !slices.Contains(Names(), name) {
			return b, fmt.Errorf("nothing is called %q: want some of %s", name, strings.Join(Names(), ", "))
		}
	}
	return b, nil
}

// Measure measures all that was asked for. What fails is a row with its error;
// the error returned says that there was nothing to measure, or that the context
// has ended.
func (b Bench) Measure(ctx context.Context) (_ *Report, err error) {
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
	report := &Report{Machine: describeMachine(b.Dir), Events: b.Events, Runs: b.Runs}
	for _, s := range steps {
		if len(b.Only) > 0 && !slices.Contains(b.Only, s.name) {
			continue
		}
		b.OnStep(s.name)
		rows, err := s.run(&b, ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			rows = append(rows, Row{Name: s.name, Error: err.Error()})
		}
		report.Rows = append(report.Rows, rows...)
	}
	report.Load = loadAverage()
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
