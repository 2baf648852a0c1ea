// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"path/filepath"
	"sync/atomic"
)

// Slot holds the committed length of the file that a stream writes. It has one
// user at a time. All methods may be called on a nil Slot.
type Slot struct {
	// Immutable after Table.Slot.
	t         *Table
	index     uint32
	committed *atomic.Uint64

	// Guarded by t.mu.
	dir      *Dir // of the file that is followed, or nil
	released bool
}

// Slot takes a slot. Without one ([ErrFull], [ErrClosed], no space left where
// the table lies) the slot is nil, and its user goes on unprotected.
func (t *Table) Slot() (*Slot, error) {
	if t == nil {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, err := t.takeLocked(&t.freeSlots, &t.slotTop, t.layout.slots, &t.slotSpace, slotLen, headerSlotTop)
	if err != nil {
		t.stats.Unprotected++
		return nil, err
	}
	t.stats.Slots++
	return &Slot{t: t, index: i, committed: t.u64(t.layout.slot(i) + slotCommitted)}, nil
}

// Follow says that the stream writes the file rel (below d) from now on, whose
// device and inode are given, and of which the first committed bytes are whole
// packets. It must be called before the first byte behind them is written, and
// after the last packet of the file before was finished. A file that cannot be
// recorded (d is nil, rel is longer than 576 bytes) is counted and goes
// unprotected.
func (s *Slot) Follow(d *Dir, rel string, dev, ino uint64, committed int64) {
	if s == nil {
		return
	}
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.released {
		return
	}
	s.idleLocked()
	if d == nil || d.t != t || d.freed || !validRel(rel) || committed < 0 {
		t.stats.Unprotected++
		return
	}
	s.dir = d
	d.refs++
	at := t.layout.slot(s.index)
	putSlot(t.mem[at:at+slotLen], dev, ino, d.index, rel)
	s.committed.Store(uint64(committed))
	t.u32(at).Store(slotFollows)
}

// validRel says whether a file's path can be recorded and followed.
func validRel(rel string) bool {
	return len(rel) <= maxRel && filepath.IsLocal(rel)
}

// Commit says that the first length bytes of the file are whole packets. Before
// a file is cut on purpose, commit the length that it is cut to.
func (s *Slot) Commit(length int64) {
	if s != nil {
		s.committed.Store(uint64(length))
	}
}

// Idle says that the file is complete: there is nothing to repair.
func (s *Slot) Idle() {
	if s == nil {
		return
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if !s.released {
		s.idleLocked()
	}
}

func (s *Slot) idleLocked() {
	if s.dir == nil {
		return
	}
	at := s.t.layout.slot(s.index)
	s.t.u32(at).Store(slotIdle)
	s.t.u32(at + slotCRC).Store(0) // a damaged state must not bring the file back
	s.dir.unrefLocked()
	s.dir = nil
}

// Release gives the slot back. It must not be used afterwards.
func (s *Slot) Release() {
	if s == nil {
		return
	}
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.released {
		return
	}
	s.idleLocked()
	s.released = true
	t.freeSlots = append(t.freeSlots, s.index)
	t.stats.Slots--
	t.releaseLocked()
}
