// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/live/livetest"
	"github.com/weir-io/weir/lttng"
)

// dialFrom opens a connection from an address of the loopback network.
func (b *bench) dialFrom(from string) *livetest.Client {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(context.Background(), "tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	c := livetest.New(conn)
	b.t.Cleanup(func() { c.Close() })
	return c
}

// connectFrom is connect from an address of the loopback network.
func (b *bench) connectFrom(from string) *client {
	b.t.Helper()
	c := &client{b.t, b.dialFrom(from)}
	if _, err := c.Connect(oldMinor); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// decided waits until the server has let in or turned away n connections.
func (b *bench) decided(n int) {
	b.t.Helper()
	until(b.t, "all connections are accepted or refused", func() bool {
		s := b.srv.Stats()
		return s.Total+s.Refused >= uint64(n)
	})
}

// Connections that say nothing, in any number, keep no viewer out, and no more
// of them are held than configured, in all and of one address.
func TestSilentFlood(t *testing.T) {
	const flood = 60
	for name, tt := range map[string]struct {
		all, perPeer, open int
		other              string // address of those who talk
	}{
		"limit of all":        {10, 0, 10, "127.0.0.1"},
		"limit of an address": {100, 10, 10, "127.0.0.1"},
		"of another address":  {100, 10, 11, "127.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.MaxViewers, o.MaxViewersPerPeer = tt.all, tt.perPeer })
			before := b.connectFrom(tt.other)
			for range flood {
				b.dial()
			}
			b.decided(flood + 1)
			s := b.srv.Stats()
			if want := uint64(flood + 1 - tt.open); s.Connected != tt.open || s.Displaced != want || s.Refused != 0 {
				t.Errorf("%d open, %d displaced, %d refused, want %d, %d and 0", s.Connected, s.Displaced, s.Refused, tt.open, want)
			}
			before.list()
			b.connectFrom("127.0.0.1").list()
		})
	}
}

// Viewers that talk are not displaced: further ones of the same address are
// refused, those of another come in.
func TestTalkingFloodOfOneAddress(t *testing.T) {
	const perPeer, more = 5, 20
	b := newBench(t, func(o *Options) { o.MaxViewers, o.MaxViewersPerPeer = 100, perPeer })
	var talking []*client
	for range perPeer {
		talking = append(talking, b.connectFrom("127.0.0.2"))
	}
	for range more {
		if c := b.dialFrom("127.0.0.2"); !c.Ended() {
			t.Error("connection above the limit goes on")
		}
	}
	if s := b.srv.Stats(); s.Refused != more || s.Displaced != 0 {
		t.Errorf("%d refused, %d displaced, want %d and 0", s.Refused, s.Displaced, more)
	}
	b.connectFrom("127.0.0.3").list()
	for _, c := range talking {
		c.list()
	}
	talking[0].Close()
	until(t, "a place is free", func() bool { return b.srv.Stats().Connected == perPeer })
	b.connectFrom("127.0.0.2").list()
}

// stuck makes a viewer that has a reply waiting and takes nothing of it.
func (b *bench) stuck(from string, id lttng.SessionID, stream lttng.StreamID, n uint32) *client {
	b.t.Helper()
	c := b.connectFrom(from)
	if st, err := c.Create(); err != nil || st != lttng.CreateOK {
		b.t.Fatalf("Create = %v, %v", st, err)
	}
	if r := c.attach(id, lttng.SeekBeginning); r.Status != lttng.AttachOK {
		b.t.Fatalf("attach: %v", r.Status)
	}
	c.index(stream)
	if err := c.Request(lttng.ViewerGetPacket, lttng.PacketRequest{Stream: stream, Len: n}.Append); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// stalled returns how many viewers the loop counts as silent for having taken
// nothing.
func (b *bench) stalled() int {
	b.t.Helper()
	found := make(chan int, 1)
	err := b.srv.loop.Post(func() {
		n := 0
		for c := range b.srv.conns {
			if c.stalled {
				n++
			}
		}
		found <- n
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return <-found
}

// Viewers that have stopped reading keep their places until others need them:
// the oldest goes, the other one gets all of its reply and is not silent then.
func TestStalledViewersMakeRoom(t *testing.T) {
	const size = 16 << 20 // more than sockets hold
	const from = "127.0.0.2"
	b := newBench(t, func(o *Options) { o.MaxViewersPerPeer, o.StallTimeout = 3, 10*time.Millisecond })
	p := newProducer(t, b.store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 1, 2, size)
	stuck := []*client{b.stuck(from, p.ss.ID(), data[0].ID(), size), b.stuck(from, p.ss.ID(), data[0].ID(), size)}
	idle := b.connectFrom(from)
	until(t, "all are served", func() bool { return b.srv.Stats().Connected == 3 })
	until(t, "two viewers are stalled", func() bool { return b.stalled() == 2 })
	if s := b.srv.Stats(); s.Connected != 3 || s.Displaced != 0 {
		t.Errorf("%d connections, %d displaced while nobody needs a place, want 3 and 0", s.Connected, s.Displaced)
	}
	next := b.connectFrom(from)
	if s := b.srv.Stats(); s.Connected != 3 || s.Displaced != 1 || s.Attached != 1 {
		t.Errorf("%d connections, %d displaced, %d attached, want 3, 1 and 1", s.Connected, s.Displaced, s.Attached)
	}
	whole := 0
	for _, c := range stuck {
		if b, err := c.Read(len(lttng.PacketReply{}.Append(nil)) + size); err == nil && len(b) > size {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d viewers got all of their packet, want the one that was not displaced", whole)
	}
	until(t, "nobody is stalled", func() bool { return b.stalled() == 0 })
	if c := b.dialFrom(from); !c.Ended() {
		t.Error("a viewer that talks made room")
	}
	idle.list()
	next.list()
}
