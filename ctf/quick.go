// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "encoding/binary"

// quick decodes the next event into d.event if it is of the most common kind: one
// of a known class behind a short LTTng header, all fields of which are in
// straight legs within the window. It reports false, and has changed nothing that
// counts, when [decoder.slow] has to decode it.
func (d *decoder) quick() bool {
	m, ev := &d.m, &d.event
	at := int((m.pos + 7) >> 3)
	if at+slack > len(m.win) {
		return false
	}
	w := binary.LittleEndian.Uint64(m.win[at:])
	h := &d.plan.short
	id := w & h.id
	p := ev.plan
	if p == nil || p.class.ID != id {
		if p = d.known(id); p == nil {
			return false
		}
	}
	if p.legs == nil || id == h.id || cap(m.words) < p.body.width {
		return false
	}
	words := m.words[:p.body.width]
	end := walkLegs(p.legs, m.win, words, at+h.bytes)
	if end < 0 || uint64(end)<<3 > m.limit {
		return false
	}
	d.eventPos, ev.before = m.pos, m.clock
	m.clock += (w>>h.shift - m.clock) & h.time
	m.pos = uint64(end) << 3
	if ev.Class != p.class || ev.plan != p || ev.headerOf != d {
		m.words, ev.Words = words, words
		ev.Class, ev.plan, ev.headerOf = p.class, p, d
	}
	ev.Cycles = m.clock
	return true
}

// known returns the plan of an event id in the decoder's table, nil when it has
// none.
func (d *decoder) known(id uint64) *eventPlan {
	if id >= uint64(len(d.ids)) {
		return nil
	}
	return d.ids[id]
}

// shortHeader is the usual form of one of LTTng's event headers.
type shortHeader struct {
	id    uint64 // bits of the id; all set: the header has the extended form
	shift uint8  // where the time begins
	time  uint64 // its bits
	bytes int    // of the header
}

// shortHeaderOf is what a shape's short form is.
func shortHeaderOf(shape headerShape) shortHeader {
	switch shape {
	case compactHeader:
		return shortHeader{id: 1<<5 - 1, shift: 5, time: 1<<27 - 1, bytes: compactLen}
	case largeHeader:
		return shortHeader{id: 1<<16 - 1, shift: 16, time: 1<<32 - 1, bytes: largeLen}
	default:
		return shortHeader{} // all ids mean the extended form
	}
}
