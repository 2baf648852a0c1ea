// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// layouts are those of the only metadata in a test.
type layouts map[uint64]*metadata.Layout

func (l layouts) Layout(_ *tracestore.Trace, class uint64) *metadata.Layout { return l[class] }

func layoutsOf(t *testing.T, stored []byte) layouts {
	t.Helper()
	tr, _, err := ctf.ParseMetadata(stored)
	if err != nil {
		t.Fatal(err)
	}
	all := make(layouts)
	for _, s := range tr.Streams {
		l, ok := metadata.NewLayout(s)
		if !ok {
			t.Fatalf("no layout of stream class %d", s.ID)
		}
		all[s.ID] = l
	}
	return all
}

// classTSDL declares the stream class of the packets in tests.
const classTSDL = `/* CTF 1.8 */
trace { major = 1; minor = 8; byte_order = be; packet.header := struct { integer { size = 32; } stream_id; }; };
clock { name = c; };
stream { id = 7; packet.context := struct {
	integer { size = 64; map = clock.c.value; } timestamp_begin;
	integer { size = 32; } content_size;
	integer { size = 32; } packet_size;
	integer { size = 16; } packet_seq_num;
	integer { size = 16; } events_discarded;
	integer { size = 16; } cpu_id;
}; };
`

// empty is what classTSDL's empty packets say.
type empty struct {
	begin            uint64
	content, size    uint32
	seq, lost, cpuID uint16
}

func emptyOf(t *testing.T, b []byte) (e empty) {
	t.Helper()
	if len(b) != 26 || binary.BigEndian.Uint32(b[:4]) == 0xC1FC1FC1 {
		t.Fatalf("packet %x, want 26 bytes", b)
	}
	if class := binary.BigEndian.Uint32(b); class != 7 {
		t.Errorf("stream class %d, want 7", class)
	}
	be := binary.BigEndian
	return empty{be.Uint64(b[4:]), be.Uint32(b[12:]), be.Uint32(b[16:]), be.Uint16(b[20:]), be.Uint16(b[22:]), be.Uint16(b[24:])}
}

// An idle stream gets one empty packet for the streams that wait, and goes on
// as if there had been none.
func TestEmptyPacketTellsOfNewStreams(t *testing.T) {
	for _, tt := range []struct {
		name    string
		packets int  // of the idle stream before
		clear   bool // of them
		want    empty
	}{
		{"never a packet", 0, false, empty{begin: 91, content: 208, size: 208, cpuID: 3}},
		{"after two packets", 2, false, empty{begin: 91, content: 208, size: 208, seq: 1}},
		{"after a clear", 2, true, empty{begin: 91, content: 208, size: 208, seq: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Layouts = layoutsOf(t, []byte(classTSDL)) })
			p := newProducer(t, b.store, "s")
			meta, data := p.trace(tracePath, classTSDL, "ch_3")
			idle := data[0]
			c, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
			for i := range tt.packets {
				p.packet(idle, uint64(10*i), uint64(10*i+5), 64)
				c.wantIndex("packet", idle.ID(), answer{lttng.IndexOK, lttng.FlagNewMetadata, uint64(10*i + 5)})
			}
			c.metadata(meta.ID())
			if tt.clear {
				p.clear(meta, classTSDL, idle)
			}
			p.beacon(idle, 90)
			c.wantIndex("idle", idle.ID(), answer{lttng.IndexInactive, 0, 90})
			other, added := p.trace("ust/pid/b", classTSDL, "ch_0")
			p.packet(added[0], 95, 99, 64)
			p.end(added[0], other)
			p.beacon(idle, 200)

			r := c.wantIndex("called", idle.ID(), answer{lttng.IndexOK, lttng.FlagNewStream, 91})
			if r.TimestampBegin != 91 || r.StreamClass != 7 || r.PacketSize != 26*8 || r.ContentSize != r.PacketSize {
				t.Errorf("index %+v", r)
			}
			c.wantIndex("called once", idle.ID(), answer{lttng.IndexInactive, lttng.FlagNewStream, 92})
			if n := c.newStreams(p.ss.ID()); len(n.Streams) != 2 {
				t.Errorf("%d new streams, want 2", len(n.Streams))
			}
			st, whole := c.packet(idle.ID(), r.Offset, 26)
			if got := emptyOf(t, whole); st != lttng.PacketOK || got != tt.want {
				t.Errorf("packet %v %+v, want %+v", st, got, tt.want)
			}
			var parts []byte
			for off := r.Offset; len(parts) < len(whole); off += 7 {
				_, b := c.packet(idle.ID(), off, uint32(min(7, len(whole)-len(parts))))
				parts = append(parts, b...)
			}
			if !bytes.Equal(parts, whole) {
				t.Errorf("in parts: %x, want %x", parts, whole)
			}
			for _, off := range []uint64{r.Offset + 26 - 6, r.Offset + 27, r.Offset - 1, 1<<63 + 1, ^uint64(0)} {
				if st, _ := c.packet(idle.ID(), off, 7); st != lttng.PacketError {
					t.Errorf("7 bytes at %#x: %v, want ERR", off, st)
				}
			}
			c.wantIndex("goes on", idle.ID(), answer{lttng.IndexInactive, 0, 200})
			p.packet(idle, 210, 220, 64)
			c.wantIndex("packet", idle.ID(), answer{lttng.IndexOK, 0, 220})
			if n := b.srv.Stats().EmptyPackets; n != 1 {
				t.Errorf("%d empty packets, want 1", n)
			}
		})
	}
}

// Who needs no empty packet gets none, and so does who could not read it.
func TestNoEmptyPacket(t *testing.T) {
	for _, tt := range []struct {
		name    string
		minor   uint32
		known   bool
		channel string
	}{
		{"minor 15", 15, true, "ch_0"},
		{"layout unknown", 4, false, "ch_0"},
		{"CPU unknown", 4, true, "ch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) {
				o.Layouts = layouts{}
				if tt.known {
					o.Layouts = layoutsOf(t, []byte(classTSDL))
				}
			})
			p := newProducer(t, b.store, "s")
			meta, data := p.trace(tracePath, classTSDL, tt.channel)
			c := b.connect(tt.minor)
			c.attach(p.ss.ID(), lttng.SeekLast)
			c.metadata(meta.ID())
			p.beacon(data[0], 90)
			p.trace("ust/pid/b", classTSDL, "ch_0")
			c.wantIndex("idle", data[0].ID(), answer{lttng.IndexInactive, lttng.FlagNewStream, 1})
		})
	}
}

// A viewer that heeds flags with packets only sees applications come and go
// while the one that it knows is idle.
func TestOldViewerBesideIdleStream(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Layouts = layoutsOf(t, []byte(classTSDL)) })
	p := newProducer(t, b.store, "s")
	idleMeta, idle := p.trace("ust/pid/idle", classTSDL, "ch_0", "ch_1")
	v := &livetest.Viewer{Client: b.dial(), OldFlags: true}
	if ok, err := v.Open("s", oldMinor, lttng.SeekLast); !ok || err != nil {
		t.Fatalf("open: %v, %v", ok, err)
	}
	now := uint64(1000)
	beat := func() {
		now += 100
		for _, st := range idle {
			p.beacon(st, now)
		}
	}
	beat()
	round := func() {
		t.Helper()
		if _, err := v.Round(); err != nil {
			t.Fatal(err)
		}
	}
	round()
	for i, path := range []string{"ust/pid/a", "ust/pid/b", "ust/pid/c"} {
		meta, data := p.trace(path, classTSDL, "ch_0")
		p.packet(data[0], now+10, now+20, 64)
		p.end(data[0], meta)
		beat()
		for range 3 {
			round()
		}
		if n := len(v.Streams()); n != 3+i || len(v.Streams()[n-1].Packets) != 1 {
			t.Fatalf("%s: %d streams, the last with %d packets, want %d with 1", path, n, len(v.Streams()[n-1].Packets), 3+i)
		}
	}
	p.end(append(idle, idleMeta)...)
	p.ss.Close()
	b.run(v)
}

// The real thing: babeltrace2 2.0.4 shows another application's events while
// the first one is idle, and reports nothing lost.
func TestBabeltraceBesideIdleStream(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	stored := bytes.Join(rec.metadata, nil)
	b := newBench(t, func(o *Options) { o.Layouts = layoutsOf(t, stored) })
	p := newProducer(t, b.store, "s")
	p.class = 0
	wait := b.babeltrace("babeltrace2", "s")
	meta, data := p.trace("ust/pid/idle", "", "ch_0", "ch_1")
	p.metadata(meta, stored)
	sent := rec.play(p, map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}, func(x recorded) bool { return x.part == 1 })
	until(t, "the first packets are read", func() bool { return b.srv.Stats().Packets == sent })
	other, added := p.trace("ust/pid/other", "", "ch_0")
	p.metadata(other, stored)
	sent += rec.play(p, map[string]*tracestore.Stream{"ch_0": added[0]}, func(x recorded) bool { return x.part == 2 })
	p.end(added[0], other)
	for _, st := range data {
		p.beacon(st, 950507000000)
	}
	// It reads the second one when the first one's events are shown.
	until(t, "the other application's first packet is read", func() bool { return b.srv.Stats().Packets == sent-1 })
	sent += rec.play(p, map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}, func(x recorded) bool { return x.part == 2 })
	p.end(append(data, meta)...)
	p.ss.Close()
	if n := countEvents(wait()); n != recordedEvents+1 { // one of the other application
		t.Errorf("%d events, want %d", n, recordedEvents+1)
	}
	if s := b.srv.Stats(); s.EmptyPackets != 1 || s.Packets != sent {
		t.Errorf("%d empty packets and %d real ones, want 1 and %d", s.EmptyPackets, s.Packets, sent)
	}
}
