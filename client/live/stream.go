// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"

	"github.com/weir-io/weir/lttng"
)

// stream is one that has not ended.
type stream struct {
	info     lttng.ViewerStream
	attached *attached
	trace    *trace

	// Of data streams.
	answer   *lttng.NextIndexReply // read and not acted on
	pending  *fetch                // a packet whose index was acted on
	until    uint64                // time of the last packet's end or of inactivity
	timed    bool                  // until is known
	refusals int                   // of the packet, in a row, with a reason

	// Of metadata streams.
	stale bool   // stands in Session.stale
	batch []byte // read, with more to come
}

// trace is what streams share.
type trace struct {
	metadata  []*stream
	data      int  // data streams that have not ended
	received  bool // some metadata
	described bool // there was a metadata stream, which may have ended
	hadData   bool // there were data streams
}

// ready reports whether packets can be handed out: the trace has metadata, or
// will never have any.
func (t *trace) ready() bool { return t.received || t.described && len(t.metadata) == 0 }

// add takes note of announced streams.
func (s *Session) add(a *attached, streams []lttng.ViewerStream) {
	for _, info := range streams {
		// A trace that goes on after its end is announced under another number,
		// with the metadata stream that it had.
		if old := s.streams[info.ID]; old != nil {
			s.remove(old, nil)
		}
		t := s.traces[TraceID(info.TraceID)]
		if t == nil {
			t = &trace{}
			s.traces[TraceID(info.TraceID)] = t
		}
		st := &stream{info: info, attached: a, trace: t}
		s.streams[info.ID] = st
		if info.Metadata {
			t.metadata = append(t.metadata, st)
			t.described = true
		} else {
			a.active++
			t.data, t.hadData = t.data+1, true
			s.order = append(s.order, st)
		}
		s.emit(StreamAdded{
			Session: a.info.ID, Stream: info.ID, Trace: TraceID(info.TraceID), Metadata: info.Metadata,
			Path: info.Path, Channel: info.Channel, Format: a.info.Format,
		})
		s.outdate(t)
	}
}

// probe lets the metadata of traces be asked for whose data streams have ended,
// so that its own end shows: a session sees thousands of applications come
// and go.
func (s *Session) probe() {
	for _, t := range s.traces {
		if t.hadData && t.data == 0 {
			s.outdate(t)
		}
	}
}

// outdate lets the metadata of a trace be asked for.
func (s *Session) outdate(t *trace) {
	for _, m := range t.metadata {
		if !m.stale {
			m.stale = true
			s.stale = append(s.stale, m)
		}
	}
}

// remove ends a stream.
func (s *Session) remove(st *stream, err error) {
	delete(s.streams, st.info.ID)
	if st.info.Metadata {
		st.trace.metadata = slices.DeleteFunc(st.trace.metadata, func(m *stream) bool { return m == st })
		if st.stale {
			s.stale = slices.DeleteFunc(s.stale, func(m *stream) bool { return m == st })
		}
	} else {
		st.attached.active--
		st.trace.data--
		if i := slices.Index(s.order, st); i >= 0 {
			s.order = slices.Delete(s.order, i, i+1)
			if i < s.next {
				s.next--
			}
		}
	}
	if st.trace.data == 0 && len(st.trace.metadata) == 0 {
		delete(s.traces, TraceID(st.info.TraceID))
	}
	s.emit(StreamEnded{st.info.ID, err})
}

// alive reports whether a stream has not ended, or been announced anew.
func (s *Session) alive(st *stream) bool { return s.streams[st.info.ID] == st }

// note takes in the flags of a reply. It reports whether there is something to
// ask for before the reply is used.
func (s *Session) note(st *stream, flags uint32) bool {
	if flags&lttng.FlagNewMetadata != 0 {
		s.outdate(st.trace)
	}
	if flags&lttng.FlagNewStream != 0 {
		st.attached.due = true
	}
	return flags&(lttng.FlagNewMetadata|lttng.FlagNewStream) != 0
}
