// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// listSessions answers LIST_SESSIONS: open sessions, live or not.
func (c *conn) listSessions() {
	sessions := c.srv.store.Sessions()
	taken := make(map[named]bool, len(sessions))
	for _, ss := range sessions {
		taken[named{ss.Request().Hostname, ss.Request().Name}] = true
	}
	var list lttng.SessionList
	for _, ss := range sessions {
		if ss.Closed() {
			continue
		}
		e := c.srv.entryOf(ss)
		list.Sessions = append(list.Sessions, e)
		if h, ok := c.srv.historyEntry(e, taken, c.minor); ok {
			list.Sessions = append(list.Sessions, h)
		}
	}
	c.reply(list.Append(c.srv.scratch[:0], c.minor))
}

func (s *Server) entryOf(ss *tracestore.Session) lttng.ViewerSession {
	m := ss.Request()
	e := lttng.ViewerSession{
		ID: ss.ID(), LiveTimer: m.LiveTimer,
		Clients: uint32(s.Viewers(ss.ID())), Streams: uint32(ss.OpenStreams()),
		Hostname: m.Hostname, Name: m.Name,
	}
	if m.TraceFormat == lttng.FormatCTF2 {
		e.TraceFormat = lttng.ViewerFormatCTF2
	}
	return e
}
