// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"testing"

	"github.com/weir-io/weir/lttng"
)

// Created is the creation time of the sessions and chunks of a [Recording],
// s since the epoch: 2001-09-09 01:46:40 UTC.
const Created = 1_000_000_000

// StreamPath is the directory of the streams of a [Recording], within a chunk.
const StreamPath = "ust/uid/0/64-bit"

// Recording is a producer with a session that is ready to receive packets.
type Recording struct {
	*Producer
	Session  lttng.SessionReply
	Streams  []lttng.StreamID // ch_0, ch_1 …
	Metadata lttng.StreamID
}

// Plan says what a [Recording] is to be. The zero value is a session of the
// newest minor with one data stream, called s, of the host h.
type Plan struct {
	Minor   lttng.Minor         // 0 = the newest
	Session lttng.CreateSession // empty names and times are filled in
	Chunk   lttng.CreateTraceChunk
	Stream  lttng.AddStream // its size and count of trace files
	Streams int             // 0 = 1
	Path    string          // of the streams; empty = StreamPath, or what goes with the minor
}

// Record opens a session with a chunk, data streams and their metadata.
func (r *Relay) Record(t testing.TB, plan Plan) *Recording {
	t.Helper()
	plan.Fill()
	p, s := r.Open(t, plan.Minor, plan.Session)
	if plan.Minor >= lttng.MinorChunks && !plan.Session.HasChunk {
		MustOK(t, "CREATE_TRACE_CHUNK", p.CreateChunk(plan.Chunk))
	}
	rec := &Recording{Producer: p, Session: s}
	rec.AddStreams(plan)
	return rec
}

// AddStreams adds the streams of a plan and their metadata.
func (rec *Recording) AddStreams(plan Plan) {
	rec.t.Helper()
	plan.Fill()
	for i := range plan.Streams {
		m := plan.Stream
		m.Channel, m.Path = "ch_"+string(rune('0'+i)), plan.Path
		rec.Streams = append(rec.Streams, rec.mustAdd(m))
	}
	rec.Metadata = rec.mustAdd(lttng.AddStream{Channel: "metadata", Path: plan.Path})
	if !plan.Session.Snapshot && rec.Minor >= lttng.MinorIndexes {
		MustOK(rec.t, "STREAMS_SENT", rec.StreamsSent())
	}
}

func (rec *Recording) mustAdd(m lttng.AddStream) lttng.StreamID {
	rec.t.Helper()
	reply := rec.AddStream(m)
	MustOK(rec.t, "ADD_STREAM "+m.Channel, reply.Code)
	return reply.Stream
}

// Fill sets what is empty and must not be.
func (plan *Plan) Fill() {
	if plan.Minor == 0 {
		plan.Minor = lttng.MinorVersion
	}
	m := &plan.Session
	if m.Name == "" {
		m.Name = "s"
	}
	if m.Hostname == "" {
		m.Hostname = "h"
	}
	if m.SessiondUUID == [16]byte{} {
		m.SessiondUUID[0] = 1
	}
	if m.CreationTime == 0 {
		m.CreationTime = Created
	}
	if plan.Chunk.CreationTime == 0 {
		plan.Chunk.CreationTime = Created
	}
	plan.Streams = max(plan.Streams, 1)
	if plan.Path != "" {
		return
	}
	plan.Path = StreamPath
	if plan.Minor < lttng.MinorChunks {
		// What the producer makes of host, name and time.
		plan.Path = "/" + m.Hostname + "/" + m.Name + "-20010909-014640//" + StreamPath
	}
}

// SendPacket sends the data of a packet of stream i.
func (rec *Recording) SendPacket(i int, seq uint64, size int) {
	rec.t.Helper()
	rec.Packet(lttng.DataHeader{Stream: rec.Streams[i], NetSeqNum: seq}, Packet(i, seq, size))
}

// SendWhole sends data and index of a packet of stream i.
func (rec *Recording) SendWhole(i int, seq uint64, size int) {
	rec.t.Helper()
	rec.SendPacket(i, seq, size)
	MustOK(rec.t, "SEND_INDEX", rec.SendIndex(Index(rec.Streams[i], i, seq, seq, size)))
}

// SendDescription sends the metadata.
func (rec *Recording) SendDescription() {
	rec.t.Helper()
	rec.SendMetadata(lttng.Metadata{Stream: rec.Metadata, Content: Metadata()})
}

// MustOK fails the test unless a reply says OK.
func MustOK(t testing.TB, what string, code lttng.ReplyCode) {
	t.Helper()
	if code != lttng.ReplyOK {
		t.Fatalf("%s: %v, want %v", what, code, lttng.ReplyOK)
	}
}
