// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"path"
	"strings"
)

// openDirs returns the directories of the open sessions. A session that has
// none yet stands under a key that no directory can have.
func (s *Store) openDirs() map[string][]*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	byKey := make(map[groupKey][]*Session)
	for _, ss := range s.sessions {
		byKey[ss.group.key] = append(byKey[ss.group.key], ss)
	}
	open := make(map[string][]*Session, len(s.claims))
	placed := make(map[groupKey]bool)
	for dir, c := range s.claims {
		// A claim without a session is one that begins or ends right now.
		open[dir] = byKey[c.key]
		placed[c.key] = true
	}
	for key, sessions := range byKey {
		if placed[key] {
			continue
		}
		for _, ss := range sessions {
			open[noDirOf(ss)] = []*Session{ss}
		}
	}
	return open
}

// InUse reports whether an open session uses dir (below the output directory),
// something below it, or a directory that it lies in.
func (s *Store) InUse(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inUseLocked(dir)
}

func (s *Store) inUseLocked(dir string) bool {
	for claimed := range s.claims {
		if within(claimed, dir) || within(dir, claimed) {
			return true
		}
	}
	return false
}

// groupAt returns the open group of a session directory with one more user, or
// nil.
func (s *Store) groupAt(dir string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if g.dir == dir && dir != "" {
			g.users++
			return g
		}
	}
	return nil
}

// whileUnused calls do while nothing can begin to use the parts subs of the
// session directory dir (an empty one is the chunk in dir itself), or returns
// ErrInUse. Locks are held: do must be short, it renames.
func (s *Store) whileUnused(dir string, subs []string, do func() error) error {
	g := s.groupAt(dir)
	if g == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.inUseLocked(dir) {
			return fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return do()
	}
	defer g.put()
	g.mu.Lock()
	defer g.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range subs {
		if g.usesLocked(sub) || s.claimedBelowLocked(path.Join(dir, sub), dir) {
			return fmt.Errorf("%s: %w", path.Join(dir, sub), ErrInUse)
		}
	}
	return do()
}

// claimedBelowLocked reports whether a session other than that of own uses p
// or something below it.
func (s *Store) claimedBelowLocked(p, own string) bool {
	for claimed := range s.claims {
		if claimed != own && within(claimed, p) {
			return true
		}
	}
	return false
}

// usesLocked reports whether an open chunk lies in sub, above or below it.
func (g *group) usesLocked(sub string) bool {
	first, _, _ := strings.Cut(sub, "/")
	for _, c := range g.lying {
		switch {
		case c.dir == "":
			// The chunk in the session directory has what its streams made;
			// the archives are never a part of it.
			if _, own := c.top[first]; own || first != archivesDir {
				return true
			}
		case sub != "" && (within(c.dir, sub) || within(sub, c.dir)):
			return true
		}
	}
	return false
}

// markOpen sets the state of the chunks of an open session that are in use.
func (s *Store) markOpen(stored *StoredSession) {
	g := s.groupAt(stored.Dir)
	if g == nil { // below minor 11 the whole directory is one chunk
		for i := range stored.Chunks {
			stored.Chunks[i].State = ChunkOpen
		}
		return
	}
	defer g.put()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range stored.Chunks {
		c := &stored.Chunks[i]
		for _, used := range g.lying {
			if used.dir == c.sub {
				c.State, c.Number = ChunkOpen, int64(used.id)
			}
		}
	}
}

// dropStored takes the files of chunks that are about to be deleted away from
// viewers: gone tells by the directory of a chunk and the path of a file below
// the output directory. Closed streams that have nothing left are freed.
func (s *Store) dropStored(gone func(chunkDir, file string) bool) {
	s.mu.Lock()
	sessions := make([]*Session, 0, len(s.sessions)+len(s.ended))
	for _, ss := range s.sessions {
		sessions = append(sessions, ss)
	}
	sessions = append(sessions, s.ended...)
	s.mu.Unlock()
	for _, ss := range sessions {
		for _, st := range ss.Streams() {
			st.dropStored(gone)
		}
	}
}

func (st *Stream) dropStored(gone func(chunkDir, file string) bool) {
	st.mu.Lock()
	files := make([]*TraceFile, 0, len(st.files)+1)
	files = append(files, st.files...)
	if st.meta != nil {
		files = append(files, st.meta)
	}
	closed := st.closed
	st.mu.Unlock()
	drop := make(map[*TraceFile]bool)
	for _, f := range files {
		g := f.chunk.group
		g.mu.Lock()
		dir := path.Join(g.dir, f.chunk.dir)
		g.mu.Unlock()
		if gone(dir, path.Join(dir, f.name)) {
			drop[f] = true
		}
	}
	if len(drop) == 0 {
		return
	}
	if closed && len(drop) == len(files) {
		st.expire()
		return
	}
	st.dropFiles(func(f *TraceFile) bool { return drop[f] })
}
