// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// record is a whole recording: everything that a session can do.
func record(ctx context.Context, s *Session) error {
	all, err := s.AddStreams(ctx,
		StreamOptions{Channel: "ch_0", Path: "kernel"}, StreamOptions{Channel: "metadata", Path: "kernel", TraceUUID: [16]byte{9}})
	if err != nil {
		return err
	}
	st, metadata := all[0], all[1]
	text := []byte("/* CTF 1.8 */")
	if err := metadata.SendMetadata(ctx, text); err != nil {
		return err
	}
	if err := st.Beacon(ctx, 5); err != nil {
		return err
	}
	for n := range uint64(3) {
		if err := st.SendPacket(ctx, make([]byte, 100), info(n)); err != nil {
			return err
		}
	}
	if s.Minor() >= lttng.MinorIndexInstance {
		if err := metadata.ResetMetadata(ctx, text); err != nil {
			return err
		}
	}
	if s.Minor() >= lttng.MinorChunks {
		r, err := s.Rotate(ctx, Rotation{Next: Chunk{Created: created}, Metadata: func(*Stream) []byte { return text }})
		if err != nil {
			return err
		}
		if err := s.AwaitChunk(ctx, r.Old); err != nil {
			return err
		}
	}
	if err := st.WritePacket(make([]byte, 100), info(3)); err != nil {
		return err
	}
	return s.Close(ctx)
}

// Each minor has its conversation.
func TestConversation(t *testing.T) {
	tests := []struct {
		minors []lttng.Minor
		want   string
	}{
		{[]lttng.Minor{15, 14, 13, 12, 11}, `VERSION
GET_CONFIGURATION extensions <nil>
GET_CONFIGURATION
CREATE_SESSION s h  0 <nil>
CREATE_TRACE_CHUNK 0  <nil>
ADD_STREAM ch_0 kernel 0 <nil>
ADD_STREAM metadata kernel 0 <nil>
STREAMS_SENT
SEND_METADATA 2 13+0 <nil>
SEND_INDEX 1 -1 0 <nil>
SEND_INDEX 1 0 800 <nil>
SEND_INDEX 1 1 800 <nil>
SEND_INDEX 1 2 800 <nil>
RESET_METADATA 2 1 <nil>
SEND_METADATA 2 13+0 <nil>
BEGIN_DATA_PENDING
DATA_PENDING 1 2 <nil>
QUIESCENT_CONTROL
END_DATA_PENDING
CREATE_TRACE_CHUNK 1  <nil>
ROTATE_STREAMS true 1 [{1 3}] 20 <nil>
ROTATE_STREAMS true 1 [{2 0}] 20 <nil>
SEND_METADATA 2 13+0 <nil>
CLOSE_TRACE_CHUNK 0 true MOVE_TO_COMPLETED <nil>
TRACE_CHUNK_EXISTS 0 <nil>
SEND_INDEX 1 3 800 <nil>
BEGIN_DATA_PENDING
DATA_PENDING 1 3 <nil>
QUIESCENT_CONTROL
END_DATA_PENDING
ROTATE_STREAMS false 0 [{1 4}] 20 <nil>
ROTATE_STREAMS false 0 [{2 0}] 20 <nil>
CLOSE_TRACE_CHUNK 1 true MOVE_TO_COMPLETED <nil>
CLOSE_STREAM 1 3 <nil>
CLOSE_STREAM 2 -1 <nil>`},
		{[]lttng.Minor{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, `VERSION
CREATE_SESSION s h  0 <nil>
ADD_STREAM ch_0 /h/s-20010909-014640//kernel 0 <nil>
ADD_STREAM metadata /h/s-20010909-014640//kernel 0 <nil>
STREAMS_SENT
SEND_METADATA 2 50+4046 <nil>
SEND_INDEX 1 -1 0 <nil>
SEND_INDEX 1 0 800 <nil>
SEND_INDEX 1 1 800 <nil>
SEND_INDEX 1 2 800 <nil>
RESET_METADATA 2 1 <nil>
SEND_METADATA 2 50+4046 <nil>
SEND_INDEX 1 3 800 <nil>
BEGIN_DATA_PENDING
DATA_PENDING 1 3 <nil>
QUIESCENT_CONTROL
END_DATA_PENDING
CLOSE_STREAM 1 3 <nil>
CLOSE_STREAM 2 -1 <nil>`},
	}
	for _, tt := range tests {
		for _, minor := range tt.minors {
			t.Run(fmt.Sprint(minor), func(t *testing.T) {
				p := newPeer()
				p.version.Minor = uint32(minor)
				s := p.open(t, nil)
				if s.Minor() != minor {
					t.Errorf("minor %d, want %d", s.Minor(), minor)
				}
				if err := record(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(strings.Split(expected(tt.want, minor), "\n"), p.asked()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// expected leaves out what a minor does not know.
func expected(log string, minor lttng.Minor) string {
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		switch cmd, _, _ := strings.Cut(line, " "); cmd {
		case "GET_CONFIGURATION":
			return minor < lttng.MinorConfiguration
		case "STREAMS_SENT", "SEND_INDEX":
			return minor < lttng.MinorIndexes
		case "RESET_METADATA":
			return minor < lttng.MinorIndexInstance
		}
		return false
	})
	log = strings.Join(lines, "\n")
	if minor < lttng.MinorIndexInstance { // the second text belongs to RESET_METADATA
		if i := strings.LastIndex(log, "\nSEND_METADATA 2 50+4046 <nil>"); i >= 0 {
			log = log[:i] + log[i+len("\nSEND_METADATA 2 50+4046 <nil>"):]
		}
	}
	if minor >= lttng.MinorChunks && minor < minorPlain {
		log = strings.ReplaceAll(log, " 13+0 ", " 50+4046 ")
	}
	if minor < lttng.MinorIndexes {
		log = strings.Replace(log, "CREATE_SESSION s h  0", "CREATE_SESSION    0", 1)
	}
	return log
}

// Whatever byte of the answers is the last one, the session says so and ends.
func TestRepliesCutAtEveryByte(t *testing.T) {
	for _, minor := range []uint32{15, 10} {
		whole := newPeer()
		whole.version.Minor = minor
		if err := record(t.Context(), whole.open(t, nil)); err != nil {
			t.Fatal(err)
		}
		for cut := range whole.answered {
			p := newPeer()
			p.version.Minor, p.cut = minor, cut
			s, err := p.try(t, nil)
			if err == nil {
				err = record(t.Context(), s)
				s.Abort()
			} else if _, ok := errors.AsType[*DialError](err); !ok {
				t.Errorf("cut at %d: got %T %v, want a DialError", cut, err, err)
			}
			if !errors.Is(err, ErrHangup) && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("cut at %d: got %v, want %v", cut, err, ErrHangup)
			}
			if s != nil && !errors.Is(err, s.Err()) {
				t.Errorf("cut at %d: got %v first and %v later", cut, err, s.Err())
			}
		}
	}
}

// An answer that is not the good one ends the session, whatever the request.
func TestRefused(t *testing.T) {
	code := func(c lttng.ReplyCode) []byte { return lttng.AppendCode(nil, c) }
	tests := []struct {
		cmd    lttng.Command
		answer []byte
		want   string
	}{
		{lttng.CmdVersion, lttng.Version{Major: 3, Minor: 0}.Append(nil), "relay: control relay:5342: version: version of the relay: got 3.0, want 2.1"},
		{lttng.CmdVersion, lttng.Version{Major: 2, Minor: 0}.Append(nil), "relay: control relay:5342: version: version of the relay: got 2.0, want 2.1"},
		{lttng.CmdGetConfiguration, lttng.ConfigurationReply{Code: 152}.Append(nil), "relay: control relay:5342: configuration: GET_CONFIGURATION: got INVALID_PROTOCOL (152), want OK"},
		{lttng.CmdCreateSession, lttng.SessionReply{Code: 25}.Append(nil, 15), "relay: control relay:5342: session: CREATE_SESSION: got FATAL (25), want OK"},
		{lttng.CmdCreateTraceChunk, code(97), "relay: control relay:5342: CREATE_TRACE_CHUNK reply: CREATE_TRACE_CHUNK: got INVALID (97), want OK"},
		{lttng.CmdAddStream, lttng.StreamReply{Stream: lttng.NoStream, Code: 11}.Append(nil), "relay: control relay:5342: ADD_STREAM reply of stream ch_0: ADD_STREAM: got UNKNOWN (11), want OK"},
		{lttng.CmdStreamsSent, code(11), "relay: control relay:5342: STREAMS_SENT reply: STREAMS_SENT: got UNKNOWN (11), want OK"},
		{lttng.CmdSendIndex, code(11), "relay: control relay:5342: SEND_INDEX reply of stream ch_0: SEND_INDEX: got UNKNOWN (11), want OK"},
		{lttng.CmdResetMetadata, code(11), "relay: control relay:5342: RESET_METADATA reply of stream metadata: RESET_METADATA: got UNKNOWN (11), want OK"},
		{lttng.CmdRotateStreams, code(153), "relay: control relay:5342: ROTATE_STREAMS reply: ROTATE_STREAMS: got FILE_CREATION_ERROR (153), want OK"},
		{lttng.CmdCloseTraceChunk, lttng.CloseChunkReply{Code: 26}.Append(nil), "relay: control relay:5342: CLOSE_TRACE_CHUNK reply: CLOSE_TRACE_CHUNK: got NO_MEMORY (26), want OK"},
		{lttng.CmdTraceChunkExists, lttng.ChunkExistsReply{Code: 11}.Append(nil), "relay: control relay:5342: TRACE_CHUNK_EXISTS reply: TRACE_CHUNK_EXISTS: got UNKNOWN (11), want OK"},
		{lttng.CmdDataPending, code(lttng.ReplyPendingUnknown), "relay: control relay:5342: DATA_PENDING reply of stream ch_0: DATA_PENDING: got PENDING_UNKNOWN (4294967295), want OK"},
		{lttng.CmdEndDataPending, code(11), "relay: control relay:5342: END_DATA_PENDING reply: END_DATA_PENDING: got UNKNOWN (11), want OK"},
		{lttng.CmdCloseStream, code(11), "relay: control relay:5342: CLOSE_STREAM reply of stream ch_0: CLOSE_STREAM: got UNKNOWN (11), want OK"},
		// Hostile: a path that is longer than any, or without its end.
		{lttng.CmdCreateSession, append(lttng.SessionReply{Code: 10}.Append(nil, 10), 0xff, 0xff, 0xff, 0xff), "relay: control relay:5342: session: lttng: CREATE_SESSION reply path at offset 16: too long: got 4294967295, want at most 4096"},
		{lttng.CmdCloseTraceChunk, []byte{0, 0, 0, 10, 0, 0, 0, 2, 'a', 'b'}, "relay: control relay:5342: CLOSE_TRACE_CHUNK reply: lttng: CLOSE_TRACE_CHUNK reply path at offset 8: not NUL-terminated: got 2"},
		{lttng.CmdStreamsSent, append(code(10), 1, 2), "relay: control relay:5342: wait: bytes that nobody asked for: 2 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.cmd.String(), func(t *testing.T) {
			p := newPeer()
			p.raw[tt.cmd] = tt.answer
			s, err := p.try(t, nil)
			if err == nil {
				defer s.Abort()
				err = record(t.Context(), s)
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// What the package refuses harms nothing.
func TestUnharmed(t *testing.T) {
	p := newPeer()
	p.noClear = true
	s := p.open(t, func(o *Options) { o.LiveTimer = time.Second })
	data, metadata := streams(t, s)
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	b := make([]byte, 16)
	for name, err := range map[string]error{
		"empty packet":           data[0].SendPacket(ctx, nil, ctf.PacketInfo{}),
		"size of 9 bits":         data[0].SendPacket(ctx, b, ctf.PacketInfo{Size: 9}),
		"content beyond packet":  data[0].SendPacket(ctx, b, ctf.PacketInfo{Size: 64, ContentSize: 65}),
		"content that is absent": data[0].SendPacket(ctx, b, ctf.PacketInfo{Size: 4096, ContentSize: 129}),
		"too large":              data[0].SendPacket(ctx, b, ctf.PacketInfo{Size: 1 << 40, ContentSize: 8}),
		"packet of metadata":     metadata.SendPacket(ctx, b, ctf.PacketInfo{}),
		"metadata of data":       data[0].SendMetadata(ctx, b),
		"live reset":             metadata.ResetMetadata(ctx, b),
		"forbidden clear":        second(s.Rotate(ctx, Rotation{Command: lttng.CloseDelete})),
		"no channel":             second(s.AddStreams(ctx, StreamOptions{})),
		"long channel":           second(s.AddStreams(ctx, StreamOptions{Channel: strings.Repeat("x", 264)})),
		"long path":              second(s.AddStreams(ctx, StreamOptions{Channel: "x", Path: strings.Repeat("x", 255)})),
		"ended Drain":            s.Drain(ended),
		"ended Sync":             s.Sync(ended),
		"ended CreateChunk":      second(s.CreateChunk(ended, Chunk{})),
		"detach from a pipe":     second(s.Detach(ctx)),
	} {
		if err == nil || s.Err() != nil {
			t.Errorf("%s: got %v, session %v; want an error and none", name, err, s.Err())
		}
	}
	if err := data[0].SendPacket(ctx, b, info(0)); err != nil {
		t.Error(err)
	}
	if err := data[0].Close(ctx); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Close again": data[0].Close(ctx), "SendPacket after Close": data[0].SendPacket(ctx, b, info(1)),
	} {
		if !errors.Is(err, ErrClosed) || s.Err() != nil {
			t.Errorf("%s: got %v, session %v; want %v and none", name, err, s.Err(), ErrClosed)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"SendPacket": data[1].SendPacket(ctx, b, info(0)), "Beacon": data[1].Beacon(ctx, 1),
		"SendMetadata": metadata.SendMetadata(ctx, b), "Drain": s.Drain(ctx), "Close": s.Close(ctx), "Err": s.Err(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: got %v, want %v", name, err, ErrClosed)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Rotation and clearing are not for old relays.
func TestUnsupported(t *testing.T) {
	p := newPeer()
	p.version.Minor = 7
	s := p.open(t, nil)
	_, metadata := streams(t, s)
	for name, err := range map[string]error{
		"Rotate": second(s.Rotate(t.Context(), Rotation{})), "CloseChunk": second(s.CloseChunk(t.Context(), ChunkClose{})),
		"ChunkExists": second(s.ChunkExists(t.Context(), 0)), "ResetMetadata": metadata.ResetMetadata(t.Context(), nil),
	} {
		if !errors.Is(err, errors.ErrUnsupported) || s.Err() != nil {
			t.Errorf("%s: got %v, session %v; want %v and none", name, err, s.Err(), errors.ErrUnsupported)
		}
	}
}

// Either connection's end is the end of both, without anything being sent.
func TestHangup(t *testing.T) {
	for _, end := range []End{Control, Data} {
		conns := make(map[End]net.Conn)
		p := newPeer()
		s := p.open(t, func(o *Options) {
			o.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
				client, server := net.Pipe()
				if strings.HasSuffix(address, ":5343") {
					conns[Data] = server
					go p.takeData(server)
				} else {
					conns[Control] = server
					go p.serve(server)
				}
				return client, nil
			}
		})
		conns[end].Close()
		<-s.Dead()
		if e, ok := errors.AsType[*Error](s.Err()); !ok || e.End != end || !errors.Is(e, ErrHangup) {
			t.Errorf("got %v, want %v on %s", s.Err(), ErrHangup, end)
		}
		other := conns[Control]
		if end == Control {
			other = conns[Data]
		}
		if _, err := other.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("other connection: got %v, want its end", err)
		}
	}
}
