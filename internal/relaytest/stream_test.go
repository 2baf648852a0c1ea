// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// live is the plan of a live session.
func live() relaytest.Plan {
	return relaytest.Plan{Session: lttng.CreateSession{LiveTimer: 1_000_000}}
}

// beacon says that nothing happened up to a time.
func beacon(rec *relaytest.Recording, seq, until uint64) lttng.Index {
	return lttng.Index{Stream: rec.Streams[0], NetSeqNum: seq, TimestampEnd: until, StreamClass: 4}
}

// TestBeacons checks what beacons tell viewers, and that none gets into the
// index: before the first packet, between data and index, behind the last
// packet, and after the end of the chunk.
func TestBeacons(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	rec := r.Record(t, live())
	cursor := r.Store.Stream(rec.Streams[0]).Cursor(tracestore.SeekEnd)
	defer cursor.Close()
	expect := func(when string, want tracestore.Step) {
		t.Helper()
		r.WaitReceived()
		rec.Sync() // answered after what was received before
		got, err := cursor.Peek()
		if err != nil || got.State != want.State || got.Until != want.Until {
			t.Errorf("%s: state %d until %d (error %v), want %d until %d", when, got.State, got.Until, err, want.State, want.Until)
		}
	}
	send := func(x lttng.Index) {
		t.Helper()
		relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(x))
	}
	expect("nothing", tracestore.Step{State: tracestore.StateWait})
	send(beacon(rec, lttng.NoSeq, 100))
	expect("before the first packet", tracestore.Step{State: tracestore.StateIdle, Until: 100})
	send(relaytest.Index(rec.Streams[0], 0, 0, 0, 200))
	expect("index without data", tracestore.Step{State: tracestore.StateWait})
	send(beacon(rec, 0, 5000))
	expect("beacon behind an index without data", tracestore.Step{State: tracestore.StateWait})
	rec.SendPacket(0, 0, 200)
	expect("packet", tracestore.Step{State: tracestore.StatePacket})
	cursor.Take()
	expect("packet taken", tracestore.Step{State: tracestore.StateWait})
	send(beacon(rec, 0, 6000))
	expect("behind the packet", tracestore.Step{State: tracestore.StateIdle, Until: 6000})
	relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(lttng.RotateStreams{Streams: []lttng.RotatePosition{{Stream: rec.Streams[0], SeqNum: 1}}}))
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", rec.CloseChunk(lttng.CloseTraceChunk{CloseTime: relaytest.Created + 30}).Code)
	send(beacon(rec, 0, 7000))
	expect("after the end of the chunk", tracestore.Step{State: tracestore.StateIdle, Until: 7000})
	rec.Close()
	count(t, r, rec, 1)
}

// TestResetMetadata checks that a reset replaces the metadata, again and again.
func TestResetMetadata(t *testing.T) {
	r := relaytest.Start(t)
	rec := r.Record(t, relaytest.Plan{})
	rec.SendMetadata(lttng.Metadata{Stream: rec.Metadata, Content: []byte("first"), Padding: 100})
	file := filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "metadata")
	for i, text := range []string{"second version", "3rd"} {
		relaytest.MustOK(t, "RESET_METADATA", rec.ResetMetadata(lttng.ResetMetadata{Stream: rec.Metadata, Version: uint64(i + 1)}))
		if b := readAll(t, file); len(b) != 0 {
			t.Errorf("metadata %q after the reset, want nothing", b)
		}
		rec.SendMetadata(lttng.Metadata{Stream: rec.Metadata, Content: []byte(text), Padding: 3})
		rec.SendMetadata(lttng.Metadata{Stream: rec.Metadata, Content: []byte("more")})
		rec.Sync()
		if got, want := readAll(t, file), []byte(text+"\x00\x00\x00more"); !bytes.Equal(got, want) {
			t.Errorf("metadata %q, want %q", got, want)
		}
	}
}

func readAll(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPending checks the questions that end a tracing session.
func TestPending(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	rec := r.Record(t, relaytest.Plan{Streams: 2})
	ask := func(what string, got, want lttng.ReplyCode) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	id, session := rec.Streams[0], rec.Session.Session
	ask("nothing sent", rec.DataPending(id, lttng.NoSeq), lttng.ReplyNotPending)
	ask("packet 0 missing", rec.DataPending(id, 0), lttng.ReplyPending)
	rec.SendPacket(0, 0, 200)
	r.WaitReceived()
	ask("index missing", rec.DataPending(id, 0), lttng.ReplyPending)
	relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(id, 0, 0, 0, 200)))
	ask("both there", rec.DataPending(id, 0), lttng.ReplyNotPending)
	relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(id, 0, 1, 1, 200)))
	ask("data missing", rec.DataPending(id, 1), lttng.ReplyPending)

	relaytest.MustOK(t, "BEGIN", rec.BeginPending(session))
	ask("nobody asked about", rec.EndPending(session), lttng.ReplyPending)
	relaytest.MustOK(t, "BEGIN", rec.BeginPending(session))
	rec.DataPending(rec.Streams[0], 0)
	rec.DataPending(rec.Streams[1], lttng.NoSeq)
	ask("metadata not asked about", rec.EndPending(session), lttng.ReplyPending)
	relaytest.MustOK(t, "QUIESCENT", rec.Quiescent(rec.Metadata))
	ask("all asked about", rec.EndPending(session), lttng.ReplyNotPending)
	ask("another session's id", rec.EndPending(session+1), lttng.ReplyNotPending)
	relaytest.MustOK(t, "another session's id", rec.BeginPending(session+1))
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[1], lttng.NoSeq))
	relaytest.MustOK(t, "BEGIN", rec.BeginPending(session))
	rec.DataPending(rec.Streams[0], 0)
	relaytest.MustOK(t, "QUIESCENT", rec.Quiescent(rec.Metadata))
	ask("closed stream not asked about", rec.EndPending(session), lttng.ReplyNotPending)
}

// TestPadding checks packets with more padding than data, and nothing else.
func TestPadding(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	rec := r.Record(t, relaytest.Plan{})
	packet := relaytest.Packet(0, 0, 200)
	rec.Packet(lttng.DataHeader{Stream: rec.Streams[0], PaddingSize: 3896}, packet)
	rec.SendData(lttng.DataHeader{Stream: rec.Streams[0], NetSeqNum: 1, PaddingSize: 4096}.Append(nil))
	rec.Packet(lttng.DataHeader{Stream: rec.Streams[0], NetSeqNum: 2, PaddingSize: 100}, packet)
	r.WaitPackets(3)
	rec.Close()
	r.WaitSettled()
	got := readAll(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
	want := append(append(packet[:200:200], make([]byte, 3896+4096)...), append(packet[:200:200], make([]byte, 100)...)...)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes stored, want %d of the packets and zeros between", len(got), len(want))
	}
}

// TestLargeMetadata sends messages far larger than any buffer of the relay, at
// once and in pieces.
func TestLargeMetadata(t *testing.T) {
	for _, size := range []int{64<<10 - 36, 64 << 10, 100_000, 256 << 10, 1 << 20, 15 << 20} {
		for _, piece := range []int{1 << 30, 70_000, 1000} {
			t.Run(fmt.Sprintf("%d in pieces of %d", size, piece), func(t *testing.T) {
				r := relaytest.Start(t)
				rec := r.Record(t, relaytest.Plan{})
				text := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
				m := lttng.Metadata{Stream: rec.Metadata, Content: text, Padding: 5}
				b := lttng.AppendRequest(nil, lttng.CmdSendMetadata, m.Append)
				for len(b) > 0 {
					n := min(piece, len(b))
					rec.Send(b[:n])
					b = b[n:]
				}
				rec.Sync()
				got := readAll(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "metadata"))
				if !bytes.Equal(got, append(text[:size:size], 0, 0, 0, 0, 0)) {
					t.Errorf("%d bytes of metadata stored, want %d as sent", len(got), size+5)
				}
			})
		}
	}
}

// TestManyStreams rotates more streams by one message than a buffer holds.
func TestManyStreams(t *testing.T) {
	const streams, batch = 5000, 500
	r := relaytest.Start(t, relaytest.Quiet)
	rec := r.Record(t, relaytest.Plan{})
	m := lttng.RotateStreams{HasChunk: true, Chunk: 1}
	for len(m.Streams) < streams {
		var requests []byte
		for i := range batch {
			add := lttng.AddStream{Channel: fmt.Sprintf("many_%d", len(m.Streams)+i), Path: relaytest.StreamPath}
			requests = lttng.AppendRequest(requests, lttng.CmdAddStream, func(b []byte) []byte { return add.Append(b, rec.Minor) })
		}
		rec.Send(requests)
		for range batch {
			id := lttng.StreamID(binary.BigEndian.Uint64(rec.Reply(12)))
			m.Streams = append(m.Streams, lttng.RotatePosition{Stream: id})
		}
	}
	relaytest.MustOK(t, "CREATE_TRACE_CHUNK", rec.CreateChunk(lttng.CreateTraceChunk{Chunk: 1, CreationTime: relaytest.Created + 60}))
	relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(m))
	relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(lttng.RotateStreams{HasChunk: true, Chunk: 1, Streams: []lttng.RotatePosition{
		{Stream: rec.Streams[0]}, {Stream: rec.Metadata},
	}}))
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", rec.CloseChunk(lttng.CloseTraceChunk{CloseTime: relaytest.Created + 60, HasCommand: true}).Code)
	if rec.ChunkExists(0).Exists {
		t.Error("chunk 0 is still in use after the rotation of all streams")
	}
}
