// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"time"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// fullFor is how long a ring counts as full after events were lost: it may be
// read again before anybody asks.
const fullFor = time.Second

// sample is what a ring's account was when it was last asked for. It belongs to
// the goroutine that gives accounts.
type sample struct {
	buffer []byte
	lost   uint64
	full   time.Time // when losses were seen
}

// usage is how much of the ring is filled with what was not read, in bytes. It is
// called where accounts are given; the counters are read at a place of their own.
func (d *drain) usage() uint64 {
	s := &d.sample
	if s.buffer == nil {
		s.buffer = make([]byte, 0, 1024)
	}
	text, err := d.ring.Stats(s.buffer)
	if err != nil {
		return 0
	}
	st, err := ftrace.ParseStats(text)
	if err != nil {
		return 0
	}
	lost := st.Dropped
	if d.s.channel.Overwrite {
		lost = st.Overrun
	}
	now := time.Now()
	if lost > s.lost {
		s.lost, s.full = lost, now
	}
	all := uint64(d.s.channel.RingBytes)
	if now.Sub(s.full) < fullFor {
		return all
	}
	return min(st.Bytes, all)
}
