// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"testing"

	exptrace "golang.org/x/exp/trace"
)

// collected are events that were made.
type collected struct {
	goroutines []goroutineState
	procs      []procStateChange
	begun      []span
	earlier    []bool
	ended      []span
}

func (c *collected) goroutineState(s goroutineState) { c.goroutines = append(c.goroutines, s) }
func (c *collected) procState(s procStateChange)     { c.procs = append(c.procs, s) }
func (c *collected) rangeEnd(s span)                 { c.ended = append(c.ended, s) }
func (c *collected) rangeBegin(s span, earlier bool) {
	c.begun, c.earlier = append(c.begun, s), append(c.earlier, earlier)
}

// traced returns the runtime's trace of work.
func traced(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Add(1)
	go waiter(begun, goOn, &all)
	<-begun
	runtime.GC() // stops the world: what waits was seen to do so
	close(goOn)
	all.Wait()
	trace.Stop()
	return b.Bytes()
}

//go:noinline
func waiter(begun, goOn chan struct{}, all *sync.WaitGroup) {
	defer all.Done()
	close(begun)
	<-goOn
}

func each(*exptrace.Event) error { return nil }

// The states of a goroutine are those that it has had, at times of the session's clock.
func TestConversion(t *testing.T) {
	before := monotonic()
	b := traced(t)
	after := monotonic()
	var c collected
	if err := newConversion(&c).readAll(bytes.NewReader(b), each); err != nil {
		t.Fatal(err)
	}
	var got []string
	id := exptrace.NoGoroutine
	for _, s := range c.goroutines {
		if s.time < before-1000 || s.time > after+1000 {
			t.Fatalf("%+v, want a time from %d to %d", s, before, after)
		}
		if s.from == exptrace.GoNotExist && strings.HasSuffix(s.function, "runtimetrace.waiter") {
			id = s.goroutine
		}
		if s.goroutine == id && s.reason != "preempted" {
			got = append(got, s.to.String()+" "+s.reason)
		}
	}
	want := []string{"Runnable -", "Running -", "Waiting chan receive", "Runnable -", "Running -", "NotExist -"}
	if !slices.Equal(got, want) {
		t.Errorf("states %q, want %q", got, want)
	}
	if len(c.procs) == 0 {
		t.Error("no states of processors")
	}
	names := make(map[string]int)
	for _, s := range c.begun {
		names[s.name]++
	}
	for _, s := range c.ended {
		names[s.name]--
	}
	for _, name := range []string{"GC concurrent mark phase", "stop-the-world (GC sweep termination)"} {
		if n, ok := names[name]; n != 0 || !ok {
			t.Errorf("range %q: there %v, %d not ended", name, ok, n)
		}
	}
}

// Ranges are told once, however often the trace names those that go on.
func TestRanges(t *testing.T) {
	var c collected
	conversion := newConversion(&c)
	mark := exptrace.Range{Name: "GC concurrent mark phase"}
	sweep := exptrace.Range{Name: "GC incremental sweep", Scope: exptrace.MakeResourceID(exptrace.ProcID(3))}
	for i, e := range []struct {
		kind exptrace.EventKind
		of   exptrace.Range
	}{
		{exptrace.EventRangeActive, mark},
		{exptrace.EventRangeBegin, sweep},
		{exptrace.EventRangeActive, mark},
		{exptrace.EventRangeActive, sweep},
		{exptrace.EventRangeEnd, sweep},
		{exptrace.EventRangeEnd, mark},
		{exptrace.EventRangeBegin, mark},
	} {
		made, err := exptrace.MakeEvent(exptrace.EventConfig[exptrace.Range]{
			Time: exptrace.Time(i + 1), Kind: e.kind, Goroutine: 7, Proc: 3, Thread: 9, Details: e.of,
		})
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		conversion.convert(&made)
	}
	begun := []span{
		{1, mark.Name, exptrace.ResourceNone, -1, 7, 3},
		{2, sweep.Name, exptrace.ResourceProc, 3, 7, 3},
		{7, mark.Name, exptrace.ResourceNone, -1, 7, 3},
	}
	ended := []span{{5, sweep.Name, exptrace.ResourceProc, 3, 7, 3}, {6, mark.Name, exptrace.ResourceNone, -1, 7, 3}}
	if !slices.Equal(c.begun, begun) || !slices.Equal(c.earlier, []bool{true, false, false}) {
		t.Errorf("begun %+v, earlier %v, want %+v, the first alone", c.begun, c.earlier, begun)
	}
	if !slices.Equal(c.ended, ended) {
		t.Errorf("ended %+v, want %+v", c.ended, ended)
	}
}

// A state that is what it was is no event.
func TestSameState(t *testing.T) {
	var c collected
	conversion := newConversion(&c)
	for i, s := range []exptrace.StateTransition{
		exptrace.MakeGoStateTransition(7, exptrace.GoUndetermined, exptrace.GoWaiting),
		exptrace.MakeGoStateTransition(7, exptrace.GoWaiting, exptrace.GoWaiting),
		exptrace.MakeProcStateTransition(2, exptrace.ProcIdle, exptrace.ProcRunning),
	} {
		made, err := exptrace.MakeEvent(exptrace.EventConfig[exptrace.StateTransition]{
			Time: exptrace.Time(i + 1), Kind: exptrace.EventStateTransition, Goroutine: 1, Proc: 2, Thread: 9, Details: s,
		})
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		conversion.convert(&made)
	}
	if want := (goroutineState{1, 7, exptrace.GoUndetermined, exptrace.GoWaiting, "-", "-", 2, 9}); len(c.goroutines) != 1 || c.goroutines[0] != want {
		t.Errorf("goroutines %+v, want %+v alone", c.goroutines, want)
	}
	if want := (procStateChange{3, 2, exptrace.ProcIdle, exptrace.ProcRunning, "-", 9}); len(c.procs) != 1 || c.procs[0] != want {
		t.Errorf("processors %+v, want %+v alone", c.procs, want)
	}
}

// The clocks are compared anew, and time never goes back.
func TestClock(t *testing.T) {
	var c clock
	c.sync(nil)
	if got := c.time(50); got != 50 {
		t.Errorf("without a comparison: %d, want 50", got)
	}
	c.sync(&exptrace.ClockSnapshot{Trace: 100, Mono: 1130})
	if got := c.time(100); got != 1130 {
		t.Errorf("by the first comparison: %d, want 1130", got)
	}
	c.sync(&exptrace.ClockSnapshot{Trace: 200, Mono: 1200}) // better
	if got := c.time(110); got != 1130 {
		t.Errorf("at once behind it: %d, want 1130", got)
	}
	c.sync(&exptrace.ClockSnapshot{Trace: 300, Mono: 1390}) // worse
	if got := c.time(300); got != 1300 {
		t.Errorf("by the best: %d, want 1300", got)
	}
}

// What cannot be read is an error, wherever it is.
func TestConversionOfGarbage(t *testing.T) {
	b := traced(t)
	for _, n := range []int{0, 1, 15, len(b) / 2, len(b) - 1} {
		if err := newConversion(new(collected)).readAll(bytes.NewReader(b[:n]), each); err == nil {
			t.Errorf("the first %d of %d bytes: no error", n, len(b))
		}
	}
	future := append([]byte("go 1.99 trace\x00\x00\x00"), b[16:]...)
	if err := newConversion(new(collected)).readAll(bytes.NewReader(future), each); err == nil || !strings.Contains(err.Error(), "1.99") {
		t.Errorf("a version of the future: %v", err)
	}
	for i := 16; i < len(b); i += 1 + len(b)/200 {
		bad := bytes.Clone(b)
		bad[i] ^= 0xff
		// It may be a number that matters to nobody; nothing else is to happen.
		_ = newConversion(new(collected)).readAll(bytes.NewReader(bad), each)
	}
	panics := func(*exptrace.Event) error { panic("at the disco") }
	if err := newConversion(new(collected)).readAll(bytes.NewReader(b), panics); err == nil || !strings.Contains(err.Error(), "disco") {
		t.Errorf("a parser that panics: %v", err)
	}
	stops := fmt.Errorf("stops")
	if err := newConversion(new(collected)).readAll(bytes.NewReader(b), func(*exptrace.Event) error { return stops }); err != stops {
		t.Errorf("a step that stops: %v", err)
	}
}
