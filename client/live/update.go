// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weir-io/weir/lttng"
)

const (
	// streamsEvery is how often new streams are asked for without a hint.
	streamsEvery = 100 * time.Millisecond
	// hastyEvery is the same for relays below 2.15. They may hint only with a
	// packet, so that an idle application hides all others, and they forget
	// streams that ended before a viewer asked.
	hastyEvery = 10 * time.Millisecond
	// sessionsEvery is how often the list is searched for further sessions of
	// the name: those of a kernel, or of applications of another word size, may
	// begin later.
	sessionsEvery = time.Second
)

// update asks for what is not the answer of a data stream.
func (s *Session) update(ctx context.Context) error {
	if err := s.search(ctx); err != nil {
		return err
	}
	now, every := time.Now(), streamsEvery
	if s.client.relay < lttng.MinorTraceFormat {
		every = hastyEvery
	}
	asked := false
	for _, a := range s.attached {
		if a.closed || !a.due && a.active > 0 && now.Sub(a.asked) < every {
			continue
		}
		if err := s.newStreams(ctx, a); err != nil {
			return err
		}
		asked = true
	}
	if asked {
		s.probe()
	}
	if err := s.readMetadata(ctx); err != nil {
		return err
	}
	for _, a := range s.attached {
		if a.closed && a.active == 0 && !a.ended {
			s.end(a)
		}
	}
	return nil
}

// search attaches to sessions of the name that were not there before.
func (s *Session) search(ctx context.Context) error {
	if s.target.ID != 0 || s.Ended() || time.Since(s.listed) < sessionsEvery {
		return nil
	}
	found, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, info := range found {
		known := slices.ContainsFunc(s.attached, func(a *attached) bool { return a.info.ID == info.ID })
		if known {
			continue
		}
		err := s.attach(ctx, info, FromBeginning)
		if _, ok := errors.AsType[*StatusError](err); ok {
			continue // somebody else's, or gone again: not a reason to give up the others
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// newStreams asks for the streams of one session that came since.
func (s *Session) newStreams(ctx context.Context, a *attached) error {
	m := lttng.ViewerSessionRequest{Session: a.info.ID}
	st, streams, err := s.askStreams(ctx, lttng.ViewerGetNewStreams, m.Append, uint32(lttng.NewStreamsOK))
	if err != nil {
		return err
	}
	a.asked, a.due = time.Now(), false
	switch status := lttng.NewStreamsStatus(st); status {
	case lttng.NewStreamsOK:
		s.add(a, streams)
	case lttng.NewStreamsNone: // a rotation
	case lttng.NewStreamsHangup:
		a.closed = true
	default:
		a.closed = true
		a.err = &StatusError{Op: lttng.ViewerGetNewStreams, Session: a.info.ID, Status: status, Err: ErrSessionGone}
	}
	return nil
}

// askStreams sends a request that is answered with a list of streams, which
// follow only the status ok.
func (s *Session) askStreams(ctx context.Context, cmd lttng.ViewerCommand, payload func([]byte) []byte, ok uint32) (status uint32, streams []lttng.ViewerStream, err error) {
	c := s.client.conn
	s.pace.asked++
	err = c.ask(ctx, cmd, payload, func() error {
		head, err := read(c, parseListHead)
		if status = head.status; err != nil || status != ok {
			return err
		}
		if room := uint64(c.cfg.MaxStreams) - uint64(len(s.streams)); uint64(head.count) > room {
			return tooLong(cmd.String()+" reply", "streams", 4, uint64(head.count), room)
		}
		for range head.count {
			st, err := read(c, lttng.ParseViewerStream)
			if err != nil {
				return err
			}
			streams = append(streams, st)
			c.progress(ctx)
		}
		return nil
	})
	return status, streams, err
}

// end hands out the last events of one session.
func (s *Session) end(a *attached) {
	for _, id := range slices.Sorted(maps.Keys(s.streams)) {
		if st := s.streams[id]; st.attached == a {
			s.remove(st, nil)
		}
	}
	a.ended = true
	s.emit(SessionEnded{a.info.ID, a.err})
}

// refused reports whether an error is a certain answer to ATTACH_SESSION.
func refused(err error, status lttng.AttachStatus) (*StatusError, bool) {
	e, ok := errors.AsType[*StatusError](err)
	return e, ok && e.Status == status
}
