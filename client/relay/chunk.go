// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"time"

	"github.com/weir-io/weir/lttng"
)

// chunks is which parts a recording has had.
type chunks struct {
	open    bool
	current lttng.ChunkID // if open
	next    lttng.ChunkID
	rotated bool // one was moved to the archives
}

// Chunk describes a part of a recording.
type Chunk struct {
	Created time.Time // the zero time = now
	Name    string    // directory of a snapshot: no slash and no dot; "" = the relay makes one
}

// CreateChunk opens the next chunk. Streams that are added go to it; those that
// are there go to it by [Session.RotateStreams]. Below minor 11 there are no
// chunks and nothing happens.
func (s *Session) CreateChunk(ctx context.Context, c Chunk) (lttng.ChunkID, error) {
	if s.minor < lttng.MinorChunks {
		return 0, nil
	}
	if c.Created.IsZero() {
		c.Created = time.Now()
	}
	s.mu.Lock()
	id := s.chunks.next
	s.mu.Unlock()
	m := lttng.CreateTraceChunk{Chunk: id, CreationTime: uint64(c.Created.Unix()), OverrideName: c.Name}
	if err := s.do(ctx, lttng.CmdCreateTraceChunk, nil, m.Append); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.chunks.open, s.chunks.current, s.chunks.next = true, id, id+1
	s.mu.Unlock()
	return id, nil
}

// firstChunk opens a chunk if there never was one.
func (s *Session) firstChunk(ctx context.Context) error {
	s.mu.Lock()
	first := s.chunks.next == 0
	s.mu.Unlock()
	switch {
	case !first || s.minor < lttng.MinorChunks:
		return nil
	case s.snapshot:
		return errNoName
	}
	_, err := s.CreateChunk(ctx, Chunk{Created: s.created})
	return err
}

var errNoName = errors.New("relay: snapshot without a chunk that has a name")

func (s *Session) chunk() lttng.ChunkID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chunks.current
}

// RotateStreams takes streams to the chunk that was opened last, if hasChunk is
// true, or out of theirs: then no packet may be sent before the next rotation.
// Packets that were sent before belong to the old chunk. Metadata streams begin
// anew: their whole text has to be sent again.
//
// The original relay has peculiarities that this gives way to. It crashes when a
// packet of the new chunk comes before the request: none is sent meanwhile. It
// does not rotate a stream before its first packet, and that one to the wrong
// chunk: such streams are closed and added again. And it wants one rotation done
// before the next ([Session.Drain]).
func (s *Session) RotateStreams(ctx context.Context, hasChunk bool, streams ...*Stream) error {
	if err := s.needChunks("rotation"); err != nil {
		return err
	}
	if err := s.takeRounds(ctx); err != nil {
		return err
	}
	defer s.giveRounds()
	if err := s.data.take(ctx, s.dead); err != nil {
		return s.because(err)
	}
	defer s.data.give()
	if err := s.flush(ctx); err != nil {
		return err
	}
	m := lttng.RotateStreams{HasChunk: hasChunk}
	var fresh []*Stream
	s.mu.Lock()
	if hasChunk {
		m.Chunk = s.chunks.current
	}
	for _, st := range streams {
		if st.sent == 0 && !st.IsMetadata() {
			fresh = append(fresh, st)
			continue
		}
		m.Streams = append(m.Streams, lttng.RotatePosition{Stream: st.id, SeqNum: st.nextNumber})
	}
	s.mu.Unlock()
	if err := s.renew(ctx, hasChunk, fresh); err != nil || len(m.Streams) == 0 {
		return err
	}
	return s.do(ctx, lttng.CmdRotateStreams, nil, m.Append)
}

// renew rotates streams that have sent nothing.
func (s *Session) renew(ctx context.Context, hasChunk bool, fresh []*Stream) error {
	for _, st := range fresh {
		s.mu.Lock()
		parked := st.parked
		s.mu.Unlock()
		if parked {
			continue
		}
		if err := st.end(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		st.parked = true
		s.mu.Unlock()
	}
	if !hasChunk || len(fresh) == 0 {
		return nil
	}
	return s.announce(ctx, fresh)
}

func (s *Session) needChunks(what string) error {
	if s.minor < lttng.MinorChunks {
		return unsupported(what, s.minor, lttng.MinorChunks)
	}
	return nil
}

// ChunkClose says what becomes of a chunk when nobody uses it any more.
type ChunkClose struct {
	Chunk      lttng.ChunkID
	At         time.Time // the zero time = now
	HasCommand bool      // false: it stays where it is
	Command    lttng.CloseCommand
}

// CloseChunk closes a chunk. It returns the directory below the relay's output
// directory where it will be; relays tell that of the session for the first one.
func (s *Session) CloseChunk(ctx context.Context, c ChunkClose) (path string, err error) {
	if err := s.needChunks("closing a chunk"); err != nil {
		return "", err
	}
	if c.HasCommand && c.Command == lttng.CloseDelete {
		if s.minor < lttng.MinorConfiguration {
			return "", unsupported("clearing a session", s.minor, lttng.MinorConfiguration)
		}
		if !s.clear {
			return "", errNoClear
		}
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	m := lttng.CloseTraceChunk{Chunk: c.Chunk, CloseTime: uint64(c.At.Unix()), HasCommand: c.HasCommand, Command: c.Command}
	r, err := ask(ctx, s, lttng.CmdCloseTraceChunk, m.Append, parseCloseChunk)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	if s.chunks.open && s.chunks.current == c.Chunk {
		s.chunks.open = false
	}
	s.chunks.rotated = s.chunks.rotated || c.HasCommand && c.Command == lttng.CloseMove
	s.mu.Unlock()
	return r.Path, nil
}

var errNoClear = errors.Join(errors.New("relay: clearing a session is not allowed by the relay"), errors.ErrUnsupported)

// parseCloseChunk takes a refusal for an error.
func parseCloseChunk(b []byte) (lttng.CloseChunkReply, int, error) {
	r, n, err := lttng.ParseCloseChunkReply(b)
	if err == nil && r.Code != lttng.ReplyOK {
		err = &RefusedError{Op: lttng.CmdCloseTraceChunk, Code: r.Code}
	}
	return r, n, err
}

// ChunkExists reports whether the relay still has users of a chunk that was
// closed. lttng-relayd up to 2.15 nearly always says no.
func (s *Session) ChunkExists(ctx context.Context, id lttng.ChunkID) (bool, error) {
	if err := s.needChunks("asking for a chunk"); err != nil {
		return false, err
	}
	r, err := ask(ctx, s, lttng.CmdTraceChunkExists, lttng.TraceChunkExists{Chunk: id}.Append,
		func(b []byte) (lttng.ChunkExistsReply, int, error) {
			r, n, err := lttng.ParseChunkExistsReply(b)
			if err == nil && r.Code != lttng.ReplyOK {
				err = &RefusedError{Op: lttng.CmdTraceChunkExists, Code: r.Code}
			}
			return r, n, err
		})
	return r.Exists, err
}

// AwaitChunk waits until the relay has no users of a chunk: until a rotation is
// complete.
func (s *Session) AwaitChunk(ctx context.Context, id lttng.ChunkID) error {
	for p := newPace(500 * time.Millisecond); ; {
		exists, err := s.ChunkExists(ctx, id)
		if err != nil || !exists {
			return err
		}
		if err := p.wait(ctx, s.dead); err != nil {
			return s.because(err)
		}
	}
}

// Rotation describes the change to a new chunk.
type Rotation struct {
	Next Chunk
	// Command is what becomes of the old chunk: lttng.CloseMove, the zero value,
	// takes it to the archives, lttng.CloseDelete clears the session.
	Command lttng.CloseCommand
	// Metadata returns the whole text of a metadata stream, which begins anew.
	Metadata func(*Stream) []byte
}

// Rotated tells how a rotation went.
type Rotated struct {
	Old, New lttng.ChunkID
	Path     string // of the old one: see [Session.CloseChunk]
}

// Rotate opens a new chunk, takes all streams to it and closes the old one, once
// all packets sent so far have arrived. The packets that were sent before are in
// the old chunk, later ones in the new one. [Session.AwaitChunk] tells when all
// of that has been done by the relay.
func (s *Session) Rotate(ctx context.Context, r Rotation) (Rotated, error) {
	if err := s.needChunks("rotation"); err != nil {
		return Rotated{}, err
	}
	if r.Command == lttng.CloseDelete && !s.clear {
		return Rotated{}, errNoClear
	}
	s.mu.Lock()
	open, old := s.chunks.open, s.chunks.current
	s.mu.Unlock()
	if err := s.Drain(ctx); err != nil {
		return Rotated{}, err
	}
	id, err := s.CreateChunk(ctx, r.Next)
	if err != nil {
		return Rotated{}, err
	}
	done := Rotated{Old: old, New: id}
	data, metadata := s.split()
	if err := s.RotateStreams(ctx, true, data...); err != nil {
		return done, err
	}
	if err := s.RotateStreams(ctx, true, metadata...); err != nil {
		return done, err
	}
	for _, st := range metadata {
		if r.Metadata == nil {
			break
		}
		if err := st.SendMetadata(ctx, r.Metadata(st)); err != nil {
			return done, err
		}
	}
	if !open { // the session was stopped
		return done, nil
	}
	done.Path, err = s.CloseChunk(ctx, ChunkClose{Chunk: old, HasCommand: true, Command: r.Command})
	return done, err
}

// split returns the streams of data and those of metadata.
func (s *Session) split() (data, metadata []*Stream) {
	for _, st := range s.Streams() {
		if st.IsMetadata() {
			metadata = append(metadata, st)
		} else {
			data = append(data, st)
		}
	}
	return data, metadata
}

// CloseLastChunk takes all streams out of the open chunk, if there is one, once
// all packets have arrived, and closes that: to the archives if earlier ones went
// there. It is what a rotation of a stopped session does; [Session.Rotate] starts
// it again.
func (s *Session) CloseLastChunk(ctx context.Context, archive bool) (path string, err error) {
	if err := s.Drain(ctx); err != nil {
		return "", err
	}
	return s.closeLastChunk(ctx, archive)
}

func (s *Session) closeLastChunk(ctx context.Context, archive bool) (path string, err error) {
	s.mu.Lock()
	open, id, archive := s.chunks.open, s.chunks.current, archive || s.chunks.rotated
	s.mu.Unlock()
	if !open {
		return "", nil
	}
	if !s.snapshot {
		data, metadata := s.split()
		if err := s.RotateStreams(ctx, false, data...); err != nil {
			return "", err
		}
		if err := s.RotateStreams(ctx, false, metadata...); err != nil {
			return "", err
		}
	}
	return s.CloseChunk(ctx, ChunkClose{Chunk: id, HasCommand: archive, Command: lttng.CloseMove})
}
