// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"time"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// session joins a stored session with the connections that serve it. It
// belongs to the worker of its control connection.
type session struct {
	worker  *worker
	store   *tracestore.Session
	control *controlConn           // nil once closed
	data    map[*dataConn]struct{} // those whose first packet was for this session
	aborted bool                   // an error, not the producer, ended it
	token   *lttng.Token           // its data connection says this first; nil: anyone with a stream's id is it
	udp     *udpData               // nil: packets come on a data connection
	late    time.Time              // when waiting for announced data ends; set with control gone
}

func newSession(c *controlConn, st *tracestore.Session) *session {
	ss := &session{worker: c.worker, store: st, control: c, data: make(map[*dataConn]struct{})}
	c.worker.sessions[ss] = struct{}{}
	c.worker.server.register(ss)
	c.worker.server.gate.Note(c.peer, c.worker)
	req := st.Request()
	c.worker.server.log.Info("session created", "session", st.ID(), "peer", c.peer, "minor", st.Minor(),
		"host", req.Hostname, "name", req.Name, "dir", st.Dir(), "live_timer_us", req.LiveTimer, "snapshot", req.Snapshot)
	return ss
}

// controlGone ends the streams; those whose announced data is still on its way
// wait for it.
func (ss *session) controlGone() {
	if !ss.aborted && !ss.worker.answering {
		// Streams that announce nothing are closed at once: what was sent
		// for them is to be stored before.
		ss.catchUpData()
	}
	ss.control = nil
	if waiting := ss.store.CloseStreams(ss.aborted); !waiting {
		ss.end()
		return
	}
	ss.late = time.Now().Add(ss.worker.server.opts.LateDataTimeout)
}

// dataGone ends the streams after a data connection's end. What the producer
// wrote to the control connection before is handled first: it describes the
// packets received last.
func (ss *session) dataGone(d *dataConn, failed bool) {
	delete(ss.data, d)
	if c := ss.control; c != nil && !failed {
		if w := ss.worker; w.answering {
			// The end was met while a request was being answered, maybe
			// another session's.
			w.later = append(w.later, func() { ss.dataGone(d, failed) })
			return
		}
		c.catchUp()
	}
	if len(ss.data) > 0 && !failed {
		return
	}
	ss.aborted = ss.aborted || failed
	ss.store.FlushIndexes()
	ss.store.CloseStreams(true)
	if ss.control == nil {
		ss.end()
	}
}

// maxCatchUp bounds the reads that bring a connection up to date: more than a
// socket holds.
const maxCatchUp = 64

// catchUp handles what the socket holds.
func (c *controlConn) catchUp() {
	for n := 0; n < maxCatchUp && !c.closed && !c.muted && c.read(); n++ {
	}
}

// catchUpData does that once a round, or as long as it brings something.
func (c *controlConn) catchUpData() {
	if c.dry {
		return
	}
	received := &c.worker.server.counters.ReceivedBytes
	before := received.Load()
	c.session.catchUpData()
	c.dry = received.Load() == before
}

// catchUpData stores what the data connections hold, before a question whose
// answer depends on it: the producer has written it earlier. Connections that
// have not said whose they are count as well.
func (ss *session) catchUpData() {
	w := ss.worker
	// The control connection's bytes lie in the buffer.
	w.buf, w.spare = w.spare, w.buf
	if w.buf == nil {
		w.buf = make([]byte, readBuffer)
	}
	for d := range w.unbound {
		if d.peer == ss.store.Peer() {
			d.Ready(true, false)
		}
	}
	for d := range ss.data {
		d.Ready(true, false)
	}
	if ss.udp != nil {
		ss.udp.Ready(true, false)
	}
	w.buf, w.spare = w.spare, w.buf
}

// streamClosed looks whether the last stream that was waited for has ended.
func (ss *session) streamClosed() {
	if ss.control == nil && ss.store.Waiting() == 0 {
		ss.end()
	}
}

// end closes the session and its data connections. It may be called again.
func (ss *session) end() {
	w := ss.worker
	if _, open := w.sessions[ss]; !open {
		return
	}
	delete(w.sessions, ss)
	w.server.unregister(ss)
	if ss.udp != nil {
		ss.udp.close()
	}
	ss.store.Close()
	for d := range ss.data {
		w.drop(d)
	}
	w.server.log.Info("session closed", "session", ss.store.ID(), "aborted", ss.aborted)
}

func (ss *session) tick(now time.Time) {
	ss.store.Retry()
	if ss.udp != nil {
		ss.udp.sweep()
	}
	if !ss.late.IsZero() && now.After(ss.late) {
		w := ss.worker
		w.server.log.Warn("announced data did not come", "session", ss.store.ID(), "streams", ss.store.Waiting())
		ss.aborted = true
		ss.end()
	}
}
