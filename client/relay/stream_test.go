// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// Metadata packets are what readers of CTF take apart.
func TestMetadataForms(t *testing.T) {
	text := []byte("/* CTF 1.8 */\n" + strings.Repeat("x", 5000))
	for _, big := range []bool{false, true} {
		p := newPeer()
		p.version.Minor = 13
		s := p.open(t, nil)
		all, err := s.AddStreams(t.Context(), StreamOptions{Channel: "metadata", BigEndian: big, TraceUUID: [16]byte{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := all[0].SendMetadata(t.Context(), text); err != nil {
				t.Fatal(err)
			}
			p.sync(t, s)
			p.metadata = append(p.metadata, make([]byte, -len(p.metadata)&4095)...) // as the relay pads it
		}
		got, err := ctf.MetadataText(p.metadata)
		if want := string(text) + string(text); err != nil || string(got) != want {
			t.Errorf("big-endian %v: %d bytes, error %v; want %d", big, len(got), err, len(want))
		}
	}
	p := newPeer()
	s := p.open(t, nil)
	all, err := s.AddStreams(t.Context(), StreamOptions{Channel: "metadata"})
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 3<<20)
	if err := all[0].SendMetadata(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	p.sync(t, s)
	if len(p.metadata) != len(long) {
		t.Errorf("%d bytes of plain metadata, want %d", len(p.metadata), len(long))
	}
}

// sync waits until the peer has everything; it may then be looked into.
func (p *peer) sync(t *testing.T, s *Session) {
	t.Helper()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What stands behind the content is not transmitted.
func TestPadding(t *testing.T) {
	p := newPeer()
	s := p.open(t, nil)
	data, _ := streams(t, s)
	in := info(7)
	in.Size, in.ContentSize = 4096*8, 1001
	in.Has |= ctf.HasClassID | ctf.HasInstanceID
	in.ClassID, in.InstanceID, in.Discarded = 4, 6, 2
	if err := data[1].SendPacket(t.Context(), make([]byte, 4096), in); err != nil {
		t.Fatal(err)
	}
	if err := data[1].SendPacket(t.Context(), make([]byte, 10), ctf.PacketInfo{}); err != nil {
		t.Fatal(err)
	}
	p.sync(t, s)
	s.Abort()
	want := []lttng.DataHeader{
		{Stream: 2, DataSize: 126, PaddingSize: 4096 - 126},
		{Stream: 2, NetSeqNum: 1, DataSize: 10},
	}
	// The peer may still be at the last packet: its index is what is certain.
	p.mu.Lock()
	defer p.mu.Unlock()
	if diff := cmp.Diff(want[:1], p.packets[:1]); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]lttng.Index{
		{
			Stream: 2, PacketSize: 4096 * 8, ContentSize: 1001, TimestampBegin: 70, TimestampEnd: 79,
			EventsDiscarded: 2, StreamClass: 4, InstanceID: 6, PacketSeqNum: 7,
		},
		{Stream: 2, NetSeqNum: 1, PacketSize: 80, ContentSize: 80, StreamClass: 3, InstanceID: 1, PacketSeqNum: 1},
	}, p.indexes); diff != "" {
		t.Errorf("indexes (-want +got):\n%s", diff)
	}
}

// A snapshot has neither indexes nor viewers.
func TestSnapshot(t *testing.T) {
	p := newPeer()
	s := p.open(t, func(o *Options) { o.Snapshot = true })
	if _, err := s.CreateChunk(t.Context(), Chunk{Created: created, Name: "snap-1"}); err != nil {
		t.Fatal(err)
	}
	data, _ := streams(t, s)
	if err := data[0].SendPacket(t.Context(), make([]byte, 8), info(0)); err != nil {
		t.Fatal(err)
	}
	if err := data[0].Beacon(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := data[0].Confirmed(); got != 0 {
		t.Errorf("%d packets confirmed before they were asked about", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data[0].Confirmed() != 1 || data[0].Stored() != 1 {
		t.Errorf("%d confirmed, %d stored, want 1 and 1", data[0].Confirmed(), data[0].Stored())
	}
	want := []string{
		"VERSION", "GET_CONFIGURATION extensions <nil>", "GET_CONFIGURATION", "CREATE_SESSION s h  0 <nil>", "CREATE_TRACE_CHUNK 0 snap-1 <nil>",
		"ADD_STREAM ch_0 kernel 0 <nil>", "ADD_STREAM ch_1 kernel 0 <nil>", "ADD_STREAM metadata kernel 0 <nil>",
		"BEGIN_DATA_PENDING", "DATA_PENDING 1 0 <nil>", "DATA_PENDING 2 -1 <nil>", "QUIESCENT_CONTROL", "END_DATA_PENDING",
		"CLOSE_STREAM 1 0 <nil>", "CLOSE_STREAM 2 -1 <nil>", "CLOSE_STREAM 3 -1 <nil>",
		"CLOSE_TRACE_CHUNK 0 false MOVE_TO_COMPLETED <nil>",
	}
	if diff := cmp.Diff(want, p.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// Streams without a packet are not rotated, which lttng-relayd cannot do, but
// closed and added again.
func TestRotateFreshStreams(t *testing.T) {
	p := newPeer()
	s := p.open(t, nil)
	data, _ := streams(t, s)
	ctx := t.Context()
	if err := data[0].SendPacket(ctx, make([]byte, 8), info(41)); err != nil {
		t.Fatal(err)
	}
	p.sync(t, s)
	p.asked()
	if _, err := s.Rotate(ctx, Rotation{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CloseLastChunk(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := data[1].SendPacket(ctx, make([]byte, 8), info(0)); err == nil || s.Err() != nil {
		t.Errorf("packet between chunks: got %v, session %v; want an error and none", err, s.Err())
	}
	if err := data[1].Beacon(ctx, 1); err != nil {
		t.Error(err)
	}
	if _, err := s.Rotate(ctx, Rotation{}); err != nil {
		t.Fatal(err)
	}
	if err := data[1].SendPacket(ctx, make([]byte, 8), info(7)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	round := func(streams ...string) []string {
		return slices.Concat([]string{"BEGIN_DATA_PENDING"}, streams, []string{"QUIESCENT_CONTROL", "END_DATA_PENDING"})
	}
	want := slices.Concat(
		round("DATA_PENDING 1 0 <nil>", "DATA_PENDING 2 -1 <nil>"),
		[]string{
			"CREATE_TRACE_CHUNK 1  <nil>",
			"CLOSE_STREAM 2 -1 <nil>", "ADD_STREAM ch_1 kernel 1 <nil>", "STREAMS_SENT",
			"ROTATE_STREAMS true 1 [{1 42}] 20 <nil>", "ROTATE_STREAMS true 1 [{3 0}] 20 <nil>",
			"CLOSE_TRACE_CHUNK 0 true MOVE_TO_COMPLETED <nil>",
		},
		round("DATA_PENDING 1 0 <nil>", "DATA_PENDING 4 -1 <nil>"),
		[]string{
			"CLOSE_STREAM 4 -1 <nil>",
			"ROTATE_STREAMS false 0 [{1 42}] 20 <nil>", "ROTATE_STREAMS false 0 [{3 0}] 20 <nil>",
			"CLOSE_TRACE_CHUNK 1 true MOVE_TO_COMPLETED <nil>",
		},
		round("DATA_PENDING 1 0 <nil>"),
		[]string{
			"CREATE_TRACE_CHUNK 2  <nil>",
			"ADD_STREAM ch_1 kernel 2 <nil>", "STREAMS_SENT",
			"ROTATE_STREAMS true 2 [{1 42}] 20 <nil>", "ROTATE_STREAMS true 2 [{3 0}] 20 <nil>",
			"SEND_INDEX 5 0 64 <nil>",
		},
		round("DATA_PENDING 1 0 <nil>", "DATA_PENDING 5 0 <nil>"),
		[]string{
			"ROTATE_STREAMS false 0 [{1 42} {5 8}] 20 <nil>", "ROTATE_STREAMS false 0 [{3 0}] 20 <nil>",
			"CLOSE_TRACE_CHUNK 2 true MOVE_TO_COMPLETED <nil>",
			"CLOSE_STREAM 1 0 <nil>", "CLOSE_STREAM 5 0 <nil>", "CLOSE_STREAM 3 -1 <nil>",
		})
	if diff := cmp.Diff(want, p.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
