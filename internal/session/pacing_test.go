// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"testing"
	"time"
)

// What fails again and again is tried less and less often, and told when that is news.
func TestPacing(t *testing.T) {
	full, gone := errors.New("no space"), errors.New("no directory")
	var p pacing
	now := time.Unix(1000, 0)
	if !p.due(now) || p.worked() {
		t.Error("what never failed: not due, or told to work again")
	}
	for i, want := range []struct {
		err   error
		tell  bool
		pause time.Duration
	}{{full, true, firstRetry}, {full, false, 2 * firstRetry}, {gone, true, 4 * firstRetry}, {gone, false, 8 * firstRetry}, {full, true, 16 * firstRetry}, {full, false, 32 * firstRetry}, {full, false, lastRetry}, {full, false, lastRetry}} {
		if tell := p.failed(now, want.err); tell != want.tell {
			t.Errorf("failure %d is told: %v", i, tell)
		}
		if now = now.Add(want.pause - 1); p.due(now) {
			t.Errorf("failure %d: tried again before %v", i, want.pause)
		}
		if now = now.Add(1); !p.due(now) {
			t.Errorf("failure %d: not tried again after %v", i, want.pause)
		}
	}
	if !p.worked() || !p.due(now) || !p.failed(now, full) || p.due(now.Add(firstRetry-1)) || !p.due(now.Add(firstRetry)) {
		t.Error("after it has worked it does not begin anew")
	}
}
