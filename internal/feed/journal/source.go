// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
)

// markEvery is how many records lie between two that are stored with the bytes
// before them.
const markEvery = 4096

// source is the Journal of one source.
type source struct {
	// Immutable.
	d      *database
	uuid   UUID
	number uint32

	// applyMu is held by who changes the records, also while it waits for the commit.
	applyMu sync.Mutex
	// trimMu is held by who deletes records.
	trimMu sync.Mutex
	// pending is the commit that the Apply before has not waited for. Guarded by applyMu.
	pending *pending

	present present

	// Guarded by mu, which is taken after the others.
	mu      sync.Mutex
	state   state
	first   uint64
	marks   []mark        // in the order of indexes, the first one at or before first
	changed chan struct{} // nil: nobody waits
	removed bool
}

// mark is how many bytes all records before an index are.
type mark struct{ index, bytes uint64 }

func newSource(d *database, uuid UUID, number uint32) *source {
	return &source{d: d, uuid: uuid, number: number, first: 1}
}

// Bounds tells the first index kept and the last given.
func (s *source) Bounds() (first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.state.last
}

// Serial is that of the last batch that had one.
func (s *source) Serial() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.serial
}

// BytesFrom is about how many bytes the records from an index on are, before they
// are compressed: exact at every 4096th record and at the ends, even between them.
func (s *source) BytesFrom(index uint64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index > s.state.last {
		return 0
	}
	return int64(s.state.bytes - s.bytesBeforeLocked(max(index, s.first)))
}

// bytesBeforeLocked is how many bytes all records before an index are.
func (s *source) bytesBeforeLocked(index uint64) uint64 {
	i, exact := slices.BinarySearchFunc(s.marks, index, func(m mark, index uint64) int {
		switch {
		case m.index < index:
			return -1
		case m.index > index:
			return 1
		}
		return 0
	})
	if exact {
		return s.marks[i].bytes
	}
	low, high := mark{index: 1}, mark{s.state.last + 1, s.state.bytes}
	if i > 0 {
		low = s.marks[i-1]
	}
	if i < len(s.marks) {
		high = s.marks[i]
	}
	if high.index <= low.index {
		return low.bytes
	}
	part := float64(index-low.index) / float64(high.index-low.index)
	return low.bytes + uint64(part*float64(high.bytes-low.bytes))
}

// Changed returns the last index and a channel that is closed when there is another,
// when the journal is removed, and when the store is closed.
func (s *source) Changed() (last uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed || s.d.users.isClosing() {
		return s.state.last, closedChannel()
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.state.last, s.changed
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (s *source) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *source) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *source) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
	s.first, s.marks = s.state.last+1, nil
	s.d.index.end(s.number, nil)
	s.announce(nil)
	s.wakeLocked()
}

func (s *source) isRemoved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removed
}

// Trim deletes the records through an index, durably.
func (s *source) Trim(ctx context.Context, through uint64) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	s.trimMu.Lock()
	defer s.trimMu.Unlock()
	s.mu.Lock()
	from, to := s.first, min(through, s.state.last)+1
	removed := s.removed
	s.mu.Unlock()
	if removed {
		return ErrRemoved
	}
	if to <= from {
		return nil
	}
	pb := s.d.db.NewBatch()
	// From the very first on, though most are gone already: the engine drops a table without
	// rewriting it where one deletion covers all of it. Of those from the last trim on to this
	// one none would, and what was young at each flush would lie there for hours.
	pb.DeleteRange(appendIndexed(nil, keyRecord, s.number, 0), appendIndexed(nil, keyRecord, s.number, to), nil)
	// The mark at or before the first record stays: counts go on from it.
	keep := to - to%markEvery
	if from < keep {
		pb.DeleteRange(appendIndexed(nil, keyBytes, s.number, 0), appendIndexed(nil, keyBytes, s.number, keep), nil)
	}
	pb.Set(appendMetaOf(nil, metaFirst, s.number), binary.BigEndian.AppendUint64(nil, to), nil)
	return s.d.commit(ctx, pb, func(uint64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.first = max(s.first, to)
		n, _ := slices.BinarySearchFunc(s.marks, keep, func(m mark, index uint64) int {
			if m.index < index {
				return -1
			}
			return 1
		})
		s.marks = slices.Delete(s.marks, 0, n)
	})
}

// Meta returns the value that a batch set, nil if none did.
func (s *source) Meta(key string) ([]byte, error) {
	if err := s.d.users.enter(); err != nil {
		return nil, err
	}
	defer s.d.users.exit()
	return s.d.get(append(appendMetaOf(nil, metaValue, s.number), key...))
}

var _ Journal = (*source)(nil)
