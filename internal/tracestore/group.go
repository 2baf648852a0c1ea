// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// group is one tracing session of one session daemon: the directory and the
// chunks that its relay sessions (kernel, 64-bit and 32-bit applications)
// share.
type group struct {
	// Immutable after join.
	store *Store
	key   groupKey
	dir   string // below the output directory; empty below minor 11
	root  *os.Root
	// unlock ends the claim that other processes see; nil below minor 11.
	unlock func()

	users int  // guarded by Store.mu: open sessions, chunks in use, trash to be deleted
	lane  lane // guarded by backlog.mu

	mu       sync.Mutex
	rotated  bool                     // guarded by mu; a chunk was moved to the archives
	chunks   map[lttng.ChunkID]*chunk // guarded by mu; until their last user is gone
	lying    []*chunk                 // guarded by mu; the same and those on their way to their last place, oldest first
	short    bool                     // guarded by mu; a chunk waits for disk space
	told     bool                     // guarded by mu; that was logged
	current  *chunk                   // guarded by mu; newest one that is not closed
	sessions map[*Session]struct{}    // guarded by mu
	trashed  int                      // guarded by mu; last number of what was moved aside
}

// join puts a new session into its group, made when it is the first.
func (s *Store) join(ss *Session) error {
	out, err := s.openOutput()
	if err != nil {
		return err
	}
	if ss.minor < lttng.MinorChunks {
		return s.joinLegacy(ss, out)
	}
	defer out.Close()
	key := groupKey{
		uuid: ss.request.SessiondUUID, id: ss.request.SessiondSessionID, snapshot: ss.request.Snapshot,
		dir: sessionDir(&ss.request, s.opts.GroupBy, s.opts.Location),
	}
	g := s.groupOf(key)
	if g == nil {
		if g, err = s.newGroup(ss, key, out); err != nil {
			return err
		}
	}
	ss.group = g
	g.mu.Lock()
	defer g.mu.Unlock()
	if ss.request.HasChunk {
		c := g.chunks[ss.request.Chunk]
		if c == nil {
			g.put()
			return fmt.Errorf("%w: chunk %d of session %q", ErrUnknownChunk, ss.request.Chunk, ss.request.Name)
		}
		c.users++
		ss.current = c
	}
	g.sessions[ss] = struct{}{}
	return nil
}

// groupOf returns the open group of key with one more user, or nil.
func (s *Store) groupOf(key groupKey) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[key]
	if g != nil {
		g.users++
	}
	return g
}

func (s *Store) newGroup(ss *Session, key groupKey, out *os.Root) (*group, error) {
	dir, found := "", false
	if ss.resumable && !ss.request.Snapshot {
		dir, found = s.claimStored(ss, out, key)
	}
	if !found {
		var err error
		if dir, err = s.claimDir(out, key.dir, key, ss.request.Snapshot); err != nil {
			return nil, err
		}
	}
	root, err := makeDir(out, dir)
	if err != nil {
		s.unclaimDir(dir)
		return nil, fmt.Errorf("session directory: %w", err)
	}
	unlock, err := lockDir(root, unix.LOCK_SH)
	if err != nil {
		root.Close()
		s.unclaimDir(dir)
		return nil, fmt.Errorf("session directory: %w", err)
	}
	g := &group{
		store: s, key: key, dir: dir, root: root, unlock: unlock, users: 1,
		chunks: make(map[lttng.ChunkID]*chunk), sessions: make(map[*Session]struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.groups[key]; other != nil { // the other domain's session was faster
		other.users++
		c := s.claims[dir]
		c.users--
		s.claims[dir] = c
		unlock()
		root.Close()
		return other, nil
	}
	s.groups[key] = g
	return g, nil
}

// joinLegacy gives a session below minor 11, which knows no chunks, a group
// and a chunk of its own: the output directory, where its stream paths begin.
func (s *Store) joinLegacy(ss *Session, out *os.Root) error {
	g := &group{
		store: s, root: out, users: 1,
		key:      groupKey{legacy: fmt.Sprintf("%s %s %s", ss.peer, ss.request.Hostname, ss.request.Name)},
		chunks:   make(map[lttng.ChunkID]*chunk),
		sessions: map[*Session]struct{}{ss: {}},
	}
	ss.group = g
	root, err := out.OpenRoot(".")
	if err != nil {
		out.Close()
		return err
	}
	c := newChunk(g, 0, 0)
	c.root = root
	c.tails = s.opts.Tails.Dir(s.opts.Output)
	g.mu.Lock()
	g.chunks[0], g.current, g.lying = c, c, []*chunk{c}
	c.users = 1
	g.users++
	g.mu.Unlock()
	ss.current = c
	return nil
}

func (g *group) get() {
	g.store.mu.Lock()
	g.users++
	g.store.mu.Unlock()
}

// put lets go of the group; the last one closes its directory.
func (g *group) put() {
	s := g.store
	s.mu.Lock()
	g.users--
	last := g.users == 0
	if last && s.groups[g.key] == g {
		delete(s.groups, g.key)
	}
	s.mu.Unlock()
	if !last {
		return
	}
	if g.dir != "" {
		s.unclaimDir(g.dir)
		g.unlock()
	}
	// A directory handle: nothing is lost when its close fails.
	_ = g.root.Close()
}

// makeDir makes a directory and opens it.
func makeDir(root *os.Root, dir string) (*os.Root, error) {
	if err := root.MkdirAll(dir, 0o770); err != nil {
		return nil, err
	}
	return root.OpenRoot(dir)
}

// path returns the absolute path of a directory in the session directory.
func (g *group) path(sub string) string { return g.store.absolute(path.Join(g.dir, sub)) }
