// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"math"
	"time"

	"github.com/weir-io/weir/lttng"
)

const (
	// fetchSize is the most that one GET_PACKET asks for: a relay reads that
	// much into memory before it answers.
	fetchSize = 4 << 20
	// maxRefusals bounds how often a packet is asked for again for the metadata
	// or the streams that the relay wants to be read first.
	maxRefusals = 100
	// A packet waits for the first metadata of its trace as many live timers,
	// but at least for a while.
	holdTimers = 3
	holdMin    = 5 * time.Second
)

// fetch is a packet on its way.
type fetch struct {
	index lttng.NextIndexReply
	since time.Time // when the index was read
	size  uint64    // bytes
	data  []byte    // of size, received so far
	err   error     // why it does not come
}

// poll asks a stream for its next packet, unless one is on its way.
func (s *Session) poll(ctx context.Context, st *stream) error {
	if !st.trace.ready() {
		s.outdate(st.trace)
		st.attached.due = st.attached.due || !st.trace.described
	}
	if err := s.update(ctx); err != nil || !s.alive(st) {
		return err
	}
	if st.pending == nil {
		if err := s.askIndex(ctx, st); err != nil || !s.alive(st) {
			return err
		}
		s.act(st)
	}
	if st.pending == nil || s.holds(st) {
		return nil
	}
	return s.fetch(ctx, st)
}

// holds reports whether a packet has to wait for the first metadata, without
// which nobody can read it. A session that has ended has sent what it had.
func (s *Session) holds(st *stream) bool {
	if st.trace.ready() || st.attached.closed {
		return false
	}
	return time.Since(st.pending.since) < max(holdMin, holdTimers*st.attached.info.LiveTimer)
}

// askIndex asks for the next index, and after it for what its flags announce.
// When that fails, the answer is kept: there is no other.
func (s *Session) askIndex(ctx context.Context, st *stream) error {
	if st.answer != nil {
		return nil
	}
	c := s.client.conn
	s.pace.asked++
	m := lttng.ViewerStreamRequest{Stream: st.info.ID}
	err := c.ask(ctx, lttng.ViewerGetNextIndex, m.Append, func() error {
		r, err := read(c, lttng.ParseNextIndexReply)
		st.answer = &r
		return err
	})
	if err != nil || !s.note(st, st.answer.Flags) {
		return err
	}
	return s.update(ctx)
}

// act takes the answer for what it means.
func (s *Session) act(st *stream) {
	r := st.answer
	st.answer = nil
	switch r.Status {
	case lttng.IndexOK:
		st.pending = s.newFetch(*r)
	case lttng.IndexRetry:
	case lttng.IndexInactive:
		s.inactive(st, *r)
	case lttng.IndexHangup, lttng.IndexEOF:
		s.remove(st, nil)
	default:
		s.remove(st, &StatusError{Op: lttng.ViewerGetNextIndex, Stream: st.info.ID, Status: r.Status})
	}
}

// inactive hands out a time, if it says something new. Without metadata it
// says nothing: the clock is described there.
func (s *Session) inactive(st *stream, r lttng.NextIndexReply) {
	const none = math.MaxUint64 // inside of lttng-relayd; never meant for viewers
	if !st.trace.ready() || r.TimestampEnd == none || st.timed && r.TimestampEnd <= st.until {
		return
	}
	st.until, st.timed = r.TimestampEnd, true
	s.emit(Inactive{st.info.ID, r.TimestampEnd, r.StreamClass})
}

// newFetch judges the size of a packet.
func (s *Session) newFetch(r lttng.NextIndexReply) *fetch {
	f := &fetch{index: r, since: time.Now(), size: r.PacketSize / 8}
	if r.PacketSize%8 != 0 {
		f.size++
	}
	const op, field, offset = "GET_NEXT_INDEX reply", "packet size", 8
	switch limit := s.client.conn.cfg.MaxPacket; {
	case f.size == 0:
		f.err = &lttng.ProtocolError{Op: op, Field: field, Offset: offset, Err: lttng.ErrEmpty}
	case f.size > uint64(limit):
		f.err = tooLong(op, field, offset, f.size, uint64(limit))
	}
	return f
}

// fetch asks for the rest of the packet on its way, and hands it out when it is
// whole.
func (s *Session) fetch(ctx context.Context, st *stream) error {
	f := st.pending
	for f.err == nil && uint64(len(f.data)) < f.size {
		r, err := s.askPacket(ctx, st.info.ID, f)
		if err != nil {
			return err
		}
		if s.note(st, r.Flags) {
			if err := s.update(ctx); err != nil || !s.alive(st) {
				return err
			}
		}
		switch {
		case r.Status == lttng.PacketOK && r.Len > 0:
			st.refusals = 0
		case r.Status == lttng.PacketRetry:
			return nil
		case r.Status == lttng.PacketError && r.Flags != 0 && st.refusals < maxRefusals:
			if st.refusals++; st.refusals > 1 {
				return nil // what was asked for did not help at once
			}
		case r.Status == lttng.PacketEOF:
			s.remove(st, nil)
			return nil
		default:
			f.err = &StatusError{Op: lttng.ViewerGetPacket, Stream: st.info.ID, Status: r.Status}
		}
	}
	s.finish(st)
	return nil
}

// finish hands out the packet on its way.
func (s *Session) finish(st *stream) {
	f := st.pending
	st.pending, st.refusals = nil, 0
	if end := f.index.TimestampEnd; !st.timed || end > st.until {
		st.until, st.timed = end, true
	}
	index := Index{
		Offset: f.index.Offset, PacketSize: f.index.PacketSize, ContentSize: f.index.ContentSize,
		TimestampBegin: f.index.TimestampBegin, TimestampEnd: f.index.TimestampEnd,
		EventsDiscarded: f.index.EventsDiscarded, StreamClass: f.index.StreamClass,
	}
	if f.err != nil {
		s.emit(PacketLost{st.info.ID, index, f.err})
		return
	}
	s.emit(Packet{st.info.ID, index, f.data})
}

// askPacket asks for what is missing of a packet, or a part of it. A relay may
// answer with less.
func (s *Session) askPacket(ctx context.Context, id lttng.StreamID, f *fetch) (lttng.PacketReply, error) {
	c := s.client.conn
	s.pace.asked++
	at := uint64(len(f.data))
	m := lttng.PacketRequest{Stream: id, Offset: f.index.Offset + at, Len: uint32(min(f.size-at, fetchSize))}
	var r lttng.PacketReply
	err := c.ask(ctx, lttng.ViewerGetPacket, m.Append, func() (err error) {
		r, err = read(c, lttng.ParsePacketReply)
		if err != nil || r.Status != lttng.PacketOK {
			return err
		}
		if r.Len > m.Len {
			return tooLong("GET_PACKET reply", "length", 4, uint64(r.Len), uint64(m.Len))
		}
		f.data, err = c.grow(ctx, f.data, uint64(r.Len))
		return err
	})
	return r, err
}
