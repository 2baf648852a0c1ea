// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"math"
	"testing"

	"github.com/weir-io/weir/lttng"
)

func TestPacketRanges(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	st, id := data[0], data[0].ID()
	file := append(p.packet(st, 1, 2, 4096), p.packet(st, 3, 4, 100_000)...)
	file = append(file, p.packet(st, 5, 6, 4096)...)
	c, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
	if s, got := c.packet(id, 0, 1); s != lttng.PacketOK || !bytes.Equal(got, file[:1]) {
		t.Errorf("before any index = %v %x, want OK: the original does it", s, got)
	}
	for range 2 {
		c.index(id)
	}
	size := uint64(len(file))
	for _, tt := range []struct {
		name string
		id   lttng.StreamID
		off  uint64
		n    uint32
		want []byte // nil: ERR
	}{
		{"whole packet", id, 0, 4096, file[:4096]},
		{"part of one", id, 100, 10, file[100:110]},
		{"across two", id, 4000, 200, file[4000:4200]},
		{"large", id, 4096, 100_000, file[4096:104_096]},
		{"all", id, 0, uint32(size), file},
		{"last byte", id, size - 1, 1, file[size-1:]},
		{"nothing", id, 0, 0, []byte{}},
		{"nothing at the end", id, size, 0, []byte{}},
		{"one too many", id, size - 1, 2, nil},
		{"behind the end", id, size, 1, nil},
		{"longest", id, 0, math.MaxUint32, nil},
		{"farthest", id, math.MaxUint64, math.MaxUint32, nil},
		{"sum overflows", id, math.MaxUint64 - 9, 10, nil},
		{"sum overflows as signed", id, math.MaxInt64 - 5, 10, nil},
		{"metadata", meta.ID(), 3, 7, []byte(tsdl)[3:10]},
		{"metadata, too long", meta.ID(), 0, uint32(len(tsdl)) + 1, nil},
	} {
		st, got := c.packet(tt.id, tt.off, tt.n)
		switch {
		case tt.want == nil && st != lttng.PacketError:
			t.Errorf("%s: %v of %d bytes, want ERR", tt.name, st, len(got))
		case tt.want != nil && (st != lttng.PacketOK || !bytes.Equal(got, tt.want)):
			t.Errorf("%s: %v of %d bytes, want OK of %d", tt.name, st, len(got), len(tt.want))
		}
	}
	stats := b.srv.Stats()
	if stats.Packets != 10 || stats.PacketBytes == 0 {
		t.Errorf("counted %d packets of %d bytes, want 10", stats.Packets, stats.PacketBytes)
	}
}

// A viewer that does not read costs neither memory nor anybody's time, and
// gets everything once it does.
func TestSlowViewer(t *testing.T) {
	const size, requests = 8 << 20, 4
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	want := p.packet(data[0], 1, 2, size)
	slow, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
	slow.index(data[0].ID())
	var pipelined []byte
	for range requests {
		m := lttng.PacketRequest{Stream: data[0].ID(), Len: size}
		pipelined = lttng.AppendViewerRequest(pipelined, lttng.ViewerGetPacket, m.Append)
	}
	slow.must(slow.Send(pipelined))

	quick, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
	for range 100 {
		if s, _ := quick.metadata(meta.ID()); s == lttng.MetadataError {
			t.Fatalf("metadata = %v", s)
		}
	}
	if n := b.srv.Stats().Packets; n == requests {
		t.Errorf("%d requests answered before the first reply was read", n)
	}
	type pending struct{ buffered, requests int }
	state := make(chan pending)
	err := b.srv.loop.Post(func() {
		var most pending
		for c := range b.srv.conns {
			most.buffered = max(most.buffered, len(c.out.buf))
			most.requests = max(most.requests, len(c.in))
		}
		state <- most
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := <-state; s.buffered > smallData || s.requests > inputSize {
		t.Errorf("kept %d bytes of reply and %d of requests, want at most %d and %d", s.buffered, s.requests, smallData, inputSize)
	}
	for i := range requests {
		raw, err := slow.Read(12)
		slow.must(err)
		r, _, err := lttng.ParsePacketReply(raw)
		slow.must(err)
		got, err := slow.Read(int(r.Len))
		slow.must(err)
		if r.Status != lttng.PacketOK || !bytes.Equal(got, want) {
			t.Errorf("reply %d = %v of %d bytes", i, r.Status, len(got))
		}
	}
}

// The slow viewer's file may go away while it is being sent.
func TestViewerLeavesInTheMiddle(t *testing.T) {
	const size = 8 << 20
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 1, 2, size)
	for range 4 {
		c, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
		c.index(data[0].ID())
		m := lttng.PacketRequest{Stream: data[0].ID(), Len: size}
		c.must(c.Request(lttng.ViewerGetPacket, m.Append))
		if _, err := c.Read(12 + size/2); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	until(b.t, "connections are gone", func() bool { return b.srv.Stats().Connected == 0 })
	if n := b.srv.Viewers(p.ss.ID()); n != 0 {
		t.Errorf("Viewers = %d, want 0", n)
	}
}
