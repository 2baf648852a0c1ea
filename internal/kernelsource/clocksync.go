// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"time"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/traceclock"
)

// clockDrift is by how much the clock of the day has to move against the trace's
// for that to be told.
const clockDrift = 100 * time.Microsecond

// ClockSync implements source.Synced.
func (t *trace) ClockSync() (handover.ClockSync, bool) {
	id := traceclock.ID(t.clock)
	now := t.s.clock(id)
	moved := now.NS - t.offset
	if t.offset == 0 || time.Duration(max(moved, -moved)) <= clockDrift {
		if t.offset == 0 { // nothing has been declared
			t.offset = now.NS
		}
		return handover.ClockSync{}, false
	}
	t.offset = now.NS
	mono := traceclock.Now(id)
	return handover.ClockSync{Mono: mono, Real: mono + uint64(now.NS), Error: uint64(now.Error)}, true
}
