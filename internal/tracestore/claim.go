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
	"strconv"
	"strings"

	"github.com/weir-io/weir/lttng"
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

// fileClaim is the use of a data file's name, or of those of a ring: a ring of
// trace files is written by one stream, or some of the names are files of
// streams that have none.
type fileClaim struct {
	owner   *Stream // writes all that the name stands for; nil for none
	members int     // streams that write one of the ring's names
}

// claimFiles reserves the names of a stream's files: two open streams never
// write one file, whoever adds them. When another stream owns a name that is
// returned with the error.
func (s *Store) claimFiles(st *Stream) (owner *Stream, err error) {
	own, ring := st.claims()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range own {
		if c := s.files[name]; c.owner != nil || c.members > 0 {
			return c.owner, fmt.Errorf("%w: %s", ErrFileInUse, name)
		}
	}
	if c := s.files[ring]; ring != "" {
		if c.owner != nil {
			return c.owner, fmt.Errorf("%w: %s is one of the files of stream %d", ErrFileInUse, own[0], c.owner.id)
		}
		s.files[ring] = fileClaim{members: c.members + 1}
	}
	for _, name := range own {
		s.files[name] = fileClaim{owner: st}
	}
	return nil, nil
}

func (s *Store) unclaimFiles(st *Stream) {
	own, ring := st.claims()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range own {
		delete(s.files, name)
	}
	if c := s.files[ring]; ring != "" {
		if c.members--; c.members > 0 {
			s.files[ring] = c
			return
		}
		delete(s.files, ring)
	}
}

// claims returns what a stream claims, as paths below the output directory: for
// itself its file, or all of its ring, and the ring whose file it looks like.
// Chunks that follow each other by rotation are one place, since streams go
// from one to the next; those with a name, of snapshots, are places of their
// own.
func (st *Stream) claims() (own []string, ring string) {
	dir := path.Join(st.session.group.dir, st.place, st.dir)
	own = []string{path.Join(dir, st.channel)}
	if st.ring() {
		return append(own, ringClaim(dir, st.channel)), ""
	}
	if stem, ok := ringOf(st.channel); ok {
		ring = ringClaim(dir, stem)
	}
	return own, ring
}

// ringClaim stands for CHANNEL_0, CHANNEL_1 and so on. No channel has a slash.
func ringClaim(dir, channel string) string { return path.Join(dir, channel, "*") }

// ringOf returns the channel among whose trace files a name would be.
func ringOf(name string) (channel string, ok bool) {
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return "", false
	}
	n, err := strconv.ParseUint(name[i+1:], 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != name[i+1:] {
		return "", false
	}
	return name[:i], true
}

// claim reserves the files of a new stream (writer). A stream that was closed
// and only waits for packets on their way gives way to it.
func (ss *Session) claim(st *Stream) error {
	owner, err := ss.store.claimFiles(st)
	if err == nil || owner == nil || !owner.givesWay(st) {
		return err
	}
	owner.giveWay(ss.current)
	_, err = ss.store.claimFiles(st)
	return err
}

// Replaces reports whether the stream to be added takes the place of one that
// was closed and waits for its last packets (writer). What has been received
// for that is better handled before.
func (ss *Session) Replaces(m lttng.AddStream) bool {
	if ss.leaving == 0 {
		return false
	}
	for _, st := range ss.streams {
		if st.closing && st.channel == m.Channel {
			return true
		}
	}
	return false
}

// givesWay reports whether next may have the stream's names.
func (st *Stream) givesWay(next *Stream) bool {
	return st.session == next.session && st.closing && !st.metadata &&
		st.dir == next.dir && st.channel == next.channel
}

// giveWay leaves the stream's names to a new stream in a chunk. If this one is
// in the same chunk, or about to go there, the new one begins the files anew,
// as it would if this one had ended in time: packets that still come are thrown
// away and counted.
func (st *Stream) giveWay(c *chunk) {
	st.session.store.unclaimFiles(st)
	st.nameless = true
	if st.chunk != c && st.turning == nil {
		return // it stays where it is
	}
	st.session.store.log.Warn("stream added again before the last packet of the old one has come",
		"stream", st.id, "channel", st.channel, "dir", st.dir, "waits_for", st.last)
	st.replaced = true
	if t := st.turning; t != nil {
		st.turning = nil
		if t.next != nil {
			t.next.put()
		}
	}
	if p := st.in; p != nil {
		p.dropped = true
	}
	st.tail.Idle()
	st.outlive(st.chunk)
}

// outlive lets the stream's files in a chunk be unlinked: whoever uses one can
// read on.
func (st *Stream) outlive(c *chunk) {
	here := func(f *TraceFile) bool { return f.chunk == c }
	st.keepUsed(here)
	st.mu.Lock()
	var named []*TraceFile
	for _, f := range []*TraceFile{st.current, st.meta} {
		if f != nil && here(f) {
			named = append(named, f)
		}
	}
	st.mu.Unlock()
	for _, f := range named {
		st.keepUnlinked(f)
	}
	st.dropFiles(here)
}

// replace prepares for a new stream the files of its name that closed streams
// have left in the chunk (writer).
func (ss *Session) replace(st *Stream, c *chunk) {
	if !c.exists(path.Join(st.dir, st.fileName(0))) {
		return
	}
	for _, old := range ss.Streams() {
		if old.dir == st.dir && old.channel == st.channel && old.Closed() {
			old.outlive(c)
		}
	}
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
