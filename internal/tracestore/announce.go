// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

// HiddenStreams returns the number of data streams that the producer has
// added and not yet published. Their packets may begin before what viewers are
// told about other streams.
func (ss *Session) HiddenStreams() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	n := 0
	for _, st := range ss.hidden {
		if !st.metadata {
			n++
		}
	}
	return n
}

// Ended reports whether all streams of the trace are closed: no other will be
// added to it.
func (t *Trace) Ended() bool {
	t.session.mu.Lock()
	defer t.session.mu.Unlock()
	return t.open == 0
}
