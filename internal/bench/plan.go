// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Plan says what of a benchmark is measured, how often and where.
type Plan struct {
	Weir  string   // path of the executable
	Runs  int      // of each thing; 0: as many as the benchmark makes, quick 1
	Dir   string   // where files are made; "": [DefaultDir]
	Quick bool     // small amounts of everything: figures mean little
	Only  []string // names of what to measure; nil: all

	// OnStep, if not nil, is called before each thing that is measured.
	OnStep func(name string)
}

// WithDefaults returns a complete copy of a plan for steps.
func (p Plan) WithDefaults(runs int, steps []Step) (Plan, error) {
	if p.Quick {
		runs = 1
	}
	if p.Runs == 0 {
		p.Runs = runs
	}
	if p.Dir == "" {
		p.Dir = DefaultDir()
	}
	if p.OnStep == nil {
		p.OnStep = func(string) {}
	}
	all := Names(steps)
	for _, name := range p.Only {
		if !slices.Contains(all, name) {
			return p, fmt.Errorf("nothing is called %q: want some of %s", name, strings.Join(all, ", "))
		}
	}
	return p, nil
}

// DefaultDir is where benchmarks make files: /dev/shm, whose speed is that of
// the memory, else the system's temporary directory.
func DefaultDir() string {
	const sharedMemory = "/dev/shm"
	if info, err := os.Stat(sharedMemory); err == nil && info.IsDir() {
		return sharedMemory
	}
	return os.TempDir()
}

// Step is one thing to measure.
type Step struct {
	Name string
	Run  func(context.Context) ([]Row, error)
}

// Names returns what can be measured.
func Names(steps []Step) []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names
}

// Measure takes those of the steps that a complete plan names. What fails is a
// row with its error; the error returned says that the context has ended.
func (p Plan) Measure(ctx context.Context, steps []Step) (*Report, error) {
	report := &Report{Machine: Machine() + ", files on " + FileSystem(p.Dir), Load: loadAverage(procfs()), Runs: p.Runs}
	for _, s := range steps {
		if len(p.Only) > 0 && !slices.Contains(p.Only, s.Name) {
			continue
		}
		p.OnStep(s.Name)
		rows, err := s.Run(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			rows = append(rows, Row{Name: s.Name, Error: err.Error()})
		}
		report.Rows = append(report.Rows, rows...)
	}
	report.LoadEnd = loadAverage(procfs())
	return report, nil
}
