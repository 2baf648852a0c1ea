// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parts are the entries of a directory by what they can be in a session.
type parts struct {
	chunks []StoredChunk // each a directory; not measured
	rest   []fs.DirEntry // the chunk in the session directory, if it is one
	nested []fs.DirEntry // directories of other open sessions, or above them
	traces bool          // rest holds traces
}

// sort tells the chunks, and what belongs to others, from the rest.
func (w *walker) sort(root *os.Root, dir string, depth int, entries []fs.DirEntry) parts {
	var p parts
	for _, e := range entries {
		name := e.Name()
		c, isChunk := w.chunkOf(root, e, depth)
		switch {
		case isTrash(name) && e.IsDir():
			w.inv.Leftovers = append(w.inv.Leftovers, path.Join(dir, name))
		case name == archivesDir && e.IsDir() && depth >= sessionDepth:
			if found, ok := w.archives(root, dir); ok {
				p.chunks = append(p.chunks, found...)
			} else {
				p.rest = append(p.rest, e)
			}
		case e.IsDir() && w.holdsOpen(path.Join(dir, name)):
			p.nested = append(p.nested, e)
		case isChunk:
			p.chunks = append(p.chunks, c)
		default:
			p.rest = append(p.rest, e)
		}
	}
	p.traces = depth >= sessionDepth && w.hasTraces(root, p.rest)
	return p
}

// chunkOf reads what chunk a directory of a session is by its name.
func (w *walker) chunkOf(root *os.Root, e fs.DirEntry, depth int) (StoredChunk, bool) {
	name := e.Name()
	c := StoredChunk{ID: name, Number: -1, State: ChunkClosed, sub: name}
	if !e.IsDir() || depth < sessionDepth {
		return c, false
	}
	if created, id, ok := parseChunkDir(name); ok {
		c.Created, c.Number = created, id
		return c, true
	}
	for _, known := range []string{oldChunkDir, newChunkDir} {
		after, ok := strings.CutPrefix(name, known)
		if ok && after == "" {
			return c, true
		}
		if id, numbered := parseChunkNumber(strings.TrimPrefix(after, "-")); ok && numbered {
			c.Number = id
			return c, true
		}
	}
	if created, id, ok := parseSnapshot(name, w.loc); ok && w.isSnapshot(root, name) {
		c.Created, c.Number, c.State = created, id, ChunkSnapshot
		return c, true
	}
	return c, false
}

func (w *walker) isSnapshot(root *os.Root, name string) bool {
	sub, err := openDir(root, name)
	if err != nil {
		return false
	}
	defer sub.Close()
	entries, err := w.read(sub)
	return err == nil && w.hasTraces(sub, entries)
}

// archives reads the directory of the rotated chunks. An empty one is as good
// as one of a session; one that holds something else is another's.
func (w *walker) archives(root *os.Root, dir string) ([]StoredChunk, bool) {
	sub, err := openDir(root, archivesDir)
	if err != nil {
		return nil, false
	}
	defer sub.Close()
	entries, err := w.read(sub)
	if err != nil {
		return nil, false
	}
	var found []StoredChunk
	for _, e := range entries {
		created, closed, id, ok := parseArchive(e.Name())
		if !ok || !e.IsDir() {
			if e.IsDir() && isTrash(e.Name()) {
				w.inv.Leftovers = append(w.inv.Leftovers, path.Join(dir, archivesDir, e.Name()))
				continue
			}
			return nil, false
		}
		found = append(found, StoredChunk{
			ID: e.Name(), Number: id, State: ChunkArchived, Created: created, Closed: closed,
			sub: path.Join(archivesDir, e.Name()),
		})
	}
	return found, true
}

// isSession judges a directory by what it holds.
func (w *walker) isSession(dir string, depth int, p parts, entries int) bool {
	if _, open := slices.BinarySearch(w.open, dir); open {
		return true
	}
	if depth < sessionDepth {
		return false
	}
	if len(p.chunks) > 0 || p.traces {
		return true
	}
	// What a producer that sent no stream has left.
	_, created := cutDatetime(path.Base(dir), w.loc)
	return entries == 0 && !created.IsZero()
}

// session measures a session and its chunks.
func (w *walker) session(root *os.Root, dir string, p parts) StoredSession {
	s := StoredSession{ID: sessionID(dir), Dir: dir}
	s.Host, s.Name, s.Created = namesOf(dir, w.by, w.loc)
	if len(p.rest) > 0 {
		c := StoredChunk{ID: RootChunk, Number: -1, State: ChunkClosed}
		var u usage
		for _, e := range p.rest {
			u.add(w.measure(root, e, maxNesting))
		}
		c.count(u)
		p.chunks = append(p.chunks, c)
	}
	for _, c := range p.chunks {
		c.Dir = path.Join(dir, c.sub)
		if c.sub != "" {
			c.count(w.measureDir(root, c.sub))
		}
		s.Chunks = append(s.Chunks, c)
		s.Bytes += c.Bytes
		s.Files += c.Files
		if c.Modified.After(s.Modified) {
			s.Modified = c.Modified
		}
	}
	slices.SortStableFunc(s.Chunks, compareChunks)
	if s.Created.IsZero() {
		s.Created = firstTime(s.Chunks)
	}
	if info, err := root.Stat("."); err == nil && s.Created.IsZero() {
		s.Created = info.ModTime()
	}
	w.inv.Bytes += s.Bytes
	return s
}

func (c *StoredChunk) count(u usage) {
	c.Bytes, c.Files, c.Modified = u.bytes, u.files, u.modified
}

// measureDir adds up a directory of a session.
func (w *walker) measureDir(root *os.Root, sub string) usage {
	parent, err := openBelow(root, path.Dir(sub))
	if err != nil {
		return usage{}
	}
	defer parent.Close()
	info, err := parent.Lstat(path.Base(sub))
	if err != nil {
		return usage{}
	}
	return w.measure(parent, fs.FileInfoToDirEntry(info), maxNesting)
}

// compareChunks puts the older chunk first.
func compareChunks(a, b StoredChunk) int {
	return cmp.Or(a.start().Compare(b.start()), cmp.Compare(a.Number, b.Number), strings.Compare(a.ID, b.ID))
}

func (c *StoredChunk) start() time.Time {
	if c.Created.IsZero() {
		return c.Modified
	}
	return c.Created
}

func firstTime(chunks []StoredChunk) time.Time {
	var first time.Time
	for i := range chunks {
		if t := chunks[i].start(); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// mergeOpen adds what the store knows: the open sessions of each directory,
// their names, and the chunks that are in use. Open sessions without a
// directory are added.
func (c *Catalog) mergeOpen(inv *Inventory, open map[string][]*Session) {
	for i := range inv.Sessions {
		s := &inv.Sessions[i]
		if parts, ok := open[s.Dir]; ok {
			s.join(parts)
			c.store.markOpen(s)
			delete(open, s.Dir)
		}
	}
	for dir, parts := range open {
		s := StoredSession{ID: sessionID(dir), Dir: dir}
		if strings.HasPrefix(dir, noDir) {
			s.Dir = ""
		}
		if s.join(parts); s.Name == "" {
			s.Host, s.Name, _ = namesOf(s.Dir, c.store.opts.GroupBy, c.store.opts.Location)
		}
		inv.Sessions = append(inv.Sessions, s)
	}
	slices.SortFunc(inv.Sessions, func(a, b StoredSession) int {
		return cmp.Or(strings.Compare(a.Dir, b.Dir), strings.Compare(a.ID, b.ID))
	})
}

// join makes a session one that is being received.
func (s *StoredSession) join(open []*Session) {
	s.inUse = true
	if len(open) == 0 {
		return
	}
	slices.SortFunc(open, func(a, b *Session) int { return cmp.Compare(a.id, b.id) })
	s.Open = open
	r := open[0].Request()
	if r.Name != "" {
		s.Name = r.Name
	}
	if r.Hostname != "" {
		s.Host = r.Hostname
	}
	s.Created = open[0].created
	if r.CreationTime > 0 {
		s.Created = time.Unix(int64(r.CreationTime), 0).In(open[0].store.opts.Location)
	}
}

// noDir begins what stands for the directory of a session that has none yet.
// No directory's name holds a NUL.
const noDir = "\x00"

func noDirOf(ss *Session) string { return noDir + strconv.FormatUint(uint64(ss.id), 10) }
