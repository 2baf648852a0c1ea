// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

// Some events of any schema, copied from a packet to another: the bytes are
// those of the reference encoder for these events.
func TestCopyAnySchema(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		version := schema.Version(rapid.IntRange(1, 2).Draw(rt, "version"))
		order := schema.ByteOrder(rapid.IntRange(1, 2).Draw(rt, "order"))
		g := &generator{t: rt, order: order, ctf2: version == schema.CTF2, small: map[*schema.BitLayout]bool{}}
		g.scope = schema.EventPayload
		payload := g.structure(6)
		idBits := uint8(rapid.IntRange(1, 9).Draw(rt, "id bits"))
		trace, e := layoutTrace(version, order, uint8(rapid.IntRange(1, 9).Draw(rt, "context bits")), idBits, payload, nil)
		if rapid.Bool().Draw(rt, "bytes") { // events begin at bytes
			e.Stream.EventHeader.MinAlign = 8
		}
		var events, kept [][2]tree
		var keep []bool
		for range rapid.IntRange(1, 5).Draw(rt, "events") {
			d := &valuer{t: rt, small: g.small, refs: map[string]uint64{}, scope: schema.EventPayload}
			events = append(events, [2]tree{1: d.value(payload, nil)})
			keep = append(keep, rapid.Bool().Draw(rt, "keep"))
			if keep[len(keep)-1] {
				kept = append(kept, events[len(events)-1])
			}
		}
		in, _, err := slowPacket(e, 1, events)
		if err != nil {
			return
		}
		want, bits, err := slowPacket(e, 1, kept)
		if err != nil {
			return // another alignment brings two byte orders into a byte
		}
		got, info := copyPacket(rt, filepath.Join(root, fmt.Sprint(n)), trace, in, keep)
		if !bytes.Equal(got, want) || info.ContentSize != uint64(bits) {
			rt.Fatalf("copied:\n% x (%d bits)\nwant\n% x (%d bits)", got, info.ContentSize, want, bits)
		}
	})
}

// copyPacket copies some events of a packet, the only one of a trace.
func copyPacket(t rapid.TB, dir string, trace *schema.Trace, packet []byte, keep []bool) (got []byte, info PacketInfo) {
	fatal := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	_, err := CreateTrace(dir, trace, TraceOptions{})
	fatal(err)
	fatal(os.WriteFile(filepath.Join(dir, "s"), packet, 0o666))
	set, err := Open(Options{}, dir)
	fatal(err)
	s := set.Streams()[0]
	w, err := NewStreamWriter(s.Class, PacketFunc(func(p []byte, i PacketInfo) error {
		got, info = bytes.Clone(p), i
		return nil
	}), StreamOptions{PadBytes: 1, PacketBytes: 64, MaxPacketBytes: 1 << 14, Grow: true})
	fatal(err)
	c := NewCursor(s, minWindow)
	defer c.Close()
	for n := 0; ; {
		kind, err := c.Next()
		if errors.Is(err, io.EOF) {
			return got, info
		}
		fatal(err)
		switch kind {
		case PacketBegin:
			fatal(w.CopyMembers(c.Packet()))
			fatal(w.OpenPacket(0))
		case EventRecord:
			if keep[n] {
				fatal(w.CopyEvent(c.Event()))
			}
			n++
		case PacketEnd:
			fatal(w.ClosePacket(0))
		}
	}
}

// A packet is copied whole only where its content means the same.
func TestCopyContent(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	want := readFile(t, dir, "chan_1")
	set, err := Open(Options{}, dir)
	check(t, err)
	s := set.Streams()[0]
	var got []byte
	w, err := NewStreamWriter(s.Class, PacketFunc(func(p []byte, _ PacketInfo) error {
		got = append(got, p...)
		return nil
	}), StreamOptions{PacketBytes: 64, Grow: true, MaxPacketBytes: 128, Instance: 1})
	check(t, err)
	c := NewCursor(s, 1<<16)
	var raw []byte
	var last uint64
	for {
		kind, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		switch p := c.Packet(); kind {
		case PacketBegin:
			if w.CanCopyContent(p) {
				t.Error("content can be copied to no packet")
			}
			check(t, w.CopyMembers(p))
			check(t, w.OpenPacket(p.Begin))
			if !w.CanCopyContent(p) {
				t.Error("content cannot be copied behind an equal context")
			}
		case EventRecord:
			last = c.Event().Cycles
		case PacketEnd:
			raw, err = c.ReadPacket(raw)
			check(t, err)
			if err := w.CopyContent(p, raw[1:], last); !errors.Is(err, ErrFields) {
				t.Errorf("CopyContent of a part = %v, want ErrFields", err)
			}
			check(t, w.CopyContent(p, raw, last))
			if w.CanCopyContent(p) {
				t.Error("content can be copied behind content")
			}
			check(t, w.ClosePacket(p.End))
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes differ from the %d that were read", len(got), len(want))
	}
}

func TestCanCopyContent(t *testing.T) {
	dir, _ := writeTestTrace(t, schema.CTF1, false)
	set, err := Open(Options{}, dir)
	check(t, err)
	s := set.Streams()[0]
	c := NewCursor(s, 1<<16)
	for kind := Kind(0); kind != EventRecord; {
		kind, err = c.Next()
		check(t, err)
	}
	sink := PacketFunc(func([]byte, PacketInfo) error { return nil })
	p := *c.Packet()
	later, err := NewStreamWriter(s.Class, sink, StreamOptions{})
	check(t, err)
	check(t, later.OpenPacket(p.Begin+1))
	if later.CanCopyContent(&p) {
		t.Error("content can be copied where the clock is another")
	}
	begun, err := NewStreamWriter(s.Class, sink, StreamOptions{})
	check(t, err)
	check(t, begun.OpenPacket(p.Begin))
	check(t, begun.CopyEvent(c.Event()))
	if begun.CanCopyContent(&p) {
		t.Error("content can be copied behind an event")
	}
}

func TestSeekPacket(t *testing.T) {
	dir, lines := writeTestTrace(t, schema.CTF1, false)
	set, err := Open(Options{}, dir)
	check(t, err)
	s := set.Streams()[0]
	c := NewCursor(s, 1<<16)
	defer c.Close()
	count := func() (n int) {
		for {
			kind, err := c.Next()
			if errors.Is(err, io.EOF) {
				return n
			}
			check(t, err)
			if kind == EventRecord {
				n++
			}
		}
	}
	before := 0
	for i := range s.Packets {
		c.SeekPacket(i)
		if got := count(); got != len(lines)-before {
			t.Errorf("from packet %d on: %d events, want %d", i, got, len(lines)-before)
		}
		c.SeekPacket(i)
		for kind := Kind(0); kind != PacketEnd; {
			kind, err = c.Next()
			check(t, err)
			if kind == EventRecord {
				before++
			}
		}
	}
	c.SeekPacket(len(s.Packets))
	if kind, err := c.Next(); kind != StreamEnd || err != nil {
		t.Errorf("behind the last packet: %v, %v, want the stream's end", kind, err)
	}
}
