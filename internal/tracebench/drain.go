// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/procstat"
)

// contest is a load with the events that both recorders record of it.
type contest struct {
	name   string
	load   Load
	rules  []agent.EventRule
	events []string // the same in trace-cmd's words
}

func (b *Bench) contests() []contest {
	return []contest{
		{
			"raw system calls",
			Load{Kind: Syscalls, Count: b.sizes.syscalls},
			[]agent.EventRule{rule(agent.Tracepoint, "raw_syscalls:*")},
			[]string{"raw_syscalls"},
		},
		{
			"sched",
			Load{Kind: Switches, Count: b.sizes.switches},
			[]agent.EventRule{rule(agent.Tracepoint, "sched:*")},
			[]string{"sched"},
		},
		{
			"all events",
			Load{Kind: Storm, Count: b.sizes.storm},
			[]agent.EventRule{rule(agent.AllEvents, "*")},
			[]string{"all"},
		},
	}
}

// took is one run of a recorder.
type took struct {
	recorded
	load time.Duration // how long the load took
	peak float64       // resident memory of the consumer, MiB
}

// drain measures draining, converting and writing.
func (b *Bench) drain(ctx context.Context) ([]bench.Row, error) {
	var rows []bench.Row
	for _, c := range b.contests() {
		var ours, theirs []took
		for range b.Runs {
			b.OnStep("drain: " + c.name + ": weir")
			t, err := b.record(ctx, c)
			if err != nil {
				return rows, err
			}
			ours = append(ours, t)
			if b.TraceCmd == "" {
				continue
			}
			b.OnStep("drain: " + c.name + ": trace-cmd")
			if t, err = b.recordTraceCmd(ctx, c); err != nil {
				return rows, err
			}
			theirs = append(theirs, t)
		}
		rows = append(rows, contestRows(c, ours, theirs)...)
	}
	return rows, nil
}

func contestRows(c contest, ours, theirs []took) []bench.Row {
	cost := func(t took) float64 { return perEvent(t.cpu, t.events) }
	row := bench.Row{Name: c.name + ": CPU of an event", Unit: "ns", Bar: &bench.Bar{OfRatio: true, Most: true, Must: 1.2, Aim: 1}}
	row.Set(bench.Figures(ours, cost))
	row.Against("trace-cmd's recorders", bench.Figures(theirs, cost))
	beside := func(t took) float64 { return perEvent(t.beside, t.events) }
	row.Note = fmt.Sprintf("agent beside it %.1f", bench.Median(bench.Figures(ours, beside)))
	if len(theirs) > 0 {
		row.Note += fmt.Sprintf(", trace-cmd's main process %.1f", bench.Median(bench.Figures(theirs, beside)))
	}
	rate := bench.Row{Name: c.name + ": recorded", Unit: "M events"}
	recorded := func(t took) float64 { return float64(t.events) / 1e6 }
	rate.Set(bench.Figures(ours, recorded))
	rate.Against("trace-cmd", bench.Figures(theirs, recorded))
	speed := func(t took) float64 { return float64(t.events+t.lost) / 1e6 / t.load.Seconds() }
	rate.Note = fmt.Sprintf("%.1f M/s", bench.Median(bench.Figures(ours, speed)))
	if len(theirs) > 0 {
		rate.Note += fmt.Sprintf(" and %.1f M/s", bench.Median(bench.Figures(theirs, speed)))
	}
	lost := bench.Row{Name: c.name + ": lost", Unit: "%"}
	share := func(t took) float64 { return 100 * float64(t.lost) / float64(t.events+t.lost) }
	lost.Set(bench.Figures(ours, share))
	lost.Against("trace-cmd", bench.Figures(theirs, share))
	return []bench.Row{row, rate, lost}
}

func perEvent(cpu time.Duration, events uint64) float64 {
	return float64(cpu.Nanoseconds()) / float64(events)
}

// record records a load with weir, into files.
func (b *Bench) record(ctx context.Context, c contest) (t took, err error) {
	dir, err := os.MkdirTemp(b.scratch, "trace-")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		s, err := d.open(ctx, wanted{rules: c.rules, to: filepath.Join(dir, "out")})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		return b.measure(ctx, s, c.load, &t)
	})
	return t, err
}

// measure records a load in a session.
func (b *Bench) measure(ctx context.Context, s *session, l Load, t *took) (err error) {
	g, err := b.startLoad(l)
	if err != nil {
		return err
	}
	defer g.End()
	if err := s.start(ctx); err != nil {
		return err
	}
	earlier, err := s.counts(ctx)
	if err != nil {
		return err
	}
	before, err := s.clocks()
	if err != nil {
		return err
	}
	if _, t.load, err = g.run(ctx); err != nil {
		return err
	}
	if err := s.stop(ctx); err != nil {
		return err
	}
	after, err := s.clocks()
	if err != nil {
		return err
	}
	n, err := s.counts(ctx)
	if err != nil {
		return err
	}
	t.cpu, t.beside = after.consumer.Since(before.consumer), after.agent.Since(before.agent)
	t.events, t.lost = n.events-earlier.events, n.discarded-earlier.discarded
	if n.packetsLost > 0 {
		return fmt.Errorf("%d packets lost", n.packetsLost)
	}
	if t.events == 0 {
		return errors.New("no event was recorded")
	}
	m, err := procstat.ReadMemory(procstat.Host(), s.consumer)
	t.peak = float64(m.Peak) / (1 << 20)
	return err
}

// recordTraceCmd records a load with trace-cmd.
func (b *Bench) recordTraceCmd(ctx context.Context, c contest) (t took, err error) {
	g, err := b.startLoad(c.load)
	if err != nil {
		return t, err
	}
	defer g.End()
	r, err := b.startTraceCmd(ctx, c.events, ringBytes, true)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if _, t.load, err = g.run(ctx); err != nil {
		return t, err
	}
	if t.recorded, err = r.stop(); err == nil && t.events == 0 {
		err = errors.New("trace-cmd recorded no event")
	}
	return t, err
}

// saturated measures all events while the load takes all processors: system calls
// make the most.
func (b *Bench) saturated(ctx context.Context) ([]bench.Row, error) {
	all := b.contests()
	c := all[len(all)-1]
	c.load = Load{Kind: Syscalls, For: b.sizes.saturated}
	var ours []took
	for range b.Runs {
		t, err := b.record(ctx, c)
		if err != nil {
			return nil, err
		}
		ours = append(ours, t)
	}
	speed := bench.Row{Name: "saturated: events", Unit: "M/s"}
	speed.Set(bench.Figures(ours, func(t took) float64 { return float64(t.events+t.lost) / 1e6 / t.load.Seconds() }))
	lost := bench.Row{Name: "saturated: lost", Unit: "events", Bar: &bench.Bar{Most: true}}
	lost.Set(bench.Figures(ours, func(t took) float64 { return float64(t.lost) }))
	memory := bench.Row{Name: "saturated: memory", Unit: "MiB", Bar: &bench.Bar{Most: true, Must: 200, Aim: 200}}
	memory.Set(bench.Figures(ours, func(t took) float64 { return t.peak }))
	cpu := bench.Row{Name: "saturated: CPU of an event", Unit: "ns"}
	cpu.Set(bench.Figures(ours, func(t took) float64 { return perEvent(t.cpu, t.events) }))
	return []bench.Row{speed, lost, memory, cpu}, nil
}
