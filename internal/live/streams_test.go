// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// NEW_STREAM is a level for each viewer, on every status.
func TestNewStreamFlag(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "idle_0", "busy_0", "gone_0", "quiet_0")
	idle, busy, gone, quiet := data[0], data[1], data[2], data[3]
	one, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	two, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	for _, c := range []*client{one, two} {
		c.metadata(meta.ID())
	}
	p.beacon(idle, 100)
	p.packet(busy, 10, 20, 64)
	p.end(gone)
	p.trace("ust/pid/b-2", tsdl, "ch_0")
	for _, c := range []*client{one, two} {
		for tick := range uint64(2) {
			c.wantIndex("idle: time creeps, not past the new stream", idle.ID(), answer{lttng.IndexInactive, lttng.FlagNewStream, 1 + tick})
		}
		c.wantIndex("quiet", quiet.ID(), answer{lttng.IndexRetry, lttng.FlagNewStream, 0})
		c.wantIndex("busy", busy.ID(), answer{lttng.IndexOK, lttng.FlagNewStream, 20})
		c.wantIndex("gone", gone.ID(), answer{lttng.IndexHangup, lttng.FlagNewStream, 0})
		c.wantIndex("metadata", meta.ID(), answer{lttng.IndexHangup, lttng.FlagNewStream, 0})
		if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsOK || len(r.Streams) != 2 {
			t.Errorf("new streams = %v of %d, want OK of 2", r.Status, len(r.Streams))
		}
		c.wantIndex("told", idle.ID(), answer{lttng.IndexInactive, 0, 100})
		if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsOK || len(r.Streams) != 0 {
			t.Errorf("new streams again = %v of %d, want OK of 0", r.Status, len(r.Streams))
		}
	}
}

// A trace is announced when it has metadata and data, in either order.
func TestTraceIsAnnouncedWhole(t *testing.T) {
	for _, metadataFirst := range []bool{true, false} {
		b := newBench(t, nil)
		p := newProducer(t, b.store, "s")
		c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
		names := []string{"ch_0", "metadata"}
		if metadataFirst {
			names = []string{"metadata", "ch_0"}
		}
		p.add(tracePath, names[0])
		p.ss.Publish()
		if r := c.newStreams(p.ss.ID()); r.Status != lttng.NewStreamsOK || len(r.Streams) != 0 {
			t.Errorf("%s alone: %v of %d streams, want OK of 0", names[0], r.Status, len(r.Streams))
		}
		d := b.connect(oldMinor)
		if r := d.attach(p.ss.ID(), lttng.SeekLast); len(r.Streams) != 0 {
			t.Errorf("%s alone: attach with %d streams, want 0", names[0], len(r.Streams))
		}
		st := p.add(tracePath, names[1])
		p.ss.Publish()
		for _, c := range []*client{c, d} {
			if r := c.newStreams(p.ss.ID()); len(r.Streams) != 2 {
				t.Errorf("%s and %s: %d streams, want 2", names[0], names[1], len(r.Streams))
			}
		}
		p.add(tracePath, "ch_1")
		p.ss.Publish()
		if r := c.newStreams(p.ss.ID()); len(r.Streams) != 1 || r.Streams[0].TraceID != st.Trace().ID() {
			t.Errorf("stream of a known trace: %+v", r.Streams)
		}
	}
}

// Nothing about time is told while a stream exists that cannot be announced,
// but not for ever.
func TestUnannouncedStreamHoldsBackTime(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(p *producer)
		free func(p *producer)
	}{
		{
			name: "not published",
			add:  func(p *producer) { p.add(tracePath, "new_0") },
			free: func(p *producer) { p.ss.Publish() },
		},
		{
			name: "no metadata",
			add:  func(p *producer) { p.add("ust/pid/b-2", "ch_0"); p.ss.Publish() },
			free: func(p *producer) { p.add("ust/pid/b-2", "metadata"); p.ss.Publish() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const hold = 200 * time.Millisecond
			b := newBench(t, func(o *Options) { o.HoldNew = hold })
			p := newProducer(t, b.store, "s")
			meta, data := p.trace(tracePath, tsdl, "idle_0", "busy_0")
			freed, _ := b.attached(p.ss.ID(), lttng.SeekLast)
			waits, _ := b.attached(p.ss.ID(), lttng.SeekLast)
			freed.metadata(meta.ID())
			waits.metadata(meta.ID())
			tt.add(p)
			start := time.Now()
			p.beacon(data[0], 100)
			p.packet(data[1], 90, 95, 64)
			for _, c := range []*client{freed, waits} {
				c.wantIndex("idle", data[0].ID(), answer{lttng.IndexRetry, 0, 0})
				c.wantIndex("busy", data[1].ID(), answer{lttng.IndexRetry, 0, 0})
			}
			until(b.t, "packet is given", func() bool { return waits.index(data[1].ID()).Status != lttng.IndexRetry })
			if d := time.Since(start); d < hold {
				t.Errorf("held back for %v, want %v", d, hold)
			}
			waits.wantIndex("idle, held long enough", data[0].ID(), answer{lttng.IndexInactive, 0, 100})
			tt.free(p)
			freed.wantIndex("idle, to be announced", data[0].ID(), answer{lttng.IndexInactive, lttng.FlagNewStream, 1})
			freed.wantIndex("busy, to be announced", data[1].ID(), answer{lttng.IndexOK, lttng.FlagNewStream, 95})
		})
	}
}

// What an application wrote that came and went unseen is still read, from its
// beginning.
func TestShortLivedApplication(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	p.trace(tracePath, tsdl, "ch_0")
	v := b.viewer("s", lttng.SeekLast)
	meta, data := p.trace("ust/pid/b-2", tsdl, "ch_0", "ch_1")
	p.packet(data[0], 10, 20, 4096)
	p.packet(data[1], 12, 18, 4096)
	p.end(append(data, meta)...)
	p.ss.Close()
	b.run(v)
	packets := 0
	for _, s := range v.Streams() {
		packets += len(s.Packets)
	}
	if packets != 2 {
		t.Errorf("%d packets, want 2", packets)
	}
}

// The two-application case: one idle from beginning to end, two that come and
// go. Viewers that look at NEW_STREAM on OK only see them when the first one
// speaks or ends; nothing is lost, and nothing comes too late.
func TestTwoApplications(t *testing.T) {
	for _, old := range []bool{false, true} {
		b := newBench(t, nil)
		p := newProducer(t, b.store, "s")
		firstMeta, first := p.trace("ust/pid/a-1", tsdl, "ch_0", "ch_1")
		v := b.viewer("s", lttng.SeekLast)
		v.OldFlags = old
		round := func() {
			t.Helper()
			if _, err := v.Round(); err != nil {
				t.Fatal(err)
			}
		}
		at := uint64(0)
		beacons := func() {
			at += 100
			for _, st := range first {
				p.beacon(st, at)
			}
			round()
		}
		beacons()
		for i := range uint64(2) {
			path := []string{"ust/pid/b-2", "ust/pid/c-3"}[i]
			meta, data := p.trace(path, tsdl, "ch_0", "ch_1")
			begin := at + 10
			round()
			p.packet(data[0], begin, begin+5, 4096)
			p.packet(data[1], begin+2, begin+8, 4096)
			beacons()
			p.end(append(data, meta)...)
			beacons()
		}
		p.end(append(first, firstMeta)...)
		p.ss.Close()
		b.run(v)
		packets := 0
		for _, s := range v.Streams() {
			packets += len(s.Packets)
		}
		if packets != 4 {
			t.Errorf("old flags %v: %d packets, want 4", old, packets)
		}
		if n := len(v.Traces()); n != 3 {
			t.Errorf("old flags %v: %d traces, want 3", old, n)
		}
	}
}

// Data streams that join a trace whose streams have all ended come as a new
// trace, with metadata from its beginning: viewers have forgotten the old one.
func TestTraceGoesOnAfterItsEnd(t *testing.T) {
	for _, published := range []string{"before the last HUP", "after it"} {
		t.Run(published, func(t *testing.T) {
			b := newBench(t, nil)
			p := newProducer(t, b.store, "s")
			meta, data := p.trace(tracePath, tsdl, "ch_0")
			c, streams := b.attached(p.ss.ID(), lttng.SeekLast)
			_, before := c.metadata(meta.ID())
			p.end(data[0])
			var late *tracestore.Stream
			add := func() {
				late = p.add(tracePath, "ch_1")
				p.ss.Publish()
				p.packet(late, 5, 6, 64)
			}
			if published == "after it" {
				c.wantIndex("end", data[0].ID(), answer{lttng.IndexHangup, 0, 0})
				add()
			} else {
				add()
				c.wantIndex("end", data[0].ID(), answer{lttng.IndexHangup, lttng.FlagNewStream, 0})
			}
			r := c.newStreams(p.ss.ID())
			if len(r.Streams) != 2 || !r.Streams[0].Metadata || r.Streams[1].ID != late.ID() {
				t.Fatalf("announced %+v, want metadata and stream %d", r.Streams, late.ID())
			}
			if id := r.Streams[0].TraceID; id != r.Streams[1].TraceID || id == streams[0].TraceID {
				t.Errorf("trace ids %d and %d, before %d", id, r.Streams[1].TraceID, streams[0].TraceID)
			}
			if s, again := c.metadata(r.Streams[0].ID); s != lttng.MetadataOK || string(again) != string(before) {
				t.Errorf("metadata = %v of %d bytes, want all %d again", s, len(again), len(before))
			}
			c.wantIndex("late stream", late.ID(), answer{lttng.IndexOK, 0, 6})
		})
	}
}

// A session that sees many applications does not keep what is left of them.
func TestEndedTracesAreForgotten(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	p.trace(tracePath, tsdl, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	for i := range 5 {
		meta, data := p.trace("ust/pid/b-2", tsdl, "ch_0")
		if r := c.newStreams(p.ss.ID()); len(r.Streams) != 2 {
			t.Fatalf("%d streams, want 2", len(r.Streams))
		}
		p.end(data[0], meta)
		c.wantIndex("end", data[0].ID(), answer{lttng.IndexHangup, lttng.FlagNewMetadata, 0})
		if i == 0 { // not read: kept until the viewer looks for what comes next
			continue
		}
		if s, _ := c.metadata(meta.ID()); s != lttng.MetadataOK {
			t.Errorf("metadata after the end = %v, want OK", s)
		}
		c.newStreams(p.ss.ID())
		if s, _ := c.metadata(meta.ID()); s != lttng.MetadataError {
			t.Errorf("metadata of a trace that is over = %v, want ERR", s)
		}
	}
	left := make(chan int)
	err := b.srv.loop.Post(func() {
		for conn := range b.srv.conns {
			left <- len(conn.streams)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := <-left; n != 2 {
		t.Errorf("%d streams kept, want 2", n)
	}
}

func TestClear(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	c.metadata(meta.ID())
	st, id := data[0], data[0].ID()
	p.packet(st, 10, 20, 4096)
	read := c.wantIndex("before", id, answer{lttng.IndexOK, 0, 20})
	p.packet(st, 30, 40, 4096)
	p.clear(meta, tsdl, st)
	if s, got := c.packet(id, read.Offset, 4096); s != lttng.PacketOK || len(got) != 4096 {
		t.Errorf("packet taken before the clear = %v of %d bytes, want OK", s, len(got))
	}
	c.wantIndex("cleared", id, answer{lttng.IndexRetry, 0, 0})
	p.packet(st, 50, 60, 4096)
	if r := c.wantIndex("after", id, answer{lttng.IndexOK, 0, 60}); r.Offset != 0 {
		t.Errorf("offset after the clear = %d, want 0", r.Offset)
	}
	if s, got := c.metadata(meta.ID()); s != lttng.MetadataNone {
		t.Errorf("metadata after the clear = %v %q, want NO_NEW: the viewer has it", s, got)
	}
	p.metadata(meta, []byte("event { id = 2; };\n"))
	if s, got := c.metadata(meta.ID()); s != lttng.MetadataOK || len(got) == 0 {
		t.Errorf("metadata added after the clear = %v", s)
	}
}

// A reader slower than the overwriting of files goes on with the oldest one
// that is left.
func TestOverwrittenFiles(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	p.add(tracePath, "metadata")
	st := p.addOf(lttng.AddStream{Path: tracePath, Channel: "ch_0", TracefileSize: 8192, TracefileCount: 2})
	p.ss.Publish()
	p.metadata(p.ss.Streams()[0], []byte(tsdl))
	v := b.viewer("s", lttng.SeekLast)
	for i := range uint64(9) {
		if i == 1 {
			if _, err := v.Round(); err != nil {
				t.Fatal(err)
			}
		}
		p.packet(st, 10*i+1, 10*i+2, 4096)
	}
	p.end(st)
	p.ss.Close()
	b.run(v)
	var got []uint64
	for _, pk := range v.Streams()[0].Packets {
		got = append(got, pk.Index.TimestampBegin)
	}
	if len(got) != 4 || got[0] != 1 || got[1] != 61 || got[3] != 81 {
		t.Errorf("packets at %v, want the first and the last three", got)
	}
	if n := b.srv.Stats().Skipped; n == 0 {
		t.Error("no packet was counted as skipped")
	}
}

// A viewer that follows the flags on every answer never sees a stream that is
// older than what it has shown.
func TestOrderOfTime(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0", "ch_1")
	viewers := []*livetest.Viewer{b.viewer("s", lttng.SeekLast), b.viewer("s", lttng.SeekLast)}
	viewers[1].OldFlags = true
	clock := uint64(100)
	round := func() {
		t.Helper()
		for _, v := range viewers {
			if _, err := v.Round(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 12 {
		path := "ust/pid/app-" + string(rune('a'+i))
		m := p.add(path, "metadata")
		begin := clock // the buffer is made before the relay hears of it
		st := p.add(path, "ch_0")
		clock += 10
		p.beacon(data[0], clock)
		p.packet(data[1], clock-3, clock, 64)
		round()
		p.ss.Publish()
		p.metadata(m, []byte(tsdl))
		round()
		p.packet(st, begin+1, clock+5, 64)
		clock += 10
		p.beacon(data[0], clock)
		round()
		p.end(st, m)
	}
	p.end(append(data, meta)...)
	p.ss.Close()
	for _, v := range viewers {
		b.run(v)
		if n := len(v.Streams()); n != 14 {
			t.Errorf("%d data streams, want 14", n)
		}
	}
}
