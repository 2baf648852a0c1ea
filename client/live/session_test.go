// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

const (
	newMeta   = lttng.FlagNewMetadata
	newStream = lttng.FlagNewStream
)

// hangup ends the session that tests read.
var hangup = lttng.NewStreamsReply{Status: lttng.NewStreamsHangup}

// What Next makes of each status and flag.
func TestNext(t *testing.T) {
	tests := []struct {
		name   string
		relay  func(*relay)
		change func(*Config)
		want   string // one event a line
	}{
		{
			name: "packets, inactivity and the ends",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{
					indexOK(0, 2, 10, 0), indexIs(lttng.IndexRetry, 0), inactive(20, 0), inactive(20, 0), inactive(15, 0),
					indexOK(2, 2, 30, 0), indexIs(lttng.IndexHangup, 0),
				}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("aa"), packetOK("bb")}
				r.streams = []lttng.NewStreamsReply{newStreams(), hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				packet 2: aa
				inactive 2: 20
				packet 2: bb
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "streams come later",
			relay: func(r *relay) {
				r.streams = []lttng.NewStreamsReply{
					newStreams(), {Status: lttng.NewStreamsNone}, newStreams(data(1, 2)), newStreams(meta(1, 1)), hangup,
				}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataIs(lttng.MetadataNone), metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 10, 0), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
			},
			want: `
				added 1/2
				added 1/1
				metadata 1: M
				packet 2: a
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "metadata in parts is one batch",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("event"), metadataOK(" {}"), metadataOK("")}
				r.index[2] = []lttng.NextIndexReply{indexIs(lttng.IndexHangup, 0)}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: event {}
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "what flags announce comes before the packet",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M"), metadataIs(lttng.MetadataNone), metadataOK("N")}
				r.metadata[5] = []reply[lttng.MetadataReply]{metadataOK("O")}
				r.streams = []lttng.NewStreamsReply{newStreams(meta(4, 5), data(4, 6)), hangup}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 10, newMeta|newStream), indexIs(lttng.IndexHangup, 0)}
				r.index[6] = []lttng.NextIndexReply{indexIs(lttng.IndexRetry, 0), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				added 4/5
				added 4/6
				metadata 1: N
				metadata 4: O
				packet 2: a
				ended 2
				ended 6
				ended 1
				ended 5
				session 7 ended`,
		},
		{
			name: "flags of retry, inactivity and hang-up",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				none := metadataIs(lttng.MetadataNone)
				r.metadata[1] = []reply[lttng.MetadataReply]{
					metadataOK("A"), none, metadataOK("B"), none, metadataOK("C"), none, metadataOK("D"), none,
				}
				r.index[2] = []lttng.NextIndexReply{
					indexIs(lttng.IndexRetry, newMeta), inactive(5, newMeta), indexIs(lttng.IndexHangup, newMeta),
				}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: A
				metadata 1: B
				metadata 1: C
				inactive 2: 5
				metadata 1: D
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "a packet waits for the first metadata",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				none := metadataIs(lttng.MetadataNone)
				r.metadata[1] = []reply[lttng.MetadataReply]{none, none, none, none, metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{inactive(1, newMeta), indexOK(0, 1, 10, newMeta), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				packet 2: a
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "but not for ever",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 10, newMeta), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				packet 2: a
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "metadata refused from the start",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataIs(lttng.MetadataError)}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 10, newMeta), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				ended 1
				packet 2: a
				ended 2
				session 7 ended`,
		},
		{
			name: "metadata ends with the last batch",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M"), metadataIs(lttng.MetadataError)}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 10, newMeta), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{packetOK("a")}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				ended 1
				packet 2: a
				ended 2
				session 7 ended`,
		},
		{
			name: "packet in parts, later, and after its metadata",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M"), metadataIs(lttng.MetadataNone), metadataOK("N")}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 4, 10, 0), indexOK(4, 1, 11, 0), indexIs(lttng.IndexHangup, 0)}
				r.packet[2] = []reply[lttng.PacketReply]{
					packetOK("aa"), packetIs(lttng.PacketRetry, 0), packetOK("a"), packetOK("a"),
					packetIs(lttng.PacketError, newMeta), packetOK("b"),
				}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				packet 2: aaaa
				metadata 1: N
				packet 2: b
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "lost packets",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{
					indexOK(0, 1, 1, 0), indexOK(0, 1, 2, 0), indexOK(0, 0, 3, 0), indexOK(0, 101, 4, 0), indexOK(0, 1, 5, 0), indexOK(0, 100, 6, 0),
				}
				r.packet[2] = []reply[lttng.PacketReply]{
					packetIs(lttng.PacketError, 0), packetIs(9, 0), packetOK(""), packetIs(lttng.PacketEOF, 0),
				}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			change: func(c *Config) { c.MaxPacket = 100 },
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				lost 2: live: GET_PACKET of stream 2: answered ERR
				lost 2: live: GET_PACKET of stream 2: answered packet status 9
				lost 2: lttng: GET_NEXT_INDEX reply packet size at offset 8: empty: got 0
				lost 2: lttng: GET_NEXT_INDEX reply packet size at offset 8: too long: got 101, want at most 100
				lost 2: live: GET_PACKET of stream 2: answered OK
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "a refusal with a reason that never goes away",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{indexOK(0, 1, 1, 0), indexIs(lttng.IndexEOF, 0)}
				for range maxRefusals + 1 {
					r.packet[2] = append(r.packet[2], packetIs(lttng.PacketError, newStream))
					r.streams = append(r.streams, newStreams())
				}
				r.streams = append(r.streams, hangup)
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				lost 2: live: GET_PACKET of stream 2: answered ERR
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "a refused stream ends, the others go on",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2), data(1, 3))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{indexIs(lttng.IndexError, 0)}
				r.index[3] = []lttng.NextIndexReply{indexOK(0, 1, 1, 0), indexIs(77, 0)}
				r.packet[3] = []reply[lttng.PacketReply]{packetOK("a")}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				added 1/3
				metadata 1: M
				ended 2: live: GET_NEXT_INDEX of stream 2: answered ERR
				packet 3: a
				ended 3: live: GET_NEXT_INDEX of stream 3: answered index status 77
				ended 1
				session 7 ended`,
		},
		{
			name: "a beacon that was never one",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{inactive(^uint64(0), 0), inactive(0, 0), indexIs(lttng.IndexHangup, 0)}
				r.streams = []lttng.NewStreamsReply{hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				inactive 2: 0
				ended 2
				ended 1
				session 7 ended`,
		},
		{
			name: "a trace goes on under another number",
			relay: func(r *relay) {
				r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
				r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M"), metadataIs(lttng.MetadataNone), metadataIs(lttng.MetadataNone), metadataOK("M")}
				r.index[2] = []lttng.NextIndexReply{indexIs(lttng.IndexHangup, 0)}
				r.index[3] = []lttng.NextIndexReply{indexIs(lttng.IndexHangup, 0)}
				r.streams = []lttng.NewStreamsReply{newStreams(), newStreams(meta(9, 1), data(9, 3)), hangup}
			},
			want: `
				added 1/1
				added 1/2
				metadata 1: M
				ended 2
				ended 1
				added 9/1
				added 9/3
				metadata 9: M
				ended 3
				ended 1
				session 7 ended`,
		},
		{
			name: "the relay knows nothing of the session any more",
			relay: func(r *relay) {
				r.streams = []lttng.NewStreamsReply{{Status: lttng.NewStreamsError}}
			},
			want: `
				session 7 ended: live: GET_NEW_STREAMS of session 7: answered ERR: no such live session`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelay()
				tt.relay(r)
				s := r.open(t, tt.change)
				got, err := readAll(t.Context(), s.Next)
				if err != nil {
					t.Errorf("Next = %v, want nil", err)
				}
				var want []string
				for line := range strings.Lines(strings.TrimSpace(tt.want)) {
					want = append(want, strings.TrimSpace(line))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("events (-want +got):\n%s\nasked: %q", diff, r.asked())
				}
				if len(s.streams)+len(s.traces)+len(s.order)+len(s.stale) > 0 {
					t.Errorf("left behind: %d streams, %d traces, %d to poll, %d stale", len(s.streams), len(s.traces), len(s.order), len(s.stale))
				}
			})
		})
	}
}
