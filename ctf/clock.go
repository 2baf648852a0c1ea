// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/weir-io/weir/ctf/schema"
)

const nsPerSecond = 1_000_000_000

// timebase turns the cycles of a clock into nanoseconds from its origin.
type timebase struct {
	base  int64 // ns of cycle 0
	freq  uint64
	clock *schema.Clock
	err   error // the clock's offset is out of range
	// plain is the greatest value whose time is base + value, in range; 0 when a
	// cycle is not a nanosecond.
	plain uint64
}

// newTimebase makes the conversion of a clock.
func newTimebase(c *schema.Clock) timebase {
	t := timebase{freq: c.Frequency, clock: c}
	hi, lo := bits.Mul64(uint64(abs(c.OffsetSeconds)), nsPerSecond)
	if hi != 0 || lo > math.MaxInt64 {
		t.err = t.overflow(0)
		return t
	}
	t.base = int64(lo)
	if c.OffsetSeconds < 0 {
		t.base = -t.base
	}
	cycles := cyclesToNs(c.OffsetCycles, c.Frequency)
	if t.base > 0 && cycles > uint64(math.MaxInt64-t.base) {
		t.err = t.overflow(0)
		return t
	}
	t.base += int64(cycles)
	return t.shifted(0)
}

// shifted returns the conversion with some ns added to each time.
func (t timebase) shifted(ns int64) timebase {
	t.base += ns
	t.plain = 0
	if t.freq == nsPerSecond && t.err == nil {
		t.plain = uint64(math.MaxInt64 - max(t.base, 0))
	}
	return t
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// cyclesToNs is babeltrace2's conversion, to the nanosecond: in double
// precision, cut off, unless a cycle is a nanosecond.
func cyclesToNs(v, freq uint64) uint64 {
	if freq == nsPerSecond {
		return v
	}
	f := 1e9 * float64(v) / float64(freq)
	if f >= math.MaxUint64 {
		return math.MaxUint64
	}
	return uint64(f)
}

// ns returns the time of a value of the clock, in nanoseconds from the origin.
func (t *timebase) ns(v uint64) (int64, error) {
	if t.err != nil {
		return 0, t.err
	}
	n := v
	if t.freq != nsPerSecond {
		n = cyclesToNs(v, t.freq)
	}
	if n <= math.MaxInt64 {
		if sum := t.base + int64(n); t.base < 0 || sum >= t.base {
			return sum, nil
		}
	} else if t.base < 0 && n-uint64(-t.base) <= math.MaxInt64 {
		return int64(n - uint64(-t.base)), nil
	}
	return 0, t.overflow(v)
}

// cycles returns the least value of the clock that is not before a time, 0 when
// the clock began later.
func (t *timebase) cycles(ns int64) uint64 {
	if ns <= t.base {
		return 0
	}
	d := uint64(ns - t.base)
	if t.freq == nsPerSecond {
		return d
	}
	return uint64(math.Max(0, float64(d)*float64(t.freq)/1e9-1))
}

func (t *timebase) overflow(v uint64) error {
	return fmt.Errorf("ctf: clock %s: %d cycles after %d s are out of the range of 64-bit nanoseconds", t.clock.Name, v, t.clock.OffsetSeconds)
}
