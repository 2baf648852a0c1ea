// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

const (
	defaultRuns  = 5
	sharedMemory = "/dev/shm"
)

// Bench measures a weir executable. Its zero value lacks only Weir.
type Bench struct {
	Weir     string // path of the executable
	TraceCmd string // path of trace-cmd; "": not measured

	Runs  int      // of each thing that is compared; 0: 5, quick 1
	Dir   string   // where files are made; "": /dev/shm, else the system's temporary directory
	Quick bool     // small amounts of everything: figures mean little
	Only  []string // names of what to measure, see [Names]; nil: all

	// OnStep, if not nil, is called before each thing that is measured.
	OnStep func(name string)

	scratch string // directory for all files, removed in the end
	sizes   sizes
}

// sizes is how much is measured.
type sizes struct {
	syscalls, switches, storm int           // rounds of each thread
	content                   int           // likewise
	saturated, live, idle     time.Duration // how long
	moves                     int
	away                      time.Duration
	awayRate                  int // bytes a second
}

var (
	fullSizes = sizes{
		syscalls: 2_000_000, switches: 300_000, storm: 60_000, content: 20_000,
		saturated: 5 * time.Second, live: 10 * time.Second, idle: 10 * time.Second,
		moves: 50, away: 20 * time.Second, awayRate: 20_000_000,
	}
	quickSizes = sizes{
		syscalls: 20_000, switches: 2000, storm: 300, content: 200,
		saturated: 200 * time.Millisecond, live: time.Second, idle: 500 * time.Millisecond,
		moves: 4, away: time.Second, awayRate: 1_000_000,
	}
)

// step is one thing to measure.
type step struct {
	name string
	run  func(*Bench, context.Context) ([]Row, error)
}

var steps = []step{
	{"drain", (*Bench).drain},
	{"saturated", (*Bench).saturated},
	{"content", (*Bench).content},
	{"live", (*Bench).live},
	{"idle", (*Bench).idle},
	{"switch", (*Bench).moving},
	{"away", (*Bench).away},
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
	runs := defaultRuns
	if b.Quick {
		b.sizes, runs = quickSizes, 1
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
	for _, name := range b.Only {
		if !slices.Contains(Names(), name) {
			return b, fmt.Errorf("nothing is called %q: want some of %s", name, strings.Join(Names(), ", "))
		}
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
func (b Bench) Measure(ctx context.Context) (_ *Report, err error) {
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
	report := &Report{Machine: describeMachine(b.Dir), Load: loadAverage(), Runs: b.Runs}
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
	report.LoadEnd = loadAverage()
	return report, nil
}
