// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// What gets lost on the way, comes late, twice or changed is not missing in the
// end.
func TestUDPReliable(t *testing.T) {
	tests := []struct {
		name string
		how  troubles
		size int
	}{
		{"nothing", troubles{}, 8000},
		{"small", troubles{loss: 0.01}, 100},
		{"loss", troubles{loss: 0.01}, 32 << 10},
		{"late", troubles{late: 0.2}, 8000},
		{"twice", troubles{twice: 0.2}, 8000},
		{"changed", troubles{changed: 0.02}, 8000},
		{"all", troubles{loss: 0.02, late: 0.05, twice: 0.05, changed: 0.02}, 5000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.UDP)
			p, way := byUDP(t, 2, tt.how)
			p.size = tt.size
			p.begin(r)
			p.mustSend(150)
			p.finish()
			checkDatagramMemory(t, r)
			p.checkOnce(r.Output, 150)
			stats, _ := p.session.UDP()
			if stats.Lost != 0 || (stats.Retransmitted > 0) != (tt.how.loss+tt.how.changed > 0) && tt.how.late == 0 {
				t.Errorf("%+v after %d datagrams got lost", stats, way.lost)
			}
			c := r.Server.Counters()
			if (c.DatagramsBad.Load() > 0) != (tt.how.changed > 0) || tt.how.twice > 0 && c.DatagramsDuplicate.Load() == 0 {
				t.Errorf("%d bad datagrams, %d duplicates", c.DatagramsBad.Load(), c.DatagramsDuplicate.Load())
			}
		})
	}
}

// With a window too small for what gets lost, packets are given up: each gap is
// in the account. Nothing else is missing.
func TestUDPGaps(t *testing.T) {
	for _, unreliable := range []bool{false, true} {
		t.Run("unreliable="+strconv.FormatBool(unreliable), func(t *testing.T) {
			r := relaytest.Start(t, relaytest.UDP)
			p, _ := byUDP(t, 2, troubles{loss: 0.2})
			p.size = 16 << 10
			p.options.UDP = client.UDP{Window: 64 << 10, Unreliable: unreliable}
			p.begin(r)
			p.mustSend(60)
			p.finish()
			checkDatagramMemory(t, r)
			lost := p.gaps(p.oneSession(r.Output), 60)
			stats, _ := p.session.UDP()
			if lost == 0 || lost != stats.Lost || lost != r.Server.Counters().PacketsAbandoned.Load() {
				t.Errorf("lost: %d of the streams, %d of the session, %d given up at the relay", lost, stats.Lost, r.Server.Counters().PacketsAbandoned.Load())
			}
			if unreliable != (stats.Retransmitted == 0) {
				t.Errorf("%d datagrams were sent again", stats.Retransmitted)
			}
			t.Logf("%+v", stats)
		})
	}
}

// Nothing arrives for longer than packets are kept: all of them are given up,
// the last ones, too, and the recording ends in order.
func TestUDPDark(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, way := byUDP(t, 2, troubles{})
	p.begin(r)
	p.mustSend(5)
	if err := p.session.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	way.mu.Lock()
	way.loss = 1
	way.mu.Unlock()
	p.mustSend(10)
	p.finish()
	r.WaitSettled()
	if lost := p.gaps(p.oneSession(r.Output), 10); lost != 10 {
		t.Errorf("%d packets lost, want 10", lost)
	}
}

// Rotations wait for packets under way, and fall where they should.
func TestUDPRotation(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, _ := byUDP(t, 2, troubles{loss: 0.05, late: 0.1})
	p.begin(r)
	for i := range uint64(3) {
		p.mustSend(20 * (i + 1))
		done, err := p.session.Rotate(t.Context(), client.Rotation{
			Next:     client.Chunk{Created: time.Unix(relaytest.Created+int64(i)+1, 0)},
			Metadata: func(*client.Stream) []byte { return relaytest.Metadata() },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.session.AwaitChunk(t.Context(), done.Old); err != nil {
			t.Fatal(err)
		}
	}
	p.mustSend(70)
	p.finish()
	checkDatagramMemory(t, r)
	p.checkOnce(r.Output, 70)
}

// A rotation behind packets that were given up does not wait for them.
func TestUDPRotationAfterLoss(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, way := byUDP(t, 1, troubles{})
	p.options.UDP.Unreliable = true
	p.begin(r)
	p.mustSend(3)
	way.mu.Lock()
	way.loss = 1
	way.mu.Unlock()
	p.mustSend(5)
	done, err := p.session.Rotate(t.Context(), client.Rotation{Metadata: func(*client.Stream) []byte { return relaytest.Metadata() }})
	if err == nil {
		err = p.session.AwaitChunk(t.Context(), done.Old)
	}
	if err != nil {
		t.Fatal(err)
	}
	way.mu.Lock()
	way.loss = 0
	way.mu.Unlock()
	p.mustSend(8)
	p.finish()
	r.WaitSettled()
	if lost := p.gaps(p.oneSession(r.Output), 8); lost != 2 {
		t.Errorf("%d packets lost, want 2", lost)
	}
	if got := p.data()[0].Stored(); got != 8 {
		t.Errorf("%d packets are settled, want 8", got)
	}
}

// The socket itself goes to another process, and the kernel joins datagrams.
func TestUDPDetach(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p := newReturning(t, 2)
	p.udp, p.size = true, 30_000
	p.begin(r)
	for i := range uint64(4) {
		p.mustSend(50 * (i + 1))
		h, err := p.session.Detach(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.session, err = client.Adopt(h); err != nil {
			t.Fatal(err)
		}
		p.open = p.session.Streams()
	}
	p.mustSend(250)
	stats, ok := p.session.UDP()
	if want := uint64(250 * 2 * 26); !ok || stats.Datagrams < want {
		t.Errorf("%+v, want at least %d datagrams", stats, want)
	}
	p.finish()
	checkDatagramMemory(t, r)
	p.checkOnce(r.Output, 250)
}

// A relay without it says so, and nothing is left of the attempt.
func TestUDPUnknown(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.udp = true
	_, err := p.tryDial(r.Control, r.Data)
	if e, ok := errors.AsType[*client.DialError](err); !ok || e.End != client.Data || !errors.Is(err, client.ErrNoUDP) {
		t.Errorf("got %v, want %v", err, client.ErrNoUDP)
	}
	r.WaitSettled()
}

// Where no datagram arrives the attempt says so.
func TestUDPBlocked(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, _ := byUDP(t, 1, troubles{loss: 1})
	p.options.Timeout = 10 * relaytest.Brief
	if _, err := p.tryDial(r.Control, r.Data); !errors.Is(err, client.ErrNoDatagram) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, client.ErrNoDatagram)
	}
	r.WaitSettled()
}

// Datagrams of strangers change nothing: without the token, with it from another
// address, and to the session's own address after it is bound.
func TestUDPStrangers(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, way := byUDP(t, 1, troubles{})
	var token uint64
	p.wrap = func(c net.Conn) net.Conn {
		way.Conn = spy{c, &token}
		return way
	}
	p.begin(r)
	p.mustSend(5)
	false1 := lttng.Datagram{Type: lttng.DatagramData, Stream: p.data()[0].ID(), NetSeqNum: 5, PacketSize: 100, Payload: make([]byte, 100)}
	c := r.Server.Counters()
	foreign := uint64(0)
	send := func(from string, d lttng.Datagram) {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		s, err := dialer.Dial("udp4", r.Data)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Write(d.Append(nil)); err != nil {
			t.Fatal(err)
		}
		foreign++
		wait.Until(t, "the stranger is noticed", func() bool { return c.DatagramsForeign.Load() == foreign })
	}
	send("127.0.0.1", false1)
	false1.Token = token
	send("127.0.0.2", false1)
	false1.Token = token + 1
	if _, err := way.Conn.Write(false1.Append(nil)); err != nil {
		t.Fatal(err)
	}
	foreign++
	wait.Until(t, "the wrong token is noticed", func() bool { return c.DatagramsForeign.Load() == foreign })
	p.mustSend(10)
	p.finish()
	checkDatagramMemory(t, r)
	p.checkOnce(r.Output, 10)
}

// spy takes note of the token.
type spy struct {
	net.Conn
	token *uint64
}

func (s spy) Write(b []byte) (int, error) {
	if token, ok := lttng.DatagramToken(b); ok {
		*s.token = token
	}
	return s.Conn.Write(b)
}

// The producer's port changes, as behind a translator of addresses: the session
// follows.
func TestUDPNewPort(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP)
	p, way := byUDP(t, 1, troubles{})
	p.begin(r)
	p.mustSend(5)
	other, err := net.Dial("udp4", r.Data)
	if err != nil {
		t.Fatal(err)
	}
	way.mu.Lock()
	old := way.Conn
	way.Conn = other
	way.mu.Unlock()
	t.Cleanup(func() { _ = old.Close() })
	p.mustSend(10)
	p.finish()
	checkDatagramMemory(t, r)
	p.checkOnce(r.Output, 10)
}

// A producer may lie: about sizes, offsets and numbers. It gets no memory beyond
// its window, and other sessions do not suffer.
func TestUDPFlood(t *testing.T) {
	const window = 1 << 20
	r := relaytest.Start(t, relaytest.UDP, relaytest.Quiet)
	good, _ := byUDP(t, 1, troubles{})
	good.options.SessionID = 6
	good.begin(r)
	p, way := byUDP(t, 1, troubles{})
	var token uint64
	p.wrap = func(c net.Conn) net.Conn {
		way.Conn = spy{c, &token}
		return way
	}
	p.options.Session, p.options.UDP.Window = "liar", window
	p.begin(r)
	p.mustSend(1)
	if err := p.session.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Server.Counters()
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 3000 {
		d := lttng.Datagram{
			Type: lttng.DatagramType(1 + n%4/3), Token: token, Stream: p.data()[0].ID() + lttng.StreamID(n%3),
			NetSeqNum: 2 + rng.Uint64N(2<<uint(rng.IntN(40))), PacketSize: rng.Uint32N(1 << uint(10+rng.IntN(20))),
			Payload: make([]byte, rng.IntN(1300)),
		}
		d.Offset = rng.Uint32N(1 + d.PacketSize/100)
		if n%2 == 0 {
			d.Offset, d.Payload = 0, make([]byte, 1176)
		}
		if _, err := way.Conn.Write(d.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if memory := c.DatagramMemory.Load(); memory > window+16<<20 {
			t.Fatalf("%d bytes of datagrams are kept", memory)
		}
	}
	wait.Until(t, "the flood is counted", func() bool { return c.DatagramsDropped.Load() > 0 && c.DatagramsBad.Load() > 0 })
	good.mustSend(20)
	good.finish()
	p.lose()
	checkDatagramMemory(t, r)
	if lost := good.gaps(sessionOf(t, r, "s"), 20); lost != 0 {
		t.Errorf("%d packets of the good producer are lost", lost)
	}
}

// sessionOf is the directory of a session.
func sessionOf(t *testing.T, r *relaytest.Relay, name string) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(r.Output, "h", name+"-*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("directories of session %s: %q (%v)", name, dirs, err)
	}
	return dirs[0]
}

// A killed relay is found again, and has what it has confirmed.
func TestUDPKillAndResume(t *testing.T) {
	dir := t.TempDir()
	p, _ := byUDP(t, 2, troubles{loss: 0.02})
	relay := startProcess(t, dir)
	p.begin(relay.relay)
	sent := uint64(0)
	for range 3 {
		sent += 40
		p.mustSend(sent)
		ended := make(chan error, 1)
		go func() { ended <- p.send(1 << 40) }()
		wait.Until(t, "more is confirmed", func() bool { return p.data()[0].Confirmed() > 10 })
		relay.kill()
		if err := <-ended; err == nil {
			t.Fatal("a producer of a killed relay goes on")
		}
		sent = max(sent, p.data()[0].Next())
		p.lose()
		relay = startProcess(t, dir)
		p.resume(relay.relay)
	}
	p.mustSend(sent + 20)
	p.finish()
	relay.stop()
	p.checkOnce(filepath.Join(dir, "out"), sent+20)
}

// Two sessions, many streams, workers of their own.
func TestUDPManyStreams(t *testing.T) {
	r := relaytest.Start(t, relaytest.UDP, func(o *relay.Options, _ *tracestore.Options) { o.Workers = 3 })
	p, _ := byUDP(t, 40, troubles{loss: 0.02})
	p.begin(r)
	p.mustSend(20)
	p.finish()
	checkDatagramMemory(t, r)
	p.checkOnce(r.Output, 20)
}
