// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// recording is what a captured viewer read: a trace of two streams.
type recording struct {
	metadata [][]byte // each up to a NO_NEW, in packets
	packets  []recorded
}

type recorded struct {
	channel string
	part    int // of the metadata that it needs
	index   lttng.NextIndexReply
	data    []byte
}

// readRecording takes metadata and packets out of a capture.
func readRecording(t *testing.T, name string) recording {
	t.Helper()
	var r recording
	channels := make(map[lttng.StreamID]string)
	indexes := make(map[lttng.StreamID]lttng.NextIndexReply)
	for _, x := range readExchanges(t, name) {
		payload := x.request[lttng.ViewerHeaderLen:]
		switch x.cmd {
		case lttng.ViewerGetNewStreams:
			n, _, _ := lttng.ParseNewStreamsReply(x.reply)
			for _, s := range n.Streams {
				channels[s.ID] = s.Channel
			}
		case lttng.ViewerGetMetadata:
			if len(x.data) > 0 {
				r.metadata = append(r.metadata, x.data)
			}
		case lttng.ViewerGetNextIndex:
			m, _ := lttng.ParseViewerStreamRequest(payload)
			indexes[m.Stream], _, _ = lttng.ParseNextIndexReply(x.reply)
		case lttng.ViewerGetPacket:
			m, _ := lttng.ParsePacketRequest(payload)
			r.packets = append(r.packets, recorded{channels[m.Stream], len(r.metadata), indexes[m.Stream], x.data})
		}
	}
	return r
}

// plain takes the text out of metadata packets, as consumers since 2.14 do.
func plain(b []byte) []byte {
	var text []byte
	for len(b) > 0 {
		content, size := binary.LittleEndian.Uint32(b[24:])/8, binary.LittleEndian.Uint32(b[28:])/8
		text = append(text, b[ctf.MetadataHeaderLen:content]...)
		b = b[size:]
	}
	return text
}

// everything is for play.
func everything(recorded) bool { return true }

// play writes the packets of streams, by channel, that are chosen, and after
// them beacons: viewers need to know the time of each stream.
func (r *recording) play(p *producer, streams map[string]*tracestore.Stream, chosen func(recorded) bool) (packets uint64) {
	p.t.Helper()
	last := uint64(0)
	for _, rec := range r.packets {
		st := streams[rec.channel]
		if st == nil || !chosen(rec) {
			continue
		}
		packets++
		last = max(last, rec.index.TimestampEnd)
		seq := p.next[st.ID()]
		p.next[st.ID()]++
		if err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: seq, DataSize: uint32(len(rec.data))}); err != nil {
			p.t.Fatal(err)
		}
		st.Write(rec.data)
		st.Finish()
		x := rec.index
		err := st.PutIndex(lttng.Index{
			Stream: st.ID(), NetSeqNum: seq, PacketSize: x.PacketSize, ContentSize: x.ContentSize,
			TimestampBegin: x.TimestampBegin, TimestampEnd: x.TimestampEnd, StreamClass: x.StreamClass, PacketSeqNum: seq,
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	p.ss.FlushIndexes()
	for _, st := range streams {
		if err := st.PutIndex(lttng.Index{Stream: st.ID(), TimestampEnd: last}); err != nil {
			p.t.Fatal(err)
		}
	}
	p.ss.FlushIndexes()
	return packets
}

// babeltrace runs a real viewer on a session of the server until the session
// ends, and returns what it prints.
func (b *bench) babeltrace(program, session string) (stop func() string) {
	b.t.Helper()
	path := peer.Need(b.t, program)
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	cmd := exec.CommandContext(ctx, path, "-i", "lttng-live", "net://"+b.addr+"/host/vm/"+session)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	before := b.srv.Stats().Attached
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	until(b.t, program+" is attached", func() bool { return b.srv.Stats().Attached > before })
	return func() string {
		b.t.Helper()
		defer cancel()
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("%s: %v\n%s", program, err, errs.Bytes())
		}
		if bytes.Contains(errs.Bytes(), []byte("WARNING")) { // of loss
			b.t.Errorf("%s:\n%s", program, errs.Bytes())
		}
		return out.String()
	}
}

// recordedEvents is how many events live-bt2-uid holds.
const recordedEvents = 8

func countEvents(out string) int { return strings.Count(out, "hello:") }

// Metadata that grows while it is read, packetized or as the plain text of
// producers since 2.14, which lacks the signature.
func TestBabeltraceMetadataForms(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	for _, tt := range []struct {
		name string
		form func([]byte) []byte
	}{
		{"packets", func(b []byte) []byte { return b }},
		{"text", plain},
		{"text without signature", func(b []byte) []byte { return bytes.TrimPrefix(plain(b), []byte(metadata.Signature)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			p := newProducer(t, b.store, "s")
			wait := b.babeltrace("babeltrace2", "s")
			meta, data := p.trace(tracePath, "", "ch_0", "ch_1")
			streams := map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}
			sent := uint64(0)
			for i, part := range rec.metadata {
				p.metadata(meta, tt.form(part))
				sent += rec.play(p, streams, func(x recorded) bool { return x.part == i+1 })
				until(t, "packets are read", func() bool { return b.srv.Stats().Packets == sent })
			}
			p.end(append(data, meta)...)
			p.ss.Close()
			if n := countEvents(wait()); n != recordedEvents {
				t.Errorf("%d events, want %d", n, recordedEvents)
			}
		})
	}
}

// Kernel and applications of one tracing session are two sessions of one name:
// the viewer reads both.
func TestBabeltraceTwoSessionsOfOneName(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	for _, name := range []string{"s", "s@begin"} {
		b := newBench(t, nil)
		var all []*producer
		var ends []func()
		for range 2 {
			p := newProducer(t, b.store, "s")
			meta, data := p.trace(tracePath, "", "ch_0", "ch_1")
			p.metadata(meta, bytes.Join(rec.metadata, nil))
			streams := map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}
			play := func() { rec.play(p, streams, everything) }
			if name != "s" {
				play()
			}
			all = append(all, p)
			ends = append(ends, func() {
				if name == "s" {
					play()
				}
				p.end(append(data, meta)...)
				p.ss.Close()
			})
		}
		wait := b.babeltrace("babeltrace2", name)
		until(t, "both are attached", func() bool {
			return b.srv.Viewers(all[0].ss.ID()) == 1 && b.srv.Viewers(all[1].ss.ID()) == 1
		})
		for _, end := range ends {
			end()
		}
		if n := countEvents(wait()); n != 2*recordedEvents {
			t.Errorf("%s: %d events, want %d", name, n, 2*recordedEvents)
		}
	}
}

// A trace whose data streams have ended and that goes on with another one:
// without a new trace id this viewer asks for metadata for ever.
func TestBabeltraceTraceGoesOn(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	wait := b.babeltrace("babeltrace2", "s")
	meta, data := p.trace(tracePath, "", "ch_0")
	p.metadata(meta, bytes.Join(rec.metadata, nil))
	rec.play(p, map[string]*tracestore.Stream{"ch_0": data[0]}, func(x recorded) bool { return x.part == 1 })
	p.end(data[0])
	read := func() bool {
		left := make(chan int, 1)
		err := b.srv.loop.Post(func() {
			n := 0
			for c := range b.srv.conns {
				for _, a := range c.attached {
					n += a.reading
				}
			}
			left <- n
		})
		return err == nil && <-left == 0 && b.srv.Stats().Packets > 0
	}
	until(t, "the first stream is read", read)
	late := p.add(tracePath, "ch_1")
	p.ss.Publish()
	rec.play(p, map[string]*tracestore.Stream{"ch_1": late}, func(x recorded) bool { return x.part == 2 })
	p.end(late, meta)
	p.ss.Close()
	if n := countEvents(wait()); n != 6 { // 4 of the first stream, 2 of the other
		t.Errorf("%d events, want 6", n)
	}
}
