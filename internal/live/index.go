// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// nextIndex answers GET_NEXT_INDEX. With pace, an answer that repeats the last
// one word for word may come later.
func (c *conn) nextIndex(id lttng.StreamID, pace bool) {
	vs := c.streams[id]
	if vs == nil {
		c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexError})
		return
	}
	a := vs.attachment
	a.look()
	if vs.cursor == nil {
		c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexHangup, Flags: vs.flags()})
		return
	}
	if vs.refusal != nil {
		c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexError, Flags: vs.flags()})
		return
	}
	step, err := vs.cursor.Peek()
	if err != nil {
		c.srv.counters.errors.Add(1)
		c.srv.log.Error("packet index not readable", "stream", id, "err", err)
		c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexError, Flags: vs.flags()})
		return
	}
	// A packet is stored after its metadata: only now is all of that there.
	if t := vs.trace.translation(); t != nil && !c.caughtUp(t, func() { c.nextIndex(id, pace) }) {
		return
	}
	switch step.State {
	case tracestore.StatePacket:
		if c.held() {
			c.retry(vs)
			return
		}
		c.give(vs, &step.Entry)
	case tracestore.StateIdle:
		c.inactive(vs, step, pace)
	case tracestore.StateEnd:
		vs.end()
		c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexHangup, Flags: vs.flags()})
	default:
		c.retry(vs)
	}
}

func (c *conn) replyIndex(r lttng.NextIndexReply) { c.reply(r.Append(c.srv.scratch[:0])) }

// give answers with a packet, unless the viewer could not read it.
func (c *conn) give(vs *viewerStream, e *ctf.IndexEntry) {
	r := vs.take(e)
	if vs.refusal = vs.refused(e.StreamClass, e.Offset, e.PacketSize/8); vs.refusal == nil {
		c.replyIndex(r)
		return
	}
	c.srv.counters.refusedPackets.Add(1)
	c.srv.log.Warn("viewer refused: it cannot read what CTF 1.8 cannot express", "peer", peerName(c.fd),
		"session", vs.attachment.session.ID(), "stream", vs.stream.ID(), "err", vs.refusal)
	c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexError, Flags: vs.flags()})
}

// retry answers that there is nothing, without a word about time.
func (c *conn) retry(vs *viewerStream) {
	vs.idle = false
	c.replyIndex(lttng.NextIndexReply{Status: lttng.IndexRetry, Flags: vs.flags()})
}

// take goes past a packet.
func (vs *viewerStream) take(e *ctf.IndexEntry) lttng.NextIndexReply {
	vs.cursor.Take()
	vs.idle = false
	vs.floor = max(vs.floor, e.TimestampEnd)
	return lttng.NextIndexReply{
		Offset: e.Offset, PacketSize: e.PacketSize, ContentSize: e.ContentSize,
		TimestampBegin: e.TimestampBegin, TimestampEnd: e.TimestampEnd,
		EventsDiscarded: e.EventsDiscarded, StreamClass: e.StreamClass,
		Status: lttng.IndexOK, Flags: vs.flags(),
	}
}

// maxTime is more than any clock shows, in cycles. A viewer that adds the clock's
// offset to such a time may end, as babeltrace2 did once that was told 1<<63.
const maxTime = 1 << 62

// inactive answers that nothing happens up to a time, unless that time is no
// news to the viewer. The time must not pass a stream that the viewer does not
// know.
func (c *conn) inactive(vs *viewerStream, step tracestore.Step, pace bool) {
	if step.Until > maxTime || step.Until < vs.floor && vs.attachment.ready == 0 || c.held() {
		c.retry(vs)
		return
	}
	until, creeps := step.Until, false
	if vs.attachment.ready > 0 {
		until, creeps = c.creep(vs, step.Until), true
		if c.call(vs, &step, until) {
			return
		}
	}
	if vs.idle && (creeps || until == vs.floor) && pace {
		if wait := c.srv.opts.InactivePace - time.Since(vs.idleAt); wait > 0 {
			c.pace(vs, wait)
			return
		}
	}
	vs.idle, vs.floor, vs.idleAt = true, until, time.Now()
	c.replyIndex(lttng.NextIndexReply{
		Status: lttng.IndexInactive, TimestampEnd: until, StreamClass: step.Class, Flags: vs.flags(),
	})
}

// pace answers later: some viewers ask about an idle stream without a pause.
func (c *conn) pace(vs *viewerStream, wait time.Duration) {
	c.srv.counters.paced.Add(1)
	id := vs.stream.ID()
	c.rest(wait, func() {
		c.nextIndex(id, false)
		if c.phase != phaseClosed {
			c.goOn()
		}
	})
}

// flags are those of every answer about the stream: levels, not edges.
func (vs *viewerStream) flags() uint32 {
	var f uint32
	if vs.trace.hasNews() {
		f |= lttng.FlagNewMetadata
	}
	if vs.attachment.ready > 0 {
		f |= lttng.FlagNewStream
	}
	return f
}

// held reports whether a stream that cannot be announced yet holds back what
// is known of others. All sessions of a viewer share its time line.
func (c *conn) held() bool {
	for _, a := range c.attached {
		a.look()
		if a.holds() {
			c.srv.counters.held.Add(1)
			return true
		}
	}
	return false
}

// holds reports whether other streams have to wait for one of this session,
// which they do for a limited time. A viewer that reads nothing of a session
// asks for its streams by itself.
func (a *attachment) holds() bool {
	if a.stuck == 0 && (a.ready == 0 || a.reading > 0) && a.session.HiddenStreams() == 0 {
		a.since = time.Time{}
		return false
	}
	now := time.Now()
	if a.since.IsZero() {
		a.since = now
	}
	return now.Sub(a.since) < a.conn.srv.opts.HoldNew
}
