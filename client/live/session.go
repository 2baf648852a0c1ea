// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Where to begin to read a session. Streams that come later are always read
// from their beginning.
const (
	FromBeginning = lttng.SeekBeginning // the oldest packet still stored
	FromNow       = lttng.SeekLast      // behind the newest complete packet
)

// Session is what a [Client] is attached to: one session of the relay, or all of a
// name. It is used by one goroutine at a time, which must not use the Client
// meanwhile.
//
// Next is for those who want everything in the order of arrival. Those who
// merge streams by time ask with Poll only the streams whose next packet they
// need, Update where they need none, and Wait when nothing was ready.
type Session struct {
	client *Client
	target Target
	seek   lttng.Seek

	attached []*attached
	listed   time.Time // when sessions were last looked for
	streams  map[lttng.StreamID]*stream
	order    []*stream // data streams that have not ended
	next     int       // in order: whom Next asks next
	traces   map[TraceID]*trace
	stale    []*stream // metadata streams to be asked

	queue []Event // those before head were handed out by Next
	head  int
	spare []Event // the memory of those handed out last by Poll and Update
	pace  pace
}

// attached is one session of the relay.
type attached struct {
	info   SessionInfo
	active int       // data streams that have not ended
	asked  time.Time // when new streams were last asked for
	due    bool      // new streams are to be asked for
	closed bool      // there will be no more streams
	ended  bool      // SessionEnded was handed out
	err    error     // for SessionEnded
}

// Attach begins to read what target names. Without a live session of that name
// the error is [ErrSessionGone].
func (c *Client) Attach(ctx context.Context, target Target, seek lttng.Seek) (*Session, error) {
	s := &Session{
		client: c, target: target, seek: seek,
		streams: make(map[lttng.StreamID]*stream), traces: make(map[TraceID]*trace),
		pace: pace{max: c.conn.cfg.PollInterval},
	}
	if err := s.find(ctx, seek); err != nil {
		// Some may be attached. Where this fails, closing the Client helps.
		_ = s.Detach(ctx)
		return nil, err
	}
	return s, nil
}

// find attaches to the listed sessions that match the target. Those that are
// not live are left out if there are others.
func (s *Session) find(ctx context.Context, seek lttng.Seek) error {
	found, err := s.list(ctx)
	if err != nil {
		return err
	}
	if err := s.client.create(ctx); err != nil {
		return err
	}
	idle := error(nil)
	for _, info := range found {
		err := s.attach(ctx, info, seek)
		if status, ok := refused(err, lttng.AttachNotLive); ok {
			idle = status
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(s.attached) == 0 {
		if idle != nil {
			return idle
		}
		return fmt.Errorf("live: relay %s: %v: %w", s.client.conn.cfg.Address, s.target, ErrSessionGone)
	}
	return nil
}

// list returns the listed sessions that match the target.
func (s *Session) list(ctx context.Context) ([]SessionInfo, error) {
	all, err := s.client.Sessions(ctx)
	s.listed = time.Now()
	return slices.DeleteFunc(all, func(i SessionInfo) bool { return !s.target.matches(i) }), err
}

// attach begins to read one session of the relay.
func (s *Session) attach(ctx context.Context, info SessionInfo, seek lttng.Seek) error {
	m := lttng.AttachRequest{Session: info.ID, Seek: seek}
	status, streams, err := s.askStreams(ctx, lttng.ViewerAttachSession, m.Append, uint32(lttng.AttachOK))
	if err != nil {
		return err
	}
	if status := lttng.AttachStatus(status); status != lttng.AttachOK {
		return attachError(info.ID, status)
	}
	a := &attached{info: info, asked: time.Now(), due: len(streams) == 0}
	s.attached = append(s.attached, a)
	s.add(a, streams)
	return nil
}

// Sessions returns the sessions of the relay that are read, as they were listed
// at the attachment.
func (s *Session) Sessions() []SessionInfo {
	var list []SessionInfo
	for _, a := range s.attached {
		list = append(list, a.info)
	}
	return list
}

// Ended reports whether all has been read.
func (s *Session) Ended() bool {
	return !slices.ContainsFunc(s.attached, func(a *attached) bool { return !a.ended })
}

// Next returns the next event, for which it waits. It asks the streams in turn.
// Behind the last event the error is [io.EOF]. A context that ends during a
// pause does no harm; during an exchange it costs the connection.
func (s *Session) Next(ctx context.Context) (Event, error) {
	for s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
		if s.Ended() {
			return nil, io.EOF
		}
		err := s.round(ctx)
		if len(s.queue) > 0 {
			break
		}
		if err == nil {
			err = s.Wait(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	e := s.queue[s.head]
	s.queue[s.head] = nil // its data is the caller's
	s.head++
	return e, nil
}

// round asks until there is an event, but each stream once.
func (s *Session) round(ctx context.Context) error {
	if err := s.update(ctx); err != nil {
		return err
	}
	for range len(s.order) {
		if len(s.queue) > 0 || len(s.order) == 0 {
			return nil
		}
		if s.next >= len(s.order) {
			s.next = 0
		}
		st := s.order[s.next]
		s.next++
		if err := s.poll(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// Poll asks one stream once and does not wait for it. It returns what that
// brought, which may be nothing: first the events of other streams, then at
// most one of this one, a Packet, a PacketLost, an Inactive or its StreamEnded.
// The slice is valid until the next call. Events may come with an error.
func (s *Session) Poll(ctx context.Context, id lttng.StreamID) ([]Event, error) {
	st := s.streams[id]
	if st == nil || st.info.Metadata {
		return s.take(), fmt.Errorf("live: poll stream %d: %w", id, ErrUnknownStream)
	}
	err := s.poll(ctx, st)
	return s.take(), err
}

// Update looks for streams and metadata that are new, and for the end of the
// session, if it is time to. Poll does it as well.
func (s *Session) Update(ctx context.Context) ([]Event, error) {
	err := s.update(ctx)
	return s.take(), err
}

// Wait pauses before the same is asked again: longer each time, up to
// Config.PollInterval or, with many streams, what keeps the relay at 2000
// questions a second. After events it begins anew.
func (s *Session) Wait(ctx context.Context) error { return s.pace.wait(ctx) }

// Detach ends the reading and leaves the connection to further use. The relay
// forgets what was read.
func (s *Session) Detach(ctx context.Context) error {
	for _, a := range s.attached {
		m := lttng.ViewerSessionRequest{Session: a.info.ID}
		err := s.client.conn.ask(ctx, lttng.ViewerDetachSession, m.Append, func() error {
			// A relay may have forgotten a session that has ended.
			_, err := read(s.client.conn, lttng.ParseStatus[lttng.DetachStatus])
			return err
		})
		if err != nil {
			return err
		}
	}
	s.attached, s.order, s.stale = nil, nil, nil
	s.queue, s.head = nil, 0
	clear(s.streams)
	clear(s.traces)
	return nil
}

// emit queues an event.
func (s *Session) emit(e Event) {
	s.queue = append(s.queue, e)
	s.pace.reset()
}

// take hands out the queue.
func (s *Session) take() []Event {
	q := s.queue
	clear(s.spare)
	s.queue, s.spare = s.spare[:0], q
	q, s.head = q[s.head:], 0
	return q
}
