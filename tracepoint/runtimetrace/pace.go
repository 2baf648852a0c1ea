// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"time"

	"golang.org/x/exp/trace"
)

const (
	// faster is how many times as fast as they happened events are written at most. It
	// is more than 1, to make up for what comes late.
	faster = 2
	// stride is the number of events between two looks at the time.
	stride = 64
	// least is the time that is worth waiting for.
	least = 2 * time.Millisecond
)

// pace keeps a conversion from writing all events of a generation at once.
type pace struct {
	q     *queue
	timer *time.Timer
	now   func() time.Time

	first trace.Time // of the generation
	start time.Time  // when its conversion began
	seen  int        // events
}

func newPace(q *queue) *pace {
	timer := time.NewTimer(0)
	return &pace{q: q, timer: timer, now: time.Now}
}

// begin is where a generation begins.
func (p *pace) begin(first trace.Time) { p.first, p.start = first, p.now() }

// await waits until it is time for an event. It does not when the trace has ended; when
// it has failed, it says so.
func (p *pace) await(t trace.Time) error {
	if p.seen++; p.seen%stride != 0 {
		return nil
	}
	select {
	case <-p.q.ended:
		return p.q.failed()
	default:
	}
	early := t.Sub(p.first)/faster - p.now().Sub(p.start)
	if early < least {
		return nil
	}
	p.timer.Reset(early)
	select {
	case <-p.timer.C:
	case <-p.q.ended:
		return p.q.failed()
	}
	return nil
}
