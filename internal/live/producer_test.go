// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// liveTimer of the sessions in tests, µs.
const liveTimer = 1_000_000

// tracePath is where the streams of the sessions in tests lie.
const tracePath = "ust/uid/0/64-bit"

func newStore(t testing.TB) *tracestore.Store {
	t.Helper()
	return tracestore.New(tracestore.Options{
		Output: t.TempDir(), AllowClear: true, RetainClosed: time.Hour,
		Files: fdpool.New(256), Log: slog.New(slog.DiscardHandler),
	})
}

// producer writes one session into a store, as the relay would.
type producer struct {
	t     testing.TB
	store *tracestore.Store
	ss    *tracestore.Session
	chunk lttng.ChunkID
	next  map[lttng.StreamID]uint64 // packet numbers
	class uint64                    // of the streams
}

// newProducer opens a live session with its first chunk.
func newProducer(t testing.TB, store *tracestore.Store, name string) *producer {
	t.Helper()
	return newProducerOf(t, store, lttng.CreateSession{Name: name, Hostname: "vm", LiveTimer: liveTimer})
}

func newProducerOf(t testing.TB, store *tracestore.Store, m lttng.CreateSession) *producer {
	t.Helper()
	copy(m.SessiondUUID[:], m.Name+" of a session daemon")
	m.SessiondSessionID = uint64(len(store.Sessions()) + 1)
	minor := lttng.Minor(13)
	if m.TraceFormat != 0 {
		minor = lttng.MinorTraceFormat
	}
	ss, err := store.CreateSession(m, minor, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	p := &producer{t: t, store: store, ss: ss, next: make(map[lttng.StreamID]uint64), class: 7}
	p.createChunk(0)
	t.Cleanup(ss.Close)
	return p
}

func (p *producer) createChunk(id lttng.ChunkID) {
	p.t.Helper()
	if err := p.ss.CreateChunk(lttng.CreateTraceChunk{Chunk: id, CreationTime: 1_700_000_000}); err != nil {
		p.t.Fatal(err)
	}
	p.chunk = id
}

// add opens a stream that is not published.
func (p *producer) add(path, channel string) *tracestore.Stream {
	p.t.Helper()
	return p.addOf(lttng.AddStream{Path: path, Channel: channel})
}

func (p *producer) addOf(m lttng.AddStream) *tracestore.Stream {
	p.t.Helper()
	st, _, err := p.ss.AddStream(m)
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

// trace opens and publishes a metadata stream with content, and data streams.
func (p *producer) trace(path, metadata string, channels ...string) (meta *tracestore.Stream, data []*tracestore.Stream) {
	p.t.Helper()
	meta = p.add(path, "metadata")
	for _, name := range channels {
		data = append(data, p.add(path, name))
	}
	p.ss.Publish()
	if metadata != "" {
		p.metadata(meta, []byte(metadata))
	}
	return meta, data
}

func (p *producer) metadata(st *tracestore.Stream, b []byte) {
	p.t.Helper()
	if err := st.AppendMetadata(lttng.Metadata{Stream: st.ID(), Content: b}); err != nil {
		p.t.Fatal(err)
	}
}

// packetData is the content of packet seq of a stream.
func packetData(id lttng.StreamID, seq uint64, size int) []byte {
	head := binary.BigEndian.AppendUint64(nil, uint64(id))
	head = binary.BigEndian.AppendUint64(head, seq)
	return bytes.Repeat(head, size/len(head)+1)[:size]
}

// packet stores a packet of size bytes with its index.
func (p *producer) packet(st *tracestore.Stream, begin, end uint64, size int) []byte {
	p.t.Helper()
	seq := p.next[st.ID()]
	p.next[st.ID()]++
	b := packetData(st.ID(), seq, size)
	err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: seq, DataSize: uint32(size)})
	if err != nil {
		p.t.Fatal(err)
	}
	st.Write(b)
	st.Finish()
	x := lttng.Index{
		Stream: st.ID(), NetSeqNum: seq, PacketSize: uint64(size) * 8, ContentSize: uint64(size) * 8,
		TimestampBegin: begin, TimestampEnd: end, StreamClass: p.class, PacketSeqNum: seq,
	}
	if err := st.PutIndex(x); err != nil {
		p.t.Fatal(err)
	}
	p.ss.FlushIndexes()
	return b
}

// beacon says that nothing happens in a stream up to a time.
func (p *producer) beacon(st *tracestore.Stream, at uint64) {
	p.t.Helper()
	x := lttng.Index{Stream: st.ID(), NetSeqNum: p.next[st.ID()] - 1, TimestampEnd: at, StreamClass: p.class}
	if err := st.PutIndex(x); err != nil {
		p.t.Fatal(err)
	}
	p.ss.FlushIndexes()
}

// end closes streams after their last packet.
func (p *producer) end(streams ...*tracestore.Stream) {
	for _, st := range streams {
		st.RequestClose(p.next[st.ID()] - 1)
	}
}

// clear discards what was stored, as the session daemon does it: all streams
// turn to a new chunk, the metadata is sent again, the old chunk is deleted.
func (p *producer) clear(meta *tracestore.Stream, metadata string, data ...*tracestore.Stream) {
	p.t.Helper()
	old := p.chunk
	p.createChunk(old + 1)
	m := lttng.RotateStreams{HasChunk: true, Chunk: p.chunk}
	for _, st := range append(data, meta) {
		m.Streams = append(m.Streams, lttng.RotatePosition{Stream: st.ID(), SeqNum: p.next[st.ID()]})
	}
	if err := p.ss.Rotate(m); err != nil {
		p.t.Fatal(err)
	}
	p.metadata(meta, []byte(metadata))
	_, err := p.ss.CloseChunk(lttng.CloseTraceChunk{
		Chunk: old, CloseTime: 1_700_000_001, HasCommand: true, Command: lttng.CloseDelete,
	})
	if err != nil {
		p.t.Fatal(err)
	}
}
