// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// maxEarlierChunks bounds the chunks before the one that goes on in which the
// last packet of a stream is looked for.
const maxEarlierChunks = 16

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

// resumeStream opens one stream.
func (ss *Session) resumeStream(m lttng.AddStream) (*Stream, error) {
	st, _, err := ss.prepare(m)
	if err != nil {
		return nil, err
	}
	if err := st.reenter(ss.current); err != nil {
		ss.store.unclaimFiles(st)
		st.tail.Release()
		return nil, err
	}
	ss.register(st)
	if st.file != nil && (st.floor > 0 || st.resumed) {
		ss.store.counters.Resumed.Add(1)
	}
	if st.seeded > 0 {
		st.wroteMetadata(st.seeded)
	}
	return st, nil
}

// reenter is enter for a stream that may have left files in the chunk.
func (st *Stream) reenter(c *chunk) error {
	c.note(firstDir(st.dir))
	st.chunk = c
	err := st.reopen(c)
	if err == nil && st.file == nil {
		st.session.replace(st, c)
		err = st.openFile()
	}
	if err != nil && !isPassing(err) {
		if f := st.file; f != nil {
			st.setFile(nil)
			st.dropFiles(func(*TraceFile) bool { return true })
			f.put()
		}
		st.chunk = nil
		return err
	}
	c.get()
	st.session.mark(c)
	return nil
}

// reopen goes on in the files that the stream has left in the chunk, if there
// are any.
func (st *Stream) reopen(c *chunk) error {
	c.rootMu.RLock()
	root := c.root
	c.rootMu.RUnlock()
	if st.metadata {
		return st.reopenMetadata(c)
	}
	files, err := st.storedFiles(root)
	if err != nil {
		return err
	}
	for len(files) > 0 && files[0].records == 0 {
		// Nothing in it is complete: it is sent again, maybe to another file.
		if err := st.removeStored(c, files[0].number); err != nil {
			return err
		}
		files = files[1:]
	}
	if len(files) == 0 {
		st.floor = st.session.group.lastBefore(st, c)
		st.nextSeq = st.floor
		return nil
	}
	newest := len(files) - 1
	if st.session.Live() { // older ones are for viewers
		for i := range files[:newest] {
			f, err := st.reopenFile(c, &files[i])
			if err != nil {
				return err
			}
			st.list(f)
			f.retired = true
			f.put()
		}
	}
	f, err := st.reopenFile(c, &files[newest])
	if err != nil {
		return err
	}
	st.setFile(f)
	st.list(f)
	st.follow(c, f.data, f.name, f.size)
	st.goOn(&files[newest])
	return nil
}

// goOn takes over what the last stored packet said.
func (st *Stream) goOn(s *storedFile) {
	last := &s.last
	st.floor = last.PacketSeqNum + 1
	st.nextSeq = st.floor
	st.stats.EventsDiscarded.Store(last.EventsDiscarded)
	st.stats.LastTimestamp.Store(last.TimestampEnd)
	st.mu.Lock()
	st.class = last.StreamClass
	st.newest = packetState{there: true, instance: last.InstanceID, sequence: last.PacketSeqNum, discarded: last.EventsDiscarded}
	st.mu.Unlock()
}

func (st *Stream) removeStored(c *chunk, number uint64) error {
	name := path.Join(st.dir, st.fileName(number))
	st.session.replace(st, c)
	for _, n := range []string{indexNameOf(name), name} {
		if err := c.remove(n); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("stream %d: remove what was not complete: %w", st.id, err)
		}
	}
	return nil
}

// reopenMetadata goes on with what is there: it is compared with what is sent
// again, as after a rotation.
func (st *Stream) reopenMetadata(c *chunk) error {
	name := path.Join(st.dir, st.channel)
	osf, err := c.openFile(name, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stream %d: reopen metadata: %w", st.id, err)
	}
	info, err := osf.Stat()
	if err != nil || info.Size() == 0 {
		return errors.Join(err, osf.Close())
	}
	f := &TraceFile{stream: st, chunk: c, name: name, size: info.Size()}
	f.refs.Store(1)
	c.refs.Add(1)
	f.data = st.session.store.opts.Files.File(osf, func() (*os.File, error) { return c.openFile(name, os.O_RDWR) })
	st.setFile(f)
	st.readableMetadata(f)
	st.follow(c, f.data, name, f.size)
	st.seeded, st.resumed = f.size, true
	return nil
}

// lastBefore returns the number that follows the last packet of the stream that
// lies in a chunk before c; 0 when there is none.
func (g *group) lastBefore(st *Stream, c *chunk) uint64 {
	for _, dir := range g.earlierDirs(c) {
		root, err := openBelow(g.root, dir)
		if err != nil {
			continue // it is just being moved, or removed
		}
		files, err := st.storedFiles(root)
		root.Close()
		if n := len(files); err == nil && n > 0 && files[n-1].records > 0 {
			return files[n-1].last.PacketSeqNum + 1
		}
	}
	return 0
}

// earlierDirs returns the directories of the chunks before c, newest first.
func (g *group) earlierDirs(c *chunk) []string {
	type numbered struct {
		dir string
		id  int64
	}
	own := c.place()
	var found []numbered
	for _, name := range append(chunkDirs(g.root), "") {
		_, id, ok := parseChunkDir(name)
		if !ok {
			id = int64(c.id) // left in a rotation
		}
		if name != own && id <= int64(c.id) {
			found = append(found, numbered{name, id})
		}
	}
	for _, name := range entriesOf(g.root, archivesDir) {
		if _, _, id, ok := parseArchive(name); ok && id < int64(c.id) {
			found = append(found, numbered{path.Join(archivesDir, name), id})
		}
	}
	slices.SortStableFunc(found, func(a, b numbered) int { return cmp.Compare(b.id, a.id) })
	var dirs []string
	for _, f := range found[:min(len(found), maxEarlierChunks)] {
		dirs = append(dirs, f.dir)
	}
	return dirs
}

// dropDuplicate takes a packet out of its file: it has been stored before. What
// lies behind it moves up, unless that has its records already.
func (st *Stream) dropDuplicate(h *half) {
	st.session.store.counters.Duplicate.Add(1)
	f, size := h.file, h.size
	if h.dropped || f == nil || f.gone.Load() {
		return
	}
	behind := h.offset + size
	var waiting int64
	moves := st.behind(f, behind, &waiting)
	if waiting != f.size-behind {
		st.lose(1)
		return
	}
	if f == st.file {
		st.tail.Commit(h.offset)
	}
	for _, m := range moves {
		if err := copyData(f.data, *m.at-size, f.data, *m.at, m.bytes); err != nil {
			st.session.store.log.Error("packet not moved", "file", f.path(), "offset", *m.at, "err", err)
			*m.dropped = true
		}
		*m.at -= size
	}
	f.size -= size
	end := f.size
	if p := st.in; p != nil && p.file == f {
		end = p.start + p.written
	}
	if err := f.truncate(end); err != nil {
		st.session.store.log.Error("duplicate packet not cut", "file", f.path(), "offset", h.offset, "err", err)
	}
	if f == st.file {
		st.commit(f)
	}
}

// moving is a packet in a file that has no record yet.
type moving struct {
	at      *int64
	bytes   int64
	dropped *bool
}

// behind returns the packets without records from an offset on, in their order,
// and adds up the whole ones.
func (st *Stream) behind(f *TraceFile, from int64, whole *int64) []moving {
	var all []moving
	st.pending.each(func(h *half) {
		if h.file == f && h.offset >= from && !h.dropped {
			all = append(all, moving{&h.offset, h.size, &h.dropped})
			*whole += h.size
		}
	})
	slices.SortFunc(all, func(a, b moving) int { return cmp.Compare(*a.at, *b.at) })
	if p := st.in; p != nil && p.file == f && p.start >= from && !p.dropped {
		all = append(all, moving{&p.start, p.written, &p.dropped})
	}
	return all
}
