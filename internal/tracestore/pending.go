// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import "github.com/weir-io/weir/lttng"

// BeginPending begins a round of questions whether everything has arrived
// (writer). LTTng relay protocol, BEGIN_DATA_PENDING.
func (ss *Session) BeginPending() {
	for _, st := range ss.streams {
		st.checked = false
	}
}

// EndPending reports whether a stream was not asked about in this round
// (writer). LTTng relay protocol, END_DATA_PENDING.
func (ss *Session) EndPending() bool {
	for _, st := range ss.streams {
		if !st.checked {
			return true
		}
	}
	return false
}

// AwaitsData reports whether the packet that an index describes is not there
// (writer).
func (st *Stream) AwaitsData(x lttng.Index) bool {
	return st.indexed && !x.IsBeacon() && int64(x.NetSeqNum-st.prevData) > 0
}

// Check marks the stream as asked about (writer). LTTng relay protocol,
// QUIESCENT_CONTROL.
func (st *Stream) Check() { st.checked = true }

// Waiting returns how many streams are open (writer).
func (ss *Session) Waiting() int { return len(ss.streams) }
