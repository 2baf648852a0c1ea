// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

const (
	budgetWindow = time.Minute
	maxStretched = time.Minute // of a costly section's interval
	maxStretch   = 6
)

// budget watches what reading costs. The cost of a section is the time that passed
// while it was read: the thread's own clock is a system call, and two of them
// around each section would cost more than half of the sections do. On a busy host
// this counts the time of others; the budget is then kept all the more.
type budget struct {
	limit float64 // of one CPU; negative: none
	spent atomic.Int64

	mu    sync.Mutex
	since time.Time // guarded by mu: of spent
}

func (b *budget) spend(d time.Duration) { b.spent.Add(int64(d)) }

// check stretches the intervals of costly sections after a minute above the
// budget, and shortens them after one below half of it.
func (e *Engine) checkBudget(now time.Time) {
	b := &e.budget
	if b.limit < 0 {
		return
	}
	b.mu.Lock()
	passed := now.Sub(b.since)
	if passed < budgetWindow {
		b.mu.Unlock()
		return
	}
	b.since = now
	b.mu.Unlock()
	switch share := float64(b.spent.Swap(0)) / float64(passed); {
	case share > b.limit:
		if e.stretchCostly(1) {
			e.o.Log.Warn("above the budget, costly sections are read less often", "share", share, "budget", b.limit)
		}
	case share < b.limit/2:
		e.stretchCostly(-1)
	}
}

// stretchCostly doubles or halves the intervals of costly sections, and reports
// whether one changed.
func (e *Engine) stretchCostly(by int) (changed bool) {
	for _, s := range e.sections {
		if s.class < xmlsysd.Costly {
			continue
		}
		s.mu.Lock()
		next := uint(max(0, min(int(s.stretch)+by, maxStretch)))
		changed = changed || next != s.stretch
		s.stretch = next
		s.mu.Unlock()
	}
	return changed
}
