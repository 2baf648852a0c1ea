// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/lttng"
)

// tsdl is metadata in one packet-less text; good enough where nobody parses it.
const tsdl = "/* CTF 1.8 */\ntrace { major = 1; };\n"

// The situations of the reference, one after the other on one stream.
func TestIndexSituations(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, "", "ch_0")
	c, streams := b.attached(p.ss.ID(), lttng.SeekLast)
	if len(streams) != 2 {
		t.Fatalf("attached to %d streams, want 2", len(streams))
	}
	st, id := data[0], data[0].ID()

	c.wantIndex("no metadata, no packet", id, answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
	c.wantIndex("metadata stream", meta.ID(), answer{lttng.IndexHangup, lttng.FlagNewMetadata, 0})
	if s, _ := c.metadata(meta.ID()); s != lttng.MetadataNone {
		t.Errorf("empty metadata = %v, want NO_NEW", s)
	}
	p.metadata(meta, []byte(tsdl))
	c.wantIndex("metadata there", id, answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
	if s, text := c.metadata(meta.ID()); s != lttng.MetadataOK || !bytes.Contains(text, []byte(tsdl)) {
		t.Errorf("metadata = %v %q", s, text)
	}
	c.wantIndex("metadata read", id, answer{lttng.IndexRetry, 0, 0})
	p.beacon(st, 100)
	c.wantIndex("beacon", id, answer{lttng.IndexInactive, 0, 100})
	want := p.packet(st, 110, 120, 4096)
	r := c.wantIndex("packet", id, answer{lttng.IndexOK, 0, 120})
	if r.PacketSize != 4096*8 || r.ContentSize != 4096*8 || r.TimestampBegin != 110 || r.StreamClass != 7 {
		t.Errorf("packet index = %+v", r)
	}
	if s, got := c.packet(id, r.Offset, 4096); s != lttng.PacketOK || !bytes.Equal(got, want) {
		t.Errorf("packet = %v of %d bytes", s, len(got))
	}
	c.wantIndex("after the packet", id, answer{lttng.IndexRetry, 0, 0})
	p.beacon(st, 130)
	c.wantIndex("next beacon", id, answer{lttng.IndexInactive, 0, 130})
	p.metadata(meta, []byte("event { id = 1; };\n"))
	c.wantIndex("more metadata", id, answer{lttng.IndexInactive, lttng.FlagNewMetadata, 130})
	c.metadata(meta.ID())
	p.packet(st, 140, 150, 4096)
	p.packet(st, 160, 170, 8192)
	p.end(st, meta)
	p.ss.Close()
	if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsOK || len(r.Streams) != 0 {
		t.Errorf("new streams with unread data = %+v, want OK 0", r)
	}
	c.wantIndex("unread data after destroy", id, answer{lttng.IndexOK, 0, 150})
	if r := c.wantIndex("last", id, answer{lttng.IndexOK, 0, 170}); r.Offset != 8192 {
		t.Errorf("offset of the last packet = %d, want 8192", r.Offset)
	}
	if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsHangup {
		t.Errorf("new streams, all read = %v, want HUP", r.Status)
	}
	c.wantIndex("end", id, answer{lttng.IndexHangup, 0, 0})
	c.wantIndex("after the end", id, answer{lttng.IndexError, 0, 0})
	for range 2 {
		if s, _ := c.metadata(meta.ID()); s != lttng.MetadataNone {
			t.Errorf("metadata after the end = %v, want NO_NEW", s)
		}
		if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsHangup {
			t.Errorf("new streams after the end = %v, want HUP", r.Status)
		}
	}
	if s, err := c.Detach(p.ss.ID()); err != nil || s != lttng.DetachOK {
		t.Errorf("detach = %v, %v", s, err)
	}
	if r := c.attach(p.ss.ID(), lttng.SeekLast); r.Status != lttng.AttachUnknown {
		t.Errorf("attach to a closed session = %v, want UNK", r.Status)
	}
}

func TestIndexAccess(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	other := newProducer(t, b.store, "other")
	_, foreign := other.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 1, 2, 4096)
	c, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
	for _, tt := range []struct {
		name string
		id   lttng.StreamID
	}{{"unknown", 999}, {"of a session not attached", foreign[0].ID()}, {"zero", 0}, {"largest", ^lttng.StreamID(0)}} {
		t.Run(tt.name, func(t *testing.T) {
			if r := c.index(tt.id); r.Status != lttng.IndexError || r.Flags != 0 {
				t.Errorf("index = %v flags %d, want ERR", r.Status, r.Flags)
			}
			if s, _ := c.packet(tt.id, 0, 16); s != lttng.PacketError {
				t.Errorf("packet = %v, want ERR", s)
			}
			if s, _ := c.metadata(tt.id); s != lttng.MetadataError {
				t.Errorf("metadata = %v, want ERR", s)
			}
		})
	}
	if s, _ := c.metadata(data[0].ID()); s != lttng.MetadataError {
		t.Errorf("metadata of a data stream = %v, want ERR", s)
	}
	if s, err := c.Detach(p.ss.ID()); err != nil || s != lttng.DetachOK {
		t.Fatalf("detach = %v, %v", s, err)
	}
	for _, id := range []lttng.StreamID{meta.ID(), data[0].ID()} {
		if r := c.index(id); r.Status != lttng.IndexError {
			t.Errorf("index of stream %d after detach = %v, want ERR", id, r.Status)
		}
	}
}

// An answer about time never goes back, and never says "for ever".
func TestInactiveNeverGoesBack(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	c.metadata(meta.ID())
	st, id := data[0], data[0].ID()
	p.beacon(st, 100)
	c.wantIndex("first", id, answer{lttng.IndexInactive, 0, 100})
	p.beacon(st, 90)
	c.wantIndex("older beacon", id, answer{lttng.IndexRetry, 0, 0})
	p.packet(st, 100, 200, 64)
	c.wantIndex("packet", id, answer{lttng.IndexOK, 0, 200})
	p.beacon(st, 150)
	c.wantIndex("beacon before the packet's end", id, answer{lttng.IndexRetry, 0, 0})
	p.beacon(st, ^uint64(0))
	c.wantIndex("beacon of all ones", id, answer{lttng.IndexRetry, 0, 0})
	p.beacon(st, 200)
	c.wantIndex("beacon at the packet's end", id, answer{lttng.IndexInactive, 0, 200})
}

func TestRepeatedInactiveIsPaced(t *testing.T) {
	const pace = 30 * time.Millisecond
	b := newBench(t, func(o *Options) { o.InactivePace = pace })
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0", "ch_1")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	c.metadata(meta.ID())
	for _, st := range data {
		p.beacon(st, 100)
	}
	id := data[0].ID()
	c.index(id)
	start := time.Now()
	c.index(id)
	if d := time.Since(start); d < pace/2 {
		t.Errorf("second answer after %v, want about %v", d, pace)
	}
	// Pipelined requests behind a paced one keep their order.
	var requests []byte
	for _, st := range []lttng.StreamID{id, id, data[1].ID()} {
		requests = lttng.AppendViewerRequest(requests, lttng.ViewerGetNextIndex, lttng.ViewerStreamRequest{Stream: st}.Append)
	}
	c.must(c.Send(requests))
	p.beacon(data[0], 110)
	var times []uint64
	for range 3 {
		raw, err := c.Read(64)
		c.must(err)
		r, _, err := lttng.ParseNextIndexReply(raw)
		c.must(err)
		times = append(times, r.TimestampEnd)
	}
	if times[1] != 110 || times[2] != 100 {
		t.Errorf("pipelined answers until %v, want the second 110 and the third 100", times)
	}
	if n := b.srv.Stats().Paced; n == 0 {
		t.Error("no answer was counted as paced")
	}
}

// A viewer that waits for a paced answer gets what came meanwhile, and delays
// nobody.
func TestPacedViewerDelaysNobody(t *testing.T) {
	b := newBench(t, func(o *Options) { o.InactivePace = time.Hour })
	p := newProducer(t, b.store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	p.beacon(data[0], 100)
	c.index(data[0].ID())
	c.must(c.Request(lttng.ViewerGetNextIndex, lttng.ViewerStreamRequest{Stream: data[0].ID()}.Append))
	other, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	if r := other.index(data[0].ID()); r.Status != lttng.IndexInactive {
		t.Errorf("other viewer's index = %v, want INACTIVE", r.Status)
	}
}

// Every viewer has the whole session, whatever the others do.
func TestManyViewers(t *testing.T) {
	const viewers, packets = 10, 20
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0", "ch_1", "ch_2")
	all := make([]*livetest.Viewer, viewers)
	for i := range all {
		all[i] = b.viewer("s", lttng.SeekLast)
	}
	if n := b.srv.Viewers(p.ss.ID()); n != viewers {
		t.Errorf("Viewers = %d, want %d", n, viewers)
	}
	errs := make(chan error, viewers)
	for _, v := range all {
		go func() { errs <- v.Run(t.Context()) }() // waited for below
	}
	for i := range uint64(packets) {
		for _, st := range data {
			p.packet(st, 10*i+1, 10*i+5, 4096+int(i)*100)
			p.beacon(st, 10*i+6)
		}
	}
	p.end(append(data, meta)...)
	p.ss.Close()
	for range all {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range all {
		for _, s := range v.Streams() {
			if len(s.Packets) != packets {
				t.Errorf("viewer %d stream %d: %d packets, want %d", i, s.ID, len(s.Packets), packets)
				continue
			}
			for seq, pk := range s.Packets {
				if !bytes.Equal(pk.Data, packetData(s.ID, uint64(seq), 4096+seq*100)) {
					t.Errorf("viewer %d stream %d packet %d: wrong data", i, s.ID, seq)
				}
			}
		}
	}
}

// A time that no clock shows is not handed on: viewers end at it.
func TestAbsurdTimeIsKeptBack(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, "", "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	p.metadata(meta, []byte(tsdl))
	c.metadata(meta.ID())
	p.beacon(data[0], 1<<63)
	c.wantIndex("absurd beacon", data[0].ID(), answer{lttng.IndexRetry, 0, 0})
	p.packet(data[0], 110, 120, 4096)
	c.wantIndex("packet", data[0].ID(), answer{lttng.IndexOK, 0, 120})
}
