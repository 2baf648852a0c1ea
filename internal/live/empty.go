// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// Viewers up to babeltrace2 2.0.4 look at the flag NEW_STREAM in answers that
// carry a packet only. While all that such a viewer knows is idle, it is given a
// packet without events: it asks for the new streams before it reads it.

// emptyOffset is where such packets seem to lie: no file is that long.
const emptyOffset = 1 << 62

// Layouts tells what the packets of a stream class look like; nil when that is
// not known.
type Layouts interface {
	Layout(t *tracestore.Trace, class uint64) *metadata.Layout
}

// call answers with an empty packet of an idle stream, once for the streams that
// wait to be announced, and reports whether it did.
func (c *conn) call(vs *viewerStream, step *tracestore.Step, until uint64) bool {
	a := vs.attachment
	if a.called || c.minor >= lttng.MinorTraceFormat || c.srv.opts.Layouts == nil {
		return false
	}
	l := c.srv.opts.Layouts.Layout(vs.trace.trace, step.Class)
	if l == nil {
		return false
	}
	p := metadata.EmptyPacket{Time: until, Instance: step.Instance, Sequence: step.Sequence, Discarded: step.Discarded}
	if !step.HasNewest || a.session.Minor() < lttng.MinorIndexInstance {
		var ok bool
		if p.Instance, ok = instanceOf(vs.stream.Channel()); !ok {
			return false
		}
	}
	vs.empty = l.Packet(p)
	vs.idle, vs.floor, a.called = false, until, true
	c.srv.counters.emptyPackets.Add(1)
	bits := uint64(len(vs.empty)) * 8
	c.replyIndex(lttng.NextIndexReply{
		Offset: emptyOffset, PacketSize: bits, ContentSize: bits, TimestampBegin: until, TimestampEnd: until,
		EventsDiscarded: p.Discarded, StreamClass: step.Class, Status: lttng.IndexOK, Flags: vs.flags(),
	})
	return true
}

// instanceOf returns the number of the CPU that a channel's name ends in.
func instanceOf(channel string) (uint64, bool) {
	n, err := strconv.ParseUint(channel[strings.LastIndexByte(channel, '_')+1:], 10, 32)
	return n, err == nil
}

// emptyPacket answers GET_PACKET for the empty packet that was announced last.
func (c *conn) emptyPacket(vs *viewerStream, m *lttng.PacketRequest) {
	off, size := m.Offset-emptyOffset, uint64(len(vs.empty))
	if off > size || uint64(m.Len) > size-off {
		c.packetError()
		return
	}
	b := lttng.PacketReply{Status: lttng.PacketOK, Len: m.Len}.Append(c.srv.scratch[:0])
	c.reply(append(b, vs.empty[off:off+uint64(m.Len)]...))
}
