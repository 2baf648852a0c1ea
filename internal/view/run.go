// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/progress"
)

// Selection says what is shown of some traces.
type Selection struct {
	Window       Window // [All] for all
	Intersection bool   // of each trace only the time that all its streams have in common
	Head         int    // events to show, the first ones; 0: all
	Tail         int    // events to show, the last ones; 0: all

	// Keep makes a test of whether an event is shown; each lane makes its own.
	// nil: all are.
	Keep func() func(*ctf.Event) bool
	// Host reports whether the traces of a host are shown. nil: all are.
	Host func(hostname string) bool
}

// laned is a sink whose events can be written ahead of the merge, but for what
// depends on their order.
type laned interface {
	Sink
	// newWriter returns what writes the events of a lane.
	newWriter() Writer
	// ordered takes what a lane's writer has written of an event when its turn
	// has come.
	ordered(s *ctf.Stream, m Moment, rest []byte) error
}

// Run shows traces in a sink. It does not close the sink.
type Run struct {
	Set    *ctf.Set
	Select Selection
	Sink   Sink
	Jobs   int // processors to use; 1: everything on the caller's goroutine; 0: all

	progress.Counter // packets that have been read, and events that have been shown

	sliceBytes int // of packets in a slice of the time line; 0: as suits
}

// errEnough ends a run that has shown all that was asked for.
var errEnough = errors.New("enough")

// Run runs until all is shown, ctx ends or the sink fails. What lies before the
// first error of a stream is shown before the error is returned.
func (r *Run) Run(ctx context.Context) error {
	count := &counter{limit: r.Select.Head, shown: &r.Events}
	if r.Select.Tail > 0 {
		n, err := r.count(ctx)
		if err != nil {
			return err
		}
		count.skip = max(0, n-int64(r.Select.Tail))
	}
	cursors := r.cursors()
	var err error
	lanes, laned := lanedOf(r.Sink)
	slices, sliced := slicedOf(r.Sink)
	var cuts []cut
	if sliced && r.jobs() > 1 {
		cuts = r.cuts(cursors)
	}
	parts, apart := r.Sink.(unordered)
	switch {
	case apart && r.Select.Head == 0 && r.Select.Tail == 0:
		err = r.inParts(ctx, cursors, parts)
	case cuts != nil:
		err = r.inSlices(ctx, cursors, cuts, slices)
	case laned && r.jobs() > 1:
		err = r.inLanes(ctx, cursors, lanes, count)
	default:
		err = r.inOne(ctx, cursors, count)
	}
	if err == io.EOF || err == errEnough {
		return nil
	}
	return err
}

// count returns how many events are selected.
func (r *Run) count(ctx context.Context) (int64, error) {
	all := &Run{Set: r.Set, Select: r.Select, Sink: countOnly{}, Jobs: r.Jobs}
	all.Select.Tail, all.Select.Head = 0, 0
	err := all.Run(ctx)
	return all.Events.Load(), err
}

// countOnly is a sink that shows nothing.
type countOnly struct{}

func (countOnly) Event(*ctf.Stream, *ctf.Event) error { return nil }
func (countOnly) Loss(*ctf.Stream, *ctf.Loss) error   { return nil }
func (countOnly) Flush() error                        { return nil }
func (countOnly) Close() error                        { return nil }
func (countOnly) newPart() Sink                       { return countOnly{} }
func (countOnly) join(Sink)                           {}

// counter counts the events of a run that come up in order.
type counter struct {
	n     int64
	skip  int64 // the first ones that are not shown
	limit int   // events to show; 0: all behind those
	shown *atomic.Int64
}

// next counts an event. It reports whether to show it, and whether it is the
// last one.
func (c *counter) next() (show, last bool) {
	c.n++
	if c.n%4096 == 0 {
		c.shown.Store(c.n)
	}
	return c.n > c.skip, c.limit > 0 && c.n-c.skip >= int64(c.limit)
}

// cursors returns the cursors of the streams that are shown, where to begin.
func (r *Run) cursors() []*ctf.Cursor {
	var shown []*ctf.Stream
	for _, s := range r.Set.Streams() {
		host, _ := s.Trace.Schema.EnvString("hostname")
		if r.Select.Host == nil || r.Select.Host(host) {
			shown = append(shown, s)
		}
	}
	cursors := make([]*ctf.Cursor, len(shown))
	for i, s := range shown {
		cursors[i] = ctf.NewCursor(s, r.Set.Window(len(shown)))
		if w := r.window(s); w.Begin != math.MinInt64 {
			cursors[i].SeekTime(w.Begin)
		}
	}
	return cursors
}

// window returns what is shown of a stream.
func (r *Run) window(s *ctf.Stream) Window {
	w := r.Select.Window
	if r.Select.Intersection {
		if begin, end, ok := s.Trace.Bounds(); ok {
			w.Begin, w.End = max(w.Begin, begin), min(w.End, end)
		}
	}
	return w
}

func (r *Run) keep() func(*ctf.Event) bool {
	if r.Select.Keep == nil {
		return nil
	}
	return r.Select.Keep()
}

// deal gives the streams to lanes, so that all have about as much to read.
func (r *Run) deal(cursors []*ctf.Cursor) [][]*ctf.Cursor {
	n := min(lanesPerJob*r.jobs(), len(cursors))
	slices.SortStableFunc(cursors, func(a, b *ctf.Cursor) int {
		return cmp.Compare(b.Stream().Bytes(), a.Stream().Bytes())
	})
	hands, bytes := make([][]*ctf.Cursor, n), make([]int64, n)
	for _, c := range cursors {
		least := 0
		for i := range bytes {
			if bytes[i] < bytes[least] {
				least = i
			}
		}
		hands[least] = append(hands[least], c)
		bytes[least] += c.Stream().Bytes() + 1
	}
	return hands
}

// lanesPerJob is the number of lanes for each processor: while some wait for
// their turn in the order, others have work.
const lanesPerJob = 2

func (r *Run) jobs() int {
	if r.Jobs > 0 {
		return r.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// inLanes reads the streams in lanes, each on a goroutine of its own.
func (r *Run) inLanes(ctx context.Context, cursors []*ctf.Cursor, sink laned, count *counter) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait() // for the lanes, which end once stopped
	defer stop()
	var lanes []*lane
	for _, hand := range r.deal(cursors) {
		l := newLane(ctx, hand, r, sink.newWriter())
		lanes = append(lanes, l)
		wg.Go(func() { l.run(ctx) })
	}
	defer func() { count.shown.Store(count.n) }()
	m := ctf.NewMerger(lanes)
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, kind, err := m.Next()
		if err != nil {
			return err
		}
		if kind != ctf.EventRecord {
			if err := sink.Loss(l.Stream(), l.batch.items[l.at].loss); err != nil {
				return err
			}
			continue
		}
		show, last := count.next()
		if show {
			if err := sink.ordered(l.Stream(), l.moment(), l.rest()); err != nil {
				return err
			}
		}
		if last {
			return errEnough
		}
	}
}

// inOne does everything on the caller's goroutine.
func (r *Run) inOne(ctx context.Context, cursors []*ctf.Cursor, count *counter) error {
	defer closeAll(cursors)
	defer func() { count.shown.Store(count.n) }()
	m := ctf.NewMerger(r.sieves(ctx, cursors))
	for {
		c, kind, err := m.Next()
		if err != nil {
			return err
		}
		if kind != ctf.EventRecord {
			if err := r.Sink.Loss(c.Stream(), c.Loss()); err != nil {
				return err
			}
			continue
		}
		show, last := count.next()
		if show {
			if err := r.Sink.Event(c.Stream(), c.Event()); err != nil {
				return err
			}
		}
		if last {
			return errEnough
		}
	}
}

func closeAll(cursors []*ctf.Cursor) {
	for _, c := range cursors {
		c.Close()
	}
}
