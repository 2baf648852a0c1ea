// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// clockDrift is by how much the clock of the day has to move against the trace's
// for that to be told.
const clockDrift = 100 * time.Microsecond

// ClockSync implements source.Synced.
func (t *trace) ClockSync() (handover.ClockSync, bool) {
	id := clockID(t.clock)
	now := t.s.clock(id)
	moved := now.ns - t.offset
	if t.offset == 0 || time.Duration(max(moved, -moved)) <= clockDrift {
		if t.offset == 0 { // nothing has been declared
			t.offset = now.ns
		}
		return handover.ClockSync{}, false
	}
	t.offset = now.ns
	var mono unix.Timespec
	_ = unix.ClockGettime(id, &mono) // the clock exists: the trace has it
	return handover.ClockSync{Mono: uint64(mono.Nano()), Real: uint64(mono.Nano() + now.ns), Error: uint64(now.error)}, true
}

// clockID is the system's number of a trace clock.
func clockID(name string) int32 {
	if name == "boot" {
		return unix.CLOCK_BOOTTIME
	}
	return unix.CLOCK_MONOTONIC
}
