// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// neighbours opens two sessions of two session daemons, each with a packet.
func neighbours(t *testing.T) (r *relaytest.Relay, own, other *relaytest.Recording) {
	t.Helper()
	r = relaytest.Start(t)
	own = r.Record(t, relaytest.Plan{})
	plan := relaytest.Plan{Session: lttng.CreateSession{Name: "other"}}
	plan.Session.SessiondUUID[0] = 2
	other = r.Record(t, plan)
	own.SendWhole(0, 0, 200)
	other.SendWhole(0, 0, 200)
	other.SendDescription()
	r.WaitPackets(2)
	return r, own, other
}

// unharmed goes on with a session and checks that all of it is stored.
func unharmed(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording) {
	t.Helper()
	before := r.Store.Counters().Packets.Load()
	rec.SendWhole(0, 1, 200)
	r.WaitPackets(before + 1)
	if got := rec.DataPending(rec.Streams[0], 1); got != lttng.ReplyNotPending {
		t.Errorf("DATA_PENDING: %v, want %v", got, lttng.ReplyNotPending)
	}
	rec.Close()
	dir := filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath)
	wait.Until(t, "the stream is closed", func() bool { return r.Store.Stream(rec.Streams[0]) == nil })
	if got := relaytest.Stored(t, filepath.Join(dir, "ch_0")); len(got) != 2 {
		t.Errorf("packets %v stored, want 2", got)
	}
	if got := readAll(t, filepath.Join(dir, "metadata")); string(got) != string(relaytest.Metadata()) {
		t.Errorf("metadata of %d bytes changed", len(got))
	}
}

// TestForeignStreams names another session's stream in each command: it is as
// unknown as one that does not exist, and its session notices nothing.
func TestForeignStreams(t *testing.T) {
	tests := []struct {
		name   string
		cmd    lttng.Command
		args   func(other *relaytest.Recording, b []byte) []byte
		answer []byte // nil: none
		closed bool
	}{
		{"SEND_INDEX", lttng.CmdSendIndex, func(o *relaytest.Recording, b []byte) []byte {
			return relaytest.Index(o.Streams[0], 0, 1, 1, 200).Append(b, o.Minor)
		}, []byte{0, 0, 0, 11}, true},
		{"beacon", lttng.CmdSendIndex, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.Index{Stream: o.Streams[0], TimestampEnd: 1}.Append(b, o.Minor)
		}, []byte{0, 0, 0, 11}, true},
		{"CLOSE_STREAM", lttng.CmdCloseStream, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.CloseStream{Stream: o.Streams[0]}.Append(b)
		}, []byte{0, 0, 0, 11}, true},
		{"DATA_PENDING", lttng.CmdDataPending, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.DataPending{Stream: o.Streams[0]}.Append(b)
		}, []byte{255, 255, 255, 255}, true},
		{"QUIESCENT_CONTROL", lttng.CmdQuiescentControl, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.QuiescentControl{Stream: o.Metadata}.Append(b)
		}, []byte{0, 0, 0, 10}, false},
		{"SEND_METADATA", lttng.CmdSendMetadata, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.Metadata{Stream: o.Metadata, Content: []byte("spoilt")}.Append(b)
		}, nil, true},
		{"RESET_METADATA", lttng.CmdResetMetadata, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.ResetMetadata{Stream: o.Metadata}.Append(b)
		}, []byte{0, 0, 0, 11}, true},
		{"ROTATE_STREAMS", lttng.CmdRotateStreams, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.RotateStreams{Streams: []lttng.RotatePosition{{Stream: o.Streams[0]}}}.Append(b)
		}, []byte{0, 0, 0, 97}, true},
		{"BEGIN_DATA_PENDING", lttng.CmdBeginDataPending, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.BeginDataPending{Session: o.Session.Session}.Append(b)
		}, []byte{0, 0, 0, 10}, false},
		{"END_DATA_PENDING", lttng.CmdEndDataPending, func(o *relaytest.Recording, b []byte) []byte {
			return lttng.EndDataPending{Session: o.Session.Session}.Append(b)
		}, []byte{0, 0, 0, 0}, false},
		{"CLOSE_TRACE_CHUNK", lttng.CmdCloseTraceChunk, func(_ *relaytest.Recording, b []byte) []byte {
			return lttng.CloseTraceChunk{Chunk: 7, HasCommand: true, Command: lttng.CloseDelete}.Append(b)
		}, []byte{0, 0, 0, 26, 0, 0, 0, 0}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, own, other := neighbours(t)
			own.Request(tt.cmd, func(b []byte) []byte { return tt.args(other, b) })
			if tt.closed {
				if got := own.WaitControlClosed(); string(got) != string(tt.answer) {
					t.Errorf("answer %x, want %x and the end", got, tt.answer)
				}
			} else if got := own.Reply(len(tt.answer)); string(got) != string(tt.answer) {
				t.Errorf("answer %x, want %x", got, tt.answer)
			}
			unharmed(t, r, other)
		})
	}
}

// A data connection belongs to the session of its first packet.
func TestForeignStreamOnDataConnection(t *testing.T) {
	r, own, other := neighbours(t)
	own.Packet(lttng.DataHeader{Stream: other.Streams[0], NetSeqNum: 1}, relaytest.Packet(0, 1, 200))
	own.WaitDataClosed()
	unharmed(t, r, other)
}

// Who guesses the handle of a stream gets at most his own connection closed.
func TestIntruderOnDataPort(t *testing.T) {
	tests := map[string][]byte{
		"unknown stream":   lttng.DataHeader{Stream: 99, DataSize: 100}.Append(nil),
		"metadata stream":  lttng.DataHeader{Stream: 4, DataSize: 100}.Append(nil),
		"duplicate packet": append(lttng.DataHeader{Stream: 3, NetSeqNum: 5, DataSize: 1}.Append(nil), "xyz"...),
		"too large":        lttng.DataHeader{Stream: 3, NetSeqNum: 5, DataSize: 1<<32 - 1, PaddingSize: 1<<32 - 1}.Append(nil),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			r, _, other := neighbours(t)
			if other.Streams[0] != 3 || other.Metadata != 4 {
				t.Fatalf("streams %v and %d, want 3 and 4", other.Streams, other.Metadata)
			}
			c := relaytest.Connect(t, r.Data)
			defer c.Close()
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			if name == "duplicate packet" {
				if _, err := c.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			relaytest.WaitClosed(t, c)
			unharmed(t, r, other)
		})
	}
}

// An intruder that stops in the middle of a packet must not stop the stream.
func TestIntruderStopsInPacket(t *testing.T) {
	r, _, other := neighbours(t)
	c := relaytest.Connect(t, r.Data)
	defer c.Close()
	r.WaitReceived()
	total := r.Server.Counters().ReceivedBytes.Load()
	if _, err := c.Write(append(lttng.DataHeader{Stream: 3, NetSeqNum: 9, DataSize: 100}.Append(nil), 1)); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the relay has received it", func() bool {
		return r.Server.Counters().ReceivedBytes.Load() == total+lttng.DataHeaderLen+1
	})
	unharmed(t, r, other)
}

// A second CREATE_SESSION is refused and the first session goes on.
func TestSecondCreateSession(t *testing.T) {
	r, own, other := neighbours(t)
	for _, name := range []string{"s", "third", "../x"} {
		got := own.CreateSession(lttng.CreateSession{Name: name, Hostname: "h", SessiondUUID: [16]byte{9}})
		if want := (lttng.SessionReply{Code: lttng.ReplyFatal}); got != want {
			t.Errorf("second CREATE_SESSION %q: %+v, want %+v", name, got, want)
		}
	}
	own.SendDescription()
	unharmed(t, r, own)
	unharmed(t, r, other)
}
