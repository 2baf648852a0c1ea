// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// attachment returns what the viewer reads under a session's id, or nil.
func (c *conn) attachment(id lttng.SessionID) *attachment {
	for _, a := range c.attached {
		if a.id == id {
			return a
		}
	}
	return nil
}

// attach answers ATTACH_SESSION.
func (c *conn) attach(m lttng.AttachRequest) {
	ss, status := c.judgeAttach(m)
	if status != lttng.AttachOK {
		c.reply(lttng.AttachReply{Status: status}.Append(c.srv.scratch[:0]))
		return
	}
	history := m.Session&historyBit != 0 || m.Seek == lttng.SeekBeginning
	a := newAttachment(c, ss, m.Session, history)
	c.attached = append(c.attached, a)
	streams := a.announce()
	// Who counts viewers may go on once the viewer counts: nothing that comes
	// from now on is behind the places where it begins to read.
	c.srv.countViewer(ss.ID(), 1)
	c.srv.counters.attached.Add(1)
	c.srv.log.Info("viewer attached", "session", ss.ID(), "name", ss.Request().Name,
		"history", history, "peer", peerName(c.fd))
	c.replyStreams(uint32(status), streams)
}

// judgeAttach judges a request in the order of the original. One connection
// reads a session once, by whichever of its names.
func (c *conn) judgeAttach(m lttng.AttachRequest) (*tracestore.Session, lttng.AttachStatus) {
	if !c.created {
		return nil, lttng.AttachNoSession
	}
	ss := c.srv.lookup(m.Session)
	switch {
	case ss == nil:
		return nil, lttng.AttachUnknown
	case !ss.Live():
		return nil, lttng.AttachNotLive
	case slices.ContainsFunc(c.attached, func(a *attachment) bool { return a.session == ss }):
		return nil, lttng.AttachAlready
	case m.Seek != lttng.SeekBeginning && m.Seek != lttng.SeekLast:
		return nil, lttng.AttachSeekError
	}
	return ss, lttng.AttachOK
}

// detach ends the reading of a session, for DETACH_SESSION.
func (c *conn) detach(id lttng.SessionID) lttng.DetachStatus {
	a := c.attachment(id)
	switch {
	case !c.created:
		return lttng.DetachError
	case a != nil:
		a.close()
		c.attached = slices.DeleteFunc(c.attached, func(o *attachment) bool { return o == a })
		return lttng.DetachOK
	case c.srv.lookup(id) == nil:
		return lttng.DetachUnknown
	}
	return lttng.DetachError
}

// newStreams answers GET_NEW_STREAMS. HUP only when the producer is gone and
// the viewer has had everything.
func (c *conn) newStreams(id lttng.SessionID) {
	a := c.attachment(id)
	if a == nil {
		c.reply(lttng.NewStreamsReply{Status: lttng.NewStreamsError}.Append(c.srv.scratch[:0]))
		return
	}
	closed := a.session.Closed() // before the look: nothing is added after it
	a.look()
	streams := a.announce()
	if closed && len(streams) == 0 && a.drained() {
		c.reply(lttng.NewStreamsReply{Status: lttng.NewStreamsHangup}.Append(c.srv.scratch[:0]))
		return
	}
	c.replyStreams(uint32(lttng.NewStreamsOK), streams)
}
