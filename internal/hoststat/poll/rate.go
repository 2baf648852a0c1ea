// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import "time"

// Bounds of times between two readings of a source.
const (
	shortest = 200 * time.Millisecond // below it, the rate of before is better
	longest  = 10                     // periods; what a rate over more would tell is past
	slack    = 50 * time.Millisecond  // that a clock may move between messages without being set
)

// Most that counters grow in a second, where no link or device tells.
const (
	mostUnknown = 1 << 31
	mostPackets = 2e8
	mostEvents  = 1e7
	mostMillis  = 1001 // of a second that has 1000
)

// span is how much of a rate two readings of a source make.
type span struct {
	seconds float64
	kind    spanKind
}

type spanKind uint8

const (
	restart spanKind = iota // no rate: the reading is the base of the next
	keep                    // the rate and base of before remain
	rated
)

// source is a part of messages that has a time of its own.
type source struct {
	last time.Duration // since 1970; 0: not read yet
}

// advance takes the time of a reading. step is how far the clock was set since the
// message before. There is no rate for the first reading and one that is older
// than the last or far away from it; the same or nearly the same reading keeps
// what was.
func (s *source) advance(now, step, period time.Duration) span {
	if s.last == 0 {
		s.last = now
		return span{}
	}
	dt := now - s.last - step
	if dt >= 0 && dt < shortest {
		s.last += step // the base keeps its distance to what comes
		return span{kind: keep}
	}
	s.last = now
	if dt < 0 || dt > longest*max(period, time.Second) {
		return span{}
	}
	return span{dt.Seconds(), rated}
}

// clock tells steps of a host's clock by one that is never set.
type clock struct {
	offset time.Duration
	known  bool
}

// step takes both clocks and returns how far the first was set since the last call.
// 50 ms and less are taken for a clock that runs fast or slow.
func (c *clock) step(wall, monotonic time.Duration) time.Duration {
	offset := wall - monotonic
	moved := offset - c.offset
	if !c.known {
		moved = 0
	}
	c.offset, c.known = offset, true
	if moved.Abs() <= slack {
		return 0
	}
	return moved
}

// growth is by how much a counter has grown. A counter that is smaller than before
// has wrapped at 32 bits, if that makes a growth which is possible, or else begun
// anew.
func growth(before, now uint64, seconds, most float64) (grown float64, ok bool) {
	if now >= before {
		return float64(now - before), true
	}
	const wrap = 1 << 32
	if before < wrap {
		if grown := float64(wrap - before + now); grown <= most*seconds {
			return grown, true
		}
	}
	return 0, false
}

// rate is the growth in a second, missing where there is none.
func rate(before, now uint64, seconds, most float64) float64 {
	grown, ok := growth(before, now, seconds, most)
	if !ok {
		return missing
	}
	return grown / seconds
}

// climb is the growth of a counter that the kernel lets go down by a little: then
// it is 0.
func climb(before, now uint64) float64 {
	if now < before {
		return 0
	}
	return float64(now - before)
}

// identity is by what a host is known to have booted.
type identity struct {
	boot   string // its random identifier
	btime  int64  // s
	uptime float64
}

// rebooted reports whether a host has booted between two messages. An identifier
// decides. Without one it is the time of the boot, which moves with the clock and
// is rounded, or the time since.
func (before *identity) rebooted(now *identity, step time.Duration) bool {
	if before.boot != "" && now.boot != "" {
		return before.boot != now.boot
	}
	if before.uptime > 0 && now.uptime > 0 && now.uptime < before.uptime {
		return true
	}
	if before.btime == 0 || now.btime == 0 {
		return false
	}
	moved := time.Duration(now.btime-before.btime)*time.Second - step
	return moved.Abs() > 2*time.Second
}
