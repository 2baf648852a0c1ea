// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

// compareWalk holds a decoder's result against a walker's.
func compareWalk(t rapid.TB, lines []string, err error, want []string, fault *walkFault) {
	t.Helper()
	for i := range min(len(lines), len(want)) {
		if lines[i] != want[i] {
			t.Fatalf("line %d:\ngot  %s\nwant %s", i, lines[i], want[i])
		}
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d; error %v, want %+v", len(lines), len(want), err, fault)
	}
	if (err != nil) != (fault != nil) {
		t.Fatalf("error %v, want %+v", err, fault)
	}
	if fault == nil {
		return
	}
	var bad *PacketError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want a PacketError", err)
	}
	kinds := map[faultKind]string{
		noFault: "an event that ends here", faultShort: endOfContent, faultOrder: "another byte order",
		faultVarint: "more than 64 bits",
	}
	// That a sequence is too long for the packet is found before its elements are.
	early := !fault.exact && bad.Got == endOfContent
	if text := kinds[fault.kind]; fault.field != "content_size" && text != "" && bad.Got != text && !early {
		t.Fatalf("error %v, want one with %q", err, text)
	}
	if fault.exact && (bad.Bit != uint64(fault.bit) || bad.Field != fault.field) {
		t.Fatalf("error %v, want one at bit %d, field %q", err, fault.bit, fault.field)
	}
}

// Whatever the schema and the bytes: the decoder tells what one tells who walks
// the schema bit by bit, from memory and through windows of any size.
func TestDecoderTellsWhatAWalkTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := drawStream(t)
		packet := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "packet")
		if rapid.Bool().Draw(t, "sparse") {
			for i := range packet {
				packet[i] &= packet[(i+1)%len(packet)] // shorter sequences and strings
			}
		}
		want, fault := walk(class, packet)
		plan := newStreamPlan(class)

		memory := newDecoder("s", plan, 0)
		lines, err := decodeAll(memory, rawPacket{bytes: packet, avail: int64(len(packet))})
		compareWalk(t, lines, err, want, fault)
		for _, window := range []int{16, 24, 40, 1 << 12} {
			d := newDecoder("s", plan, window)
			lines, err := decodeAll(d, rawPacket{data: bytes.NewReader(packet), avail: int64(len(packet))})
			compareWalk(t, lines, err, want, fault)
		}
	})
}

// The same for packets within a file, one after the other in one decoder.
func TestDecoderGoesFromPacketToPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := drawStream(t)
		class.Clock = nil
		file := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "file")
		d := newDecoder("s", newStreamPlan(class), 16)
		for at := 0; at < len(file); {
			n := rapid.IntRange(1, len(file)-at).Draw(t, "packet")
			want, fault := walk(class, file[at:at+n])
			lines, err := decodeAll(d, rawPacket{data: bytes.NewReader(file), offset: int64(at), avail: int64(n)})
			// The clock goes on from packet to packet: leave it out.
			cut := func(lines []string) []string {
				lines = slices.Clone(lines)
				for i, l := range lines {
					lines[i] = l[:strings.LastIndexByte(l, ' ')+1]
				}
				return lines
			}
			compareWalk(t, cut(lines), err, cut(want), fault)
			at += n
		}
	})
}

// The plan of arrays in arrays is no larger than they are, whatever they hold.
func TestPlanOfNestedArrays(t *testing.T) {
	var c schema.Class = &schema.Integer{BitLayout: schema.BitLayout{Size: 3, Align: 1, Order: schema.LittleEndian}}
	for range 60 {
		c = &schema.Array{Element: c, Length: 1}
	}
	class := &schema.Stream{Trace: &schema.Trace{}}
	class.AddEvent(&schema.Event{Name: "e", Payload: &schema.Struct{Members: []schema.Member{{Name: "a", Class: c}}}})
	d := newDecoder("s", newStreamPlan(class), 0)
	lines, err := decodeAll(d, rawPacket{bytes: []byte{0b110_101_11, 0b1}, avail: 2})
	want, fault := walk(class, []byte{0b110_101_11, 0b1})
	compareWalk(t, lines, err, want, fault)
}

// A piece of metadata that is not good leaves no trace of itself.
func TestMetadataAfterABadPiece(t *testing.T) {
	sch := testStream(t, "$ stream { };").Trace
	other := *sch
	other.UUID = &schema.UUID{9}
	var p MetadataParser
	if err := p.Parse(AppendMetadataPacket(nil, &other, []byte("nonsense"))); err == nil {
		t.Error("nonsense was read")
	}
	if err := p.Parse(AppendMetadataPacket(nil, sch, []byte("trace { major = 1; minor = 8; byte_order = le; };"))); err != nil {
		t.Error(err)
	}
	if p.Trace() == nil {
		t.Error("no trace after a good piece")
	}
}
