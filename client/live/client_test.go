// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

func TestSessions(t *testing.T) {
	for minor := lttng.MinorIndexes; minor <= lttng.MinorVersion; minor++ {
		t.Run(fmt.Sprint("relay 2.", minor), func(t *testing.T) {
			r := newRelay()
			r.minor = uint32(minor)
			r.sessions = []lttng.ViewerSession{
				{ID: 7, LiveTimer: 1_000_000, Clients: 1, Streams: 3, Hostname: "vm", Name: "s"},
				{ID: 1 << 40, Hostname: "", Name: "not live"},
			}
			want := []SessionInfo{
				{ID: 7, Host: "vm", Name: "s", LiveTimer: time.Second, Clients: 1, Streams: 3},
				{ID: 1 << 40, Name: "not live"},
			}
			if minor >= lttng.MinorTraceFormat {
				r.sessions[0].TraceFormat, want[0].Format = lttng.ViewerFormatCTF2, lttng.ViewerFormatCTF2
			}
			c, err := Dial(t.Context(), Config{Dial: r.dial})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Minor() != minor || c.RelayMinor() != minor {
				t.Errorf("minor %d of the relay's %d, want %d", c.Minor(), c.RelayMinor(), minor)
			}
			got, err := c.Sessions(t.Context())
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("Sessions, error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// The layout is that of the older end.
func TestAnnouncedMinor(t *testing.T) {
	r := newRelay()
	r.minor = 16
	for announce, want := range map[lttng.Minor]lttng.Minor{0: 15, 4: 4, 15: 15, 99: 15} {
		c, err := Dial(t.Context(), Config{Dial: r.dial, Minor: announce})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.Sessions(t.Context())
		if c.Minor() != want || err != nil || len(list) != 1 || list[0].Name != "s" {
			t.Errorf("announced %d: minor %d, list %v, error %v, want minor %d", announce, c.Minor(), list, err, want)
		}
	}
}

func TestDialRefused(t *testing.T) {
	tests := []struct {
		name  string
		reply []byte
		want  func(error) bool
	}{
		{"other major", lttng.ViewerConnectMsg{Major: 3, Minor: 4}.Append(nil), is(ErrVersion)},
		{"minor without live", lttng.ViewerConnectMsg{Major: 2, Minor: 3}.Append(nil), is(ErrVersion)},
	}
	for _, tt := range tests {
		r := newRelay()
		r.raw[lttng.ViewerConnect] = tt.reply
		if c, err := Dial(t.Context(), Config{Dial: r.dial}); !tt.want(err) {
			t.Errorf("%s: Dial = %v, %v", tt.name, c, err)
		}
	}
	refuse := errors.New("refused")
	_, err := Dial(t.Context(), Config{Address: "relay", Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" || address != "relay:5344" {
			t.Errorf("dial %s %s, want tcp relay:5344", network, address)
		}
		return nil, refuse
	}})
	if lost, ok := errors.AsType[*ConnError](err); !ok || lost.Op != "dial" || !errors.Is(err, refuse) {
		t.Errorf("Dial = %v, want a ConnError", err)
	}
}

func is(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

func TestAttachRefused(t *testing.T) {
	tests := []struct {
		status lttng.AttachStatus
		want   error
	}{
		{lttng.AttachAlready, ErrAttached},
		{lttng.AttachUnknown, ErrSessionGone},
		{lttng.AttachNotLive, ErrNotLive},
		{lttng.AttachSeekError, nil},
		{lttng.AttachNoSession, nil},
		{99, nil},
	}
	for _, tt := range tests {
		r := newRelay()
		r.attach = []lttng.AttachReply{{Status: tt.status}}
		c, err := Dial(t.Context(), Config{Dial: r.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Attach(t.Context(), Target{ID: 7}, FromNow)
		e, ok := errors.AsType[*StatusError](err)
		if !ok || e.Status != tt.status || e.Session != 7 || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%v: Attach = %v, want a StatusError of %v", tt.status, err, tt.want)
		}
		if s, err := c.Attach(t.Context(), Target{ID: 7}, FromNow); err != nil {
			t.Errorf("after %v: Attach = %v, %v, want nil", tt.status, s, err)
		}
		for _, gone := range []Target{{Name: "t"}, {Name: "s", Host: "other"}, {ID: 8}, {ID: 7, Name: "t"}} {
			if _, err := c.Attach(t.Context(), gone, FromNow); !errors.Is(err, ErrSessionGone) {
				t.Errorf("Attach to %v = %v, want ErrSessionGone", gone, err)
			}
		}
	}
	r := newRelay()
	r.create = lttng.CreateError
	c, err := Dial(t.Context(), Config{Dial: r.dial})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Attach(t.Context(), Target{Name: "s"}, FromNow)
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Op != lttng.ViewerCreateSession {
		t.Errorf("Attach without CREATE_SESSION = %v, want a StatusError", err)
	}
}

// Counts and lengths above the limits are refused before anything is set
// aside for them.
func TestHostile(t *testing.T) {
	list := func(status, count uint32, more ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, status)
		return append(binary.BigEndian.AppendUint32(b, count), more...)
	}
	unterminated := make([]byte, 4371)
	for i := range unterminated {
		unterminated[i] = 'x'
	}
	tests := []struct {
		name   string
		cmd    lttng.ViewerCommand
		reply  []byte
		reason error
	}{
		{"new streams", lttng.ViewerGetNewStreams, list(1, 1<<32-1), lttng.ErrTooLong},
		{"no NUL", lttng.ViewerGetNewStreams, list(1, 1, unterminated...), lttng.ErrUnterminated},
		{"metadata", lttng.ViewerGetMetadata, lttng.MetadataReply{Status: lttng.MetadataOK, Len: 1 << 62}.Append(nil), lttng.ErrTooLong},
		{"metadata without end", lttng.ViewerGetMetadata, append(lttng.MetadataReply{Status: lttng.MetadataOK, Len: 400}.Append(nil), make([]byte, 400)...), lttng.ErrTooLong},
		{"packet", lttng.ViewerGetPacket, lttng.PacketReply{Status: lttng.PacketOK, Len: 11}.Append(nil), lttng.ErrTooLong},
		{"more than was asked for", lttng.ViewerGetNextIndex, append(lttng.NextIndexReply{Status: lttng.IndexRetry}.Append(nil), 1, 2, 3), ErrUnasked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay()
			r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
			r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("M")}
			r.index[2] = []lttng.NextIndexReply{indexOK(0, 10, 1, 0)}
			r.raw[tt.cmd] = tt.reply
			s := r.open(t, func(c *Config) { c.MaxStreams, c.MaxMetadata = 3, 1000 })
			_, err := readAll(t.Context(), s.Next)
			bad, ok := errors.AsType[*lttng.ProtocolError](err)
			if !ok || !errors.Is(err, tt.reason) {
				t.Fatalf("Next = %v, want a ProtocolError: %v", err, tt.reason)
			}
			if _, again := s.Next(t.Context()); again != err || bad.Op == "" {
				t.Errorf("Next afterwards = %v, want %v", again, err)
			}
		})
	}
}

func TestHostileList(t *testing.T) {
	for name, tt := range map[string]struct {
		minor  uint32
		reply  []byte
		reason error
	}{
		"count":  {15, []byte{0xff, 0xff, 0xff, 0xff}, nil},
		"length": {15, append([]byte{0, 0, 0, 1}, append(make([]byte, 20), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)...), lttng.ErrTooLong},
	} {
		r := newRelay()
		r.minor, r.raw[lttng.ViewerListSessions] = tt.minor, tt.reply
		c, err := Dial(t.Context(), Config{Dial: r.dial, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.Sessions(t.Context())
		if err == nil || tt.reason != nil && !errors.Is(err, tt.reason) {
			t.Errorf("%s: Sessions = %v, %v, want %v", name, list, err, tt.reason)
		}
	}
}

// Wherever the connection ends, that is what is reported, and what came before
// is handed out.
func TestCut(t *testing.T) {
	scenario := func(cut int) *relay {
		r := newRelay()
		r.cut = cut
		r.attach = []lttng.AttachReply{attachOK(meta(1, 1), data(1, 2))}
		r.metadata[1] = []reply[lttng.MetadataReply]{metadataOK("MM")}
		r.index[2] = []lttng.NextIndexReply{indexOK(0, 4, 10, 0), inactive(11, 0), indexIs(lttng.IndexHangup, 0)}
		r.packet[2] = []reply[lttng.PacketReply]{packetOK("aaaa")}
		r.streams = []lttng.NewStreamsReply{hangup}
		return r
	}
	read := func(cut int) (int, error) {
		r := scenario(cut)
		c, err := Dial(t.Context(), Config{Dial: r.dial})
		if err != nil {
			return 0, err
		}
		defer c.Close()
		s, err := c.Attach(t.Context(), Target{Name: "s"}, FromBeginning)
		if err != nil {
			return 0, err
		}
		got, err := readAll(t.Context(), s.Next)
		return len(got), err
	}
	const all = 8
	seen := 0
	for cut := 0; ; cut++ {
		n, err := read(cut)
		if err == nil {
			if n != all {
				t.Errorf("%d events without a cut, want %d", n, all)
			}
			break
		}
		// One fewer is right where the client had the time to ask for new streams
		// in between: the answer is a part of what comes before the cut.
		if _, ok := errors.AsType[*ConnError](err); !ok || n+1 < seen || n >= all {
			t.Fatalf("cut at %d: %d events, error %v, want a ConnError and about %d", cut, n, err, seen)
		}
		seen = n
	}
}

// Close ends a wait for a reply.
func TestClose(t *testing.T) {
	r := newRelay()
	r.raw[lttng.ViewerGetNewStreams] = []byte{}
	s := r.open(t, nil)
	done := make(chan error)
	go func() { // ends with the connection
		_, err := s.Next(t.Context())
		done <- err
	}()
	s.client.Close()
	if _, ok := errors.AsType[*ConnError](<-done); !ok {
		t.Error("Next does not return a ConnError after Close")
	}
}
