// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// Defaults of [Bench].
const (
	defaultRuns    = 5
	defaultTimeout = 5 * time.Minute
)

// Units of the figures.
const (
	mib = 1 << 20
	gib = 1 << 30
)

// Bench measures relays against each other. Its zero value lacks only Relays.
type Bench struct {
	Relays  []Relay
	Runs    int           // of each workload and relay; 0 = 5
	Dir     string        // parent of the output directories; "" = [bench.DefaultDir]
	Verify  bool          // compare files and viewed packets with what was sent
	Timeout time.Duration // of one run; 0 = 5 min

	// OnStart, if not nil, is called before each run; OnRun after it.
	OnStart func(Step)
	OnRun   func(Run)
}

// Step is a run about to begin.
type Step struct {
	Number, Total int // of all runs, from 1
	Relay         string
	Workload      Workload
}

// Run is the result of one run of one relay.
type Run struct {
	Relay    string `json:"relay"`
	Number   int    `json:"run"` // from 1
	Workload `json:"workload"`

	MiBPerS         float64 `json:"mib_per_s"`        // until all is stored
	ViewedMiBPerS   float64 `json:"viewed_mib_per_s"` // of all viewers together, until they have all; 0 without viewers
	ViewedS         float64 `json:"viewed_s"`         // seconds until the viewers have all
	CPUPerGiB       float64 `json:"cpu_s_per_gib"`    // of the relay and its children, per GiB stored
	PeakMiB         float64 `json:"rss_mib"`          // peak resident set of the relay
	ChildrenMiB     float64 `json:"rss_children_mib"` // the same of its child processes, added up
	GeneratorPerGiB float64 `json:"generator_cpu_s_per_gib"`

	Error string `json:"error,omitempty"` // why there are no figures
}

// withDefaults returns a complete copy of b.
func (b Bench) withDefaults() (Bench, error) {
	if b.Runs == 0 {
		b.Runs = defaultRuns
	}
	if b.Timeout == 0 {
		b.Timeout = defaultTimeout
	}
	if b.Dir == "" {
		b.Dir = bench.DefaultDir()
	}
	if b.OnStart == nil {
		b.OnStart = func(Step) {}
	}
	if b.OnRun == nil {
		b.OnRun = func(Run) {}
	}
	if info, err := os.Stat(b.Dir); err != nil {
		return b, fmt.Errorf("directory for output: %w", err)
	} else if !info.IsDir() {
		return b, fmt.Errorf("directory for output: %s is not a directory", b.Dir)
	}
	return b, b.checkRelays()
}

// checkRelays returns an error if the relays cannot be run or told apart.
func (b Bench) checkRelays() error {
	if len(b.Relays) == 0 {
		return errors.New("no relay to measure")
	}
	seen := map[string]bool{}
	for _, r := range b.Relays {
		if seen[r.Label] {
			return fmt.Errorf("two relays are called %q: give them labels", r.Label)
		}
		seen[r.Label] = true
		if _, err := exec.LookPath(r.Command[0]); err != nil {
			return fmt.Errorf("relay %s: %w", r.Label, err)
		}
	}
	return nil
}

// Measure runs each workload with each relay, the relays taking turns. Runs
// that fail are part of the report; the error says that nothing could be
// measured, or that the context ended.
func (b Bench) Measure(ctx context.Context, workloads []Workload) (*Report, error) {
	b, err := b.withDefaults()
	if err != nil {
		return nil, err
	}
	report := &Report{Machine: describeMachine(b.Dir), RunsEach: b.Runs}
	for _, r := range b.Relays {
		report.Relays = append(report.Relays, r.Label)
	}
	step := Step{Total: len(workloads) * b.Runs * len(b.Relays)}
	for _, w := range workloads {
		w = w.withDefaults()
		for number := range b.Runs {
			for _, relay := range b.Relays {
				step.Number++
				step.Relay, step.Workload = relay.Label, w
				b.OnStart(step)
				run := b.run(ctx, relay, w)
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				run.Number = number + 1
				report.Runs = append(report.Runs, run)
				b.OnRun(run)
			}
		}
	}
	return report, nil
}

// run measures a fresh relay.
func (b Bench) run(ctx context.Context, relay Relay, w Workload) Run {
	result := Run{Relay: relay.Label, Workload: w}
	err := b.withRelay(ctx, relay, func(ctx context.Context, p process) error {
		l, err := Open(ctx, p.Ports, w, b.Verify)
		if err != nil {
			return err
		}
		defer l.Close()
		if err := p.measure(ctx, l, &result); err != nil {
			return err
		}
		return b.conclude(p, l, nil)
	})
	if err != nil {
		return Run{Relay: relay.Label, Workload: w, Error: err.Error()}
	}
	return result
}

// measure runs a load and fills in the figures.
func (p process) measure(ctx context.Context, l *Load, result *Run) error {
	before, err := p.readClocks()
	if err != nil {
		return err
	}
	outcome, err := l.Run(ctx)
	if err != nil {
		return p.Explain(err)
	}
	after, err := p.readClocks()
	if err != nil {
		return err
	}
	result.MiBPerS = float64(outcome.Bytes) / mib / outcome.Stored.Seconds()
	if outcome.Viewed > 0 {
		result.ViewedS = outcome.Viewed.Seconds()
		result.ViewedMiBPerS = float64(outcome.ViewedBytes) / mib / outcome.Viewed.Seconds()
	}
	result.CPUPerGiB = after.relay.Since(before.relay).Seconds() / float64(outcome.Bytes) * gib
	result.GeneratorPerGiB = after.self.Since(before.self).Seconds() / float64(outcome.Bytes) * gib
	return p.measureMemory(result)
}

// conclude ends sessions, their readers and the relay in order, and then looks
// at the files.
func (b Bench) conclude(p process, l *Load, readers []*reader) error {
	if err := l.Finish(); err != nil {
		return p.Explain(err)
	}
	l.Close()
	for _, r := range readers {
		<-r.ended
	}
	if err := p.Stop(); err != nil {
		return err
	}
	if b.Verify {
		return l.verify(p.Output)
	}
	return nil
}

// withRelay runs do with a fresh relay and an empty directory, both of which
// are gone when it returns.
func (b Bench) withRelay(ctx context.Context, relay Relay, do func(context.Context, process) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.Timeout, fmt.Errorf("not done after %v", b.Timeout))
	defer cancel()
	dir, err := os.MkdirTemp(b.Dir, "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := startRelay(ctx, relay, dir)
	if err != nil {
		return err
	}
	// A load that waits for the relay goes on when that ends.
	defer context.AfterFunc(ctx, func() { _ = p.Stop() })()
	defer func() {
		// Harmless when do has stopped it already. How a relay ends that
		// failed before is no second finding.
		if stopErr := p.Stop(); err == nil {
			err = stopErr
		}
	}()
	return do(ctx, p)
}
