// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

// packet is a data packet of a capture.
type packet struct {
	conn        string
	offset, len int
	stream      lttng.StreamID
	seq         uint64 // net_seq_num
}

// plan is a capture taken apart: control requests in their order, packets in
// theirs, and which must have been handled before which.
//
// Between a producer's two connections the order is open with these exceptions,
// which its waiting for replies and for the end of rotations guarantees: a
// packet follows the ADD_STREAM of its stream; a stream's next rotation follows
// the packets up to the one before; packets of a stream that has no chunk
// follow the rotation that gives it one. A ring of trace files adds that no
// packet overtakes its rotation, for it would overwrite the old chunk's.
type plan struct {
	requests []request
	packets  []packet
	// before[i] packets must have been handled when request i is sent;
	// after[k] requests when packet k is.
	before, after []int
}

func newPlan(t testing.TB, c *capture) *plan {
	t.Helper()
	p := new(plan)
	for _, e := range c.timeline {
		if e.kind != "open" {
			continue
		}
		if isControl(e.conn) {
			p.requests = append(p.requests, c.requests[e.conn]...)
		} else {
			p.packets = append(p.packets, packetsOf(t, c, e.conn)...)
		}
	}
	p.before = make([]int, len(p.requests))
	p.after = make([]int, len(p.packets))
	p.orderStreams(t, c)
	return p
}

func packetsOf(t testing.TB, c *capture, conn string) []packet {
	t.Helper()
	var all []packet
	b := c.sent[conn]
	for at := 0; at < len(b); {
		h, err := lttng.ParseDataHeader(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		n := lttng.DataHeaderLen + int(h.DataSize)
		all = append(all, packet{conn, at, n, h.Stream, h.NetSeqNum})
		at += n
	}
	return all
}

// orderStreams finds before and after. Packet numbers of the tracer and of the
// network are the same in the captures.
func (p *plan) orderStreams(t testing.TB, c *capture) {
	t.Helper()
	rotateAt := make(map[lttng.StreamID]uint64) // position of the rotation before
	hasChunk := make(map[lttng.StreamID]bool)
	ring := make(map[lttng.StreamID]bool)
	for i, r := range p.requests {
		switch r.cmd {
		case lttng.CmdAddStream:
			reply, _, err := lttng.ParseStreamReply(c.answered[r.conn][r.replyAt:])
			if err != nil {
				t.Fatal(err)
			}
			m, err := lttng.ParseAddStream(c.payload(r), c.minor(t))
			if err != nil {
				t.Fatal(err)
			}
			hasChunk[reply.Stream], ring[reply.Stream] = true, m.TracefileSize > 0
			p.follow(reply.Stream, 0, i)
		case lttng.CmdRotateStreams:
			m, err := lttng.ParseRotateStreams(c.payload(r))
			if err != nil {
				t.Fatal(err)
			}
			for _, pos := range m.Streams {
				if last, rotated := rotateAt[pos.Stream]; rotated {
					p.await(i, pos.Stream, last)
				}
				if !hasChunk[pos.Stream] || ring[pos.Stream] {
					p.follow(pos.Stream, pos.SeqNum, i)
				}
				rotateAt[pos.Stream], hasChunk[pos.Stream] = pos.SeqNum, m.HasChunk
			}
		}
	}
}

// follow lets the packets of a stream from seq on come after request i.
func (p *plan) follow(id lttng.StreamID, seq uint64, i int) {
	for k, d := range p.packets {
		if d.stream == id && d.seq >= seq {
			p.after[k] = max(p.after[k], i+1)
		}
	}
}

// await lets request i come after the packets of a stream below seq.
func (p *plan) await(i int, id lttng.StreamID, seq uint64) {
	for k, d := range p.packets {
		if d.stream == id && d.seq < seq {
			p.before[i] = max(p.before[i], k+1)
		}
	}
}

// minor returns the minor that the producers of the capture negotiate.
func (c *capture) minor(t testing.TB) lttng.Minor {
	t.Helper()
	for _, all := range c.requests {
		v, err := lttng.ParseVersion(c.payload(all[0]))
		if err != nil {
			t.Fatal(err)
		}
		return lttng.Minor(v.Minor)
	}
	return 0
}

// side says which connection goes on: control while it may, data while it may,
// or as chance has it.
type side func() (control bool)

func controlFirst() bool { return true }
func dataFirst() bool    { return false }

// packetsBefore returns how many packets must have been handled when a recorded
// piece is sent.
func (p *plan) packetsBefore(e event) int {
	n := 0
	for i, r := range p.requests {
		if r.conn == e.conn && r.offset >= e.offset && r.offset < e.offset+e.len {
			n = max(n, p.before[i])
		}
	}
	return n
}

// progress is a place in a plan: the next request and the next packet.
type progress struct{ request, packet int }

// next says whether a request goes next, and whether anything may.
func (p *plan) next(at progress, choose side) (control, any bool) {
	canControl := at.request < len(p.requests) && p.before[at.request] <= at.packet
	canData := at.packet < len(p.packets) && p.after[at.packet] <= at.request
	if canControl && canData {
		return choose(), true
	}
	return canControl, canControl || canData
}

// batch collects what goes on one connection until it is the other's turn. It
// moves at on.
func (p *plan) batch(c *capture, at *progress, choose side) (conn string, b []byte, control bool) {
	control, more := p.next(*at, choose)
	for again := control; more && again == control; again, more = p.next(*at, choose) {
		from, offset, n := "", 0, 0
		if control {
			r := p.requests[at.request]
			from, offset, n = r.conn, r.offset, r.len
		} else {
			d := p.packets[at.packet]
			from, offset, n = d.conn, d.offset, d.len
		}
		if conn != "" && from != conn {
			break
		}
		conn, b = from, append(b, c.sent[from][offset:offset+n]...)
		if control {
			at.request++
		} else {
			at.packet++
		}
	}
	return conn, b, control
}

// playOrdered sends the capture in an order of its plan: each batch in one
// write, the next when the relay has handled it.
func (p *player) playOrdered(choose side) {
	p.t.Helper()
	for _, e := range p.c.timeline {
		if e.kind == "open" {
			p.open(e.conn)
		}
	}
	at, end := progress{}, progress{len(p.plan.requests), len(p.plan.packets)}
	for at != end {
		conn, b, control := p.plan.batch(p.c, &at, choose)
		if len(b) == 0 {
			p.t.Fatalf("%s: request %d and packet %d wait for each other", p.c.name, at.request, at.packet)
		}
		p.send(conn, b)
		if control {
			last := p.plan.requests[at.request-1]
			p.receive(conn, last.replyAt+last.replied)
		}
		p.relay.WaitPackets(uint64(at.packet))
	}
	for _, e := range p.c.timeline {
		if e.kind == "fin-c2s" {
			p.end(e.conn)
		}
	}
}

// TestReplayOrders sends each connection all at once as far as the order
// between the two allows, either side first.
func TestReplayOrders(t *testing.T) {
	for _, name := range captures {
		c := loadCapture(t, name)
		for first, choose := range map[string]side{"control first": controlFirst, "data first": dataFirst} {
			t.Run(name+"/"+first, func(t *testing.T) {
				p := newPlayer(t, c)
				p.playOrdered(choose)
				p.finish(lttng.CmdDataPending, lttng.CmdEndDataPending, lttng.CmdTraceChunkExists)
			})
		}
	}
}

// TestReplayProperty draws a capture, an order of its connections and the
// places where the pieces are cut.
func TestReplayProperty(t *testing.T) {
	all := make(map[string]*capture)
	for _, name := range captures {
		all[name] = loadCapture(t, name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := all[rapid.SampledFrom(captures).Draw(rt, "capture")]
		p := newPlayer(rapidTB{t, rt}, c, relaytest.Quiet)
		if rapid.Bool().Draw(rt, "recorded order") {
			p.play(func(b []byte) [][]byte { return cut(rt, b) }, func() {})
		} else {
			p.playOrdered(func() bool { return rapid.Bool().Draw(rt, "control") })
		}
		p.finish(lttng.CmdDataPending, lttng.CmdEndDataPending, lttng.CmdTraceChunkExists)
	})
}

func cut(rt *rapid.T, b []byte) [][]byte {
	at := rapid.SliceOfNDistinct(rapid.IntRange(0, len(b)), 0, 4, rapid.ID).Draw(rt, "cuts")
	slices.Sort(at)
	var all [][]byte
	from := 0
	for _, to := range append(at, len(b)) {
		if to > from {
			all = append(all, b[from:to])
			from = to
		}
	}
	return all
}
