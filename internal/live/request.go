// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"encoding/binary"

	"github.com/weir-io/weir/lttng"
)

// genericError answers a command that does not exist.
const genericError = 11

// request acts on the first request in b and returns its length, 0 when it is
// incomplete. The size in the header is not to be trusted, the command is.
func (c *conn) request(b []byte) int {
	h, err := lttng.ParseViewerHeader(b)
	if err != nil {
		return 0
	}
	if c.phase == phaseNew && h.Cmd != lttng.ViewerConnect {
		c.refuse("first command is not CONNECT")
		return len(b)
	}
	n := h.Cmd.RequestLen()
	if n < 0 {
		c.unknown()
		return len(b)
	}
	if len(b) < lttng.ViewerHeaderLen+n {
		return 0
	}
	c.srv.counters.requests[h.Cmd].Add(1)
	c.dispatch(h.Cmd, b[lttng.ViewerHeaderLen:][:n])
	return lttng.ViewerHeaderLen + n
}

// unknown answers a command whose payload has no known length, which ends the
// conversation.
func (c *conn) unknown() {
	c.srv.counters.unknown.Add(1)
	c.srv.counters.protocolErrors.Add(1)
	c.reply(binary.BigEndian.AppendUint32(c.srv.scratch[:0], genericError))
	switch {
	case c.phase == phaseClosed:
	case c.out.empty():
		c.end()
	default: // it reads nothing
		c.close()
	}
}

// dispatch acts on a request whose payload has its full length, so that the
// parsers cannot fail.
func (c *conn) dispatch(cmd lttng.ViewerCommand, b []byte) {
	switch cmd {
	case lttng.ViewerConnect:
		m, _, _ := lttng.ParseViewerConnectMsg(b)
		c.connect(m)
	case lttng.ViewerListSessions:
		c.listSessions()
	case lttng.ViewerCreateSession:
		c.created = true
		c.reply(lttng.AppendStatus(c.srv.scratch[:0], lttng.CreateOK))
	case lttng.ViewerAttachSession:
		m, _ := lttng.ParseAttachRequest(b)
		c.attach(m)
	case lttng.ViewerDetachSession:
		m, _ := lttng.ParseViewerSessionRequest(b)
		c.reply(lttng.AppendStatus(c.srv.scratch[:0], c.detach(m.Session)))
	case lttng.ViewerGetNewStreams:
		m, _ := lttng.ParseViewerSessionRequest(b)
		c.newStreams(m.Session)
	case lttng.ViewerGetNextIndex:
		m, _ := lttng.ParseViewerStreamRequest(b)
		c.nextIndex(m.Stream, true)
	case lttng.ViewerGetPacket:
		m, _ := lttng.ParsePacketRequest(b)
		c.packet(m)
	case lttng.ViewerGetMetadata:
		m, _ := lttng.ParseViewerStreamRequest(b)
		c.metadata(m.Stream)
	}
}

// connect agrees on a version. The reply tells the relay's own minor, not the
// smaller one.
func (c *conn) connect(m lttng.ViewerConnectMsg) {
	if m.Major != lttng.MajorVersion {
		c.refuse("major version is not 2")
		return
	}
	reply := lttng.ViewerConnectMsg{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}
	switch m.Type {
	case lttng.ViewerTypeCommand:
		c.srv.lastViewer++
		reply.ViewerSessionID = c.srv.lastViewer
	case lttng.ViewerTypeNotification:
	default:
		c.refuse("unknown type of connection")
		return
	}
	if c.phase == phaseNew {
		c.srv.loop.Cancel(c.timer)
		c.timer = nil
		c.phase = phaseServing
		c.srv.gate.Spoke(&c.seat)
	}
	c.minor = lttng.Minor(min(m.Minor, lttng.MinorVersion))
	c.reply(reply.Append(c.srv.scratch[:0]))
}
