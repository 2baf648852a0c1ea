// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"container/heap"
	"time"
)

// Timer is a call that a loop makes once, later.
type Timer struct {
	when  time.Time
	fn    func()
	index int // place in the heap; -1 when not waiting
}

// After calls fn on the loop when d has passed. It must be called on the
// loop's goroutine, or before Run.
func (l *Loop) After(d time.Duration, fn func()) *Timer {
	t := &Timer{when: time.Now().Add(d), fn: fn}
	heap.Push(&l.timers, t)
	return t
}

// Cancel takes a waiting timer back. It does nothing for one that has run, or
// for nil.
func (l *Loop) Cancel(t *Timer) {
	if t == nil || t.index < 0 {
		return
	}
	heap.Remove(&l.timers, t.index)
}

func (l *Loop) runTimers() {
	if len(l.timers) == 0 {
		return
	}
	now := time.Now()
	for len(l.timers) > 0 && !l.timers[0].when.After(now) {
		t := heap.Pop(&l.timers).(*Timer)
		t.fn()
	}
}

// timerHeap orders timers by time; container/heap's contract.
type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
