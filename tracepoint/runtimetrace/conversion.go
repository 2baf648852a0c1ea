// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/exp/trace"
)

// sink is where events go.
type sink interface {
	goroutineState(goroutineState)
	procState(procStateChange)
	rangeBegin(span, bool)
	rangeEnd(span)
}

// goroutineState is a goroutine's change of state, with the processor and the thread
// that made it: those of the goroutine itself, or of who woke it up or made it.
type goroutineState struct {
	time             uint64
	goroutine        trace.GoID
	from, to         trace.GoState
	reason, function string
	proc             trace.ProcID
	thread           trace.ThreadID
}

type procStateChange struct {
	time     uint64
	proc     trace.ProcID
	from, to trace.ProcState
	reason   string
	thread   trace.ThreadID
}

// span is a range of time in which something is done, by all of the program or by one
// of its parts.
type span struct {
	time      uint64
	name      string
	scope     trace.ResourceKind
	id        int64 // of what does it; -1 is all of the program
	goroutine trace.GoID
	proc      trace.ProcID
}

// conversion makes events of one trace of the runtime.
type conversion struct {
	clock clock
	to    sink
	// open has the ranges that were told: each generation of the trace names those that
	// go on. There are no more than the runtime does at once.
	open map[openRange]bool
}

type openRange struct {
	resource trace.ResourceID
	name     string
}

func newConversion(to sink) *conversion {
	return &conversion{to: to, open: make(map[openRange]bool)}
}

// readAll converts a trace to its end; step is called before each event. The parser's
// panics are its errors: it is not to end a program that is traced.
func (c *conversion) readAll(r io.Reader, step func(*trace.Event) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the runtime's trace: its parser failed: %v", p)
		}
	}()
	parser, err := trace.NewReader(r)
	if err != nil {
		return fmt.Errorf("the runtime's trace: %w", err)
	}
	for {
		e, err := parser.ReadEvent()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the runtime's trace, behind time %d: %w", c.clock.last, err)
		}
		if err := step(&e); err != nil {
			return err
		}
		c.convert(&e)
	}
}

// convert makes an event of what is wanted.
func (c *conversion) convert(e *trace.Event) {
	switch e.Kind() {
	case trace.EventSync:
		c.clock.sync(e.Sync().ClockSnapshot)
	case trace.EventStateTransition:
		c.transition(e)
	case trace.EventRangeBegin, trace.EventRangeActive, trace.EventRangeEnd:
		c.rangeOf(e)
	}
}

func (c *conversion) transition(e *trace.Event) {
	s := e.StateTransition()
	switch s.Resource.Kind {
	case trace.ResourceGoroutine:
		// Each generation names the goroutines that are as they were.
		if from, to := s.Goroutine(); from != to {
			c.to.goroutineState(goroutineState{
				c.clock.time(e.Time()), s.Resource.Goroutine(), from, to, text(s.Reason), text(function(s.Stack)), e.Proc(), e.Thread(),
			})
		}
	case trace.ResourceProc:
		if from, to := s.Proc(); from != to {
			c.to.procState(procStateChange{c.clock.time(e.Time()), s.Resource.Proc(), from, to, text(s.Reason), e.Thread()})
		}
	}
}

func (c *conversion) rangeOf(e *trace.Event) {
	r := e.Range()
	key := openRange{r.Scope, r.Name}
	s := span{c.clock.time(e.Time()), r.Name, r.Scope.Kind, number(r.Scope), e.Goroutine(), e.Proc()}
	if e.Kind() == trace.EventRangeEnd {
		delete(c.open, key)
		c.to.rangeEnd(s)
		return
	}
	if !c.open[key] {
		c.open[key] = true
		c.to.rangeBegin(s, e.Kind() == trace.EventRangeActive)
	}
}

// number is that of a goroutine, a processor or a thread, or -1.
func number(r trace.ResourceID) int64 {
	switch r.Kind {
	case trace.ResourceGoroutine:
		return int64(r.Goroutine())
	case trace.ResourceProc:
		return int64(r.Proc())
	case trace.ResourceThread:
		return int64(r.Thread())
	}
	return -1
}

// function is the innermost of a stack that is the program's: where it waits, not how
// the runtime does it. Of a stack of the runtime alone, it is the innermost.
func function(s trace.Stack) (name string) {
	for f := range s.Frames() {
		if name == "" {
			name = f.Func
		}
		if !strings.HasPrefix(f.Func, "runtime.") && !strings.HasPrefix(f.Func, "internal/runtime/") {
			return f.Func
		}
	}
	return name
}

// text is never empty: in place of such a text, babeltrace2 2.0 prints that of the event
// before.
func text(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
