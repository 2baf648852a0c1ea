// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"runtime/metrics"
	"time"
)

const (
	// collectPeriod is after how long Go collects garbage although there is little,
	// with a margin: forcegcperiod in Go's runtime/proc.go is 2 minutes.
	collectPeriod = 100 * time.Second
	// calmRoom is how many bytes the heap may grow anyhow: by answers to orders.
	calmRoom = 256 << 10
	// calmMargin is for how much longer than asked it is foreseen, so that it need not be
	// looked at each time: that takes some microseconds.
	calmMargin = 200 * time.Millisecond
)

// calm foresees whether Go will collect garbage: who does so stops all goroutines,
// and waits for those that do not hear its signal. It belongs to one goroutine.
type calm struct {
	samples [5]metrics.Sample
	last    heap      // as last looked at
	until   time.Time // when it lasts at least, as far as that was foreseen
}

// heap is what Go tells of its heap, in bytes.
type heap struct {
	goal   uint64    // size at which a collection is to end
	live   uint64    // what the last one has left
	size   uint64    // now, with garbage
	allocs uint64    // all that was ever allocated
	cycles uint64    // collections
	since  time.Time // the last of them was not before
	at     time.Time // when it was looked at
}

// lasts reports whether no collection is to be expected within a time from now.
func (c *calm) lasts(hold time.Duration) bool {
	if now := time.Now(); now.Add(hold).After(c.until) {
		c.until = time.Time{}
		if c.look(hold + calmMargin) {
			c.until = now.Add(hold + calmMargin)
		}
	}
	return !c.until.IsZero()
}

// look foresees it anew.
func (c *calm) look(hold time.Duration) bool {
	if c.samples[0].Name == "" {
		for i, name := range []string{
			"/gc/heap/goal:bytes", "/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes",
			"/gc/heap/allocs:bytes", "/gc/cycles/total:gc-cycles",
		} {
			c.samples[i].Name = name
		}
	}
	metrics.Read(c.samples[:])
	var values [len(c.samples)]uint64
	for i, s := range c.samples {
		if s.Value.Kind() != metrics.KindUint64 {
			return false // this Go does not tell
		}
		values[i] = s.Value.Uint64()
	}
	h, before := heap{goal: values[0], live: values[1], size: values[2], allocs: values[3], cycles: values[4], at: time.Now()}, c.last
	switch {
	case before.at.IsZero():
		h.since = h.at
	case h.cycles == before.cycles:
		h.since = before.since
	default:
		h.since = before.at
	}
	c.last = h
	return h.calm(before, hold)
}

// calm is lasts, by what has become of the heap since an earlier look: it is to grow
// at most twice as fast. A collection begins when at least 0.7 of the way from what
// is live to the goal is gone (gcController.trigger in Go's runtime/mgcpacer.go).
// Without a first one there is none for its age.
func (h *heap) calm(before heap, hold time.Duration) bool {
	if before.at.IsZero() || h.goal <= h.live || h.cycles > 0 && h.at.Sub(h.since)+hold > collectPeriod {
		return false
	}
	elapsed := max(h.at.Sub(before.at), time.Millisecond)
	growth := 2 * float64(h.allocs-before.allocs) * hold.Seconds() / elapsed.Seconds()
	room := float64(h.live) + 0.7*float64(h.goal-h.live) - float64(h.size)
	return growth+calmRoom <= room
}
