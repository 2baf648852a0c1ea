// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxGrant bounds how much may be written between two looks at the
	// file system, which others fill too.
	maxGrant = 64 << 20
	// shortRetry is how often a full file system is looked at again.
	shortRetry = 20 * time.Millisecond
)

// space keeps the last part of the file system for metadata and indexes: data
// is refused first, so that what is stored stays readable.
type space struct {
	path    string
	reserve int64 // bytes
	now     func() time.Time

	grant atomic.Int64 // bytes that may be written before the next look
	short atomic.Bool  // the last look found less than the reserve

	mu    sync.Mutex
	retry time.Time // guarded by mu; no look before, while short
}

// take asks for n bytes for a data packet.
func (s *space) take(n int64) bool {
	if s.reserve == 0 {
		return true
	}
	if s.grant.Add(-n) >= 0 {
		return true
	}
	return s.look(n)
}

// look asks the file system. When that fails data is let through: a write will
// tell.
func (s *space) look(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.short.Load() && now.Before(s.retry) {
		return false
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.path, &st); err != nil {
		return true
	}
	block := int64(st.Bsize)
	// A tenth at most: on a small file system the configured reserve would
	// leave nothing for data.
	reserve := min(s.reserve, int64(st.Blocks)*block/10)
	left := int64(st.Bavail)*block - reserve - n
	if left < 0 {
		s.grant.Store(0)
		s.short.Store(true)
		s.retry = now.Add(shortRetry)
		return false
	}
	s.short.Store(false)
	s.grant.Store(min(left/2, maxGrant))
	return true
}
