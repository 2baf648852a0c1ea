// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// defaultClock is the one clock that all sources have: CLOCK_MONOTONIC.
const defaultClock = "mono"

// localClock is each processor's own: for kernels that have no other.
const localClock = "local"

// offset is how far the clock of the day is ahead of a clock of the kernel's.
type offset struct {
	ns    int64
	error int64 // at most, ns
}

// samples is how many times the offset is measured; the best one counts.
const samples = 200

// measureOffset reads the clock of the day between two readings of the other
// clock: the closer these are, the better.
func measureOffset(clock int32) offset {
	best := offset{error: 1 << 62}
	for range samples {
		var a, b, real unix.Timespec
		// These clocks exist on each kernel that is supported.
		_ = unix.ClockGettime(clock, &a)
		_ = unix.ClockGettime(unix.CLOCK_REALTIME, &real)
		_ = unix.ClockGettime(clock, &b)
		if window := b.Nano() - a.Nano(); window < best.error {
			best = offset{real.Nano() - a.Nano() - window/2, window}
		}
	}
	best.error = (best.error + 1) / 2
	return best
}

// chooseClock is the trace clock to use: the one asked for, which the kernel must
// have; or the best that it has.
func chooseClock(asked string, have []string) (string, error) {
	switch asked {
	case "":
		for _, name := range []string{defaultClock, "boot", localClock} {
			if slices.Contains(have, name) {
				return name, nil
			}
		}
		asked = defaultClock
	case "mono", "boot":
	default:
		return "", agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("clock %q: want mono or boot", asked))
	}
	if !slices.Contains(have, asked) {
		return "", agent.NewProblem(agent.CodeNotSupported, fmt.Sprintf("the kernel has no trace clock %s, but %s", asked, strings.Join(have, ", ")))
	}
	return asked, nil
}

// now reads the trace's clock.
func (t *trace) now() uint64 {
	var now unix.Timespec
	_ = unix.ClockGettime(clockID(t.clock), &now) // it exists on each kernel that is supported
	return uint64(now.Nano())
}

// traceClock declares the trace's clock with its offset as it is now.
func (t *trace) traceClock() *schema.Clock {
	t.offset = t.s.clock(clockID(t.clock)).ns
	c := ctf.MonotonicClock(bootID(), t.offset)
	switch t.clock {
	case "boot":
		c.Name, c.Description = "boot", "Monotonic Clock that counts suspended time"
	case localClock: // comparable with no other trace's
		c.Name, c.Description, c.UUID = localClock, "Clock of each processor", nil
	}
	return c
}

// Warnings implements source.Warner.
func (t *trace) Warnings() []string {
	if t.clock != localClock {
		return nil
	}
	return []string{"the kernel's only trace clock is that of each processor: times are not comparable across CPUs"}
}

// bootID identifies the boot of this host; zeros where the kernel does not tell.
func bootID() (id schema.UUID) {
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
