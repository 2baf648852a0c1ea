// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// oldMinor is what every released viewer announces.
const oldMinor = 4

// bench is a server on a store that tests write to.
type bench struct {
	t     testing.TB
	store *tracestore.Store
	srv   *Server
	addr  string
	stop  func() // ends the server; called again, does nothing
}

// newBench serves a new store until the test ends.
func newBench(t testing.TB, change func(*Options)) *bench {
	t.Helper()
	store := newStore(t)
	opts := Options{Store: store, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&opts)
	}
	srv, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, []net.Listener{l}) }() // stop waits for it
	b := &bench{t: t, store: store, srv: srv, addr: l.Addr().String()}
	stopped := false
	b.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

// dial opens a connection that has said nothing.
func (b *bench) dial() *livetest.Client {
	b.t.Helper()
	c, err := livetest.Dial(context.Background(), b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// connect opens a connection that has sent CONNECT and CREATE_SESSION.
func (b *bench) connect(minor uint32) *client {
	b.t.Helper()
	c := &client{b.t, b.dial()}
	if _, err := c.Connect(minor); err != nil {
		b.t.Fatal(err)
	}
	if st, err := c.Create(); err != nil || st != lttng.CreateOK {
		b.t.Fatalf("Create = %v, %v", st, err)
	}
	return c
}

// attached is connect and an attachment, whose streams it returns.
func (b *bench) attached(id lttng.SessionID, seek lttng.Seek) (*client, []lttng.ViewerStream) {
	b.t.Helper()
	c := b.connect(oldMinor)
	r := c.attach(id, seek)
	if r.Status != lttng.AttachOK {
		b.t.Fatalf("attach to %d: %v", id, r.Status)
	}
	return c, r.Streams
}

// viewer opens a session by name.
func (b *bench) viewer(name string, seek lttng.Seek) *livetest.Viewer {
	b.t.Helper()
	v := &livetest.Viewer{Client: b.dial()}
	if ok, err := v.Open(name, oldMinor, seek); err != nil || !ok {
		b.t.Fatalf("open %q: found %v, error %v", name, ok, err)
	}
	return v
}

// run reads a session to its end.
func (b *bench) run(v *livetest.Viewer) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	if err := v.Run(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for what the loop is about to do.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// client fails the test where the connection does.
type client struct {
	t testing.TB
	*livetest.Client
}

func (c *client) attach(id lttng.SessionID, seek lttng.Seek) lttng.AttachReply {
	c.t.Helper()
	r, err := c.Attach(id, seek)
	c.must(err)
	return r
}

func (c *client) index(id lttng.StreamID) lttng.NextIndexReply {
	c.t.Helper()
	r, err := c.NextIndex(id)
	c.must(err)
	return r
}

func (c *client) newStreams(id lttng.SessionID) lttng.NewStreamsReply {
	c.t.Helper()
	r, err := c.NewStreams(id)
	c.must(err)
	return r
}

func (c *client) metadata(id lttng.StreamID) (lttng.MetadataStatus, []byte) {
	c.t.Helper()
	r, b, err := c.Metadata(id)
	c.must(err)
	return r.Status, b
}

func (c *client) packet(id lttng.StreamID, off uint64, n uint32) (lttng.PacketStatus, []byte) {
	c.t.Helper()
	r, b, err := c.Packet(id, off, n)
	c.must(err)
	return r.Status, b
}

func (c *client) list() []lttng.ViewerSession {
	c.t.Helper()
	l, err := c.List()
	c.must(err)
	return l
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// answer is what tests compare of a GET_NEXT_INDEX reply.
type answer struct {
	status lttng.NextIndexStatus
	flags  uint32
	until  uint64
}

func answerOf(r lttng.NextIndexReply) answer { return answer{r.Status, r.Flags, r.TimestampEnd} }

// wantIndex asks for a stream's next index.
func (c *client) wantIndex(what string, id lttng.StreamID, want answer) lttng.NextIndexReply {
	c.t.Helper()
	r := c.index(id)
	if got := answerOf(r); got != want {
		c.t.Errorf("%s: index of stream %d = %v flags %d until %d, want %v flags %d until %d",
			what, id, got.status, got.flags, got.until, want.status, want.flags, want.until)
	}
	return r
}
