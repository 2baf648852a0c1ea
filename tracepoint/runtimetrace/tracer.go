// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/trace"
	"time"

	exptrace "golang.org/x/exp/trace"

	"github.com/weir-io/weir/tracepoint"
	"github.com/weir-io/weir/tracepoint/internal/stopping"
)

const (
	// look is the time between two looks whether somebody records.
	look = 200 * time.Millisecond
	// maxHeld bounds the bytes of the runtime's trace that wait for conversion. A busy
	// program's second takes a few millions.
	maxHeld = 32 << 20
	// pause is the time from a failure to the next attempt: it is likely to fail too, and
	// each holds up the program.
	pause = 10 * time.Second
)

// Tracer has what the Go runtime traces recorded as events go:sched_….
type Tracer struct {
	log    *slog.Logger
	events *events
	limit  int
	asked  chan *rest // for what was traced, before a session stops

	// Of Run alone.
	inUse bool // the trace, by another, and that was told
}

// New declares the events. It panics when they are declared already: the runtime has
// one trace, and a program one Tracer.
func New(log *slog.Logger) *Tracer {
	return &Tracer{log: log, events: declare(tracepoint.NewProvider("go")), limit: maxHeld, asked: make(chan *rest)}
}

// Run has the runtime trace while somebody records the events, until the context ends.
// It returns when what was traced until then is recorded. A session that stops waits up
// to a second for that.
func (t *Tracer) Run(ctx context.Context) error {
	e := t.events
	defer stopping.Register(t.flush, e.goroutine.Name(), e.proc.Name(), e.begin.Name(), e.end.Name())()
	tick := time.NewTicker(look)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-t.asked:
			close(r.recorded) // nothing is traced
			continue
		case <-tick.C:
		}
		switch {
		case !t.events.wanted():
			t.inUse = false
			continue
		case time.Since(failed) < pause:
			continue
		}
		err := t.trace(ctx, tick.C)
		for err == errFlushed && t.events.wanted() {
			t.events.gap.Write(monotonic(), "another session has stopped")
			err = t.trace(ctx, tick.C)
		}
		if err != nil && err != errFlushed {
			t.lost(err)
			failed = time.Now()
		}
	}
}

// trace has the runtime trace, until nobody records. It returns why that could not go
// on.
func (t *Tracer) trace(ctx context.Context, tick <-chan time.Time) error {
	q := newQueue(t.limit)
	if err := trace.Start(q); err != nil {
		if !t.inUse {
			t.lost(fmt.Errorf("the runtime's trace is in use: %w", err))
		}
		t.inUse = true
		return nil // it may be free any time
	}
	t.inUse = false
	done := make(chan error, 1)
	go func() { done <- t.convert(q) }()
	r, why := t.watch(ctx, tick, q, done)
	if why == errStopped {
		q.finish()
	} else {
		trace.Stop()
	}
	if why == nil {
		q.finish()
	} else {
		q.abandon(why)
	}
	switch err := <-done; why {
	case nil:
		return r.tell(ctx, err)
	case errUnwanted:
		return nil
	default:
		return why
	}
}

// errStopped is that of a trace that another has ended.
var errStopped = errors.New("the runtime's trace: the program has stopped it")

// watch waits until the trace is to end, and returns why. After nil, what is there is
// converted, for who has asked if one has.
func (t *Tracer) watch(ctx context.Context, tick <-chan time.Time, q *queue, done chan error) (r *rest, why error) {
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case r := <-t.asked:
			return r, nil
		case err := <-done: // it has failed
			done <- err
			if failed := q.failed(); failed != nil {
				return nil, failed // the parser says what it misses, not why
			}
			return nil, err
		case <-tick:
		}
		switch {
		case !t.events.wanted():
			return nil, errUnwanted
		case !trace.IsEnabled():
			return nil, errStopped
		case q.failed() != nil:
			return nil, q.failed()
		}
	}
}

// convert makes events of what comes, no faster than twice as fast as it happened: the
// runtime hands out a second of it at once, for which there may be no room.
func (t *Tracer) convert(q *queue) error {
	pace := newPace(q)
	return newConversion(t.events).readAll(q, func(e *exptrace.Event) error {
		if e.Kind() == exptrace.EventSync {
			q.generation()
			pace.begin(e.Time())
			return nil
		}
		return pace.await(e.Time())
	})
}

// lost says that events are missing, and why.
func (t *Tracer) lost(err error) {
	t.log.Warn("goroutines are not traced", "err", err)
	t.events.gap.Write(monotonic(), err.Error())
}
