// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"testing"

	"github.com/weir-io/weir/ctf/schema"
)

// Events as LTTng has them, of 33 bytes with their header.
func BenchmarkDecoder(b *testing.B) {
	clock := &schema.Clock{Frequency: nsPerSecond}
	integer := func(size uint8) *schema.Integer {
		return &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: schema.LittleEndian}}
	}
	header := lttngHeader(16, 32, schema.LittleEndian, false, clock)
	class := &schema.Stream{Trace: &schema.Trace{}, Clock: clock, EventHeader: header}
	class.AddEvent(&schema.Event{ID: 1, Name: "e", Payload: &schema.Struct{Members: []schema.Member{
		{Name: "a", Class: integer(32)}, {Name: "b", Class: integer(64)}, {Name: "c", Class: integer(32)}, {Name: "s", Class: &schema.String{}},
	}}})
	one := append([]byte{1, 0, 5, 0, 0, 0}, make([]byte, 16)...)
	one = append(one, "ten letter\x00"...)
	var packet []byte
	for range 4000 {
		packet = append(packet, one...)
	}
	d := newDecoder("s", newStreamPlan(class), 0)
	b.SetBytes(int64(len(packet)))
	for b.Loop() {
		if err := d.open(rawPacket{bytes: packet, avail: int64(len(packet))}); err != nil {
			b.Fatal(err)
		}
		for {
			ok, err := d.next()
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
		}
	}
}
