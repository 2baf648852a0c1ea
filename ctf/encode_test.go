// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

func floatWord(f float64, size uint8) uint64 {
	if size == 32 {
		return uint64(math.Float32bits(float32(f)))
	}
	return math.Float64bits(f)
}

// layoutTrace is a trace of one event class, whose packet context and event
// header have members of any number of bits, so that events begin anywhere.
func layoutTrace(version schema.Version, order schema.ByteOrder, contextBits, idBits uint8, payload, specific *schema.Struct) (*schema.Trace, *schema.Event) {
	integer := func(name string, size uint8, role schema.Role) schema.Member {
		align := uint32(1)
		return schema.Member{Name: name, Spelled: name, Class: &schema.Integer{
			BitLayout: schema.BitLayout{Size: size, Align: align, Order: order}, Base: 10, Role: role,
		}}
	}
	id := testUUID()
	t := &schema.Trace{Version: version, ByteOrder: order, UUID: &id}
	t.PacketHeader = &schema.Struct{Members: []schema.Member{
		integer("magic", 32, schema.RolePacketMagic), integer("stream_id", 32, schema.RoleStreamClassID),
	}}
	s := &schema.Stream{Trace: t}
	s.PacketContext = &schema.Struct{Members: []schema.Member{
		integer("packet_size", 32, schema.RolePacketSize), integer("content_size", 32, schema.RoleContentSize),
		integer("own", contextBits, schema.RoleNone),
	}}
	s.EventHeader = &schema.Struct{Members: []schema.Member{integer("id", idBits, schema.RoleEventClassID)}}
	t.Streams = []*schema.Stream{s}
	e := &schema.Event{ID: 1, Name: "e", HasName: true, LogLevel: schema.NoLogLevel, Payload: payload, Context: specific}
	s.AddEvent(e)
	return t, e
}

// slowPacket is the packet of some events by the reference encoder.
func slowPacket(e *schema.Event, own uint64, events [][2]tree) ([]byte, int, error) {
	var s *slowStream
	content := 0
	for range 2 { // the sizes are known after the first
		s = &slowStream{refs: map[string]uint64{}}
		words := func(w ...uint64) (t tree) {
			for _, v := range w {
				t.kids = append(t.kids, tree{word: v})
			}
			return t
		}
		size := uint64(content+7) &^ 7
		if err := s.write(e.Stream.Trace.PacketHeader, words(magic, e.Stream.ID), schema.PacketHeader, nil); err != nil {
			return nil, 0, err
		}
		if err := s.write(e.Stream.PacketContext, words(size, uint64(content), own), schema.PacketContext, nil); err != nil {
			return nil, 0, err
		}
		for _, ev := range events {
			if err := s.write(e.Stream.EventHeader, words(e.ID), schema.EventHeader, nil); err != nil {
				return nil, 0, err
			}
			if e.Context != nil {
				if err := s.write(e.Context, ev[0], schema.EventSpecific, nil); err != nil {
					return nil, 0, err
				}
			}
			if err := s.write(e.Payload, ev[1], schema.EventPayload, nil); err != nil {
				return nil, 0, err
			}
		}
		content = s.pos
	}
	return s.bytes, content, nil
}

// writeEvents writes the same with a stream writer, by frames or by calls.
func writeEvents(e *schema.Event, own uint64, events [][2]tree, frames bool) (packet []byte, info PacketInfo, err error) {
	w, err := NewStreamWriter(e.Stream, PacketFunc(func(p []byte, i PacketInfo) error {
		packet, info = bytes.Clone(p), i
		return nil
	}), StreamOptions{PadBytes: 1, PacketBytes: 1 << 14})
	if err != nil {
		return nil, info, err
	}
	if err := w.SetMember("own", own); err != nil {
		return nil, info, err
	}
	for _, ev := range events {
		if err := writeTree(w, e, ev, frames); err != nil {
			return nil, info, err
		}
	}
	err = w.Close()
	return packet, info, err
}

func writeTree(w *StreamWriter, e *schema.Event, ev [2]tree, frames bool) error {
	if frames {
		f := &Frame{}
		width := Width(e.Payload)
		if e.Context != nil {
			width += Width(e.Context)
		}
		f.Words = make([]uint64, width)
		if e.Context != nil {
			lay(f, e.Context, ev[0], 0)
		}
		lay(f, e.Payload, ev[1], StartOf(e, schema.EventPayload))
		return w.WriteFrame(e, 0, f)
	}
	ew := w.Event(e, 0)
	if e.Context != nil {
		feed(ew, e.Context, ev[0])
	}
	feed(ew, e.Payload, ev[1])
	return ew.End()
}

func TestEncodeIntegersOfEverySizeEverywhere(t *testing.T) {
	for _, order := range []schema.ByteOrder{schema.LittleEndian, schema.BigEndian} {
		for size := uint8(1); size <= 64; size++ {
			for offset := uint8(1); offset <= 8; offset++ {
				for _, variation := range []struct{ signed, reversed bool }{{false, false}, {true, false}, {false, true}} {
					c := &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 1, Order: order, Reversed: variation.reversed}, Signed: variation.signed}
					testInteger(t, order, offset, c)
				}
			}
		}
	}
}

func testInteger(t *testing.T, order schema.ByteOrder, offset uint8, c *schema.Integer) {
	t.Helper()
	lead := &schema.Integer{BitLayout: c.BitLayout}
	lead.Size = offset
	byteWide := &schema.Integer{BitLayout: schema.BitLayout{Size: 8, Align: 8, Order: order}}
	payload := &schema.Struct{Members: []schema.Member{
		{Name: "a", Class: byteWide}, {Name: "lead", Class: lead}, {Name: "v", Class: c}, {Name: "z", Class: lead}, {Name: "b", Class: byteWide},
	}}
	_, e := layoutTrace(schema.CTF2, order, 1, 3, payload, nil)
	most := ^uint64(0) >> (64 - c.Size)
	values := []uint64{0, most, 1, most >> 1, 0xA5A5_5A5A_0F1E_2D3C & most}
	if c.Signed {
		values = []uint64{0, ^uint64(0), most >> 1, ^(most >> 1)}
	}
	var events [][2]tree
	for _, v := range values {
		events = append(events, [2]tree{1: {kids: []tree{{word: 0x5a}, {word: ^uint64(0) >> (64 - offset)}, {word: v}, {word: 0}, {word: 0xa5}}}})
	}
	want, bits, err := slowPacket(e, 1, events)
	check(t, err)
	got, info, err := writeEvents(e, 1, events, true)
	if err != nil || !bytes.Equal(got, want) || info.ContentSize != uint64(bits) {
		t.Fatalf("%d bits, signed %v, reversed %v, order %d at bit %d:\n% x\nwant\n% x, %v", c.Size, c.Signed, c.Reversed, order, offset, got, want, err)
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	for size := uint8(1); size < 64; size++ {
		for _, align := range []uint32{1, 8} {
			for _, signed := range []bool{false, true} {
				c := &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: align, Order: schema.LittleEndian}, Signed: signed}
				_, e := layoutTrace(schema.CTF1, schema.LittleEndian, 1, 3, &schema.Struct{Members: []schema.Member{{Name: "v", Class: c}}}, nil)
				bad := []uint64{1 << size, ^uint64(0)}
				if signed {
					bad = []uint64{1 << (size - 1), ^uint64(0) << size}
				}
				for _, v := range bad {
					_, _, err := writeEvents(e, 0, [][2]tree{{1: {kids: []tree{{word: v}}}}}, true)
					var we *WriteError
					if !errors.Is(err, ErrValue) || !errors.As(err, &we) || we.Field != "v" {
						t.Errorf("%d bits, signed %v: writing %#x = %v, want ErrValue of field v", size, signed, v, err)
					}
				}
			}
		}
	}
}

// Any schema with any values: the writer gives the bytes of the reference
// encoder, or refuses what it refuses; the reference decoder and weir's reader
// find the values in them.
func TestEncodeAnySchema(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		version := schema.Version(1 + rapid.IntRange(0, 1).Draw(rt, "version"))
		order := schema.ByteOrder(1 + rapid.IntRange(0, 1).Draw(rt, "order"))
		g := &generator{t: rt, order: order, ctf2: version == schema.CTF2, small: map[*schema.BitLayout]bool{}}
		var specific *schema.Struct
		if rapid.Bool().Draw(rt, "specific") {
			g.scope = schema.EventSpecific
			specific = g.structure(3)
		}
		g.scope = schema.EventPayload
		payload := g.structure(6)
		contextBits, idBits := uint8(rapid.IntRange(1, 9).Draw(rt, "context bits")), uint8(rapid.IntRange(1, 9).Draw(rt, "id bits"))
		trace, e := layoutTrace(version, order, contextBits, idBits, payload, specific)
		var events [][2]tree
		for range rapid.IntRange(1, 4).Draw(rt, "events") {
			d := &valuer{t: rt, small: g.small, refs: map[string]uint64{}}
			var ev [2]tree
			if specific != nil {
				d.scope = schema.EventSpecific
				ev[0] = d.value(specific, nil)
			}
			d.scope = schema.EventPayload
			ev[1] = d.value(payload, nil)
			events = append(events, ev)
		}
		want, bits, wantErr := slowPacket(e, 1, events)
		for _, frames := range []bool{true, false} {
			got, info, err := writeEvents(e, 1, events, frames)
			if wantErr != nil {
				if !errors.Is(err, ErrClass) {
					rt.Fatalf("writing = %v, want ErrClass: %v", err, wantErr)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, want) || info.ContentSize != uint64(bits) {
				rt.Fatalf("frames %v:\n% x (%d bits)\nwant\n% x (%d bits), %v", frames, got, info.ContentSize, want, bits, err)
			}
		}
		if wantErr != nil {
			return
		}
		checkSlowRead(rt, e, want, events)
		checkReader(rt, fmt.Sprintf("%s/%d", root, n), trace, e, want, events)
	})
}

func checkSlowRead(t *rapid.T, e *schema.Event, packet []byte, events [][2]tree) {
	s := &slowStream{bytes: bytes.Clone(packet), refs: map[string]uint64{}}
	s.read(e.Stream.Trace.PacketHeader, schema.PacketHeader, nil)
	s.read(e.Stream.PacketContext, schema.PacketContext, nil)
	for _, want := range events {
		s.read(e.Stream.EventHeader, schema.EventHeader, nil)
		if e.Context != nil {
			if got := s.read(e.Context, schema.EventSpecific, nil); got.String() != want[0].String() {
				t.Fatalf("reference decoder:\n%v\nwant\n%v", got, want[0])
			}
		}
		if got := s.read(e.Payload, schema.EventPayload, nil); got.String() != want[1].String() {
			t.Fatalf("reference decoder:\n%v\nwant\n%v", got, want[1])
		}
	}
}

// checkReader lets weir's reader read the packet, in a trace whose metadata is
// the schema.
func checkReader(t *rapid.T, dir string, trace *schema.Trace, e *schema.Event, packet []byte, events [][2]tree) {
	fatal := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	_, err := CreateTrace(dir, trace, TraceOptions{})
	fatal(err)
	fatal(os.WriteFile(dir+"/s", packet, 0o666))
	set, err := Open(Options{}, dir)
	fatal(err)
	m := set.Merger()
	for n := 0; ; {
		c, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			if n != len(events) {
				t.Fatalf("the reader finds %d events, want %d", n, len(events))
			}
			return
		}
		fatal(err)
		if kind != EventRecord {
			continue
		}
		for i, s := range []schema.Scope{schema.EventSpecific, schema.EventPayload} {
			v, ok := c.Event().Scope(s)
			if !ok {
				continue
			}
			if got, want := treeOf(v).String(), events[n][i].String(); got != want {
				metadata, _ := os.ReadFile(dir + "/metadata")
				t.Fatalf("event %d, %s: the reader finds\n%v\nwant\n%v\nin % x\n%s", n, s, got, want, packet, metadata)
			}
		}
		n++
	}
}
