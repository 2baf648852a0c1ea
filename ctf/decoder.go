// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// Limits of what a decoder takes from one packet, so that a corrupt packet
// costs an error and not the memory of the machine.
const (
	// maxEventBytes bounds the bytes of one event that are held at a time.
	maxEventBytes = 64 << 20
	// maxEventWords bounds the decoded values of one event.
	maxEventWords = 4 << 20
)

// magic begins each packet of a trace that has a field for it.
const magic = 0xC1FC1FC1

// rawPacket is a packet that has not been looked into.
type rawPacket struct {
	data   io.ReaderAt // nil: bytes holds the packet
	bytes  []byte
	offset int64 // of the packet in data
	avail  int64 // bytes from the packet's start to the end of data
	info   *PacketInfo
}

// decoder decodes one packet after the other of a data stream. It reads a
// packet through a window, so that its memory does not depend on how large
// packets are.
type decoder struct {
	name  string // of the stream, for errors
	plan  *streamPlan
	probe bool // only the header is of interest: any stream class will do

	m      machine
	raw    rawPacket
	buf    []byte // the window's memory, when the packet is not in memory
	start  int64  // of the window in the packet, bytes
	size   int64  // of the packet's content, bytes: the last one may be used in part
	packet Packet
	event  Event

	eventPos uint64 // where the event being decoded begins
	ids      []*eventPlan
	words    []uint64 // of packet frames
	data     []byte   // of packet frames
}

// newDecoder makes a decoder whose window has a size in bytes.
func newDecoder(name string, plan *streamPlan, window int) *decoder {
	d := &decoder{name: name, plan: plan, buf: make([]byte, window)}
	d.m.maxWords = maxEventWords
	d.m.refs = make([]uint64, plan.refs.len())
	d.m.marks = make([]uint64, plan.refs.len())
	d.packet.Class = plan.class
	d.event.Packet, d.event.from = &d.packet, d
	return d
}

// open begins a packet: it decodes its header and context and finds its sizes.
func (d *decoder) open(raw rawPacket) error {
	d.raw, d.start = raw, 0
	d.m.win, d.m.fault, d.event.Class = nil, fault{}, nil
	number := d.packet.Number
	d.packet.PacketInfo = PacketInfo{Offset: raw.offset, Number: number}
	d.size = raw.avail
	if raw.info != nil {
		d.packet.PacketInfo = *raw.info
		d.size = min(d.size, int64((raw.info.ContentSize+7)/8))
	}
	d.m.base, d.m.pos, d.m.limit = 0, 0, uint64(d.size)*8
	if err := d.fill(0); err != nil {
		return err
	}
	clock := d.m.clock
	for {
		d.m.words = resize(d.words, d.plan.header.width+d.plan.context.width)
		d.m.pos, d.m.clock = 0, clock
		if d.m.exec(d.plan.header, 0) && d.m.exec(d.plan.context, d.plan.header.width) {
			break
		}
		if err := d.more(0); err != nil {
			return err
		}
	}
	d.words, d.m.words = d.m.words, d.event.Words
	d.packet.end, d.packet.clock = d.m.pos, d.m.clock
	d.keepPacketFrame()
	if err := d.checkHeader(); err != nil {
		return err
	}
	return d.readRoles()
}

// keepPacketFrame gives the packet's frame bytes of its own: the window moves on.
func (d *decoder) keepPacketFrame() {
	d.data = append(d.data[:0], d.m.win[:min((d.m.pos+7)/8, uint64(len(d.m.win)))]...)
	d.packet.Frame = Frame{d.words, d.data}
	d.packet.contextAt = d.plan.header.width
}

// finish puts the clock to the packet's end, behind its events. Where the packet
// tells the lower bits of that alone, it is the next such value after them.
func (d *decoder) finish() {
	p := &d.packet
	if size := d.plan.endSize; size < 64 && p.Has&HasEnd != 0 && p.End < d.m.clock {
		p.End = extendClock(d.m.clock, p.End, size)
	}
	if p.Has&HasEnd != 0 {
		d.m.clock = max(d.m.clock, p.End)
	}
}

// checkHeader refuses a packet that is not one of the stream. The trace's uuid
// in it may be another one, as in babeltrace2: copied traces have such.
func (d *decoder) checkHeader() error {
	if d.plan.roles[schema.RolePacketMagic] {
		if got := d.m.refs[schema.RolePacketMagic]; got != magic {
			return d.bad(0, "magic", fmt.Sprintf("%#x", got), fmt.Sprintf("%#x", magic))
		}
	}
	if !d.probe && d.plan.roles[schema.RoleStreamClassID] && d.m.refs[schema.RoleStreamClassID] != d.plan.class.ID {
		return d.bad(0, "stream_id", strconv.FormatUint(d.m.refs[schema.RoleStreamClassID], 10),
			strconv.FormatUint(d.plan.class.ID, 10)+", as in the stream's first packet")
	}
	return nil
}

// next decodes the next event of the packet into d.event. It reports false at
// the end of the packet's content.
func (d *decoder) next() (bool, error) {
	if d.quick() {
		return true, nil
	}
	return d.slow()
}

// slow is next for events of any kind.
func (d *decoder) slow() (bool, error) {
	if d.m.pos == d.m.limit {
		return false, nil
	}
	clock, order := d.m.clock, d.m.order
	d.eventPos, d.event.before = d.m.pos, clock
	for !d.decode() {
		// Begin the event anew, with more of the packet at hand or, of a class
		// that was not known, when called again.
		d.m.clock, d.m.order, d.m.pos = clock, order, d.eventPos
		if d.m.fault.kind != faultShort {
			return false, d.faultError()
		}
		if err := d.more(d.eventPos); err != nil {
			return false, err
		}
		d.eventPos = d.m.pos
	}
	if d.m.pos > d.m.limit {
		return false, d.bad(d.m.base+d.m.pos, "", "an event that ends here", "the end of the content at bit "+
			strconv.FormatUint(d.m.base+d.m.limit, 10))
	}
	if d.m.pos == d.eventPos {
		return false, d.bad(d.m.base+d.m.pos, "", "an event of no bits before the end of the content", "one that takes some")
	}
	return true, nil
}

// decode decodes an event from d.m.pos on.
func (d *decoder) decode() bool {
	m := &d.m
	ev := &d.event
	var id uint64
	short := false // the header was decoded without its plan
	if d.plan.shape != generalHeader {
		id, short = m.lttngHeader(d.plan.shape)
	}
	if !short {
		if !d.decodeGeneralHeader() {
			return false
		}
		id = m.refs[schema.RoleEventClassID]
	}
	p := ev.plan
	if p == nil || p.class.ID != id {
		if id < uint64(len(d.ids)) {
			p = d.ids[id]
		} else {
			p = nil
		}
		if p == nil {
			if p = d.lookup(id); p == nil {
				ev.Class = nil
				return false
			}
		}
		ev.plan = p
	}
	ev.Class = p.class
	if short {
		ev.headerOf = d
		if p.needHeader {
			d.decodeHeader()
		}
	}
	width := p.body.width
	if width > cap(m.words) {
		m.words = make([]uint64, width, 2*width)
	}
	m.words = m.words[:width]
	if p.straight == nil || !m.straight(p.straight) {
		m.words = m.words[:width]
		if !m.exec(p.body, 0) {
			return false
		}
	}
	ev.Words = m.words
	ev.Cycles = m.clock
	return true
}

// decodeGeneralHeader decodes an event header that has no short cut.
func (d *decoder) decodeGeneralHeader() bool {
	m, ev := &d.m, &d.event
	ev.Class, ev.headerOf = nil, nil
	m.refs[schema.RoleEventClassID] = 0
	words := m.words
	m.words = resize(ev.header.Words[:0], d.plan.event.width)
	ok := m.exec(d.plan.event, 0)
	ev.header = Frame{m.words, m.win}
	m.words = words
	return ok
}

// maxDenseID bounds the table of plans by event id; plans of larger ids are
// looked up each time.
const maxDenseID = 1 << 16

// lookup finds the plan of an event class that is not in the decoder's table.
func (d *decoder) lookup(id uint64) *eventPlan {
	p := d.plan.eventPlan(id)
	if p == nil {
		d.m.fault = fault{kind: faultEventID, pos: d.eventPos, field: "id", got: id}
		return nil
	}
	if id < maxDenseID {
		if need := int(id) + 1; need > len(d.ids) {
			d.ids = append(d.ids, make([]*eventPlan, need-len(d.ids))...)
		}
		d.ids[id] = p
	}
	if n := p.refs - len(d.m.refs); n > 0 {
		d.m.refs = append(d.m.refs, make([]uint64, n)...)
	}
	return p
}

// decodeHeader decodes the event's header by its plan, which LTTng's headers do
// without.
func (d *decoder) decodeHeader() {
	ev := &d.event
	m := d.m // the clock has had its update
	m.pos = d.eventPos
	m.words = resize(ev.header.Words[:0], d.plan.event.width)
	m.exec(d.plan.event, 0)
	d.m.mark = m.mark
	ev.header = Frame{m.words, d.m.win}
	ev.headerOf = nil
}

// more brings more of the packet behind the position pos, where decoding has to
// begin anew, into the window.
func (d *decoder) more(pos uint64) error {
	f := d.m.fault
	if f.kind != faultShort || d.start+int64(len(d.m.win)) >= d.size {
		err := d.faultError()
		err.torn = f.kind == faultShort && d.size == d.raw.avail
		return err
	}
	return d.fill(pos)
}

// fill moves the window so that it begins at the byte of bit pos, and makes it
// larger where it began there already.
func (d *decoder) fill(pos uint64) error {
	if d.raw.data == nil {
		d.m.win = d.raw.bytes[:min(d.size, int64(len(d.raw.bytes)))]
		d.event.Data = d.m.win
		return nil
	}
	skip := int64(pos/8) &^ 7
	kept := 0
	if skip == 0 && len(d.m.win) == len(d.buf) && d.start+int64(len(d.buf)) < d.size && d.m.fault.kind == faultShort {
		if len(d.buf) >= maxEventBytes {
			return d.bad(d.m.base+pos, "", "an event of more than "+strconv.Itoa(maxEventBytes)+" bytes", "a smaller one")
		}
		d.buf = append(d.buf, make([]byte, len(d.buf))...)
		kept = len(d.m.win)
	} else if len(d.m.win) > 0 && d.m.fault.kind == faultShort {
		kept = copy(d.buf, d.m.win[min(skip, int64(len(d.m.win))):])
		d.start += skip // an alignment may lead beyond the window
	}
	d.m.fault = fault{}
	want := min(int64(len(d.buf)), d.size-d.start)
	n, err := d.raw.data.ReadAt(d.buf[kept:want], d.raw.offset+d.start+int64(kept))
	if int64(kept+n) < want {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return d.wrap(8*uint64(d.start+int64(kept+n)), err)
	}
	d.m.win = d.buf[:want]
	d.event.Data = d.m.win
	d.m.base = 8 * uint64(d.start)
	d.m.pos = pos - 8*uint64(skip)
	d.m.limit -= 8 * uint64(skip)
	return nil
}

func (d *decoder) faultError() *PacketError {
	f := &d.m.fault
	got, want := f.text()
	return d.bad(d.m.base+f.pos, f.field, got, want)
}

func (d *decoder) bad(bit uint64, field, got, want string) *PacketError {
	e := d.wrap(bit, nil)
	e.Field, e.Got, e.Want = field, got, want
	return e
}

func (d *decoder) wrap(bit uint64, err error) *PacketError {
	e := &PacketError{Stream: d.name, Packet: d.packet.Number, Offset: d.packet.Offset, Bit: bit, Err: err}
	if d.raw.data == nil {
		e.Offset = -1
	}
	if d.event.Class != nil {
		e.Event = d.event.Class.Name
	}
	return e
}

// resize gives a slice a length and keeps nothing of its elements.
func resize(s []uint64, n int) []uint64 {
	if n <= cap(s) {
		return s[:n]
	}
	return make([]uint64, n)
}
