// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fdpool keeps the number of open files below a budget.
//
// A relay with thousands of streams has two files for each. The pool opens a
// file when it is used and closes the ones not used for a while when the
// budget is spent (the original calls this suspending). A file that was
// unlinked cannot be opened again: it is pinned and stays.
//
// # Concurrency
//
// All methods may be called from any goroutine. Acquire of an open file costs
// one atomic operation; only opening and evicting take the pool's lock. Lock
// order: File.mu, then Pool.mu; eviction takes a File.mu only with TryLock.
package fdpool

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by Acquire of a closed file.
var ErrClosed = errors.New("file closed")

// Pool is a budget of open files.
type Pool struct {
	limit int

	opens     atomic.Uint64
	evictions atomic.Uint64

	mu   sync.Mutex
	open []*File // guarded by mu; the files that count against limit
	hand int     // guarded by mu; clock hand of the eviction
}

// New makes a pool of at most limit open files; limit below 1 means 1. The
// limit is exceeded rather than an operation refused when every open file is
// in use or pinned.
func New(limit int) *Pool { return &Pool{limit: max(limit, 1)} }

// Stats is what a pool has done.
type Stats struct {
	Open, Limit      int
	Opens, Evictions uint64
}

// Stats returns the present figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	n := len(p.open)
	p.mu.Unlock()
	return Stats{Open: n, Limit: p.limit, Opens: p.opens.Load(), Evictions: p.evictions.Load()}
}

// File is a file that is open while it is used, and maybe longer.
type File struct {
	pool *Pool

	// refs is the number of uses in progress while the file is open;
	// closedRefs when it is not.
	refs    atomic.Int64
	touched atomic.Bool // used since the clock hand passed
	closed  atomic.Bool
	slot    int // place in Pool.open, -1 when not there; guarded by Pool.mu

	mu     sync.Mutex
	f      *os.File                 // guarded by mu
	fd     int                      // valid while refs > 0
	reopen func() (*os.File, error) // guarded by mu
	pinned bool                     // guarded by mu
}

const closedRefs = -1 << 32

// File puts an open file under the pool's care. reopen opens it again after an
// eviction; the pool owns f from here on.
func (p *Pool) File(f *os.File, reopen func() (*os.File, error)) *File {
	file := &File{pool: p, f: f, fd: int(f.Fd()), reopen: reopen}
	file.touched.Store(true)
	p.opens.Add(1)
	p.admit(file)
	return file
}

// Acquire returns the descriptor, opening the file if need be. It is valid
// until Release.
func (f *File) Acquire() (int, error) {
	for {
		n := f.refs.Load()
		if n < 0 || f.closed.Load() {
			break
		}
		if f.refs.CompareAndSwap(n, n+1) {
			if !f.touched.Load() {
				f.touched.Store(true)
			}
			return f.fd, nil
		}
	}
	return f.acquireSlow()
}

// Release ends a use that Acquire began.
func (f *File) Release() {
	if f.refs.Add(-1) == 0 && f.closed.Load() {
		// The one who asked for the close has gone; what was written is
		// in the page cache.
		_ = f.closeIdle()
	}
}

// Pin keeps the file open until Close: it was unlinked, or its name will not
// lead to it any more.
func (f *File) Pin() error {
	if _, err := f.Acquire(); err != nil {
		return err
	}
	f.mu.Lock()
	f.pinned = true
	f.mu.Unlock()
	f.Release()
	return nil
}

// Close closes the file; uses in progress keep the descriptor until the last
// Release. Closing twice is harmless.
func (f *File) Close() error {
	f.closed.Store(true)
	f.pool.forget(f)
	return f.closeIdle()
}

// closeIdle closes the descriptor if there is one and nobody uses it.
func (f *File) closeIdle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil || !f.refs.CompareAndSwap(0, closedRefs) {
		return nil
	}
	osf := f.f
	f.f = nil
	return osf.Close()
}

func (f *File) acquireSlow() (int, error) {
	f.mu.Lock()
	if f.closed.Load() {
		f.mu.Unlock()
		return -1, ErrClosed
	}
	if f.f == nil {
		osf, err := f.reopen()
		if err != nil {
			f.mu.Unlock()
			return -1, err
		}
		f.f, f.fd = osf, int(osf.Fd())
		f.touched.Store(true)
		f.refs.Store(1)
		f.mu.Unlock()
		f.pool.opens.Add(1)
		f.pool.admit(f)
		if f.closed.Load() {
			f.pool.forget(f) // closed meanwhile: Release will close it
		}
		return f.fd, nil
	}
	f.refs.Add(1) // opened by another goroutine meanwhile
	fd := f.fd
	f.mu.Unlock()
	return fd, nil
}

// admit counts a file as open and evicts idle ones beyond the limit.
func (p *Pool) admit(f *File) {
	p.mu.Lock()
	f.slot = len(p.open)
	p.open = append(p.open, f)
	var victims []*os.File
	for len(p.open) > p.limit {
		v := p.evictLocked(f)
		if v == nil {
			break
		}
		victims = append(victims, v)
	}
	p.mu.Unlock()
	for _, v := range victims {
		// Written data is in the page cache; a failing close of an idle
		// file has nobody left to tell.
		_ = v.Close()
	}
}

// evictLocked takes the next idle file off the list and returns what to close,
// or nil when all are busy. Two rounds: the first clears the touched marks.
func (p *Pool) evictLocked(keep *File) *os.File {
	for range 2 * len(p.open) {
		if p.hand >= len(p.open) {
			p.hand = 0
		}
		f := p.open[p.hand]
		if f == keep || f.touched.Swap(false) || !f.mu.TryLock() {
			p.hand++
			continue
		}
		if f.pinned || f.f == nil || !f.refs.CompareAndSwap(0, closedRefs) {
			f.mu.Unlock()
			p.hand++
			continue
		}
		osf := f.f
		f.f = nil
		f.mu.Unlock()
		p.removeLocked(p.hand)
		p.evictions.Add(1)
		return osf
	}
	return nil
}

func (p *Pool) forget(f *File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.slot >= 0 {
		p.removeLocked(f.slot)
	}
}

func (p *Pool) removeLocked(i int) {
	last := len(p.open) - 1
	p.open[i].slot = -1
	if i < last {
		p.open[i] = p.open[last]
		p.open[i].slot = i
	}
	p.open[last] = nil
	p.open = p.open[:last]
}
