// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// player sends a capture to a relay and keeps the answers.
type player struct {
	t     testing.TB
	relay *relaytest.Relay
	c     *capture
	plan  *plan
	conns map[string]net.Conn
	got   map[string][]byte
	bytes uint64 // sent in all
}

func newPlayer(t testing.TB, c *capture, changes ...relaytest.Change) *player {
	t.Helper()
	p := &player{
		t: t, c: c, plan: newPlan(t, c), relay: relaytest.Start(t, changes...),
		conns: make(map[string]net.Conn), got: make(map[string][]byte),
	}
	t.Cleanup(p.close)
	return p
}

func (p *player) close() {
	for _, c := range p.conns {
		_ = c.Close() // again, or after the relay
	}
}

func (p *player) open(conn string) {
	p.t.Helper()
	address := p.relay.Data
	if isControl(conn) {
		address = p.relay.Control
	}
	p.conns[conn] = relaytest.Connect(p.t, address)
}

func (p *player) send(conn string, b []byte) {
	p.t.Helper()
	p.bytes += uint64(len(b))
	if _, err := p.conns[conn].Write(b); err != nil {
		p.t.Fatalf("%s: %v", conn, err)
	}
}

// receive waits until the answers of a connection are at least n bytes.
func (p *player) receive(conn string, n int) {
	p.t.Helper()
	buf := make([]byte, 4096)
	for len(p.got[conn]) < n {
		k, err := p.conns[conn].Read(buf)
		if err != nil {
			p.t.Fatalf("%s: %v after %d bytes, want %d", conn, err, len(p.got[conn]), n)
		}
		p.got[conn] = append(p.got[conn], buf[:k]...)
	}
}

// settle waits until the relay has received what was sent.
func (p *player) settle() {
	p.t.Helper()
	received := &p.relay.Server.Counters().ReceivedBytes
	wait.Until(p.t, "the relay has received everything", func() bool { return received.Load() == p.bytes })
}

// end closes the producer's side of a connection.
func (p *player) end(conn string) {
	p.t.Helper()
	if err := p.conns[conn].(*net.TCPConn).CloseWrite(); err != nil {
		p.t.Fatalf("%s: %v", conn, err)
	}
}

// play follows the timeline; each piece sent goes through split, and after runs
// behind each event. It waits where the producer has waited by asking.
func (p *player) play(split func([]byte) [][]byte, after func()) {
	p.t.Helper()
	for _, e := range p.c.timeline {
		switch e.kind {
		case "open":
			p.open(e.conn)
		case "c2s":
			p.relay.WaitPackets(uint64(p.plan.packetsBefore(e)))
			for _, b := range split(p.c.sent[e.conn][e.offset : e.offset+e.len]) {
				p.send(e.conn, b)
			}
		case "s2c":
			p.receive(e.conn, e.offset+e.len)
		case "fin-c2s":
			p.end(e.conn)
		default:
			p.t.Fatalf("%s: unknown event %q", p.c.name, e.kind)
		}
		after()
	}
}

// finish waits for the end of the sessions and compares answers and files.
// Questions about progress have an answer that depends on time; loose lists
// their commands.
func (p *player) finish(loose ...lttng.Command) {
	p.t.Helper()
	for conn, c := range p.conns {
		p.got[conn] = append(p.got[conn], relaytest.WaitClosed(p.t, c)...)
	}
	p.relay.WaitSettled()
	for conn := range p.c.requests {
		p.compareReplies(conn, loose)
	}
	if diff := cmp.Diff(p.c.tree, relaytest.Tree(p.t, p.relay.Output)); diff != "" {
		p.t.Errorf("%s: files differ (-want +got):\n%s", p.c.name, diff)
	}
	if n := p.relay.Server.Counters().ProtocolErrors.Load(); n > 0 {
		p.t.Errorf("%s: %d protocol errors, want none", p.c.name, n)
	}
}

func (p *player) compareReplies(conn string, loose []lttng.Command) {
	p.t.Helper()
	got, want := p.got[conn], p.c.expected(conn)
	if len(got) != len(want) {
		p.t.Errorf("%s.%s: %d bytes of answers, want %d", p.c.name, conn, len(got), len(want))
		return
	}
	for i, r := range p.c.requests[conn] {
		g, w := got[r.replyAt:r.replyAt+r.replied], want[r.replyAt:r.replyAt+r.replied]
		if bytes.Equal(g, w) || progressAnswer(r.cmd, g, loose) {
			continue
		}
		p.t.Errorf("%s.%s: answer to request %d (%v): got %x, want %x", p.c.name, conn, i, r.cmd, g, w)
	}
}

// progressAnswer reports whether b is one of the two answers to a question of
// which the capture cannot say the right one.
func progressAnswer(cmd lttng.Command, b []byte, loose []lttng.Command) bool {
	for _, l := range loose {
		switch {
		case l != cmd:
		case cmd == lttng.CmdTraceChunkExists:
			return len(b) == 5 && bytes.Equal(b[:4], []byte{0, 0, 0, 10}) && b[4] <= 1
		default:
			return len(b) == 4 && bytes.Equal(b[:3], []byte{0, 0, 0}) && b[3] <= 1
		}
	}
	return false
}

func whole(b []byte) [][]byte { return [][]byte{b} }

func bytewise(b []byte) [][]byte {
	all := make([][]byte, len(b))
	for i := range b {
		all[i] = b[i : i+1]
	}
	return all
}

// TestReplay sends the captures as they were recorded, in the recorded pieces.
// In step, the relay has everything before the next piece goes out, so that
// even its answers about progress are determined.
func TestReplay(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t, loadCapture(t, name), relaytest.OneWorker)
			p.play(whole, p.settle)
			p.finish(lttng.CmdDataPending)
		})
	}
}

// TestReplayRacing sends the next piece as soon as the recorded answers are
// there, so that control and data overtake each other.
func TestReplayRacing(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t, loadCapture(t, name))
			p.play(whole, func() {})
			p.finish(lttng.CmdDataPending, lttng.CmdEndDataPending, lttng.CmdTraceChunkExists)
		})
	}
}

// TestReplayBytewise sends each byte by itself.
func TestReplayBytewise(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t, loadCapture(t, name))
			p.play(bytewise, func() {})
			p.finish(lttng.CmdDataPending, lttng.CmdEndDataPending, lttng.CmdTraceChunkExists)
		})
	}
}
