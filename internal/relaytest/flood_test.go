// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// dialFrom connects from an address of the loopback network.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // again, or after the relay
	return c
}

func limits(all, perPeer int) relaytest.Change {
	return func(o *relay.Options, _ *tracestore.Options) {
		o.MaxConnections, o.MaxConnectionsPerPeer = all, perPeer
	}
}

// waitAccepted waits until the relay has decided about n connections.
func waitAccepted(t *testing.T, r *relaytest.Relay, n uint64) {
	t.Helper()
	c := r.Server.Counters()
	wait.Until(t, "all connections are accepted or refused", func() bool {
		return c.ControlTotal.Load()+c.DataTotal.Load()+c.Refused.Load() >= n
	})
}

// Silent connections in any number keep no producer out, and no more of them
// are held than configured.
func TestSilentFlood(t *testing.T) {
	const limit, flood = 30, 200
	r := relaytest.Start(t, limits(limit, 0), relaytest.Quiet)
	c := r.Server.Counters()
	base := c.ControlTotal.Load()
	for range flood {
		dialFrom(t, "127.0.0.1", r.Control)
	}
	waitAccepted(t, r, base+flood)
	// The displaced are closed a moment later.
	wait.Until(t, "no more are open than allowed", func() bool { return c.ControlOpen.Load() <= limit })
	rec := r.Record(t, relaytest.Plan{})
	rec.SendWhole(0, 0, 200)
	rec.SendWhole(0, 1, 200)
	r.WaitPackets(2)
	wait.Until(t, "no more are open than allowed", func() bool { return c.ControlOpen.Load()+c.DataOpen.Load() <= limit })
}

// Connections that talk are not displaced: further ones are refused, and can
// come when a place is free.
func TestTalkingFlood(t *testing.T) {
	const limit = 20
	r := relaytest.Start(t, limits(limit, 0), relaytest.Quiet)
	rec := r.Record(t, relaytest.Plan{})
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(1)
	var talking []*relaytest.Producer
	for range limit - 2 {
		p := r.Dial(t)
		p.Version(lttng.Version{Major: 2, Minor: 15})
		talking = append(talking, p)
	}
	for range 10 {
		if b := relaytest.WaitClosed(t, dialFrom(t, "127.0.0.1", r.Control)); len(b) > 0 {
			t.Errorf("refused connection was sent %x", b)
		}
	}
	if got := r.Server.Counters().Refused.Load(); got != 10 {
		t.Errorf("%d refused, want 10", got)
	}
	rec.SendWhole(0, 1, 200)
	r.WaitPackets(2)
	for _, p := range talking {
		p.Version(lttng.Version{Major: 2, Minor: 15})
		p.Close()
	}
	wait.Until(t, "places are free", func() bool { return r.Server.Counters().ControlOpen.Load() == 1 })
	p := r.Dial(t)
	p.Version(lttng.Version{Major: 2, Minor: 15})
}

// One address that uses up its share keeps no other out, on either port.
func TestFloodOfOnePeer(t *testing.T) {
	const perPeer, flood = 10, 60
	for name, port := range map[string]func(*relaytest.Relay) string{
		"control": func(r *relaytest.Relay) string { return r.Control },
		"data":    func(r *relaytest.Relay) string { return r.Data },
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, limits(perPeer*3, perPeer), relaytest.Quiet)
			c := r.Server.Counters()
			base := c.ControlTotal.Load()
			for range flood {
				dialFrom(t, "127.0.0.2", port(r))
			}
			waitAccepted(t, r, base+flood)
			if open := c.ControlOpen.Load() + c.DataOpen.Load(); open > perPeer {
				t.Errorf("%d connections open, want at most %d", open, perPeer)
			}
			rec := r.Record(t, relaytest.Plan{})
			rec.SendWhole(0, 0, 200)
			r.WaitPackets(1)
		})
	}
}

// A control connection that says nothing in time is closed, one that has talked
// is not. A data connection says nothing before the tracing session is started,
// which can be hours later.
func TestHandshakeTimeout(t *testing.T) {
	r := relaytest.Start(t, relaytest.Quiet, func(o *relay.Options, _ *tracestore.Options) {
		o.HandshakeTimeout = 50 * time.Millisecond
	})
	rec := r.Record(t, relaytest.Plan{})
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(1)
	talked := r.Dial(t)
	talked.Version(lttng.Version{Major: 2, Minor: 15})
	slow := dialFrom(t, "127.0.0.1", r.Control)
	if _, err := slow.Write(make([]byte, lttng.ControlHeaderLen-1)); err != nil {
		t.Fatal(err)
	}
	dialFrom(t, "127.0.0.1", r.Data)
	for _, c := range []net.Conn{dialFrom(t, "127.0.0.1", r.Control), slow} {
		if b := relaytest.WaitClosed(t, c); len(b) > 0 {
			t.Errorf("silent connection was sent %x", b)
		}
	}
	if got := r.Server.Counters().TimedOut.Load(); got != 2 {
		t.Errorf("%d timed out, want 2", got)
	}
	if got := r.Server.Counters().DataOpen.Load(); got != 2 {
		t.Errorf("%d data connections open, want 2", got)
	}
	talked.Version(lttng.Version{Major: 2, Minor: 15})
	rec.SendWhole(0, 1, 200)
	r.WaitPackets(2)
}

// heap returns the bytes of live objects.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An announced size costs nothing: memory grows with the bytes that arrive.
func TestAnnouncementsCostNothing(t *testing.T) {
	const peers = 100
	r := relaytest.Start(t, relaytest.Quiet)
	before := heap()
	for i := range peers {
		cmd := []lttng.Command{
			lttng.CmdCreateSession, lttng.CmdVersion, lttng.CmdAddStream, lttng.CmdSendMetadata, lttng.CmdRotateStreams, 10000,
		}[i%6]
		size := uint64(lttng.MaxControlPayload)
		if cmd == lttng.CmdSendMetadata {
			size = 16 << 20 // what is configured
		}
		b := append(lttng.ControlHeader{Cmd: cmd, DataSize: size}.Append(nil), 1, 2, 3)
		c := dialFrom(t, "127.0.0.1", r.Control)
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	c := r.Server.Counters()
	// The handled ones of small layouts wait for the rest of the payload too.
	wait.Until(t, "all have been received", func() bool { return c.ReceivedBytes.Load() == peers*(lttng.ControlHeaderLen+3) })
	if got := c.PartialMemory.Load(); got > peers*(64<<10) {
		t.Errorf("%d bytes held for %d announcements, want at most 64 KiB each", got, peers)
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("the heap has grown by %d bytes, want at most 16 MiB", grown)
	}
	checkAlive(t, r)
}

// Peers that do send what they announce share a bounded memory: those above it
// are closed, the others are served.
func TestReceiveMemoryIsBounded(t *testing.T) {
	const budget = 4 << 20
	r := relaytest.Start(t, relaytest.Quiet, func(o *relay.Options, _ *tracestore.Options) { o.MaxMemory = budget })
	c := r.Server.Counters()
	head := append(lttng.ControlHeader{Cmd: lttng.CmdSendMetadata, DataSize: 16 << 20}.Append(nil), make([]byte, 1<<20)...)
	var controls []net.Conn
	for i := range 12 {
		plan := relaytest.Plan{}
		plan.Session.SessiondUUID[0] = byte(i + 1)
		control, _ := r.Record(t, plan).Connections()
		controls = append(controls, control)
	}
	before := heap()
	for _, control := range controls {
		// An error says that we were closed while we wrote: memory was short.
		_, _ = control.Write(head)
	}
	wait.Until(t, "somebody was closed for want of memory", func() bool { return c.MemoryShort.Load() > 0 })
	// An attempt that is refused counts for a moment, and what is received
	// while we look is not free yet.
	wait.Until(t, "the memory is within its budget", func() bool {
		return c.PartialMemory.Load() <= budget && int64(heap())-int64(before) <= budget+(4<<20)
	})
	checkAlive(t, r)
}

// A peer that asks and never reads is not read any more; what it asked before
// is answered once it reads.
func TestPeerThatDoesNotRead(t *testing.T) {
	r := relaytest.Start(t, relaytest.Quiet)
	c := dialFrom(t, "127.0.0.1", r.Control)
	before := heap()
	request := lttng.AppendRequest(nil, lttng.CmdGetConfiguration, lttng.GetConfiguration{}.Append)
	var batch []byte
	for range 4096 {
		batch = append(batch, request...)
	}
	sent := 0
	for stuck := false; !stuck; {
		if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(batch)
		sent += n
		if stuck = errors.Is(err, os.ErrDeadlineExceeded); err != nil && !stuck {
			t.Fatal(err)
		}
		if sent > 256<<20 {
			t.Fatalf("the relay has taken %d bytes of requests whose answers nobody reads", sent)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("the heap has grown by %d bytes, want at most 8 MiB", grown)
	}
	checkAlive(t, r)
	want := sent / len(request) * len(lttng.ConfigurationReply{}.Append(nil))
	if n, err := io.CopyN(io.Discard, c, int64(want)); err != nil {
		t.Errorf("%d bytes of answers (error %v), want %d", n, err, want)
	}
}

// Connections that are reset, or half closed, or closed in the middle of a
// message leave nothing behind.
func TestBrokenConnections(t *testing.T) {
	r := relaytest.Start(t, relaytest.Quiet)
	ends := map[string]func(*net.TCPConn) error{
		"reset":       func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
		"half closed": func(c *net.TCPConn) error { return c.CloseWrite() },
		"closed":      func(c *net.TCPConn) error { return c.Close() },
	}
	c := loadCapture(t, "01_streaming")
	for name, end := range ends {
		for _, port := range []string{r.Control, r.Data} {
			for _, n := range []int{0, 1, 23, 24, 31, 32, 33, 100, 500} {
				conn := dialFrom(t, "127.0.0.1", port).(*net.TCPConn)
				b := c.sent["control0"]
				if port == r.Data {
					b = c.sent["data0"]
				}
				_, werr := conn.Write(b[:n])
				if err := end(conn); err != nil || werr != nil {
					t.Errorf("%s after %d bytes: %v, %v", name, n, werr, err)
				}
			}
		}
	}
	r.WaitSettled()
	checkAlive(t, r)
}

// Garbage on both ports, in many pieces, is the sender's problem alone.
func TestGarbage(t *testing.T) {
	r := relaytest.Start(t, relaytest.Quiet)
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			for _, port := range []string{r.Control, r.Data} {
				c := dialFrom(t, "127.0.0.1", port)
				for range rng.IntN(10) {
					b := make([]byte, rng.IntN(2000))
					for i := range b {
						b[i] = byte(rng.Uint32())
						if rng.IntN(2) == 0 {
							b[i] = 0 // small numbers get further
						}
					}
					if _, err := c.Write(b); err != nil {
						break // closed by the relay, as it should
					}
				}
				_ = c.Close() // by us or by the relay
			}
		})
	}
	r.WaitSettled()
	checkAlive(t, r)
}
