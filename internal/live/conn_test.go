// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/lttng"
)

func connectBytes(m lttng.ViewerConnectMsg) []byte {
	return lttng.AppendViewerRequest(nil, lttng.ViewerConnect, m.Append)
}

var goodConnect = lttng.ViewerConnectMsg{Major: 2, Minor: oldMinor, Type: lttng.ViewerTypeCommand}

// What ends a connection, and what it is told before.
func TestBadInput(t *testing.T) {
	list := lttng.AppendViewerRequest(nil, lttng.ViewerListSessions, nil)
	unknown := lttng.AppendViewerRequest(nil, 10, func(b []byte) []byte { return append(b, "payload"...) })
	unknownReply := []byte{0, 0, 0, 11}
	connectLen := 20
	for _, tt := range []struct {
		name string
		sent []byte
		skip int // bytes of earlier replies
		want []byte
	}{
		{"command before CONNECT", list, 0, nil},
		{"unknown command before CONNECT", unknown, 0, nil},
		{"major 1", connectBytes(lttng.ViewerConnectMsg{Major: 1, Minor: 4, Type: 1}), 0, nil},
		{"major 3", connectBytes(lttng.ViewerConnectMsg{Major: 3, Minor: 4, Type: 1}), 0, nil},
		{"type 0", connectBytes(lttng.ViewerConnectMsg{Major: 2, Minor: 4, Type: 0}), 0, nil},
		{"type 3", connectBytes(lttng.ViewerConnectMsg{Major: 2, Minor: 4, Type: 3}), 0, nil},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: weir\r\n\r\n"), 0, nil},
		{"unknown command", slices.Concat(connectBytes(goodConnect), unknown), connectLen, unknownReply},
		{"command 0", slices.Concat(connectBytes(goodConnect), make([]byte, 16)), connectLen, unknownReply},
		{"largest command", slices.Concat(connectBytes(goodConnect), bytes.Repeat([]byte{0xff}, 16)), connectLen, unknownReply},
		{"unknown command and more", slices.Concat(connectBytes(goodConnect), unknown, bytes.Repeat(list, 1000)), connectLen, unknownReply},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			c := b.dial()
			if err := c.Send(tt.sent); err != nil {
				t.Fatal(err)
			}
			got, err := c.Read(tt.skip + len(tt.want))
			if err != nil || !bytes.Equal(got[tt.skip:], tt.want) {
				t.Fatalf("reply %x, error %v, want %x", got, err, tt.want)
			}
			if !c.Ended() {
				t.Error("connection goes on")
			}
			c.Close()
			until(b.t, "connections are gone", func() bool { return b.srv.Stats().Connected == 0 })
			if n := b.srv.Stats().ProtocolErrors; n != 1 {
				t.Errorf("%d protocol errors counted, want 1", n)
			}
		})
	}
}

// Notification connections get an id of 0 and nothing else to do.
func TestNotificationConnection(t *testing.T) {
	b := newBench(t, nil)
	c := b.dial()
	if err := c.Send(connectBytes(lttng.ViewerConnectMsg{Major: 2, Minor: 4, Type: lttng.ViewerTypeNotification})); err != nil {
		t.Fatal(err)
	}
	raw, err := c.Read(20)
	if err != nil {
		t.Fatal(err)
	}
	if r, _, err := lttng.ParseViewerConnectMsg(raw); err != nil || r != (lttng.ViewerConnectMsg{Major: 2, Minor: 15}) {
		t.Errorf("reply = %+v, %v", r, err)
	}
}

// Requests may come in any pieces, with any size in their header.
func TestSegmentation(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 1, 2, 64)
	var sent []byte
	add := func(cmd lttng.ViewerCommand, payload func([]byte) []byte, size uint64) {
		at := len(sent)
		sent = lttng.AppendViewerRequest(sent, cmd, payload)
		binary.BigEndian.PutUint64(sent[at:], size)
	}
	add(lttng.ViewerConnect, goodConnect.Append, 0)
	add(lttng.ViewerListSessions, nil, 999)
	add(lttng.ViewerCreateSession, nil, 20)
	add(lttng.ViewerAttachSession, lttng.AttachRequest{Session: p.ss.ID(), Seek: lttng.SeekBeginning}.Append, 0)
	add(lttng.ViewerGetNextIndex, lttng.ViewerStreamRequest{Stream: data[0].ID()}.Append, 20)
	add(lttng.ViewerGetPacket, lttng.PacketRequest{Stream: data[0].ID(), Len: 64}.Append, ^uint64(0))
	add(lttng.ViewerDetachSession, lttng.ViewerSessionRequest{Session: p.ss.ID()}.Append, 1<<40)
	size := 20 + (4 + 2*339) + 4 + (8 + 2*4371) + 64 + (12 + 64) + 4
	var first []byte
	for _, step := range []int{1, 7, 16, 36, len(sent)} {
		c := b.dial()
		for rest := sent; len(rest) > 0; {
			n := min(step, len(rest))
			if err := c.Send(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		got, err := c.Read(size)
		if err != nil {
			t.Fatalf("steps of %d: %v", step, err)
		}
		got = got[8:] // the viewer session id counts
		if first == nil {
			first = bytes.Clone(got)
		}
		if !bytes.Equal(got, first) {
			t.Errorf("steps of %d: replies differ", step)
		}
		c.Close()
		until(b.t, "connections are gone", func() bool { return b.srv.Stats().Connected == 0 })
	}
	if !bytes.HasSuffix(first, binary.BigEndian.AppendUint32(packetData(data[0].ID(), 0, 64), uint32(lttng.DetachOK))) {
		t.Errorf("replies end with %x", first[len(first)-68:])
	}
}

// More requests in one write than are acted on at a time.
func TestPipelinedRequests(t *testing.T) {
	const n = 3000
	b := newBench(t, nil)
	newProducer(t, b.store, "s")
	c := b.connect(oldMinor)
	go func() { // ends with the write; the replies below need all of it
		_ = c.Send(bytes.Repeat(lttng.AppendViewerRequest(nil, lttng.ViewerListSessions, nil), n))
	}()
	for range n {
		if _, err := c.Read(4 + 2*339); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.srv.Stats().Requests[lttng.ViewerListSessions]; got != n {
		t.Errorf("%d requests counted, want %d", got, n)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	b := newBench(t, func(o *Options) { o.HandshakeTimeout = 50 * time.Millisecond })
	silent, half, good := b.dial(), b.dial(), b.connect(oldMinor)
	if err := half.Send(connectBytes(goodConnect)[:35]); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*livetest.Client{silent, half} {
		if !c.Ended() {
			t.Error("connection without CONNECT goes on")
		}
	}
	if l := good.list(); len(l) != 0 {
		t.Errorf("list = %v, want none", l)
	}
}

func TestMaxViewers(t *testing.T) {
	b := newBench(t, func(o *Options) { o.MaxViewers = 2 })
	first, second := b.connect(oldMinor), b.connect(oldMinor)
	if third := b.dial(); !third.Ended() {
		t.Error("third connection goes on")
	}
	first.Close()
	until(b.t, "connections are gone", func() bool { return b.srv.Stats().Connected == 1 })
	b.connect(oldMinor).list()
	second.list()
	if n := b.srv.Stats().Refused; n != 1 {
		t.Errorf("%d connections refused, want 1", n)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no descriptors found: %v", err)
	}
	return len(all)
}

// Connections cost no goroutine and no buffer, and leave nothing behind.
func TestConnectionsLeaveNothing(t *testing.T) {
	const conns = 500
	store := newStore(t)
	p := newProducer(t, store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 1, 2, 100_000)
	files, routines := openFiles(t), runtime.NumGoroutine()

	srv, err := New(Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, []net.Listener{l}) }() // received below
	b := &bench{t: t, store: store, srv: srv, addr: l.Addr().String(), stop: cancel}
	b.attached(p.ss.ID(), lttng.SeekBeginning)
	idle := runtime.NumGoroutine()
	for i := range conns {
		switch i % 3 {
		case 0:
			b.dial()
		case 1:
			b.connect(oldMinor)
		default:
			c, _ := b.attached(p.ss.ID(), lttng.SeekBeginning)
			c.index(data[0].ID())
			c.packet(data[0].ID(), 0, 100_000)
		}
	}
	if n := runtime.NumGoroutine(); n > idle {
		t.Errorf("%d goroutines with %d connections, %d with one", n, conns, idle)
	}
	if n := srv.Stats().Attached; n != conns/3+1 {
		t.Errorf("%d attached, want %d", n, conns/3+1)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if n := srv.Stats(); n.Connected != 0 || n.Attached != 0 {
		t.Errorf("after Serve: %d connected, %d attached", n.Connected, n.Attached)
	}
	// The clients' own sockets are open until the test's end.
	if n := openFiles(t) - (conns + 1); n > files {
		t.Errorf("%d descriptors besides the clients', %d before", n, files)
	}
	until(t, "goroutines are gone", func() bool { return runtime.NumGoroutine() <= routines })
}

func TestServeOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(Options{Store: newStore(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, []net.Listener{l}) }() // received below
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := livetest.New(conn)
	defer c.Close()
	if _, err := c.Connect(oldMinor); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if !c.Ended() {
		t.Error("connection outlives the server")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket's file belongs to who made it: %v", err)
	}
}

func TestNewNeedsStoreAndLog(t *testing.T) {
	for _, o := range []Options{{}, {Log: slog.New(slog.DiscardHandler)}, {Store: newStore(t)}} {
		if s, err := New(o); err == nil || s != nil {
			t.Errorf("New(%+v) = %v, want an error", o, s)
		}
	}
}
