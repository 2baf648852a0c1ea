// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import "time"

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
	for _, st := range ss.streams {
		st.Retry()
	}
}
