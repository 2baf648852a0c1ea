// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"encoding/binary"

	"github.com/weir-io/weir/ctf/schema"
)

// packetMagic begins every packet of data.
const packetMagic = 0xC1FC1FC1

// Layout is the header and context of the packets of a stream class, as far as
// it takes to make one without events. It does not change.
type Layout struct {
	bytes  []byte // what is the same in every packet, zeros elsewhere
	fields []layoutField
}

// layoutField is an integer of whole bytes that differs between packets.
type layoutField struct {
	at, size int // bytes
	order    schema.ByteOrder
	of       func(*EmptyPacket) uint64
}

// EmptyPacket is what a packet without events says.
type EmptyPacket struct {
	Time      uint64 // of begin and end, clock cycles
	Instance  uint64 // of the stream: in LTTng the CPU
	Sequence  uint64 // packet number
	Discarded uint64 // events, counted from the start
	bytes     uint64
}

// NewLayout returns the layout of a stream class; ok is false when it has
// fields that are no integers of whole bytes, or lacks the time or the sizes.
func NewLayout(s *schema.Stream) (l *Layout, ok bool) {
	l = new(Layout)
	b := layoutBuilder{layout: l, stream: s}
	if !b.add(s.Trace.PacketHeader) || !b.add(s.PacketContext) {
		return nil, false
	}
	return l, b.begin && b.content && b.packet
}

type layoutBuilder struct {
	layout *Layout
	stream *schema.Stream

	begin, content, packet bool // fields that are there
}

// align pads to a number of bits, which is a power of two.
func (b *layoutBuilder) align(bits uint64) bool {
	if bits > 8*maxLayoutAlign {
		return false
	}
	for n := max(int(bits/8), 1); len(b.layout.bytes)%n != 0; {
		b.layout.bytes = append(b.layout.bytes, 0)
	}
	return true
}

const (
	maxLayoutAlign  = 4096 // bytes
	maxLayoutFields = 256
	uuidLen         = 16
)

// add puts a scope behind those before.
func (b *layoutBuilder) add(s *schema.Struct) bool {
	if s == nil {
		return true
	}
	if len(s.Members) > maxLayoutFields || !b.align(s.Alignment()) {
		return false
	}
	for i := range s.Members {
		if !b.member(&s.Members[i]) {
			return false
		}
	}
	return true
}

func (b *layoutBuilder) member(m *schema.Member) bool {
	switch c := m.Class.(type) {
	case *schema.Integer:
		return b.integer(m.Name, c)
	case *schema.Array:
		e, ok := c.Element.(*schema.Integer)
		return ok && c.LengthRef == nil && c.Length == uuidLen && e.Size == 8 && !e.Reversed && c.Alignment() == 8 &&
			b.uuid(c.Role)
	case *schema.Blob:
		return c.LengthRef == nil && c.Length == uuidLen && b.uuid(c.Role)
	default:
		return false
	}
}

func (b *layoutBuilder) uuid(r schema.Role) bool {
	id := b.stream.Trace.UUID
	if r != schema.RoleUUID || id == nil {
		return false
	}
	b.layout.bytes = append(b.layout.bytes, id[:]...)
	return true
}

func (b *layoutBuilder) integer(name string, c *schema.Integer) bool {
	if c.Variable || c.Reversed || c.Size%8 != 0 || c.Align%8 != 0 || !b.align(c.Alignment()) {
		return false
	}
	f := layoutField{at: len(b.layout.bytes), size: int(c.Size / 8), order: c.Order}
	b.layout.bytes = append(b.layout.bytes, make([]byte, f.size)...)
	switch c.Role {
	case schema.RolePacketMagic:
		f.put(b.layout.bytes, packetMagic)
	case schema.RoleStreamClassID:
		f.put(b.layout.bytes, b.stream.ID)
	case schema.RoleTimestampBegin:
		b.begin = true
		f.of = func(p *EmptyPacket) uint64 { return p.Time }
	case schema.RoleTimestampEnd:
		f.of = func(p *EmptyPacket) uint64 { return p.Time }
	case schema.RoleContentSize:
		b.content = true
		f.of = func(p *EmptyPacket) uint64 { return p.bytes * 8 }
	case schema.RolePacketSize:
		b.packet = true
		f.of = func(p *EmptyPacket) uint64 { return p.bytes * 8 }
	case schema.RoleStreamInstanceID:
		f.of = func(p *EmptyPacket) uint64 { return p.Instance }
	case schema.RoleEventsDiscarded:
		f.of = func(p *EmptyPacket) uint64 { return p.Discarded }
	case schema.RolePacketNumber:
		f.of = func(p *EmptyPacket) uint64 { return p.Sequence }
	case schema.RoleNone:
		if name == "cpu_id" {
			f.of = func(p *EmptyPacket) uint64 { return p.Instance }
		}
	default:
		return false
	}
	if f.of != nil {
		b.layout.fields = append(b.layout.fields, f)
	}
	return true
}

// put writes a value, the lowest bytes of it where the field is shorter.
func (f *layoutField) put(b []byte, v uint64) {
	var word [8]byte
	if f.order == schema.BigEndian {
		binary.BigEndian.PutUint64(word[:], v)
		copy(b[f.at:f.at+f.size], word[8-f.size:])
		return
	}
	binary.LittleEndian.PutUint64(word[:], v)
	copy(b[f.at:f.at+f.size], word[:f.size])
}

// Packet returns a packet without events: it is all header and context.
func (l *Layout) Packet(p EmptyPacket) []byte {
	p.bytes = uint64(len(l.bytes))
	b := append([]byte(nil), l.bytes...)
	for i := range l.fields {
		l.fields[i].put(b, l.fields[i].of(&p))
	}
	return b
}
