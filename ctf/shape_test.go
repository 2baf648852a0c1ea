// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

// lttngHeader is one of LTTng's event headers, packed (align 8) or aligned as a
// machine without unaligned access has it.
func lttngHeader(idBits, timeBits uint8, order schema.ByteOrder, natural bool, clock *schema.Clock) *schema.Struct {
	integer := func(size uint8) *schema.Integer {
		i := &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: order}, Base: 10}
		switch {
		case size%8 != 0:
			i.Align = 1
		case natural:
			i.Align = uint32(size)
		}
		return i
	}
	id, id32, short, long := integer(idBits), integer(32), integer(timeBits), integer(64)
	id.Role, id32.Role = schema.RoleEventClassID, schema.RoleEventClassID
	short.Clock, long.Clock = clock, clock
	last := uint64(1)<<idBits - 1
	option := func(name string, low, high uint64, members ...schema.Member) schema.Option {
		return schema.Option{Name: name, Class: &schema.Struct{Members: members}, Ranges: []schema.Range{{Low: low, High: high}}}
	}
	minAlign := uint64(8)
	if natural {
		minAlign = 32
	}
	return &schema.Struct{MinAlign: minAlign, Members: []schema.Member{
		{Name: "id", Class: id},
		{Name: "v", Class: &schema.Variant{
			Tag: &schema.Ref{Scope: schema.EventHeader, Path: []string{"id"}},
			Options: []schema.Option{
				option("short", 0, last-1, schema.Member{Name: "timestamp", Class: short}),
				option("extended", last, last, schema.Member{Name: "id", Class: id32}, schema.Member{Name: "timestamp", Class: long}),
			},
		}},
	}}
}

// lttngStream is a stream class with such headers and some events.
func lttngStream(header *schema.Struct, clock *schema.Clock) *schema.Stream {
	s := &schema.Stream{Trace: &schema.Trace{}, Clock: clock, EventHeader: header}
	for id := range uint64(40) {
		// Fields of a part of a byte: the next header has to be aligned.
		bits := &schema.Integer{BitLayout: schema.BitLayout{Size: uint8(1 + id), Align: 1, Order: schema.LittleEndian}, Base: 10}
		s.AddEvent(&schema.Event{ID: id, Name: fmt.Sprint("e", id), Payload: &schema.Struct{Members: []schema.Member{{Name: "f", Class: bits}}}})
	}
	return s
}

func TestShapeOf(t *testing.T) {
	clock := &schema.Clock{Frequency: nsPerSecond}
	member := func(h *schema.Struct, option, i int) *schema.Integer {
		o := h.Members[1].Class.(*schema.Variant).Options[option].Class.(*schema.Struct)
		return o.Members[i].Class.(*schema.Integer)
	}
	le, be := schema.LittleEndian, schema.BigEndian
	tests := []struct {
		name   string
		id, ts uint8
		order  schema.ByteOrder
		nat    bool
		change func(*schema.Struct)
		want   headerShape
	}{
		{"compact", 5, 27, le, false, nil, compactHeader},
		{"large", 16, 32, le, false, nil, largeHeader},
		{"compact natural", 5, 27, le, true, nil, generalHeader},
		{"large natural", 16, 32, le, true, nil, generalHeader},
		{"compact big-endian", 5, 27, be, false, nil, generalHeader},
		{"large big-endian", 16, 32, be, false, nil, generalHeader},
		{"other sizes", 8, 32, le, false, nil, generalHeader},
		{"one field big-endian", 16, 32, le, false, func(h *schema.Struct) { member(h, 1, 1).Order = be }, generalHeader},
		{"one field reversed", 5, 27, le, false, func(h *schema.Struct) { member(h, 0, 0).Reversed = true }, generalHeader},
		{"a time that is none", 16, 32, le, false, func(h *schema.Struct) { member(h, 0, 0).Clock = nil }, generalHeader},
		{"an id that is a time", 16, 32, le, false, func(h *schema.Struct) { member(h, 1, 0).Clock = clock }, generalHeader},
		{"no full id", 16, 32, le, false, func(h *schema.Struct) { member(h, 1, 0).Role = schema.RoleNone }, generalHeader},
		{"extended without a byte boundary", 5, 27, le, false, func(h *schema.Struct) {
			member(h, 1, 0).Align, member(h, 1, 1).Align = 1, 1
		}, generalHeader},
		{"a larger alignment", 16, 32, le, false, func(h *schema.Struct) { h.MinAlign = 16 }, generalHeader},
		{"a third member", 16, 32, le, false, func(h *schema.Struct) {
			h.Members = append(h.Members, schema.Member{Name: "m", Class: &schema.Struct{}})
		}, generalHeader},
		{"other ranges", 5, 27, le, false, func(h *schema.Struct) {
			h.Members[1].Class.(*schema.Variant).Options[0].Ranges[0].High = 29
		}, generalHeader},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := lttngHeader(tt.id, tt.ts, tt.order, tt.nat, clock)
			if tt.change != nil {
				tt.change(h)
			}
			if got := shapeOf(h); got != tt.want {
				t.Errorf("shapeOf = %v, want %v", got, tt.want)
			}
		})
	}
}

// LTTng's headers in every form: with the short cut and without it, and as one
// reads them who walks the schema.
func TestHeadersOfLTTng(t *testing.T) {
	clock := &schema.Clock{Name: "c", Frequency: nsPerSecond}
	for _, size := range [][2]uint8{{5, 27}, {16, 32}} {
		for _, order := range []schema.ByteOrder{schema.LittleEndian, schema.BigEndian} {
			for _, natural := range []bool{false, true} {
				name := fmt.Sprintf("%d bits order %d natural %v", size[0], order, natural)
				t.Run(name, func(t *testing.T) {
					class := lttngStream(lttngHeader(size[0], size[1], order, natural, clock), clock)
					rapid.Check(t, func(t *rapid.T) { checkHeaders(t, class, size[0], order) })
				})
			}
		}
	}
}

func checkHeaders(t *rapid.T, class *schema.Stream, idBits uint8, order schema.ByteOrder) {
	packet := rapid.SliceOfN(rapid.Byte(), 0, 120).Draw(t, "packet")
	for i := 0; i+8 < len(packet); i += rapid.IntRange(1, 9).Draw(t, "step") {
		switch {
		case rapid.Bool().Draw(t, "extended") && idBits == 5:
			packet[i] |= 0xff
		case idBits == 5:
		case order == schema.LittleEndian:
			packet[i], packet[i+1] = packet[i]&63, 0
		default:
			packet[i], packet[i+1] = 0, packet[i+1]&63
		}
		if rapid.Bool().Draw(t, "full id") {
			binary.LittleEndian.PutUint32(packet[i+1:], uint32(packet[i+1]&31))
		}
	}
	want, fault := walk(class, packet)
	for _, short := range []bool{true, false} {
		plan := newStreamPlan(class)
		if !short {
			plan.shape, plan.short = generalHeader, shortHeader{}
		}
		for _, window := range []int{0, 16, 32} {
			raw := rawPacket{bytes: packet, avail: int64(len(packet))}
			if window > 0 {
				raw.data, raw.bytes = newSlowReader(packet), nil
			}
			lines, err := decodeAll(newDecoder("s", plan, window), raw)
			compareWalk(t, lines, err, want, fault)
		}
	}
}
