// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"slices"
	"sync"
)

// turns keep what is done to a feed from being undone by what was asked for before: who
// puts a state may give up waiting, and what was put is committed later than a state, or
// the feed's end, that somebody asks for then.
type turns struct {
	mu   sync.Mutex
	open map[uint32][]*turn // guarded by mu: those that have not ended, in their order
	last uint64             // guarded by mu: number of what was asked for last
}

// turn is a feed's state on its way to the disk.
type turn struct {
	feed   Feed
	number uint64
	passed bool // guarded by turns.mu: what was asked for later is committed
}

// take has a state go in its turn, until end.
func (ts *turns) take(f Feed) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.open == nil {
		ts.open = map[uint32][]*turn{}
	}
	ts.last++
	t := &turn{feed: f, number: ts.last}
	ts.open[f.ID] = append(ts.open[f.ID], t)
	return t
}

// pass has a state pass those of its feed that were put before, and reports whether it was
// passed itself: then it is not to be committed. It is called in the order of commits.
func (ts *turns) pass(t *turn) (passed bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, o := range ts.open[t.feed.ID] {
		if o == t {
			break
		}
		o.passed = true
	}
	return t.passed
}

// end ends the turn of states that are committed, or never will be.
func (ts *turns) end(all []*turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range all {
		left := slices.DeleteFunc(ts.open[t.feed.ID], func(o *turn) bool { return o == t })
		if ts.open[t.feed.ID] = left; len(left) == 0 {
			delete(ts.open, t.feed.ID)
		}
	}
}

// now is the number of what was asked for last.
func (ts *turns) now() uint64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.last
}

// passAll has the end of feeds, asked for at a number, pass what was put of them before.
func (ts *turns) passAll(number uint64, of func(*Feed) bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, open := range ts.open {
		for _, t := range open {
			t.passed = t.passed || t.number <= number && of(&t.feed)
		}
	}
}

func (ts *turns) isPassed(t *turn) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return t.passed
}
