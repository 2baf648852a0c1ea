// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// listen serves a peer on loopback and returns its URL.
func (p *peer) listen(t testing.TB) lttng.URL {
	t.Helper()
	u := lttng.URL{Scheme: lttng.SchemeNet, Host: "127.0.0.1"}
	for _, end := range []struct {
		port  *lttng.Port
		serve func(net.Conn)
	}{{&u.Port, p.serve}, {&u.Data, p.takeData}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		*end.port = lttng.Port{Number: uint16(l.Addr().(*net.TCPAddr).Port), Set: true}
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go end.serve(c) // ends with the client's end, which sessions close
			}
		}()
	}
	return u
}

// openTCP makes a session over sockets.
func (p *peer) openTCP(t testing.TB, o Options) *Session {
	t.Helper()
	o.Session, o.Hostname, o.Created = "s", "h", created
	s, err := Dial(t.Context(), p.listen(t), lttng.URL{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Abort)
	return s
}

// A session goes on where it was left, through a state in JSON.
func TestHandOver(t *testing.T) {
	p := newPeer()
	s := p.openTCP(t, Options{Window: 9})
	data, metadata := streams(t, s)
	ctx := t.Context()
	for n := range uint64(20) {
		if err := data[n%2].SendPacket(ctx, make([]byte, 1000), info(100+n/2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := metadata.ResetMetadata(ctx, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(ctx, Rotation{}); err != nil {
		t.Fatal(err)
	}
	before := s.state()
	h, err := s.Detach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := data[0].SendPacket(ctx, make([]byte, 8), info(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("SendPacket after Detach: %v, want %v", err, ErrClosed)
	}
	text, err := json.Marshal(h.State)
	if err != nil {
		t.Fatal(err)
	}
	var got Handle
	if err := json.Unmarshal(text, &got.State); err != nil {
		t.Fatal(err)
	}
	got.Control, got.Data = passed(t, h.Control), passed(t, h.Data)
	s, err = Adopt(got)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Abort)
	after := s.state()
	for i := range before.Streams {
		before.Streams[i].Confirmed = before.Streams[i].Sent // Detach waits for that
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("state (-detached +adopted):\n%s", diff)
	}
	p.asked()
	st := s.Streams()
	if err := st[1].SendPacket(ctx, make([]byte, 8), info(110)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SEND_INDEX 2 10 64 <nil>",
		"BEGIN_DATA_PENDING", "DATA_PENDING 1 9 <nil>", "DATA_PENDING 2 10 <nil>", "QUIESCENT_CONTROL", "END_DATA_PENDING",
		"ROTATE_STREAMS false 0 [{1 110} {2 111}] 20 <nil>", "ROTATE_STREAMS false 0 [{3 0}] 20 <nil>",
		"CLOSE_TRACE_CHUNK 1 true MOVE_TO_COMPLETED <nil>",
		"CLOSE_STREAM 1 9 <nil>", "CLOSE_STREAM 2 10 <nil>", "CLOSE_STREAM 3 -1 <nil>",
	}
	if diff := cmp.Diff(want, p.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// passed is what another process gets of a file.
func passed(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return os.NewFile(uintptr(fd), f.Name())
}

// What is in use cannot be handed over, and goes on.
func TestDetachBusy(t *testing.T) {
	p := newPeer()
	s := p.openTCP(t, Options{})
	data, _ := streams(t, s)
	s.window <- struct{}{} // as a packet does that is being sent
	if _, err := s.Detach(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("Detach: %v, want %v", err, ErrBusy)
	}
	<-s.window
	if err := data[0].SendPacket(t.Context(), make([]byte, 8), info(0)); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Detach(ended); !errors.Is(err, context.Canceled) || s.Err() != nil {
		t.Errorf("Detach: %v, session %v; want %v and none", err, s.Err(), context.Canceled)
	}
	h, err := s.Detach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.Window = 0
	if _, err := Adopt(h); err == nil {
		t.Error("Adopt of no session: want an error")
	}
}
