// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/changelog"
)

// presence tells of most names and objects that are not in a journal that they are
// not: capture asks for each that is made, and the database would look through all its
// levels. It is a Bloom filter, each of whose keys is four bits of one word, so that
// asking touches one line of the caches.
//
// It never denies what is there. What was deleted stays in it until it is made anew.
type presence struct {
	seed  maphash.Seed
	words []uint64     // changed and read atomically; a power of two of them
	left  atomic.Int64 // keys that may be added until it is to be made anew
}

const (
	presenceBits = 16      // of each key: one of 100 that are not there is not told
	presenceMin  = 1 << 19 // keys that there is room for
)

// newPresence makes one with room for so many keys.
func newPresence(keys int) *presence {
	words := max(keys, presenceMin) * presenceBits / 64
	words = 1 << bits.Len(uint(words-1))
	p := &presence{seed: maphash.MakeSeed(), words: make([]uint64, words)}
	p.left.Store(int64(words * 64 / presenceBits))
	return p
}

func (p *presence) object(f changelog.FID) uint64 {
	return maphash.Comparable(p.seed, f)
}

func (p *presence) dirent(parent changelog.FID, name []byte) uint64 {
	return bits.RotateLeft64(maphash.Comparable(p.seed, parent), 17) ^ maphash.Bytes(p.seed, name)
}

// place is the word of a key and its bits.
func (p *presence) place(hash uint64) (word *uint64, mask uint64) {
	mask = 1<<(hash&63) | 1<<(hash>>6&63) | 1<<(hash>>12&63) | 1<<(hash>>18&63)
	return &p.words[hash>>24&uint64(len(p.words)-1)], mask
}

// add takes a key up. It reports true once, when it is time for another one.
func (p *presence) add(hash uint64) (full bool) {
	word, mask := p.place(hash)
	if atomic.LoadUint64(word)&mask == mask {
		return false
	}
	atomic.OrUint64(word, mask)
	return p.left.Add(-1) == 0
}

// lacks reports whether a key is not there for sure.
func (p *presence) lacks(hash uint64) bool {
	word, mask := p.place(hash)
	return atomic.LoadUint64(word)&mask != mask
}

// present is the presence of a source, which is made in the background.
type present struct {
	current atomic.Pointer[presence] // nil: nothing is known; changed with mu held

	mu   sync.Mutex
	next *presence // guarded by mu: it is being made
	keys int       // guarded by mu: that the last one was made of
}

// lacksObject reports whether an object is not in the journal for sure.
func (s *source) lacksObject(f changelog.FID) bool {
	p := s.present.current.Load()
	if p == nil {
		s.makePresence()
		return false
	}
	return p.lacks(p.object(f))
}

// lacksDirent is lacksObject for a name.
func (s *source) lacksDirent(parent changelog.FID, name []byte) bool {
	p := s.present.current.Load()
	if p == nil {
		s.makePresence()
		return false
	}
	return p.lacks(p.dirent(parent, name))
}

// announce takes up what a batch puts. It is called before the commit, so that nothing
// is denied that may be there, and after it: a presence whose making began between the
// two may not have found it. Without a batch it is not known any more what is there.
func (s *source) announce(b *Batch) {
	s.present.mu.Lock()
	defer s.present.mu.Unlock()
	current := s.present.current.Load()
	if b == nil {
		s.present.current.Store(nil)
		s.present.next = nil
		return
	}
	if s.present.next != nil {
		s.present.next.announce(b)
	}
	if current != nil && current.announce(b) {
		s.makePresenceLocked()
	}
}

func (p *presence) announce(b *Batch) (full bool) {
	for i := range b.ops {
		switch o := &b.ops[i]; o.kind {
		case opPutObject:
			full = p.add(p.object(o.fid)) || full
		case opPutDirent:
			full = p.add(p.dirent(o.fid, b.name(o))) || full
		}
	}
	return full
}

// makePresence makes a presence in the background unless one is being made.
func (s *source) makePresence() {
	s.present.mu.Lock()
	defer s.present.mu.Unlock()
	s.makePresenceLocked()
}

func (s *source) makePresenceLocked() {
	if s.present.next != nil || s.d.opts.salvage || s.d.users.enter() != nil {
		return
	}
	p := newPresence(2 * s.present.keys)
	s.present.next = p
	go func() { // ends with its scan, which ends when the store is closed; Close waits for it
		defer s.d.users.exit()
		for p != nil {
			keys, err := s.fill(p)
			if err != nil {
				s.d.log.Debug("presence of names is not made", "source", s.uuid.String(), "error", err)
				return // it is not tried again
			}
			p = s.finishPresence(p, keys)
		}
	}()
}

// finishPresence lets a presence be asked that was made of so many keys, or returns a
// larger one that is to be made.
func (s *source) finishPresence(p *presence, keys int) (larger *presence) {
	s.present.mu.Lock()
	defer s.present.mu.Unlock()
	s.present.keys = keys
	switch {
	case s.present.next != p: // what was committed meanwhile is not known
		return nil
	case int(p.left.Load()) < keys/2:
		s.present.next = newPresence(2 * keys)
		return s.present.next
	}
	s.present.current.Store(p)
	s.present.next = nil
	return nil
}

// fill adds the objects and names that the journal has.
func (s *source) fill(p *presence) (keys int, err error) {
	prefix := appendPrefix(nil, keyObject, s.number)
	add := func(hash func(key []byte) uint64) func(key, _ []byte) error {
		return func(key, _ []byte) error {
			if len(key) < objectLen {
				return nil // whoever reads it tells
			}
			if keys++; keys%1024 == 0 && s.d.users.isClosing() {
				return ErrClosed
			}
			p.add(hash(key))
			return nil
		}
	}
	err = s.d.scan(prefix, add(func(key []byte) uint64 { return p.object(fidOf(key[prefixLen:])) }))
	if err != nil {
		return keys, err
	}
	prefix = appendPrefix(nil, keyDirent, s.number)
	return keys, s.d.scan(prefix, add(func(key []byte) uint64 { return p.dirent(fidOf(key[prefixLen:]), key[objectLen:]) }))
}
