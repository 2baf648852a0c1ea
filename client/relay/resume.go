// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Resumable reports whether the relay lets a producer that has lost its session
// go on in the same files: see [Session.Resume].
func (s *Session) Resumable() bool { return s.extensions.Has(lttng.ExtResume) }

// Resume lets streams go on that a session before this one has left: its
// connection broke, or the relay was killed and started again. It takes the
// place of CreateChunk and AddStreams in a session that was dialed with the same
// Session, Hostname, BasePath, UUID, SessionID and Created.
//
// [Stream.Next] of each stream is then the first packet that the relay does not
// have: those are sent from there on, again or for the first time. What is sent
// with a lower number the relay drops. Before them, the whole text of the
// metadata is sent again by SendMetadata; what the relay has of it is not stored
// twice. Streams that it does not know begin.
//
// All goes on in the newest chunk. A rotation that was under way has happened,
// with a border that may be some packets early: CreateChunk makes the one after
// it.
//
// ErrNothingStored: there is no such recording; the session is as after Dial.
// While the relay is ending the older connection, which it may not have seen
// breaking, Resume asks again until the context ends.
func (s *Session) Resume(ctx context.Context, options ...StreamOptions) ([]*Stream, error) {
	if !s.Resumable() {
		return nil, errNotResumable
	}
	for _, o := range options {
		if err := s.checkStream(o); err != nil {
			return nil, err
		}
	}
	var resumed []*Stream
	for some := range slices.Chunk(options, lttng.MaxResumeStreams) {
		r, err := s.resume(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, x := range r.Streams {
			resumed = append(resumed, &Stream{s: s, o: some[i], id: x.Stream, first: x.Next, nextNumber: x.Next})
		}
		s.mu.Lock()
		s.chunks = chunks{open: true, current: r.Chunk, next: r.Chunk + 1, rotated: r.Rotated}
		s.mu.Unlock()
	}
	if len(resumed) > 0 {
		if err := s.do(ctx, lttng.CmdStreamsSent, nil, nil); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.streams = append(s.streams, resumed...)
	s.mu.Unlock()
	return resumed, nil
}

var errNotResumable = errors.Join(errors.New("relay: resuming a session that this relay keeps no place of"), errors.ErrUnsupported)

// resume sends RESUME until the relay is ready for it.
func (s *Session) resume(ctx context.Context, options []StreamOptions) (lttng.ResumeReply, error) {
	var m lttng.Resume
	for _, o := range options {
		m.Streams = append(m.Streams, lttng.AddStream{
			Channel: o.Channel, Path: o.Path, TracefileSize: o.TracefileSize, TracefileCount: o.TracefileCount,
		})
	}
	for p := newPace(200 * time.Millisecond); ; {
		r, err := ask(ctx, s, lttng.CmdResume, m.Append, func(b []byte) (lttng.ResumeReply, int, error) {
			return parseResume(b, len(options))
		})
		switch {
		case err != nil:
			return r, err
		case r.Code == lttng.ReplyOK:
			return r, nil
		case r.Code == lttng.ReplyInvalid:
			return r, fmt.Errorf("relay: %w", ErrNothingStored)
		}
		if err := p.wait(ctx, s.dead); err != nil {
			return r, s.because(err)
		}
	}
}

// parseResume takes a refusal for an error, and an answer that is not about the
// streams.
func parseResume(b []byte, want int) (lttng.ResumeReply, int, error) {
	r, n, err := lttng.ParseResumeReply(b)
	switch {
	case err != nil:
	case r.Code != lttng.ReplyOK && r.Code != lttng.ReplyPending && r.Code != lttng.ReplyInvalid:
		err = &RefusedError{Op: lttng.CmdResume, Code: r.Code}
	case r.Code == lttng.ReplyOK && len(r.Streams) != want:
		err = fmt.Errorf("%v: got %d streams, want %d", lttng.CmdResume, len(r.Streams), want)
	}
	return r, n, err
}
