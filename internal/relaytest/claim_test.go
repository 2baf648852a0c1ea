// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// A stream whose file an open stream writes is refused, and the producer may
// go on: the first one's packets are not touched.
func TestTwoStreamsNeverShareAFile(t *testing.T) {
	ring := func(channel string) lttng.AddStream {
		return lttng.AddStream{Channel: channel, TracefileSize: 4096}
	}
	plain := func(channel string) lttng.AddStream { return lttng.AddStream{Channel: channel} }
	for name, tt := range map[string]struct {
		first, second lttng.AddStream
		refused       bool
	}{
		"equal names":                   {plain("ch_0"), plain("ch_0"), true},
		"metadata twice":                {plain("ch_0"), plain("metadata"), true},
		"equal names of rings":          {ring("ch_0"), ring("ch_0"), true},
		"file named like one of a ring": {ring("ch_0"), plain("ch_0_7"), true},
		"ring with a file of that name": {plain("ch_0_7"), ring("ch_0"), true},
		"other number":                  {plain("ch_0"), plain("ch_1"), false},
		"no file of the ring":           {ring("ch_0"), plain("ch_0_07"), false},
		"ring of a longer name":         {ring("ch_0"), ring("ch_0_7"), false},
		"ring of a shorter name":        {ring("ch_0_7"), ring("ch_0"), false},
		"plain names only":              {plain("ch_0"), plain("ch_0_7"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.Quiet)
			rec := r.Record(t, relaytest.Plan{})
			relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[0], lttng.NoSeq))
			add := func(m lttng.AddStream) lttng.StreamReply {
				m.Path = relaytest.StreamPath
				return rec.AddStream(m)
			}
			first := add(tt.first)
			relaytest.MustOK(t, "first ADD_STREAM", first.Code)
			rec.Streams[0] = first.Stream
			rec.SendWhole(0, 0, 200)
			second := add(tt.second)
			if refused := second.Code != lttng.ReplyOK; refused != tt.refused {
				t.Fatalf("second ADD_STREAM: %v, want it refused: %v", second.Code, tt.refused)
			}
			if tt.refused && (second.Code != lttng.ReplyUnknown || second.Stream == lttng.NoStream) {
				t.Errorf("refusal is %v of %d, want %v and the number that it used up", second.Code, second.Stream, lttng.ReplyUnknown)
			}
			rec.SendWhole(0, 1, 200)
			r.WaitPackets(2)
			rec.Close()
			r.WaitSettled()
			file := tt.first.Channel
			if tt.first.TracefileSize > 0 {
				file += "_0"
			}
			got := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, file))
			if diff := cmp.Diff([]uint64{0, 1}, got); diff != "" {
				t.Errorf("packets of the first stream differ (-want +got):\n%s", diff)
			}
		})
	}
}

// The parts of a tracing session share a directory, and not their files.
func TestPartsOfASessionShareNoFile(t *testing.T) {
	r := relaytest.Start(t, relaytest.Quiet)
	rec := r.Record(t, relaytest.Plan{})
	rec.SendWhole(0, 0, 200)
	plan := relaytest.Plan{Session: lttng.CreateSession{HasChunk: true}}
	plan.Fill()
	other, _ := r.Open(t, plan.Minor, plan.Session)
	if got := other.AddStream(lttng.AddStream{Channel: "ch_0", Path: relaytest.StreamPath}); got.Code != lttng.ReplyUnknown {
		t.Errorf("the other part's stream of that name: %v, want %v", got.Code, lttng.ReplyUnknown)
	}
	relaytest.MustOK(t, "stream of another directory", other.AddStream(lttng.AddStream{Channel: "ch_0", Path: "kernel"}).Code)
	rec.Close()
	wait.Until(t, "the first part is closed", func() bool { return len(r.Store.Sessions()) == 1 })
	relaytest.MustOK(t, "once that has ended", other.AddStream(lttng.AddStream{Channel: "ch_0", Path: relaytest.StreamPath}).Code)
}

// A stream that was closed and still waits for its last packets is added
// again: what is on its way is received and counted, and stored nowhere.
func TestStreamAddedAgainBeforeItsLastPacket(t *testing.T) {
	for name, stream := range map[string]lttng.AddStream{"file": {}, "ring": {TracefileSize: 400, TracefileCount: 3}, "files": {TracefileSize: 400}} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker)
			rec := r.Record(t, relaytest.Plan{Stream: stream})
			old := rec.Streams[0]
			rec.SendWhole(0, 0, 200)
			rec.SendPacket(0, 1, 200) // without its index
			relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(old, 0, 2, 2, 200)))
			r.WaitPackets(2)
			relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(old, 3))

			stream.Channel, stream.Path = "ch_0", relaytest.StreamPath
			again := rec.AddStream(stream)
			relaytest.MustOK(t, "ADD_STREAM", again.Code)
			// Packets of both, and the old one's last.
			rec.Streams[0] = again.Stream
			rec.SendWhole(0, 0, 200)
			rec.Packet(lttng.DataHeader{Stream: old, NetSeqNum: 2}, relaytest.Packet(0, 102, 200))
			rec.SendWhole(0, 1, 200)
			rec.Packet(lttng.DataHeader{Stream: old, NetSeqNum: 3}, relaytest.Packet(0, 103, 300))
			rec.SendWhole(0, 2, 200)
			r.WaitPackets(7)
			wait.Until(t, "the old stream has ended", func() bool { return r.Store.Stream(old) == nil })
			rec.Close()
			r.WaitSettled()
			var got []uint64
			for _, file := range map[string][]string{"file": {"ch_0"}, "ring": {"ch_0_0", "ch_0_1"}, "files": {"ch_0_0", "ch_0_1"}}[name] {
				got = append(got, relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, file))...)
			}
			if diff := cmp.Diff([]uint64{0, 1, 2}, got); diff != "" {
				t.Errorf("packets differ (-want +got):\n%s", diff)
			}
			if got := r.Store.Counters().DroppedPackets.Load(); got != 2 {
				t.Errorf("%d packets counted as dropped, want the 2 that came too late", got)
			}
			if got := r.Store.Counters().Pending.Load(); got != 0 {
				t.Errorf("%d packets wait after the end, want 0", got)
			}
		})
	}
}

// What the producer wrote before it added the stream again belongs to the old
// one and ends it, though the control connection is faster.
func TestStreamAddedAgainBehindItsLastPacket(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	rec := r.Record(t, relaytest.Plan{})
	old := rec.Streams[0]
	rec.SendWhole(0, 0, 200)
	relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(old, 0, 1, 1, 200)))
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(old, 1))
	rec.SendPacket(0, 1, 200)
	relaytest.MustOK(t, "ADD_STREAM", rec.AddStream(lttng.AddStream{Channel: "ch_0", Path: relaytest.StreamPath}).Code)
	if r.Store.Stream(old) != nil {
		t.Error("the old stream waits though its last packet was there")
	}
	if got := r.Store.Counters().DroppedPackets.Load(); got != 0 {
		t.Errorf("%d packets dropped, want none", got)
	}
}

// Viewers that read a closed stream are not given the bytes of the one that
// took its name.
func TestViewersKeepAReplacedStream(t *testing.T) {
	r := relaytest.Start(t)
	rec := r.Record(t, relaytest.Plan{Session: lttng.CreateSession{LiveTimer: 1_000_000}})
	rec.SendDescription()
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(1)
	old := r.Store.Stream(rec.Streams[0])
	cursor := old.Cursor(tracestore.SeekBeginning)
	defer cursor.Close()
	wait.Until(t, "the packet is to be seen", func() bool {
		step, err := cursor.Peek()
		return err == nil && step.State == tracestore.StatePacket
	})
	cursor.Take()
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[0], 0))
	wait.Until(t, "the old stream has ended", old.Closed)
	again := rec.AddStream(lttng.AddStream{Channel: "ch_0", Path: relaytest.StreamPath})
	relaytest.MustOK(t, "ADD_STREAM", again.Code)
	rec.Streams[0] = again.Stream
	rec.SendWhole(0, 7, 300)
	r.WaitPackets(2)
	got := make([]byte, 200)
	fd, err := cursor.Data().Acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Data().Release()
	if _, err := unix.Pread(fd, got, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(relaytest.Packet(0, 0, 200), got); diff != "" {
		t.Errorf("the packet taken before differs (-want +got):\n%s", diff)
	}
	if step, err := cursor.Peek(); err != nil || step.State != tracestore.StateEnd {
		t.Errorf("after: %+v, %v, want the end", step, err)
	}
}
