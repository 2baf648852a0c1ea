// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// Rings of both daemons: bytes of each processor's.
const (
	subbufBytes = 1 << 20
	subbufCount = 8
)

// load is what the traced program does.
type load struct {
	name    string
	threads int
	events  int // of each thread
	pause   int // microseconds, after each 100
}

// took is one run of a daemon.
type took struct {
	emitted, recorded, discarded uint64
	cpu                          time.Duration // of the consumer
	stop                         time.Duration // of it, for the stop alone
	beside                       time.Duration // of the session daemon
	load                         time.Duration
}

// recorder is a session daemon that records the program.
type recorder interface {
	// run begins a session into a directory, has the load done, and ends it.
	run(ctx context.Context, out string, l load) (took, error)
	end() error
}

func (b *Bench) burst(ctx context.Context) ([]bench.Row, error) {
	return b.contest(ctx, load{name: "two threads at once", threads: 2, events: b.sizes.burst})
}

func (b *Bench) steady(ctx context.Context) ([]bench.Row, error) {
	return b.contest(ctx, load{name: "100 events at a time", threads: 1, events: b.sizes.steady, pause: 500})
}

// end measures what the end of a session costs, of which the rings are nearly empty.
func (b *Bench) end(ctx context.Context) ([]bench.Row, error) {
	ours, theirs, err := b.inTurn(ctx, load{name: "the end of a session", threads: 1, events: b.sizes.last, pause: 500})
	if err != nil {
		return nil, err
	}
	row := bench.Row{Name: fmt.Sprintf("the end of a session of %d events: CPU", b.sizes.last), Unit: "µs"}
	cost := func(t took) float64 { return float64(t.stop.Nanoseconds()) / 1e3 }
	row.Set(bench.Figures(ours, cost))
	row.Against("lttng-consumerd", bench.Figures(theirs, cost))
	return []bench.Row{row}, nil
}

// contest measures a load with both daemons in turn.
func (b *Bench) contest(ctx context.Context, l load) ([]bench.Row, error) {
	ours, theirs, err := b.inTurn(ctx, l)
	if err != nil {
		return nil, err
	}
	return contestRows(l, ours, theirs), nil
}

// inTurn has both daemons record a load, again and again.
func (b *Bench) inTurn(ctx context.Context, l load) (ours, theirs []took, err error) {
	for range b.Runs {
		b.OnStep(l.name + ": weir")
		t, err := b.record(ctx, b.startWeir, l)
		if err != nil {
			return nil, nil, err
		}
		ours = append(ours, t)
		if b.Sessiond == "" {
			continue
		}
		b.OnStep(l.name + ": lttng-sessiond")
		if t, err = b.record(ctx, b.startSessiond, l); err != nil {
			return nil, nil, err
		}
		theirs = append(theirs, t)
	}
	return ours, theirs, nil
}

func contestRows(l load, ours, theirs []took) []bench.Row {
	cost := func(t took) float64 { return float64(t.cpu.Nanoseconds()) / float64(t.recorded) }
	row := bench.Row{Name: l.name + ": CPU of an event", Unit: "ns", Bar: &bench.Bar{OfRatio: true, Most: true, Must: 1, Aim: 0.7}}
	row.Set(bench.Figures(ours, cost))
	row.Against("lttng-consumerd", bench.Figures(theirs, cost))
	beside := func(t took) float64 { return float64(t.beside.Nanoseconds()) / float64(t.recorded) }
	row.Note = fmt.Sprintf("agent beside it %.1f", bench.Median(bench.Figures(ours, beside)))
	if len(theirs) > 0 {
		row.Note += fmt.Sprintf(", lttng-sessiond %.1f", bench.Median(bench.Figures(theirs, beside)))
	}
	rate := bench.Row{Name: l.name + ": emitted", Unit: "M/s"}
	speed := func(t took) float64 { return float64(t.emitted) / 1e6 / t.load.Seconds() }
	rate.Set(bench.Figures(ours, speed))
	rate.Against("lttng-consumerd", bench.Figures(theirs, speed))
	lost := bench.Row{Name: l.name + ": discarded", Unit: "%"}
	share := func(t took) float64 { return 100 * float64(t.discarded) / float64(t.emitted) }
	lost.Set(bench.Figures(ours, share))
	lost.Against("lttng-consumerd", bench.Figures(theirs, share))
	missing := bench.Row{Name: l.name + ": emitted, not recorded and not discarded", Unit: "events", Bar: &bench.Bar{Most: true}}
	off := func(t took) float64 { return float64(t.emitted) - float64(t.recorded+t.discarded) }
	missing.Set(bench.Figures(ours, off))
	missing.Against("lttng-consumerd", bench.Figures(theirs, off))
	return []bench.Row{row, rate, lost, missing}
}

// record records a load with a daemon, into files, and counts what is in them.
func (b *Bench) record(ctx context.Context, start func(context.Context) (recorder, error), l load) (t took, err error) {
	dir, err := os.MkdirTemp(b.scratch, "trace-")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := start(ctx)
	if err != nil {
		return t, err
	}
	out := filepath.Join(dir, "out")
	t, err = r.run(ctx, out, l)
	if err = errors.Join(err, r.end()); err != nil {
		return t, err
	}
	t.emitted = uint64(l.threads) * uint64(l.events)
	t.recorded, t.discarded, err = b.count(ctx, out)
	if err == nil && t.recorded == 0 {
		err = errors.New("no event was recorded")
	}
	return t, err
}
