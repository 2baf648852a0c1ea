// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// openPacket is the packet being written.
type openPacket struct {
	open   bool
	begin  uint64
	events uint64
	clock  uint64 // of the stream before the packet
	end    uint64 // bit where its context ends
	size   uint64 // bits of the packet that it is a copy of, 0: it is none

	frame Frame // header and context
}

// packetRoles are the places of what a packet says of itself.
type packetRoles struct {
	words [schema.NumRoles][]filledInt
	uuid  []int // words of arrays or blobs
	sized bool  // packets say their size: a stream can have several
	both  bool  // they say the size of the content too: there may be padding
	// clockBegin is true when a reader's clock starts from the packet's begin.
	clockBegin bool
	endSize    uint8 // bits of the end, 64 when there is none
	maxBits    uint64
}

func (r *packetRoles) has(role schema.Role) bool { return len(r.words[role]) > 0 }

// canEnd reports whether a packet that begins at a time can say that it ends at
// another.
func (r *packetRoles) canEnd(begin, end uint64) bool {
	return r.endSize >= 64 || end-begin <= uint64(1)<<r.endSize-1
}

// initPacket finds the roles of the packet's header and context and gives all
// other members zeros.
func (w *StreamWriter) initPacket() error {
	f := &rowFiller{fields: map[string]int{}}
	f.grow(w.plan.packet.width)
	if err := f.fillScope(schema.PacketHeader, w.class.Trace.PacketHeader, 0); err != nil {
		return err
	}
	if err := f.fillScope(schema.PacketContext, w.class.PacketContext, w.plan.contextAt); err != nil {
		return err
	}
	w.packet.frame = f.frame
	r := &w.roles
	r.endSize, r.maxBits = 64, math.MaxUint64
	for at := range w.plan.packet.leaves {
		if err := r.add(&w.plan.packet.leaves[at], at); err != nil {
			return err
		}
	}
	size, content := r.has(schema.RolePacketSize), r.has(schema.RoleContentSize)
	r.sized, r.both = size || content, size && content
	if len(r.uuid) > 0 && w.class.Trace.UUID == nil {
		return errors.New("a packet header with the uuid of a trace that has none")
	}
	return nil
}

func (r *packetRoles) add(l *encLeaf, at int) error {
	switch c := l.class.(type) {
	case *schema.Integer:
		if c.Role == schema.RoleNone {
			return nil
		}
		if c.Signed {
			return fmt.Errorf("a signed %s", l.name)
		}
		f := filledInt{at, c.Size}
		if c.Variable {
			f.size = 64
		}
		r.words[c.Role] = append(r.words[c.Role], f)
		most := ^uint64(0) >> (64 - f.size)
		switch c.Role {
		case schema.RolePacketSize, schema.RoleContentSize:
			r.maxBits = min(r.maxBits, most)
		case schema.RoleTimestampBegin:
			r.clockBegin = r.clockBegin || c.Clock != nil
		case schema.RoleTimestampEnd:
			r.endSize = min(r.endSize, f.size)
		}
	case *schema.Array:
		if c.Role == schema.RoleUUID {
			if c.LengthRef != nil || c.Length != 16 || l.sub.width != 1 {
				return fmt.Errorf("a uuid %s that is no array of 16 bytes", l.name)
			}
			r.uuid = append(r.uuid, at)
		}
	case *schema.Blob:
		if c.Role == schema.RoleUUID {
			if c.LengthRef != nil || c.Length != 16 {
				return fmt.Errorf("a uuid %s that is no blob of 16 bytes", l.name)
			}
			r.uuid = append(r.uuid, at)
		}
	}
	return nil
}

// setRole gives all integers with a role a value, or what they can hold of it:
// counters and clocks are cut to their lower bits.
func (w *StreamWriter) setRole(role schema.Role, v uint64) {
	for _, f := range w.roles.words[role] {
		w.packet.frame.Words[f.at] = v & (^uint64(0) >> (64 - f.size))
	}
}

func (w *StreamWriter) setRoles(p *PacketInfo) {
	w.setRole(schema.RolePacketMagic, magic)
	w.setRole(schema.RoleStreamClassID, w.class.ID)
	w.setRole(schema.RoleStreamInstanceID, w.opts.Instance)
	w.setRole(schema.RolePacketSize, p.Size)
	w.setRole(schema.RoleContentSize, p.ContentSize)
	w.setRole(schema.RoleTimestampBegin, p.Begin)
	w.setRole(schema.RoleTimestampEnd, p.End)
	w.setRole(schema.RoleEventsDiscarded, p.Discarded)
	w.setRole(schema.RolePacketNumber, p.Sequence)
	f := &w.packet.frame
	for _, at := range w.roles.uuid {
		start, _ := Extent(f.Words[at])
		if w.plan.packet.leaves[at].kind == kindBlob {
			copy(f.Data[start:], w.class.Trace.UUID[:])
			continue
		}
		for i, b := range w.class.Trace.UUID {
			f.Words[start+i] = uint64(b)
		}
	}
}

// OpenPacket begins a packet at a time in cycles; the one that is open must be
// closed before. Without it, a packet begins with its first event.
func (w *StreamWriter) OpenPacket(begin uint64) error {
	p := &w.packet
	switch {
	case w.closed:
		return w.refusal(nil, "", "", "", ErrClosed)
	case p.open:
		return w.refusal(nil, "", "a packet", "the end of the one before", ErrFields)
	case w.clocked && begin < w.last:
		return w.backwards(nil, begin)
	case !w.roles.sized && w.number > 0:
		return w.refusal(nil, "", "another packet", "one packet, as packets do not say their size", ErrClass)
	}
	if cap(w.buf) < w.opts.PacketBytes {
		w.buf = make([]byte, w.opts.PacketBytes)
	}
	w.enc.buf = w.buf[:min(uint64(w.opts.PacketBytes), w.roles.maxBits/8)]
	p.clock = w.enc.clock
	w.setRoles(&PacketInfo{Begin: begin, End: begin})
	for !w.encodePacket() {
		if w.enc.fault.kind != encFull || !w.grow() {
			return w.faultError(nil)
		}
	}
	if w.roles.clockBegin && w.enc.clock != begin {
		got := w.enc.clock
		w.enc.clock = p.clock
		return w.refusal(nil, "timestamp_begin", strconv.FormatUint(begin, 10)+" cycles",
			"a time that its bits can say after "+strconv.FormatUint(p.clock, 10)+" (they say "+strconv.FormatUint(got, 10)+")", ErrTime)
	}
	p.open, p.begin, p.events, p.end, p.size = true, begin, 0, w.enc.pos, 0
	w.last = max(w.last, begin)
	return nil
}

// encodePacket puts the packet's header and context at its begin.
func (w *StreamWriter) encodePacket() bool {
	e := &w.enc
	e.pos, e.clock = 0, w.packet.clock
	clear(e.refs)
	e.words, e.data = w.packet.frame.Words, w.packet.frame.Data
	return e.encode(&w.plan.packet, 0)
}

// grow doubles the room of the packet, up to its limit.
func (w *StreamWriter) grow() bool {
	most := min(uint64(w.opts.MaxPacketBytes), w.roles.maxBits/8, maxEncodedBytes)
	have := uint64(len(w.enc.buf))
	if have >= most {
		return false
	}
	bigger := make([]byte, min(max(2*have, 64), most))
	copy(bigger, w.enc.buf[:(w.enc.pos+7)/8])
	w.buf, w.enc.buf = bigger, bigger
	return true
}

// ClosePacket ends the packet, if one is open, at a time in cycles and hands it
// to the sink. When the sink refuses it, its events count as discarded and its
// number is left out.
func (w *StreamWriter) ClosePacket(end uint64) error {
	p := &w.packet
	switch {
	case !p.open:
		return nil
	case w.clocked && end < w.last:
		return w.backwards(nil, end)
	case !w.roles.canEnd(p.begin, end):
		return w.refusal(nil, "timestamp_end", strconv.FormatUint(end, 10)+" cycles",
			"a time that its bits can say after "+strconv.FormatUint(p.begin, 10), ErrTime)
	}
	info := w.info(end)
	if !w.roles.both && info.ContentSize%8 != 0 {
		return w.refusal(nil, "", "a packet of "+strconv.FormatUint(info.ContentSize, 10)+" bits", "whole bytes, as packets do not say both sizes", ErrClass)
	}
	if err := w.finish(&info); err != nil {
		return err
	}
	err := w.sink.WritePacket(w.enc.buf[:info.Size/8], info)
	p.open = false
	w.sequence++
	w.last = max(w.last, end)
	if w.roles.has(schema.RoleTimestampEnd) && w.class.Clock != nil {
		w.enc.clock = end
	}
	if cap(w.buf) > w.opts.PacketBytes {
		w.buf = nil // that of a large event
	}
	if err != nil {
		w.discarded += p.events
		return &WriteError{Stream: w.name, Err: fmt.Errorf("packet %d lost: %w", w.sequence-1, err)}
	}
	w.told = w.discarded
	w.number++
	w.offset += int64(info.Size / 8)
	return nil
}

// info tells what the packet is that ends now.
func (w *StreamWriter) info(end uint64) PacketInfo {
	i := PacketInfo{
		Offset: w.offset, Number: w.number, ContentSize: w.enc.pos,
		Begin: w.packet.begin, End: end, Discarded: w.discarded, Sequence: w.sequence,
		ClassID: w.class.ID, InstanceID: w.opts.Instance,
	}
	i.Size = (i.ContentSize + 7) &^ 7
	if w.packet.size > 0 {
		i.Size = w.packet.size
	} else if w.roles.both {
		pad := 8 * uint64(w.opts.PadBytes)
		if size := (i.Size + pad - 1) / pad * pad; size <= w.roles.maxBits && size/8 <= max(uint64(w.opts.MaxPacketBytes), i.Size/8) {
			i.Size = size
		}
	}
	for _, f := range packetFields {
		if w.roles.has(f.role) {
			i.Has |= f.bit
		}
	}
	return i
}

// packetFields are the roles whose presence readers are told of.
var packetFields = [...]struct {
	role schema.Role
	bit  PacketFields
}{
	{schema.RoleTimestampBegin, HasBegin},
	{schema.RoleTimestampEnd, HasEnd},
	{schema.RoleEventsDiscarded, HasDiscarded},
	{schema.RolePacketNumber, HasSequence},
	{schema.RoleStreamClassID, HasClassID},
	{schema.RoleStreamInstanceID, HasInstanceID},
}

// finish pads the packet and writes its header and context anew, with what is
// known only now.
func (w *StreamWriter) finish(info *PacketInfo) error {
	e := &w.enc
	if w.packet.size == 0 {
		w.pad(info)
	}
	m, end := e.mark(), w.packet.end
	var shared byte
	if end%8 != 0 {
		shared = e.buf[end/8]
	}
	w.setRoles(info)
	if !w.encodePacket() {
		err := w.faultError(nil)
		e.reset(m)
		return err
	}
	if end%8 != 0 {
		e.buf[end/8] |= shared &^ firstBits(end%8, e.order)
	}
	e.reset(m)
	return nil
}

// pad makes all behind the packet's content zero.
func (w *StreamWriter) pad(info *PacketInfo) {
	e := &w.enc
	e.cutByte()
	used, size := (info.ContentSize+7)/8, info.Size/8
	if size > uint64(len(e.buf)) {
		w.buf = append(e.buf[:used:used], make([]byte, size-used)...)
		e.buf = w.buf
	}
	clear(e.buf[used:size])
}

// encMark is a place to go back to.
type encMark struct {
	pos, clock uint64
	order      schema.ByteOrder
	reverse    bool
}

func (e *encoder) mark() encMark { return encMark{e.pos, e.clock, e.order, e.reverse} }

func (e *encoder) reset(m encMark) {
	e.pos, e.clock, e.order, e.reverse = m.pos, m.clock, m.order, m.reverse
}
