// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/bench"
)

// contentRing is the size of each processor's ring: large enough for both recorders to
// lose nothing while they share the processors with the load.
const contentRing = 64 << 20

// content records loads with both recorders at once, and compares what they have of
// the loads' threads: these live when both record, from their first event to their
// last. The values of each field are compared for a mixed load of ordinary programs.
func (b *Bench) content(ctx context.Context) ([]bench.Row, error) {
	if b.TraceCmd == "" {
		return nil, nil
	}
	row := func(name string, d *differences) bench.Row {
		return bench.Row{
			Name: name, Unit: "events", Runs: 1, Bar: &bench.Bar{Most: true}, Weir: float64(d.events),
			Note: fmt.Sprintf("of %d of the load's%s", d.all, d.text()),
		}
	}
	var storm, mixed differences
	err := b.withBoth(ctx, func() ([]int, error) {
		return b.shortLife(ctx, Load{Kind: Storm, Count: b.sizes.content})
	}, func(r *both) (err error) {
		storm, err = r.compare(ctx, keysOnly)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	err = b.withBoth(ctx, func() ([]int, error) { return b.mixedLoad(ctx) }, func(r *both) (err error) {
		mixed, err = r.compare(ctx, withValues)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ordinary programs: %w", err)
	}
	return []bench.Row{
		row("content of a storm: events that differ by processor, thread and name", &storm),
		row("content of ordinary programs: events that differ by processor, thread and name", mixed.keys),
		row(fmt.Sprintf("content of ordinary programs: events that differ by a value, of %d fields of %d event types", mixed.fields, mixed.types), &mixed),
	}, nil
}

// both is what two recorders have of one load.
type both struct {
	b    *Bench
	ours string // directory of weir's trace
	file string // of trace-cmd
	tids threads
}

// withBoth records a load with both recorders, which returns the threads that it
// began with, and hands on what they have.
func (b *Bench) withBoth(ctx context.Context, load func() ([]int, error), do func(*both) error) (err error) {
	dir, err := os.MkdirTemp(b.scratch, "trace-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return b.withDaemon(ctx, func(d *daemon) (err error) {
		r := &both{b: b, ours: filepath.Join(dir, "out")}
		s, err := d.open(ctx, wanted{
			rules: []agent.EventRule{rule(agent.AllEvents, "*")}, context: []string{"tid"}, naming: "tracefs", to: r.ours, ring: contentRing,
			// The kernel counts what happens between the event of a switch and the
			// switch itself to the thread that comes: each recorder would lack
			// what the load does when it makes room for that one's own threads.
			self: true,
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		if err := s.start(ctx); err != nil {
			return err
		}
		t, err := b.startTraceCmd(ctx, []string{"all"}, contentRing, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		tids, err := load()
		if err != nil {
			return err
		}
		recorded, err := t.stop()
		if err != nil {
			return err
		}
		if err := s.stop(ctx); err != nil {
			return err
		}
		n, err := s.counts(ctx)
		if err != nil {
			return err
		}
		if n.discarded > 0 || recorded.lost > 0 {
			return fmt.Errorf("lost events cannot be compared: weir %d, trace-cmd %d (of %d)", n.discarded, recorded.lost, recorded.events)
		}
		r.file, r.tids = t.file, newThreads(tids)
		return do(r)
	})
}

// shortLife runs a load and returns the threads that it had.
func (b *Bench) shortLife(ctx context.Context, l Load) ([]int, error) {
	g, err := b.startLoad(l)
	if err != nil {
		return nil, err
	}
	defer g.End()
	_, _, err = g.run(ctx)
	return g.tids, err
}

// threads are those of a load: the ones that it began with, and all that these have
// made.
type threads map[int]bool

func newThreads(tids []int) threads {
	t := make(threads)
	for _, tid := range tids {
		t[tid] = true
	}
	return t
}

// fork takes note of a thread that another one has made.
func (t threads) fork(parent, child int) {
	if t[parent] {
		t[child] = true
	}
}
