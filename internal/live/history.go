// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// Each live session has a second entry, NAME@begin: viewers always attach with
// LAST, and this is how they ask for what was stored before they came.
const (
	historySuffix = "@begin"
	// historyBit in a session's id asks for its history. The store counts
	// from 1.
	historyBit lttng.SessionID = 1 << 63
)

// lookup returns the open session that a viewer's id names, or nil.
func (s *Server) lookup(id lttng.SessionID) *tracestore.Session {
	history := id&historyBit != 0
	ss := s.store.Session(id &^ historyBit)
	if ss == nil || ss.Closed() || history && (s.opts.NoHistory || !ss.Live()) {
		return nil
	}
	return ss
}

// named is what viewers tell sessions apart by.
type named struct{ host, name string }

// historyEntry returns the second entry of a session. There is none when its
// name would be too long, or is taken.
func (s *Server) historyEntry(e lttng.ViewerSession, taken map[named]bool, minor lttng.Minor) (lttng.ViewerSession, bool) {
	if s.opts.NoHistory || e.LiveTimer == 0 {
		return e, false
	}
	e.ID |= historyBit
	e.Name += historySuffix
	if taken[named{e.Hostname, e.Name}] || minor < lttng.MinorTraceFormat && len(e.Name) > lttng.MaxSessionName {
		return e, false
	}
	return e, true
}
