// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import "github.com/weir-io/weir/internal/tracestore"

// creepMargin is how far, in clock cycles, an idle stream's time stays below
// the first packet of a stream that the viewer does not know yet. What is left
// is for the answers that follow: each has to differ from the one before.
const creepMargin = 1 << 20

// watermark returns the time up to which nothing has happened in the streams
// of a session that wait to be announced; ok is false when one of them has not
// said anything.
func (a *attachment) watermark() (until uint64, ok bool) {
	until = ^uint64(0)
	for _, st := range a.waiting {
		if st.IsMetadata() {
			continue
		}
		first, known := earliest(st)
		if !known {
			return 0, false
		}
		until = min(until, first)
	}
	return until, true
}

// earliest returns the time of a stream's first event, or up to which it has
// none.
func earliest(st *tracestore.Stream) (uint64, bool) {
	c := st.Cursor(tracestore.SeekBeginning)
	defer c.Close()
	step, err := c.Peek()
	switch {
	case err != nil:
		return 0, false
	case step.State == tracestore.StatePacket:
		return step.Entry.TimestampBegin, true
	case step.State == tracestore.StateIdle:
		return step.Until, true
	case step.State == tracestore.StateEnd:
		return ^uint64(0), true // it never had one
	}
	return 0, false
}

// creep returns the next time to tell the viewer about an idle stream while it
// has not asked for new ones. It has to grow with every answer: viewers that
// end their round at the same time, or at RETRY, never come to the stream whose
// packet makes them ask. And it has to reach what they were told of their other
// streams, as they always ask the one that is furthest behind.
func (c *conn) creep(vs *viewerStream, idleUntil uint64) uint64 {
	mark := idleUntil
	for _, a := range c.attached {
		if a.ready == 0 {
			continue
		}
		until, ok := a.watermark()
		if !ok {
			return vs.floor + 1
		}
		mark = min(mark, until)
	}
	reach := mark - min(mark, creepMargin)
	for _, other := range c.streams {
		if other.cursor != nil && other.floor < mark {
			reach = max(reach, other.floor)
		}
	}
	return max(reach, vs.floor+1)
}
