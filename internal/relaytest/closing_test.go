// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// count checks how many packets of the first stream are stored.
func count(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording, want int) {
	t.Helper()
	r.WaitSettled()
	got := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
	if len(got) != want {
		t.Errorf("stored packets %v, want %d", got, want)
	}
}

// announce sends the indexes of packets 0 to n-1.
func announce(t *testing.T, rec *relaytest.Recording, n uint64, size int) {
	t.Helper()
	for seq := range n {
		relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(rec.Streams[0], 0, seq, seq, size)))
	}
}

// What was announced before the end of the control connection is stored when it
// comes after it, whether the data connection was known before or not.
func TestControlClosesFirst(t *testing.T) {
	for _, size := range []int{200, 300_000} {
		for name, known := range map[string]bool{"known data connection": true, "new data connection": false} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				r := relaytest.Start(t)
				rec := r.Record(t, relaytest.Plan{})
				announce(t, rec, 5, size)
				seq := uint64(0)
				if known {
					rec.SendPacket(0, 0, size)
					r.WaitPackets(1)
					seq++
				}
				rec.CloseControl()
				wait.Until(t, "the control connection is closed", func() bool {
					return r.Server.Counters().ControlOpen.Load() == 0
				})
				for ; seq < 5; seq++ {
					rec.SendPacket(0, seq, size)
				}
				count(t, r, rec, 5) // without an end of the data connection
			})
		}
	}
}

// Announced data that does not come is not waited for for ever.
func TestLateDataTimeout(t *testing.T) {
	r := relaytest.Start(t, func(o *relay.Options, _ *tracestore.Options) { o.LateDataTimeout = time.Millisecond })
	rec := r.Record(t, relaytest.Plan{})
	announce(t, rec, 5, 200)
	rec.SendPacket(0, 0, 200)
	r.WaitPackets(1)
	rec.CloseControl()
	count(t, r, rec, 1)
	rec.WaitDataClosed()
}

// The consumer closes its data connection first, with indexes that the relay
// has not read yet on the other.
func TestDataClosesFirst(t *testing.T) {
	const packets = 200
	for round := range 10 {
		r := relaytest.Start(t)
		rec := r.Record(t, relaytest.Plan{})
		for seq := range uint64(packets) {
			rec.SendPacket(0, seq, 200)
		}
		var requests []byte
		for seq := range uint64(packets) {
			requests = lttng.AppendRequest(requests, lttng.CmdSendIndex, func(b []byte) []byte {
				return relaytest.Index(rec.Streams[0], 0, seq, seq, 200).Append(b, rec.Minor)
			})
		}
		rec.Send(requests)
		rec.CloseData()
		for seq := range packets {
			relaytest.MustOK(t, fmt.Sprintf("round %d, SEND_INDEX %d", round, seq), rec.Code())
		}
		rec.CloseControl()
		count(t, r, rec, packets)
		r.Stop()
	}
}

// CLOSE_STREAM names the last packet: the stream takes what is missing up to
// it, and is unknown afterwards.
func TestCloseBeforeData(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	rec := r.Record(t, relaytest.Plan{Streams: 2})
	announce(t, rec, 3, 200)
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[0], 2))
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[1], lttng.NoSeq))
	for seq := range uint64(3) {
		if r.Store.Stream(rec.Streams[0]) == nil {
			t.Fatalf("stream closed before packet %d", seq)
		}
		rec.SendPacket(0, seq, 200)
		r.WaitPackets(seq + 1)
	}
	wait.Until(t, "the stream is closed", func() bool { return r.Store.Stream(rec.Streams[0]) == nil })
	if got := rec.DataPending(rec.Streams[0], 2); got != lttng.ReplyPendingUnknown {
		t.Errorf("DATA_PENDING of the closed stream: %v, want %v", got, lttng.ReplyPendingUnknown)
	}
	rec.WaitControlClosed()
	count(t, r, rec, 3)
}

// A packet that is on its way when its connection ends leaves no trace.
func TestPartialPacketIsCut(t *testing.T) {
	for _, size := range []int{1000, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker)
			rec := r.Record(t, relaytest.Plan{})
			rec.SendWhole(0, 0, size)
			relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(rec.Streams[0], 0, 1, 1, size)))
			b := append(lttng.DataHeader{Stream: rec.Streams[0], NetSeqNum: 1, DataSize: uint32(size)}.Append(nil),
				relaytest.Packet(0, 1, size)...)
			rec.SendData(b[:len(b)-1])
			r.WaitReceived()
			rec.CloseData()
			rec.CloseControl()
			count(t, r, rec, 1)
		})
	}
}

// TestSnapshot records two snapshots of one session: each is a relay session
// with a named chunk, has no indexes, and closes its streams before the data.
func TestSnapshot(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	var open []*relaytest.Recording
	for i, name := range []string{"snapshot-1-20010909-014640-0", "other-20010909-014640-1"} {
		rec := r.Record(t, relaytest.Plan{
			Session: lttng.CreateSession{Snapshot: true},
			Chunk:   lttng.CreateTraceChunk{Chunk: lttng.ChunkID(i), OverrideName: name},
		})
		open = append(open, rec) // the producer keeps its connections
		relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[0], 2))
		rec.SendDescription()
		relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Metadata, lttng.NoSeq))
		reply := rec.CloseChunk(lttng.CloseTraceChunk{Chunk: lttng.ChunkID(i), CloseTime: relaytest.Created + 30})
		if want := "h/s-20010909-014640/" + name; reply.Path != want {
			t.Errorf("chunk in %q, want %q", reply.Path, want)
		}
		for seq := range uint64(3) {
			rec.SendPacket(0, seq, 200)
		}
		r.WaitPackets(uint64(i+1) * 3)
		wait.Until(t, "the streams are closed", func() bool { return r.Store.StreamCount() == 0 })
	}
	for _, rec := range open {
		rec.Close()
	}
	r.WaitSettled()
	tree := relaytest.Tree(t, r.Output)
	for _, rec := range []string{"snapshot-1-20010909-014640-0", "other-20010909-014640-1"} {
		dir := "h/s-20010909-014640/" + rec + "/" + relaytest.StreamPath + "/"
		if got := tree[dir+"ch_0"].Size; got != 600 {
			t.Errorf("%sch_0: %d bytes, want 600", dir, got)
		}
		if got, want := tree[dir+"metadata"].Size, int64(len(relaytest.Metadata())); got != want {
			t.Errorf("%smetadata: %d bytes, want %d", dir, got, want)
		}
	}
	for path := range tree {
		if strings.HasSuffix(path, ".idx") || strings.HasSuffix(path, "/") {
			t.Errorf("%s exists, a snapshot has no indexes and no empty directories", path)
		}
	}
	if len(tree) != 4 {
		t.Errorf("%d files, want 4", len(tree))
	}
}

// A live session keeps closed streams for its viewers, but not those that
// viewers have never been told of.
func TestUnpublishedStreamsAreFreed(t *testing.T) {
	r := relaytest.Start(t)
	before := relaytest.CountResources(t)
	p, _ := r.Open(t, lttng.MinorVersion, lttng.CreateSession{
		Name: "s", Hostname: "h", LiveTimer: 1_000_000, SessiondUUID: [16]byte{1}, CreationTime: relaytest.Created,
	})
	relaytest.MustOK(t, "CREATE_TRACE_CHUNK", p.CreateChunk(lttng.CreateTraceChunk{CreationTime: relaytest.Created}))
	for _, channel := range []string{"ch_0", "ch_1", "metadata"} {
		st := p.AddStream(lttng.AddStream{Channel: channel, Path: relaytest.StreamPath})
		relaytest.MustOK(t, "ADD_STREAM", st.Code)
		if channel == "ch_0" {
			relaytest.MustOK(t, "CLOSE_STREAM", p.CloseStream(st.Stream, lttng.NoSeq))
		}
	}
	p.Close()
	r.WaitSettled()
	r.Store.Expire()
	before.Check(t)
}
