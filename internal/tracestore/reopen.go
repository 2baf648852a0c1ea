// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/weir-io/weir/lttng"
)

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

// maxEarlierChunks bounds the chunks before the one that goes on in which the
// last packet of a stream is looked for.
const maxEarlierChunks = 16

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
