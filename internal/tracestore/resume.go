// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// Resumption is what a producer that has come back is told.
type Resumption struct {
	Chunk   lttng.ChunkID
	Rotated bool // a chunk was moved to the archives
	Streams []lttng.ResumedStream
}

// CreateResumable is CreateSession for a producer that may come back: its
// session gets the directory of the recording that it has left, if there is one,
// and leaves what [Session.Resume] needs. It never replaces a file of an earlier
// connection.
func (s *Store) CreateResumable(m lttng.CreateSession, minor lttng.Minor, peer netip.Addr) (*Session, error) {
	return s.create(m, minor, peer, true)
}

// claimStored reserves the directory in which a producer has left a recording.
func (s *Store) claimStored(ss *Session, out *os.Root, key groupKey) (dir string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = key.dir
	for n, gap := 1, 0; n <= maxSuffix && gap < maxSuffixGap; n++ {
		c, used := s.claims[dir]
		switch {
		case used && c.key == key: // a group that is just ending
			c.users++
			s.claims[dir] = c
			return dir, true
		case !used && !s.insideLocked(dir, key):
			there, left := leftIn(out, dir, ss.identity)
			if left {
				s.claims[dir] = claim{key: key, users: 1}
				s.recent.put(key, dir)
				return dir, true
			}
			if gap++; there {
				gap = 0
			}
		}
		dir = fmt.Sprintf("%s-%d", key.dir, n)
	}
	return "", false
}

// maxSuffixGap is how many directories of a row may be missing: older ones may
// have been removed.
const maxSuffixGap = 8

// leftIn reports whether there is a session directory, and whether a producer
// has left a recording in it that no relay is writing.
func leftIn(out *os.Root, dir, identity string) (there, left bool) {
	root, err := openBelow(out, dir)
	if err != nil {
		return false, false
	}
	defer root.Close()
	if len(markedChunks(root, identity)) == 0 {
		return true, false
	}
	// Another relay of this output directory may not have noticed that its
	// connection is gone: two must not write the same files.
	unlock, err := lockDir(root, unix.LOCK_EX)
	if err != nil {
		return true, false
	}
	unlock()
	return true, true
}

// Holders returns the sessions of the same producer that have streams open which
// are to be resumed: its connections before, which nobody has seen ending.
func (ss *Session) Holders(streams []lttng.AddStream) []lttng.SessionID {
	var ids []lttng.SessionID
	s := ss.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range streams {
		dir, err := checkStreamPath(m.Path)
		if err != nil {
			continue // refused later
		}
		st := &Stream{session: ss, dir: dir, channel: m.Channel, metadata: isMetadata(m.Channel), tracefileSize: m.TracefileSize}
		own, _ := st.claims()
		for _, name := range own {
			o := s.files[name].owner
			if o == nil || o.session == ss || o.session.group != ss.group || slices.Contains(ids, o.session.id) {
				continue
			}
			ids = append(ids, o.session.id)
		}
	}
	return ids
}

// Resume opens streams that go on where an earlier session of the same producer
// has stopped, in the newest chunk that was not closed (writer). Streams of which
// nothing is stored begin. ErrNothingStored: there is no such chunk.
// ErrUnsettled: ask again later.
func (ss *Session) Resume(streams []lttng.AddStream) (Resumption, error) {
	if !ss.resumable || ss.request.Snapshot {
		return Resumption{}, fmt.Errorf("%w: session %d is not of a producer that comes back", ErrNothingStored, ss.id)
	}
	if err := ss.resumeChunk(); err != nil {
		return Resumption{}, err
	}
	r := Resumption{Chunk: ss.current.id}
	ss.group.mu.Lock()
	r.Rotated = ss.group.rotated
	ss.group.mu.Unlock()
	for _, m := range streams {
		st, err := ss.resumeStream(m)
		if err != nil {
			return Resumption{}, err
		}
		r.Streams = append(r.Streams, lttng.ResumedStream{Stream: st.id, Next: st.floor})
	}
	return r, nil
}

// resumeChunk makes the chunk current that is to go on.
func (ss *Session) resumeChunk() error {
	if ss.current != nil {
		return ss.current.make()
	}
	g := ss.group
	g.mu.Lock()
	c := g.current
	if c == nil {
		var err error
		if c, err = g.reopenLocked(ss.identity); err != nil {
			g.mu.Unlock()
			g.arrange()
			return err
		}
	}
	c.users++
	ss.current = c
	g.mu.Unlock()
	g.arrange()
	return c.make()
}

// reopenLocked opens the newest chunk that was left. Older ones that a rotation
// has left half way are put where they can stay.
func (g *group) reopenLocked(identity string) (*chunk, error) {
	if len(g.lying) > 0 {
		// Chunks of the session before are on their way to their last places.
		return nil, fmt.Errorf("%w: %s", ErrUnsettled, g.dir)
	}
	left := markedChunks(g.root, identity)
	if len(left) == 0 {
		return nil, fmt.Errorf("%w: in %s", ErrNothingStored, g.dir)
	}
	g.rotated = g.rotated || g.onDisk(archivesDir)
	var c *chunk
	for _, m := range left {
		c = newChunk(g, lttng.ChunkID(m.Chunk), m.Created)
		c.dir, c.want, c.marked = m.dir, m.dir, true
		c.told.Store(&m.dir)
		for _, name := range []string{resumeName, "kernel", "ust"} {
			c.top[name] = struct{}{}
		}
		if err := c.makeLocked(); err != nil {
			return nil, err
		}
		g.lying = append(g.lying, c)
		g.get()
	}
	for _, o := range g.lying {
		if o != c {
			o.unmarkLocked()
		}
		o.settleLocked()
	}
	g.chunks[c.id], g.current = c, c
	return c, nil
}
