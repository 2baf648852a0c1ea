// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// liveSession is a session on a relay that is read while it is recorded. It
// turns what its follower tells into feeds, and asks it for more when a feed is
// drained. To the merge each feed is a [liveSource].
type liveSession struct {
	ctx    context.Context // that of the run
	follow follower
	opts   ctf.Options
	set    *liveSet

	traces  map[live.TraceID]*liveTrace
	streams map[lttng.StreamID]*liveSource
	open    map[lttng.StreamID]*liveTrace // by stream that has not ended, also of metadata
	lost    bool                          // there is no connection
	failed  error                         // why there will not be one any more
	updated time.Time                     // last, by tend

	// last has the feed of each stream before the connection was lost, by what
	// makes a stream the same one afterwards.
	last map[streamKey]*ctf.Feed
}

// follower is what asks a relay: a [*live.Follower].
type follower interface {
	Poll(context.Context, lttng.StreamID) ([]live.Event, error)
	Update(context.Context) ([]live.Event, error)
	Wait(context.Context) error
	Ended() bool
	Close() error
}

// newLiveSession returns a session without streams.
func newLiveSession(ctx context.Context, f follower, set *liveSet, opts ctf.Options) *liveSession {
	return &liveSession{
		ctx: ctx, follow: f, set: set, opts: opts,
		traces:  map[live.TraceID]*liveTrace{},
		streams: map[lttng.StreamID]*liveSource{},
		open:    map[lttng.StreamID]*liveTrace{},
		last:    map[streamKey]*ctf.Feed{},
	}
}

// liveTrace is a trace of a session: the metadata so far. It is forgotten when
// all its streams have ended and been shown.
type liveTrace struct {
	parser *ctf.MetadataParser
	trace  *ctf.Trace // nil before the first metadata
	open   int        // streams of the relay that have not ended, also of metadata
	shown  int        // feeds that are in the merge, or about to
}

// streamKey makes a stream the same one on another connection.
type streamKey struct{ path, channel string }

// liveSource is a stream of a session.
type liveSource struct {
	*ctf.Feed
	session *liveSession
	id      lttng.StreamID
	trace   live.TraceID
	of      *liveTrace
	key     streamKey
	name    string
	void    bool // the connection that it belonged to is gone
}

// Next implements [ctf.Source]: it waits until the stream has something to tell.
func (s *liveSource) Next() (ctf.Kind, error) {
	for {
		kind, err := s.Feed.Next()
		if err == nil {
			return kind, nil
		}
		if !errors.Is(err, ctf.ErrDrained) {
			return kind, err
		}
		if err := s.session.ask(s); err != nil {
			return 0, err
		}
	}
}

// ask asks the relay for more of a stream, or waits before it is asked again.
func (l *liveSession) ask(s *liveSource) error {
	if s.void {
		s.End()
		return nil
	}
	if err := l.set.tend(l); err != nil {
		return err
	}
	events, err := l.follow.Poll(l.ctx, s.id)
	n := len(events)
	if err := l.applyAll(events, err); err != nil {
		return err
	}
	if n > 0 || s.Waiting() > 0 {
		return nil
	}
	if err := l.set.beforeWait(); err != nil {
		return err
	}
	return l.follow.Wait(l.ctx)
}

// applyAll does what the events of an answer mean. That a stream is not known
// any more is no error: its end has been told.
func (l *liveSession) applyAll(events []live.Event, err error) error {
	for _, e := range events {
		if err := l.apply(e); err != nil {
			return err
		}
	}
	if errors.Is(err, live.ErrUnknownStream) {
		return nil
	}
	return err
}

// apply does what an event of the session means.
func (l *liveSession) apply(e live.Event) error {
	switch e := e.(type) {
	case live.StreamAdded:
		l.added(e)
	case live.Metadata:
		return l.metadata(e)
	case live.Packet:
		if s := l.streams[e.Stream]; s != nil && s.Feed != nil {
			s.Packet(e.Data)
		}
	case live.PacketLost:
		l.set.warn("packet lost: " + e.Err.Error())
	case live.Inactive:
		if s := l.streams[e.Stream]; s != nil && s.Feed != nil {
			return s.Idle(e.StreamClass, e.Until)
		}
	case live.StreamEnded:
		l.ended(e.Stream)
		if e.Err != nil {
			l.set.warn("stream ended: " + e.Err.Error())
		}
	case live.SessionEnded:
		if e.Err != nil {
			l.set.warn("session ended: " + e.Err.Error())
		}
	case live.Disconnected:
		l.disconnected(e)
	case live.Reconnected:
		l.lost = false
		l.set.warn(fmt.Sprintf("connected again after %s", e.Away.Round(millisecond)))
	}
	return nil
}

func (l *liveSession) added(e live.StreamAdded) {
	t := l.trace(e.Trace)
	l.open[e.Stream] = t
	t.open++
	if e.Metadata {
		return
	}
	s := &liveSource{session: l, id: e.Stream, trace: e.Trace, of: t, key: streamKey{e.Path, e.Channel}}
	s.name = fmt.Sprintf("stream-%d", e.Stream)
	l.streams[e.Stream] = s
	t.begin(l, s)
}

// ended lets a stream end behind what has been received.
func (l *liveSession) ended(id lttng.StreamID) {
	if s := l.streams[id]; s != nil {
		if s.Feed != nil {
			s.End()
		}
		delete(l.last, s.key) // it will not be resumed
		delete(l.streams, id)
	}
	if t := l.open[id]; t != nil {
		delete(l.open, id)
		t.open--
		l.release(t)
	}
}

// shown takes note that all of a stream has been shown.
func (s *liveSource) shown() {
	s.of.shown--
	s.session.release(s.of)
}

// release forgets a trace of which nothing more will come.
func (l *liveSession) release(t *liveTrace) {
	if t.open > 0 || t.shown > 0 {
		return
	}
	maps.DeleteFunc(l.traces, func(_ live.TraceID, other *liveTrace) bool { return other == t })
	if t.trace != nil {
		l.set.forget(t.trace.Schema)
	}
}

func (l *liveSession) trace(id live.TraceID) *liveTrace {
	t := l.traces[id]
	if t == nil {
		t = &liveTrace{parser: &ctf.MetadataParser{}}
		l.traces[id] = t
	}
	return t
}

// begin makes the feed of a stream, once there are metadata.
func (t *liveTrace) begin(l *liveSession, s *liveSource) {
	if t.trace == nil || s.Feed != nil {
		return
	}
	s.Feed = t.trace.NewFeed(s.name)
	if before := l.last[s.key]; before != nil && sameTrace(before.Stream().Trace, t.trace) {
		s.Resume(before)
	}
	l.last[s.key] = s.Feed
	t.shown++
	l.set.joining = append(l.set.joining, s)
}

// sameTrace reports whether two traces are one: a session that was made again
// has the same paths, but is another trace.
func sameTrace(a, b *ctf.Trace) bool {
	x, y := a.Schema.UUID, b.Schema.UUID
	return x != nil && y != nil && *x == *y
}

// metadata adds what is new in the metadata of a trace. Metadata that a relay
// sends anew, after a clear, replace what there was.
func (l *liveSession) metadata(e live.Metadata) error {
	t := l.trace(e.Trace)
	err := t.parser.Parse(e.Data)
	if err != nil {
		anew := &ctf.MetadataParser{}
		if anew.Parse(e.Data) != nil || anew.Trace() == nil {
			return fmt.Errorf("metadata of trace %d: %w", e.Trace, err)
		}
		if t.trace != nil {
			l.set.forget(t.trace.Schema)
		}
		t.parser, t.trace = anew, nil
	}
	for _, w := range t.parser.Warnings() {
		l.set.warn("metadata: " + w)
	}
	sch := t.parser.Trace()
	if t.trace != nil || sch == nil {
		return nil
	}
	t.trace = ctf.NewTrace(sch, l.opts)
	for _, s := range l.streams {
		if s.trace != e.Trace {
			continue
		}
		if s.Feed == nil {
			t.begin(l, s)
		} else {
			s.Move(t.trace)
		}
	}
	return nil
}

// disconnected lets the streams end behind what has been received. Those of the
// next connection go on where these end.
func (l *liveSession) disconnected(e live.Disconnected) {
	l.lost = true
	l.set.warn("connection lost: " + e.Err.Error())
	for _, s := range l.streams {
		s.void = true
	}
	for _, t := range l.traces {
		t.open = 0
		l.release(t)
	}
	clear(l.streams)
	clear(l.open)
	clear(l.traces)
}
