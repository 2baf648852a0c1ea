// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package traceclock

import (
	"encoding/hex"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Names of clocks, as the kernel's tracing has them.
const (
	Mono = "mono"
	Boot = "boot" // counts the time that the host was suspended
)

// ID is the system's number of a clock.
func ID(name string) int32 {
	if name == Boot {
		return unix.CLOCK_BOOTTIME
	}
	return unix.CLOCK_MONOTONIC
}

// Now reads a clock by its number, in nanoseconds. It is one that exists.
func Now(id int32) uint64 {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t)
	return uint64(t.Nano())
}

// Pair reads a clock by its number and the clock of this program at one moment, but
// for a microsecond. What interrupts it does not count, unless it does so each time.
func Pair(id int32) (uint64, time.Time) {
	const tries, close = 8, uint64(time.Microsecond)
	best, clock, now := ^uint64(0), uint64(0), time.Time{}
	for i := 0; i < tries && best > close; i++ {
		a := Now(id)
		t := time.Now()
		b := Now(id)
		if window := b - a; window < best {
			best, clock, now = window, a+window/2, t
		}
	}
	return clock, now
}

// Offset is how far the clock of the day is ahead of another clock.
type Offset struct {
	NS    int64
	Error int64 // at most, ns
}

// samples is how many times the offset is measured; the best one counts.
const samples = 200

// Measure reads the clock of the day between two readings of the other clock: the
// closer these are, the better.
func Measure(id int32) Offset {
	best := Offset{Error: 1 << 62}
	for range samples {
		var a, b, real unix.Timespec
		// These clocks exist on each kernel that is supported.
		_ = unix.ClockGettime(id, &a)
		_ = unix.ClockGettime(unix.CLOCK_REALTIME, &real)
		_ = unix.ClockGettime(id, &b)
		if window := b.Nano() - a.Nano(); window < best.Error {
			best = Offset{real.Nano() - a.Nano() - window/2, window}
		}
	}
	best.Error = (best.Error + 1) / 2
	return best
}

// Declare declares a clock with its offset.
func Declare(name string, o Offset) *schema.Clock {
	c := ctf.MonotonicClock(BootID(), o.NS)
	if name == Boot {
		c.Name, c.Description = Boot, "Monotonic Clock that counts suspended time"
	}
	return c
}

// BootID identifies the boot of this host; zeros where the kernel does not tell.
func BootID() (id schema.UUID) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err == nil && len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}
