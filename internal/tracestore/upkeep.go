// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"time"
)

// Expire frees closed streams of live sessions that viewers have had time to
// read. It is to be called now and then.
func (s *Store) Expire() {
	limit := s.opts.Now().Add(-s.opts.RetainClosed)
	s.mu.Lock()
	ended := s.ended
	s.ended = nil
	s.mu.Unlock()
	for _, ss := range s.Sessions() {
		ss.expire(limit)
	}
	s.arrange()
	var kept []*Session
	for _, ss := range ended {
		if ss.expire(limit) > 0 {
			kept = append(kept, ss)
		}
	}
	s.mu.Lock()
	s.ended = append(s.ended, kept...)
	s.mu.Unlock()
}

// arrange looks after the chunks of sessions that have ended: there may have
// been no disk space to move them.
func (s *Store) arrange() {
	s.mu.Lock()
	groups := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		g.users++
		groups = append(groups, g)
	}
	s.mu.Unlock()
	for _, g := range groups {
		g.arrange()
		g.put()
	}
}

// expire frees the streams closed before limit and returns how many are left.
func (ss *Session) expire(limit time.Time) int {
	left := 0
	for _, st := range ss.Streams() {
		if st.endedBefore(limit) {
			st.expire()
		} else {
			left++
		}
	}
	return left
}

// Retry writes what found no room on the disk before (writer).
func (ss *Session) Retry() {
	ss.group.arrange()
	for _, st := range ss.streams {
		st.Retry()
	}
}

// Sync forces to disk what was stored since the last Sync. One at a time.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	streams := make([]*Stream, 0, len(s.streams))
	for _, st := range s.streams {
		streams = append(streams, st)
	}
	s.mu.Unlock()
	var errs []error
	for _, st := range streams {
		if ctx.Err() != nil {
			break
		}
		if err := st.sync(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sync forces the stream's file to disk if it has grown.
func (st *Stream) sync() error {
	stored := st.stats.Bytes.Load()
	st.mu.Lock()
	f := st.current
	if f == nil || stored == st.synced && !st.metadata {
		st.mu.Unlock()
		return nil
	}
	st.synced = stored
	f.get() // the writer's reference is there as long as the file is current
	st.mu.Unlock()
	defer f.put()
	return f.sync()
}
