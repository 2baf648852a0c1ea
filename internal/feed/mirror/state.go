// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"encoding/json"
	"fmt"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// state is what the target has, by the last commit and by the batch under way. It is
// kept as the index of a journal that has no records.
type state struct {
	own   string // the mirror's directory in the target
	store journal.Store
	j     journal.Journal

	// Changed since the commit.
	names   map[name]changelog.FID          // zero: gone
	was     map[name]changelog.FID          // before that
	added   map[changelog.FID]map[name]bool // names that stand for an object now
	within  map[changelog.FID][]string      // changed names by their directories
	copies  map[changelog.FID]handle
	origins map[handle]changelog.FID

	// Read since the commit: what is not there takes long to look up, and is asked for
	// several times.
	dirents map[name]changelog.FID
	stored  map[changelog.FID]handle

	staged  map[changelog.FID]bool
	intents map[name]bool // all of them are stored
	// made are copies that were made since the commit, the last one of each object; all of
	// them are stored.
	made map[changelog.FID]copied

	troubles troubles
	waiting  waiting

	through uint64
	about   identity
	stopped *Stop // for what others have changed; nil: it may go on

	surveys map[changelog.FID]bool // directories to be looked at as they are stored; true: with what is below
}

// handle is that of an object of the target; empty if there is none.
type handle string

// identity says what the state is of: a mirror does not go on with another source.
type identity struct {
	Source string `json:"source"`
	UUID   string `json:"uuid"`
	Top    string `json:"top"`
	Feed   string `json:"feed"`
	Done   bool   `json:"done"` // the first copy was completed
}

// waiting is what the next batch looks at whatever the feed tells.
type waiting struct {
	Names   []waitingName   `json:"names,omitempty"`
	Objects []changelog.FID `json:"objects,omitempty"` // to be copied
}

// waitingName is a name; JSON has no room for all bytes in strings.
type waitingName struct {
	Parent changelog.FID `json:"parent"`
	Name   []byte        `json:"name"`
}

// forget drops what was not committed.
func (s *state) forget() {
	s.names, s.was = map[name]changelog.FID{}, map[name]changelog.FID{}
	s.added, s.within = map[changelog.FID]map[name]bool{}, map[changelog.FID][]string{}
	s.copies, s.origins = map[changelog.FID]handle{}, map[handle]changelog.FID{}
	s.dirents, s.stored = map[name]changelog.FID{}, map[changelog.FID]handle{}
}

// dirent returns what a name stands for on the target, as a FID of the source.
func (s *state) dirent(n name) (changelog.FID, error) {
	if f, ok := s.names[n]; ok {
		return f, nil
	}
	if f, ok := s.dirents[n]; ok {
		return f, nil
	}
	f, _, err := s.j.Dirent(n.parent, []byte(n.name))
	if err == nil {
		if len(s.dirents) >= mostRead {
			clear(s.dirents)
		}
		s.dirents[n] = f
	}
	return f, err
}

// mostRead is how many names, and objects, are kept that were read.
const mostRead = 20_000

// set lets a name stand for f, zero for nothing.
func (s *state) set(n name, f changelog.FID) error {
	if _, ok := s.was[n]; !ok {
		was, err := s.dirent(n)
		if err != nil {
			return err
		}
		s.was[n] = was
		s.within[n.parent] = append(s.within[n.parent], n.name)
	}
	if now := s.names[n]; !now.IsZero() {
		delete(s.added[now], n)
	}
	s.names[n] = f
	if f.IsZero() {
		return nil
	}
	if s.added[f] == nil {
		s.added[f] = map[name]bool{}
	}
	s.added[f][n] = true
	return nil
}

// links returns names of an object on the target, two at most: a file may have many.
func (s *state) links(f changelog.FID) ([]name, error) { return s.someLinks(f, 2) }

// someLinks returns so many names of an object at most.
func (s *state) someLinks(f changelog.FID, most int) ([]name, error) {
	var all []name
	for n := range s.added[f] {
		if all = append(all, n); len(all) == most {
			return all, nil
		}
	}
	err := s.j.Links(f, func(parent changelog.FID, b []byte) bool {
		n := name{parent, string(b)}
		if _, changed := s.names[n]; !changed {
			all = append(all, n)
		}
		return len(all) < most
	})
	return all, err
}

// childrenAfter returns names in a directory of the target behind one, as they were
// committed, so many at most: fewer are the last ones.
func (s *state) childrenAfter(dir changelog.FID, after string, most int) (names []string, err error) {
	err = s.j.ChildrenAfter(dir, []byte(after), func(b []byte, _ changelog.FID) bool {
		names = append(names, string(b))
		return len(names) < most
	})
	return names, err
}

// childrenNow returns names in a directory of the target, so many at most: fewer are all.
func (s *state) childrenNow(dir changelog.FID, most int) (names []name, err error) {
	for _, b := range s.within[dir] {
		if n := (name{dir, b}); !s.names[n].IsZero() && len(names) < most {
			names = append(names, n)
		}
	}
	if len(names) == most {
		return names, nil
	}
	err = s.j.Children(dir, func(b []byte, _ changelog.FID) bool {
		n := name{dir, string(b)}
		if _, changed := s.names[n]; !changed {
			names = append(names, n)
		}
		return len(names) < most
	})
	return names, err
}

// copyOf returns the handle of the copy of an object, empty if there is none.
func (s *state) copyOf(f changelog.FID) (handle, error) {
	if h, ok := s.copies[f]; ok {
		return h, nil
	}
	return s.storedCopyOf(f)
}

// storedCopyOf is copyOf by the last commit.
func (s *state) storedCopyOf(f changelog.FID) (handle, error) {
	if h, ok := s.stored[f]; ok {
		return h, nil
	}
	b, err := s.j.Meta(keyCopy + fidKey(f))
	if err == nil {
		if len(s.stored) >= mostRead {
			clear(s.stored)
		}
		s.stored[f] = handle(b)
	}
	return handle(b), err
}

// originOf returns the object that a handle of the target is the copy of.
func (s *state) originOf(h handle) (f changelog.FID, ok bool, err error) {
	if f, ok := s.origins[h]; ok {
		return f, s.copies[f] == h, nil
	}
	b, err := s.j.Meta(keyOrigin + string(h))
	if err != nil || len(b) == 0 {
		return f, false, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, false, err
	}
	if now, changed := s.copies[f]; changed && now != h {
		return f, false, nil
	}
	return f, true, nil
}

// setCopy says which object of the target is the copy of f; empty: none is.
func (s *state) setCopy(f changelog.FID, h handle) {
	s.copies[f] = h
	if h != "" {
		s.origins[h] = f
	}
}

func fidKey(f changelog.FID) string { return fmt.Sprintf("%x.%x.%x", f.Seq, f.OID, f.Ver) }

// keys gives the keys of a set.
func keys[K comparable](m map[K]bool) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k, in := range m {
			if in && !yield(k) {
				return
			}
		}
	}
}
