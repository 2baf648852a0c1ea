// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

// Trace is one CTF trace: the streams of one directory and their metadata.
type Trace struct {
	// Immutable after the first stream was added.
	session *Session
	id      uint64
	path    string

	open int // guarded by Session.mu; streams not closed
}

// ID returns the number that tells viewers which streams belong together. It
// is unique in the store.
func (t *Trace) ID() uint64 { return t.id }

// Path returns the directory within the chunk, such as "ust/uid/0/64-bit".
func (t *Trace) Path() string { return t.path }

// Session returns the container.
func (t *Trace) Session() *Session { return t.session }

// Streams returns the published streams of the trace, closed ones included as
// long as they are kept.
func (t *Trace) Streams() []*Stream {
	ss := t.session
	ss.mu.Lock()
	defer ss.mu.Unlock()
	var own []*Stream
	for _, st := range ss.published {
		if st.trace == t {
			own = append(own, st)
		}
	}
	return own
}
