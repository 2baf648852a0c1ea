// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"
	"time"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// attachment is a session that a viewer reads. It belongs to the loop.
type attachment struct {
	conn    *conn
	session *tracestore.Session
	id      lttng.SessionID // as the viewer named it
	history bool            // from the oldest stored packet on

	attached bool   // the first look is over: streams that come now are new
	version  uint64 // of the session at the last look
	serial   uint64 // of the last stream seen

	called  bool                 // an empty packet has told the viewer of the waiting streams
	waiting []*tracestore.Stream // published and not announced
	ready   int                  // of them that can be announced
	stuck   int                  // data streams of them that cannot
	since   time.Time            // when streams began to hold others back; zero when none does

	traces  map[*tracestore.Trace]*viewerTrace
	reading int // announced data streams that have not ended
}

// viewerTrace is a trace as one viewer knows it.
type viewerTrace struct {
	trace   *tracestore.Trace
	id      uint64 // told to the viewer
	meta    []*viewerStream
	reading int // announced data streams that have not ended
}

// alive reports whether the viewer still knows the trace.
func (t *viewerTrace) alive() bool { return t != nil && t.reading > 0 }

// hasNews reports whether there is metadata that the viewer should ask for.
func (t *viewerTrace) hasNews() bool {
	return slices.ContainsFunc(t.meta, func(m *viewerStream) bool { return m.meta.news() })
}

// viewerStream is an announced stream.
type viewerStream struct {
	attachment *attachment
	trace      *viewerTrace
	stream     *tracestore.Stream

	cursor *tracestore.Cursor // nil for metadata
	meta   *metadataView      // nil for data

	floor  uint64    // the viewer's time in this stream: end of its last packet or idle time
	idle   bool      // the last answer was INACTIVE until floor
	idleAt time.Time // when
	empty  []byte    // packet without events that was announced last

	refusal error // the viewer cannot read the stream any further
}

// newAttachment looks at a session for the first time. Unless history is asked
// for, what the viewer has missed is left out: closed streams, and the packets
// of open ones.
func newAttachment(c *conn, ss *tracestore.Session, id lttng.SessionID, history bool) *attachment {
	a := &attachment{
		conn: c, session: ss, id: id, history: history,
		traces: make(map[*tracestore.Trace]*viewerTrace),
	}
	a.look()
	if !history {
		a.waiting = slices.DeleteFunc(a.waiting, (*tracestore.Stream).Closed)
		a.judge()
	}
	return a
}

// look takes note of streams published since the last time.
func (a *attachment) look() {
	v := a.session.Version() // before the list: what comes later changes it
	if v == a.version {
		return
	}
	a.version = v
	for _, st := range a.session.StreamsSince(a.serial) {
		a.serial = max(a.serial, st.Serial())
		a.waiting = append(a.waiting, st)
	}
	a.judge()
	a.prune(true)
}

// prune lets go of traces that have ended and that the viewer has read, if
// careful, only when it has all of their metadata as well. A session sees
// thousands of applications come and go.
func (a *attachment) prune(careful bool) {
	if a.session.Closed() {
		return // it sees no more
	}
	for t, vt := range a.traces {
		if vt.alive() || !t.Ended() || a.awaits(t) || careful && vt.hasNews() {
			continue
		}
		for _, vs := range vt.meta {
			vs.close()
			delete(a.conn.streams, vs.stream.ID())
		}
		delete(a.traces, t)
	}
}

// awaits reports whether streams of a trace are still to be announced.
func (a *attachment) awaits(t *tracestore.Trace) bool {
	return slices.ContainsFunc(a.waiting, func(st *tracestore.Stream) bool { return st.Trace() == t })
}

// parts says what of a trace is there.
type parts struct{ meta, data bool }

// judge finds out which of the waiting streams can be announced. A viewer that
// hears of metadata without data forgets it, and asks for metadata without end
// when it has data only.
func (a *attachment) judge() {
	a.ready, a.stuck = 0, 0
	if len(a.waiting) == 0 {
		return
	}
	have := a.waitingParts()
	a.waiting = slices.DeleteFunc(a.waiting, func(st *tracestore.Stream) bool {
		t := st.Trace()
		return !a.complete(t, have) && t.Ended() // will never be
	})
	for _, st := range a.waiting {
		switch {
		case a.complete(st.Trace(), have):
			a.ready++
		case !st.IsMetadata():
			a.stuck++
		}
	}
}

func (a *attachment) waitingParts() map[*tracestore.Trace]parts {
	have := make(map[*tracestore.Trace]parts)
	for _, st := range a.waiting {
		p := have[st.Trace()]
		if st.IsMetadata() {
			p.meta = true
		} else {
			p.data = true
		}
		have[st.Trace()] = p
	}
	return have
}

// complete reports whether the waiting streams of a trace can be announced.
func (a *attachment) complete(t *tracestore.Trace, have map[*tracestore.Trace]parts) bool {
	vt := a.traces[t]
	if vt.alive() {
		return true
	}
	p := have[t]
	return p.data && (p.meta || vt != nil && len(vt.meta) > 0)
}

// announce opens the streams that can be announced and returns them. A trace
// that the viewer has forgotten begins anew, with its metadata.
func (a *attachment) announce() []*viewerStream {
	defer func() { a.attached, a.called = true, false }()
	a.prune(false)
	if a.ready == 0 {
		return nil
	}
	have := a.waitingParts()
	var streams []*viewerStream
	targets := make(map[*tracestore.Trace]*viewerTrace)
	for _, st := range a.waiting {
		t := st.Trace()
		if targets[t] != nil || !a.complete(t, have) {
			continue
		}
		targets[t] = a.traces[t]
		if !targets[t].alive() {
			var meta []*viewerStream
			targets[t], meta = a.begin(t)
			streams = append(streams, meta...)
		}
	}
	a.waiting = slices.DeleteFunc(a.waiting, func(st *tracestore.Stream) bool {
		vt := targets[st.Trace()]
		if vt != nil {
			streams = append(streams, a.open(st, vt))
		}
		return vt != nil
	})
	a.judge()
	return streams
}

// begin makes a trace known to the viewer, again if it was before, and returns
// its metadata streams from before.
func (a *attachment) begin(t *tracestore.Trace) (*viewerTrace, []*viewerStream) {
	old := a.traces[t]
	vt := &viewerTrace{trace: t, id: t.ID()}
	a.traces[t] = vt
	if old == nil {
		return vt, nil
	}
	vt.id = a.conn.srv.newTraceID()
	var meta []*viewerStream
	for _, vs := range old.meta {
		vs.close()
		meta = append(meta, a.open(vs.stream, vt))
	}
	return vt, meta
}

// translated reports whether the viewer cannot read the metadata as it is.
func (a *attachment) translated() bool {
	return a.session.Request().TraceFormat == lttng.FormatCTF2 && a.conn.minor < lttng.MinorTraceFormat
}

// open begins to read a stream: new ones always from their beginning.
func (a *attachment) open(st *tracestore.Stream, vt *viewerTrace) *viewerStream {
	vs := &viewerStream{attachment: a, trace: vt, stream: st}
	if st.IsMetadata() {
		vs.meta = newMetadataView(st, a.conn.srv.opts.HoldNew)
		if a.translated() {
			vs.meta.translation = a.conn.srv.translated(st)
		}
		vt.meta = append(vt.meta, vs)
	} else {
		from := tracestore.SeekEnd
		if a.history || a.attached {
			from = tracestore.SeekBeginning
		}
		vs.cursor = st.Cursor(from)
		vt.reading++
		a.reading++
	}
	if a.conn.streams == nil {
		a.conn.streams = make(map[lttng.StreamID]*viewerStream)
	}
	a.conn.streams[st.ID()] = vs
	return vs
}

// end takes note that the viewer has read a data stream to its end.
func (vs *viewerStream) end() {
	vs.trace.reading--
	vs.attachment.reading--
	vs.close()
	delete(vs.attachment.conn.streams, vs.stream.ID())
	vs.attachment.judge() // of the streams that joined the trace
	vs.attachment.prune(true)
}

// close lets go of the stream's files.
func (vs *viewerStream) close() {
	if vs.cursor != nil {
		vs.cursor.Close()
	} else {
		vs.meta.close()
	}
}

// drained reports whether the viewer has had every packet.
func (a *attachment) drained() bool {
	if a.reading == 0 {
		return true
	}
	for _, vs := range a.conn.streams {
		if vs.attachment != a || vs.cursor == nil {
			continue
		}
		if step, err := vs.cursor.Peek(); err == nil && step.State != tracestore.StateEnd {
			return false
		}
	}
	return true
}

// close ends the reading of the session.
func (a *attachment) close() {
	c := a.conn
	for id, vs := range c.streams {
		if vs.attachment == a {
			vs.close()
			delete(c.streams, id)
		}
	}
	c.srv.countViewer(a.session.ID(), -1)
	c.srv.counters.attached.Add(-1)
	c.srv.log.Info("viewer detached", "session", a.session.ID())
}
