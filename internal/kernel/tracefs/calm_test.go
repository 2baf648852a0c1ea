// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"runtime"
	"testing"
	"time"
)

// TestHeapIsCalm foresees collections from what the heap has done.
func TestHeapIsCalm(t *testing.T) {
	const mib = 1 << 20
	begin := time.Unix(1000, 0)
	before := heap{goal: 4 * mib, live: mib, size: 2 * mib, allocs: 10 * mib, cycles: 3, since: begin, at: begin.Add(time.Second)}
	for _, tt := range []struct {
		name   string
		change func(before, now *heap)
		want   bool
	}{
		{"hardly grows", func(_, _ *heap) {}, true},
		{"first look", func(before, _ *heap) { *before = heap{} }, false},
		{"nearly full", func(_, now *heap) { now.size = 3 * mib }, false},
		{"fuller than its goal", func(_, now *heap) { now.size = 5 * mib }, false},
		{"grows fast", func(_, now *heap) { now.allocs += 5 * mib }, false},
		{"collection of all is near", func(before, now *heap) { before.since = begin.Add(-collectPeriod); now.since = before.since }, false},
		{"never collected", func(before, now *heap) { before.cycles, now.cycles, now.since = 0, 0, begin.Add(-time.Hour) }, true},
		{"no goal", func(_, now *heap) { now.goal = now.live }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			earlier, now := before, before
			now.at = before.at.Add(time.Second)
			now.size += 1000
			now.allocs += 1000
			tt.change(&earlier, &now)
			if got := now.calm(earlier, 200*time.Millisecond); got != tt.want {
				t.Errorf("calm(%+v after %+v) = %v, want %v", now, earlier, got, tt.want)
			}
		})
	}
}

// TestCalmReadsTheHeap looks at the heap of this process.
func TestCalmReadsTheHeap(t *testing.T) {
	var c calm
	if c.lasts(time.Millisecond) {
		t.Error("the first look foresees something")
	}
	first := c.last
	if first.goal == 0 || first.size == 0 || first.allocs < first.size {
		t.Errorf("heap %+v, want a goal and sizes", first)
	}
	runtime.GC()
	c.lasts(time.Millisecond)
	if c.last.cycles <= first.cycles || c.last.since != first.at {
		t.Errorf("after a collection %+v, before %+v", c.last, first)
	}
	if n := testing.AllocsPerRun(100, func() { c.lasts(time.Millisecond) }); n > 0 {
		t.Errorf("a look allocates %v times", n)
	}
	if c.lasts(collectPeriod + time.Second) {
		t.Error("no collection is foreseen within its period")
	}
	// Nobody allocates here: it is foreseen, and need not be again until then.
	for !c.lasts(time.Millisecond) {
	}
	if at := c.last.at; !c.lasts(time.Millisecond) || c.last.at != at {
		t.Errorf("looked at once more, %v after it was foreseen for %v", c.last.at.Sub(at), calmMargin)
	}
}
