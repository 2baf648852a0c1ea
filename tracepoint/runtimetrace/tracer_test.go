// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/tracepoint"

	exptrace "golang.org/x/exp/trace"
)

// declared are the events, which a process declares once.
var declared = sync.OnceValue(func() *events { return declare(tracepoint.NewProvider("go")) })

// TestMain keeps session daemons of the machine away.
func TestMain(m *testing.M) {
	os.Setenv("WEIR_TRACE", "off")
	os.Exit(m.Run())
}

func newTracer(limit int) (*Tracer, *bytes.Buffer) {
	var log bytes.Buffer
	return &Tracer{log: slog.New(slog.NewTextHandler(&log, nil)), events: declared(), limit: limit, asked: make(chan *rest)}, &log
}

// A trace ends with what it is for, and leaves the runtime's tracer free.
func TestTraceEnds(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tick := make(chan time.Time, 1)
	tick <- time.Time{}
	for _, c := range []struct {
		name  string
		ctx   context.Context
		tick  chan time.Time
		limit int
		want  string // in the error; "" is none
	}{
		{"nobody records", t.Context(), tick, maxHeld, ""},
		{"the context ends", ended, nil, maxHeld, ""},
		{"too much waits", t.Context(), nil, 10, "limit 10"},
	} {
		tracer, log := newTracer(c.limit)
		err := tracer.trace(c.ctx, c.tick)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if trace.IsEnabled() || log.Len() > 0 {
			t.Errorf("%s: the runtime traces: %v; log %s", c.name, trace.IsEnabled(), log)
		}
	}
}

// A program's own trace goes on, and that is told once.
func TestTraceInUse(t *testing.T) {
	if err := trace.Start(io.Discard); err != nil {
		t.Fatal(err)
	}
	tracer, log := newTracer(maxHeld)
	for range 3 {
		if err := tracer.trace(t.Context(), nil); err != nil {
			t.Errorf("in use: %v", err)
		}
	}
	if !trace.IsEnabled() {
		t.Error("the program's trace was ended")
	}
	trace.Stop()
	if n := strings.Count(log.String(), "in use"); n != 1 {
		t.Errorf("told %d times, want 1:\n%s", n, log)
	}
}

// Run ends with its context while nobody records, and has not traced.
func TestRunIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer, log := newTracer(maxHeld)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := tracer.Run(ctx); err != context.DeadlineExceeded {
			t.Errorf("Run: %v", err)
		}
		if trace.IsEnabled() || log.Len() > 0 {
			t.Errorf("the runtime traces: %v; log %s", trace.IsEnabled(), log)
		}
	})
}

// What is written is read in order; what is held is bounded; both ends learn of an end.
func TestQueue(t *testing.T) {
	q := newQueue(1 << 20)
	var want bytes.Buffer
	go func() {
		defer q.finish()
		for i := range 1000 {
			b := bytes.Repeat([]byte{byte(i)}, i%100)
			want.Write(b)
			_, _ = q.Write(b) // never fails
		}
	}()
	got, err := io.ReadAll(q)
	if err != nil || !bytes.Equal(got, want.Bytes()) || q.failed() != nil {
		t.Errorf("%d bytes, %v, %v; want %d", len(got), err, q.failed(), want.Len())
	}

	q = newQueue(100)
	ten := make([]byte, 10)
	for range 30 { // the generation before is held while the next one is read
		for range 3 {
			_, _ = q.Write(ten)
		}
		if _, err := io.ReadFull(q, make([]byte, 30)); err != nil {
			t.Fatal(err)
		}
		q.generation()
	}
	for range 7 {
		_, _ = q.Write(ten)
	}
	if err := q.failed(); err != nil {
		t.Errorf("100 bytes held of 100: %v", err)
	}
	_, _ = q.Write(ten)
	if n, err := q.Read(ten); n != 0 || err == nil || err != q.failed() {
		t.Errorf("110 bytes held of 100: read %d, %v, failed %v", n, err, q.failed())
	}
	q.abandon(errUnwanted)
	if err := q.failed(); err == errUnwanted {
		t.Error("the first reason is not kept")
	}
}

// A generation is written in half the time in which it happened, unless it is late or
// the trace ends.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		p := newPace(q)
		start := time.Now()
		p.begin(1000)
		second := func() (err error) {
			for i := range stride * 100 {
				err = p.await(1000 + exptrace.Time(i+1)*exptrace.Time(time.Second)/(stride*100))
			}
			return err
		}
		if err := second(); err != nil || time.Since(start) != time.Second/faster {
			t.Errorf("a second took %v, %v", time.Since(start), err)
		}
		start = time.Now()
		if err := second(); err != nil || time.Since(start) != 0 {
			t.Errorf("a late second took %v, %v", time.Since(start), err)
		}
		p.begin(1000)
		time.AfterFunc(time.Second/10, q.finish)
		if err := second(); err != nil || time.Since(start) != time.Second/10 {
			t.Errorf("a second whose trace ended after 100ms took %v, %v", time.Since(start), err)
		}
		q = newQueue(1)
		p = newPace(q)
		q.abandon(errUnwanted)
		if err := second(); err != errUnwanted {
			t.Errorf("nobody records: %v", err)
		}
	})
}
