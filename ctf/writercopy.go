// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// CopyEvent writes an event that was read, of a stream whose classes are laid
// out like the writer's, with the class of the same id. Where bytes and clock
// allow it, the event's bytes are taken as they are.
func (w *StreamWriter) CopyEvent(ev *Event) error {
	var p *encEvent
	if id := ev.Class.ID; id < uint64(len(w.events)) {
		p = w.events[id]
	} else if id >= maxDenseEvents {
		p = w.others[id]
	}
	if p == nil {
		class := w.class.Event(ev.Class.ID)
		if class == nil {
			return w.refusal(ev.Class, "", "an event class of another stream class", "one of stream class "+strconv.FormatUint(w.class.ID, 10), ErrClass)
		}
		var err error
		if p, err = w.newEventPlan(class); err != nil {
			return err
		}
	}
	return w.write(p, ev.Cycles, &ev.Frame, ev)
}

// CanCopyContent reports whether the content of a packet that was read means the
// same behind the header and context of the one that is open: they are equally
// long, and leave the stream's clock at the same value. There must be no event
// in the packet yet.
func (w *StreamWriter) CanCopyContent(p *Packet) bool {
	return w.packet.open && w.packet.events == 0 && w.packet.end == p.end && w.enc.pos == p.end &&
		(!w.clocked || w.enc.clock == p.clock) &&
		p.Size/8 <= maxEncodedBytes && p.Size <= w.roles.maxBits
}

// CopyContent gives the packet that is open the content and the size of one that
// was read, whose bytes are raw; see [StreamWriter.CanCopyContent]. The last of
// its events is at a time in cycles.
func (w *StreamWriter) CopyContent(p *Packet, raw []byte, last uint64) error {
	switch {
	case !w.CanCopyContent(p) || uint64(len(raw)) != p.Size/8:
		return w.refusal(nil, "", "a packet's content", "a packet without events that it can follow", ErrFields)
	case w.clocked && last < w.last:
		return w.backwards(nil, last)
	}
	e := &w.enc
	if len(raw) > len(e.buf) {
		w.buf = slices.Grow(e.buf[:0], len(raw))
		w.buf = w.buf[:len(raw)]
		e.buf = w.buf
	}
	head := p.end / 8
	copy(e.buf[head:], raw[head:]) // its first byte may be shared: finish writes the context anew
	e.pos, e.clock = p.ContentSize, last
	w.packet.size = p.Size
	w.last = max(w.last, last)
	return nil
}

// headerTicks says how event headers carry the time.
type headerTicks struct {
	any   bool
	least uint8 // bits of the shortest integer that does
}

// ticksOf looks for the integers of event headers that update the clock.
func ticksOf(class *schema.Stream) headerTicks {
	t := headerTicks{least: 64}
	visitClasses(class.EventHeader, func(c schema.Class) {
		if i, ok := c.(*schema.Integer); ok && i.Clock != nil {
			t.any = true
			if !i.Variable {
				t.least = min(t.least, i.Size)
			}
		}
	})
	return t
}

// updatesClock reports whether fields of an event behind its header do.
func updatesClock(class *schema.Event) (yes bool) {
	for _, s := range bodyScopes {
		visitClasses(class.Struct(s), func(c schema.Class) {
			i, ok := c.(*schema.Integer)
			yes = yes || ok && i.Clock != nil
		})
	}
	return yes
}

// sameTime reports whether the header of an event that was read says the same
// time in the packet that is open: what comes before it may be missing there.
func (w *StreamWriter) sameTime(p *encEvent, ev *Event) bool {
	clock := w.enc.clock
	switch {
	case clock == ev.before || w.ticks.any && w.ticks.least == 64:
		return true
	case !w.ticks.any || p.ticks:
		return false
	default:
		return clock <= ev.before && ev.before <= ev.Cycles && (ev.Cycles-clock)>>w.ticks.least == 0
	}
}

// isMovable reports whether the bytes of a class's events mean the same at any
// byte of a packet: events begin at bytes, and no field of theirs needs more.
func isMovable(class *schema.Event) bool {
	h := class.Stream.EventHeader
	if h == nil || h.Alignment() < 8 {
		return false
	}
	most := uint64(1)
	for s := schema.EventHeader; s < schema.NumScopes; s++ {
		visitClasses(class.Struct(s), func(c schema.Class) { most = max(most, c.Alignment()) })
	}
	return most <= 8
}

// visitClasses calls f for a class and all classes in it.
func visitClasses(class schema.Class, f func(schema.Class)) {
	if st, ok := class.(*schema.Struct); ok && st == nil {
		return
	}
	f(class)
	switch c := class.(type) {
	case *schema.Struct:
		for i := range c.Members {
			visitClasses(c.Members[i].Class, f)
		}
	case *schema.Array:
		visitClasses(c.Element, f)
	case *schema.Variant:
		for i := range c.Options {
			visitClasses(c.Options[i].Class, f)
		}
	case *schema.Optional:
		visitClasses(c.Class, f)
	}
}

// copyBytes puts an event that was read at the position, a byte boundary, as the
// bytes that it was. It reports done as false, and does nothing, where the event
// has to be encoded anew; ok is false where there is no room.
func (w *StreamWriter) copyBytes(p *encEvent, ev *Event) (done, ok bool) {
	d := ev.from
	if d == nil || d.m.pos&7 != 0 {
		return false, false
	}
	raw := d.m.win[(d.eventPos+7)/8 : d.m.pos/8]
	e := &w.enc
	if !w.sameTime(p, ev) {
		if w.shape == generalHeader || p.header {
			return false, false
		}
		if !w.header(p, ev.Cycles) {
			return true, false
		}
		raw = raw[lttngHeaderLen(w.shape, raw):]
	}
	at := e.pos / 8
	if uint64(len(raw)) > uint64(len(e.buf))-at {
		return true, e.stop(encFull, encHeaderOp, uint64(len(raw)), 0)
	}
	copy(e.buf[at:], raw)
	e.pos += 8 * uint64(len(raw))
	e.clock = ev.Cycles
	return true, true
}

// lttngHeaderLen is the length of the header that an event begins with, in bytes.
func lttngHeaderLen(shape headerShape, event []byte) int {
	switch {
	case shape == largeHeader && binary.LittleEndian.Uint16(event) == 0xffff:
		return largeExtendedLen
	case shape == largeHeader:
		return largeLen
	case event[0]&31 == 31:
		return compactExtendedLen
	default:
		return compactLen
	}
}

// copyHeader encodes the header of an event that was read.
func (w *StreamWriter) copyHeader(ev *Event) bool {
	if w.class.EventHeader == nil {
		return true
	}
	if ev.headerOf != nil {
		ev.headerOf.decodeHeader()
	}
	w.enc.words, w.enc.data = ev.header.Words, ev.header.Data
	return w.enc.encode(&w.plan.header, 0)
}

// ReadPacket reads all of the packet that the cursor is in, into buf where that
// is large enough.
func (c *Cursor) ReadPacket(buf []byte) ([]byte, error) {
	d := c.d
	n := int64(d.packet.Size / 8)
	if n > maxEncodedBytes {
		return nil, d.bad(0, "packet_size", strconv.FormatInt(n, 10)+" bytes", fmt.Sprintf("at most %d to be copied", maxEncodedBytes))
	}
	buf = slices.Grow(buf[:0], int(n))[:n]
	if d.raw.data == nil {
		copy(buf, d.raw.bytes)
		return buf, nil
	}
	if d.start == 0 && int64(len(d.m.win)) == n {
		copy(buf, d.m.win)
		return buf, nil
	}
	if _, err := d.raw.data.ReadAt(buf, d.raw.offset); err != nil {
		return nil, d.wrap(0, err)
	}
	return buf, nil
}

// SeekPacket moves the cursor to the begin of a packet of its stream, by number;
// behind the last one is the stream's end. The next step tells what was lost
// before that packet, or finds its begin. It can follow an error. A clock that
// packets do not tell whole cannot be carried over those that are left out.
func (c *Cursor) SeekPacket(number int) {
	c.i, c.state, c.err, c.prev = number, betweenPackets, nil, nil
	if number > 0 {
		c.prev = &c.stream.Packets[number-1]
	}
}
