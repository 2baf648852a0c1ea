// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// groupKey names one tracing session of one session daemon. Below minor 11 no
// such identity is sent: the peer's address and the names stand for it.
type groupKey struct {
	uuid     [16]byte
	id       uint64
	snapshot bool
	dir      string // wanted; a session may send its snapshots to several places
	legacy   string
}

// claim is the exclusive use of a directory by the sessions of one group.
type claim struct {
	key   groupKey
	users int
}

const (
	maxRecent  = 4096 // groups remembered after their end
	maxSuffix  = 1000 // attempts at a free directory name
	maxEntries = 1    // entries read to see that a directory is not empty
)

// recentDirs remembers the directories of ended groups: the snapshots of one
// tracing session arrive as separate sessions, one after the other.
type recentDirs struct {
	dirs  map[groupKey]string
	order []groupKey
}

func (r *recentDirs) put(key groupKey, dir string) {
	if _, ok := r.dirs[key]; !ok {
		r.order = append(r.order, key)
	}
	r.dirs[key] = dir
	if len(r.order) > maxRecent {
		delete(r.dirs, r.order[0])
		r.order = r.order[1:]
	}
}

// claimDir reserves want, or want with a number when that belongs to another
// tracing session: equal names of different session daemons must never share
// files. Unless shared, a directory that holds something is another's too.
func (s *Store) claimDir(out *os.Root, want string, key groupKey, shared bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := want
	for n := 1; n <= maxSuffix; n++ {
		c, used := s.claims[dir]
		switch {
		case used && c.key == key:
			c.users++
			s.claims[dir] = c
			return dir, nil
		case !used && !s.insideLocked(dir, key):
			own := s.recent.dirs[key] == dir || empty(out, dir)
			if own || shared {
				s.claims[dir] = claim{key: key, users: 1}
			}
			if own {
				s.recent.put(key, dir)
			}
			if own || shared {
				return dir, nil
			}
		}
		dir = fmt.Sprintf("%s-%d", want, n)
	}
	return "", fmt.Errorf("%w: %d directories named like %s", ErrLimit, maxSuffix, want)
}

// insideLocked reports whether dir lies where another tracing session has its
// own files: a base path may lead below the directory of another session, but
// not into its traces.
func (s *Store) insideLocked(dir string, key groupKey) bool {
	for other, c := range s.claims {
		if c.key == key || other == dir || !within(dir, other) {
			continue
		}
		switch first := firstDir(strings.TrimPrefix(dir, other+"/")); {
		case first == "ust", first == "kernel", first == archivesDir, first == indexDir, strings.HasPrefix(first, "."):
			return true
		}
	}
	return false
}

// nested reports whether another tracing session has claimed dir or something
// below it.
func (s *Store) nested(dir string, key groupKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, c := range s.claims {
		if c.key != key && within(other, dir) {
			return true
		}
	}
	return false
}

func (s *Store) unclaimDir(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[dir]
	if c.users--; c.users > 0 {
		s.claims[dir] = c
		return
	}
	delete(s.claims, dir)
}

// claimFile makes sure that no other tracing session's open stream writes the
// same file: a base path may lead into the directory of another session.
func (s *Store) claimFile(st *Stream) error {
	name := st.claimName()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.files[name]
	if c.group != nil && c.group != st.session.group {
		return fmt.Errorf("%w: %s is written by another session", ErrRefused, name)
	}
	s.files[name] = fileClaim{group: st.session.group, users: c.users + 1}
	return nil
}

func (s *Store) unclaimFile(st *Stream) {
	name := st.claimName()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.files[name]
	if c.users--; c.users > 0 {
		s.files[name] = c
		return
	}
	delete(s.files, name)
}

// fileClaim is the exclusive use of a file by the streams of one group.
type fileClaim struct {
	group *group
	users int
}

// claimName is a stream's file below the output directory, without its chunk.
func (st *Stream) claimName() string {
	return path.Join(st.session.group.dir, st.dir, st.channel)
}

// empty reports whether dir does not exist or holds nothing.
func empty(out *os.Root, dir string) bool {
	f, err := out.Open(dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	_, err = f.ReadDir(maxEntries)
	return errors.Is(err, io.EOF)
}
