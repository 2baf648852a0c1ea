// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// quirks are mistakes of tracers that made a trace, by what its environment says
// of them. babeltrace2 mends the same ones.
type quirks struct {
	endsEarly  bool // events lie behind the end of their packet
	beginsLate bool // events lie before the begin of their packet
	zeroEnd    bool // a packet that a crash cut off ends at 0
}

// quirksOf reads the tracer and its version from the environment.
func quirksOf(t *schema.Trace) quirks {
	tracer, _ := t.EnvString("tracer_name")
	major, ok := t.EnvInt("tracer_major")
	if !ok {
		return quirks{zeroEnd: tracer == "lttng-ust" || tracer == "lttng-modules"}
	}
	minor, _ := t.EnvInt("tracer_minor")
	patch, ok := t.EnvInt("tracer_patch")
	if !ok {
		patch, _ = t.EnvInt("tracer_patchlevel")
	}
	before := func(x, y, z int64) bool {
		return major < x || major == x && (minor < y || minor == y && patch < z)
	}
	switch tracer {
	case "lttng-ust":
		return quirks{zeroEnd: true, endsEarly: before(2, 11, 0)}
	case "lttng-modules":
		return quirks{zeroEnd: true, endsEarly: before(2, 9, 13) || before(2, 10, 10) && !before(2, 10, 0)}
	case "barectf":
		return quirks{beginsLate: before(2, 3, 1)}
	default:
		return quirks{}
	}
}

// settle mends the bounds of a stream's packets from one on.
func (q quirks) settle(s *Stream, from int) {
	if q == (quirks{}) || !s.Clocked() {
		return
	}
	for i := from; i < len(s.Packets); i++ {
		p := &s.Packets[i]
		if q.zeroEnd && p.Has&HasEnd != 0 && p.End == 0 && p.Begin != 0 {
			if i+1 < len(s.Packets) {
				p.End = s.Packets[i+1].Begin
			} else {
				p.End = s.eventBounds(i).last
			}
		}
		if q.endsEarly && p.Has&HasEnd != 0 {
			p.End = max(p.End, s.eventBounds(i).last)
		}
		if q.beginsLate && i > 0 && p.Has&HasBegin != 0 {
			p.Begin = min(p.Begin, s.eventBounds(i).first)
			s.Packets[i-1].End = min(s.Packets[i-1].End, p.Begin)
		}
	}
}

// eventBounds decodes a packet and returns the clock values of its first and
// last event; the packet's own bounds when it has none.
func (s *Stream) eventBounds(i int) (b struct{ first, last uint64 }) {
	p := &s.Packets[i]
	b.first, b.last = p.Begin, max(p.End, p.Begin)
	d := newDecoder(s.Name, s.plan, minWindow)
	f, raw, err := s.openPacket(nil, i)
	if err != nil {
		return b
	}
	defer f.Close()
	if d.open(raw) != nil {
		return b
	}
	for n := 0; ; n++ {
		ok, err := d.next()
		if !ok || err != nil {
			return b
		}
		if n == 0 {
			b.first = d.event.Cycles
		}
		b.last = d.event.Cycles
	}
}
