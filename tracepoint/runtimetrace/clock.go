// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"golang.org/x/exp/trace"
	"golang.org/x/sys/unix"
)

// clock makes times of the session of those of the runtime's trace.
type clock struct {
	offset int64 // from the trace's clock to CLOCK_MONOTONIC
	known  bool
	last   uint64
}

// sync compares the clocks, where the runtime says what both show. It reads one after
// the other: the least difference is the best, as more time was between the others.
func (c *clock) sync(s *trace.ClockSnapshot) {
	if s == nil || s.Mono == 0 {
		return // they are the same one
	}
	offset := int64(s.Mono) - int64(s.Trace)
	if !c.known || max(offset, -offset) < max(c.offset, -c.offset) {
		c.offset, c.known = offset, true
	}
}

// time is never less than that of the event before.
func (c *clock) time(t trace.Time) uint64 {
	c.last = max(c.last, uint64(int64(t)+c.offset))
	return c.last
}

// monotonic is what the session's clock shows.
func monotonic() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // each Linux has it
	}
	return uint64(t.Nano())
}
