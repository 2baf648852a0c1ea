// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

// schedule rotates a session by itself. It is guarded by Session.mu.
type schedule struct {
	agent.RotationSchedule

	stop context.CancelFunc // nil: not armed
	size uint64             // bytes written when it was rotated last
}

// sizePeriod is how often the size of what was written is looked at.
const sizePeriod = time.Second

// chunkTimeout bounds a rotation: a relay may take 15 s for what was sent before,
// and as long for the rotation.
const chunkTimeout = 40 * time.Second

// arm starts the schedule's goroutine while the session is active.
func (c *schedule) arm(s *Session) {
	c.disarm()
	if c.Period == 0 && c.Bytes == 0 || !s.active {
		return
	}
	ctx, stop := context.WithCancel(s.ctx)
	c.stop = stop
	set := c.RotationSchedule
	s.background.Go(func() { s.rotateBySchedule(ctx, set) })
}

func (c *schedule) disarm() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

func (s *Session) rotateBySchedule(ctx context.Context, set agent.RotationSchedule) {
	period := set.Period
	if set.Bytes > 0 && (period == 0 || period > sizePeriod) {
		period = sizePeriod
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	last := time.Now()
	var tries pacing
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !tries.due(time.Now()) {
			continue
		}
		s.mu.Lock()
		due := set.Period > 0 && time.Since(last) >= set.Period-period/2
		if !due && set.Bytes > 0 {
			n := s.written(ctx)
			s.schedule.size = min(s.schedule.size, n) // a process that died has taken its count along
			due = n-s.schedule.size >= set.Bytes
		}
		if due && s.active && !ended(ctx) {
			last = time.Now()
			s.rotateDue(ctx, &tries)
		}
		s.mu.Unlock()
	}
}

// rotateDue rotates the session by its schedule. What fails is told once and tried again less
// and less often. The caller holds the session's lock.
func (s *Session) rotateDue(ctx context.Context, tries *pacing) {
	var done agent.Done
	switch err := s.rotate(ctx, &done); {
	case err != nil && tries.failed(time.Now(), err):
		s.log.Warn("not rotated by schedule", "err", err)
	case err != nil:
		s.log.Debug("not rotated by schedule again", "err", err)
	case tries.worked():
		s.log.Info("rotated by schedule again")
	}
}

// written is how many bytes the consumers have written.
func (s *Session) written(ctx context.Context) (n uint64) {
	for _, m := range s.running() {
		var st handover.Status
		if m.proc.Call(ctx, handover.OpStatus, struct{}{}, &st) != nil {
			continue
		}
		for _, st := range st.Streams {
			n += st.Bytes
		}
	}
	return n
}

// Rotate begins a new chunk. With wait, the old one is complete then.
func (d *Daemon) Rotate(ctx context.Context, by Caller, name string, wait bool) (done agent.Done, err error) {
	if err := d.rotationPending(by, name); err != nil {
		return done, err
	}
	if !wait {
		return done, d.rotateLater(by, name)
	}
	err = d.with(by, name, func(s *Session) error { return s.rotate(ctx, &done) })
	return done, err
}

func (s *Session) rotate(ctx context.Context, done *agent.Done) error {
	if err := s.canRotate(); err != nil {
		return err
	}
	s.d.notify(s, "rotation", "started")
	return s.nextChunk(ctx, handover.OpRotate, done)
}

func (s *Session) canRotate() error {
	switch {
	case s.mode == agent.Snapshot || s.mode == agent.NoOutput:
		return problemf(agent.CodeRotationUnavailable, "session %s is %s: there is nothing to rotate", s.name, s.mode)
	case s.mode == agent.Live:
		return problemf(agent.CodeRotationUnavailable, "session %s is live: it is not rotated", s.name)
	case s.consumer.state == agent.ConsumerSpooling:
		return problemf(agent.CodeRotationUnavailable, "session %s has lost its relay: %s", s.name, s.consumer.err)
	case !s.started:
		return problemf(agent.CodeNeverStarted, "session %s has never been started", s.name)
	case s.empty:
		return problemf(agent.CodeRotatedSinceStop, "session %s has been rotated or cleared since it was stopped: there is nothing to rotate", s.name)
	}
	return nil
}

// nextChunk has all domains go on in a new chunk: all, or none. Where one does not after
// others have, that is told, and it is taken along the next time, before all go on.
func (s *Session) nextChunk(ctx context.Context, op handover.Op, done *agent.Done) error {
	// Not ended by who has given the order: daemon and process must agree on the
	// chunk.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkTimeout)
	defer cancel()
	if texts := s.stuckTexts(); len(texts) > 0 { // nor does the daemon go there
		return problemf(agent.CodeUnknown, "%s", texts[0])
	}
	for _, m := range s.running() {
		if err := m.catchUp(ctx, op, done); err != nil {
			return err
		}
	}
	now := time.Now()
	b := boundary{op: op, id: s.chunk, end: now, archive: chunkName(s.chunkBegin(now), now, s.chunk)}
	var errs []error
	moved := false
	for _, m := range s.running() {
		went, err := m.cross(ctx, b, done)
		if err != nil && !went && !moved {
			return err
		}
		if !went {
			m.behind = &b
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("domain %s: %w; the next rotation does what is left of this one", m.src.Domain(), err))
		}
		moved = moved || went
	}
	s.chunk++
	if op == handover.OpRotate {
		s.rotated++
	}
	s.empty = len(errs) == 0 && s.isDrained()
	s.schedule.size = s.written(ctx)
	s.log.Info("next chunk", "id", s.chunk, "order", op)
	s.d.notify(s, "rotation", "finished")
	return errors.Join(errs...)
}

// isDrained reports whether a session was halted and everything that its rings had is at
// its place, so that nothing more comes.
func (s *Session) isDrained() bool {
	return !s.active && !s.consumer.paused && !slices.ContainsFunc(s.domains, func(m *domain) bool { return m.unsettled })
}

// catchUp does what is left of the last rotation, before another one or a clear.
func (m *domain) catchUp(ctx context.Context, op handover.Op, done *agent.Done) error {
	if m.local != nil {
		places, err := m.local.straighten()
		tellPlaces(done, places...)
		if err != nil {
			return fmt.Errorf("domain %s: %w", m.src.Domain(), err)
		}
	}
	if m.behind == nil {
		return nil
	}
	b := *m.behind
	if op == handover.OpRotate { // what a clear has left was followed by what is to be kept
		b.op = op
	}
	went, err := m.cross(ctx, b, done)
	if went {
		m.behind = nil
	}
	if err != nil {
		return fmt.Errorf("domain %s: what is left of the last rotation: %w", m.src.Domain(), err)
	}
	return nil
}

// cross has the domain go on in the next chunk. It reports whether its process does: then
// only directories are not where they belong, if there is an error.
func (m *domain) cross(ctx context.Context, b boundary, done *agent.Done) (went bool, err error) {
	if _, ends := m.trace.(source.Ending); ends {
		m.follow() // what has ended does not go along
	}
	o := handover.Rotate{Chunk: handover.Chunk{ID: b.id + 1, Begin: b.end}}
	if m.local == nil {
		p := m.proc
		m.s.mu.attend(func() { err = p.Call(ctx, b.op, o, nil) })
		return err == nil, err
	}
	dir, err := m.local.next()
	if err != nil {
		return false, err
	}
	if err := m.proc.Call(ctx, b.op, o, nil, dir); err != nil {
		dir.Close()
		if _, refused := errors.AsType[*handover.OrderError](err); refused {
			m.local.removeNext()
		}
		return false, err
	}
	place, err := m.local.finish(dir, b)
	tellPlaces(done, place)
	return true, err
}

// tellPlaces tells of directories of chunks, which are one for all domains.
func tellPlaces(done *agent.Done, places ...string) {
	for _, place := range places {
		if place != "" && !slices.Contains(done.Names, place) {
			done.Names = append(done.Names, place)
		}
	}
}

// chunkBegin is when the first domain has begun its current chunk in a directory, or now.
// A chunk has one name in all domains.
func (s *Session) chunkBegin(now time.Time) time.Time {
	begin := now
	for _, m := range s.domains {
		if m.local != nil && m.local.begin.Before(begin) {
			begin = m.local.begin
		}
	}
	return begin
}

// archiveLast puts the last chunk of a session that was rotated beside the others, as
// LTTng does when such a session is destroyed; one that was begun when the session was
// stopped has nothing, and is removed. The caller holds the session's lock, and nobody
// writes any more.
func (s *Session) archiveLast(done *agent.Done) error {
	if s.rotated == 0 {
		return nil
	}
	now := time.Now()
	name := chunkName(s.chunkBegin(now), now, s.chunk)
	var errs []error
	for _, m := range s.domains {
		if m.local == nil || m.local.half != nil { // shelve has told of the latter
			continue
		}
		if s.empty {
			gone, err := m.local.discard()
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("domain %s: the last chunk, which is empty, stays where it is: %w", m.src.Domain(), err))
			}
			if gone || err != nil {
				continue
			}
		}
		place, err := m.local.archive(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // somebody has taken it away
		case err != nil:
			errs = append(errs, fmt.Errorf("domain %s: the last chunk stays where it is: %w", m.src.Domain(), err))
		default:
			tellPlaces(done, place)
		}
	}
	return errors.Join(errs...)
}

// halfText is what people are told of a rotation that is not complete.
func (m *domain) halfText() string {
	switch {
	case m.behind != nil:
		return fmt.Sprintf("domain %s has not gone on to chunk %d: the next rotation takes it along", m.src.Domain(), m.s.chunk)
	case m.local != nil && m.local.half != nil:
		return fmt.Sprintf("domain %s: chunk %d is not at its place: the next rotation, or the end of the session, puts it there", m.src.Domain(), m.local.half.id)
	}
	return ""
}

// Clear drops what was recorded, and goes on.
func (d *Daemon) Clear(ctx context.Context, by Caller, name string) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if s.mode == agent.NoOutput || !s.started {
			return nil
		}
		return s.nextChunk(ctx, handover.OpClear, &done)
	})
	return done, err
}

// EnableRotation makes a session rotate by itself.
func (d *Daemon) EnableRotation(_ context.Context, by Caller, name string, r agent.RotationSchedule) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		switch {
		case s.mode != agent.Normal:
			return problemf(agent.CodeRotationUnavailable, "session %s is %s: it is not rotated", s.name, s.mode)
		case r.Period == 0 && r.Bytes == 0 || r.Period < 0:
			return problemf(agent.CodeInvalid, "a schedule needs a period or a size")
		case r.Period > 0 && s.schedule.Period > 0, r.Bytes > 0 && s.schedule.Bytes > 0:
			return problemf(agent.CodeScheduleExists, "session %s has such a schedule already", s.name)
		case r.Bytes > 0 && r.Bytes < uint64(os.Getpagesize()):
			return problemf(agent.CodeInvalid, "size %d of a chunk: want at least %d bytes", r.Bytes, os.Getpagesize())
		}
		if err := checkTimer("rotation period", r.Period, minRotation); err != nil {
			return err
		}
		if r.Period > 0 {
			s.schedule.Period = r.Period
		}
		if r.Bytes > 0 {
			s.schedule.Bytes = r.Bytes
		}
		s.schedule.arm(s)
		return nil
	})
	return done, err
}

// DisableRotation ends schedules; those whose values are not zero.
func (d *Daemon) DisableRotation(_ context.Context, by Caller, name string, r agent.RotationSchedule) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if r.Period != 0 && s.schedule.Period == 0 || r.Bytes != 0 && s.schedule.Bytes == 0 {
			return problemf(agent.CodeScheduleNotSet, "session %s has no such schedule", s.name)
		}
		if r.Period != 0 {
			s.schedule.Period = 0
		}
		if r.Bytes != 0 {
			s.schedule.Bytes = 0
		}
		s.schedule.arm(s)
		return nil
	})
	return done, err
}
