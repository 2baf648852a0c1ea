// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path"
	"slices"

	"github.com/weir-io/weir/lttng"
)

// resumeName is the file by which a recording is known again, in the directory
// of each chunk that a producer may come back to. It moves with the chunk and
// never changes; what is stored is read from the index files.
const resumeName = ".weir-resume"

const (
	resumeVersion  = 1
	maxResumeBytes = 4 << 10
	// maxResumeSearch bounds the entries of a session directory among which
	// chunks are looked for.
	maxResumeSearch = 4096
)

// resumeMark is the content of that file.
type resumeMark struct {
	Version int    `json:"version"`
	Session string `json:"session"` // identityOf its producer
	Chunk   uint64 `json:"chunk"`
	Created uint64 `json:"created"` // s since the epoch
}

// identityOf returns what a producer that comes back has to know: a digest, so
// that who reads the tree learns nothing that would let him resume.
func identityOf(m *lttng.CreateSession) string {
	h := sha256.New()
	h.Write(m.SessiondUUID[:])
	b := binary.BigEndian.AppendUint64(nil, m.SessiondSessionID)
	b = append(append(b, m.Hostname...), 0)
	h.Write(append(append(b, m.Name...), 0))
	return hex.EncodeToString(h.Sum(nil))
}

// mark leaves the mark in a chunk that has streams (writer). Without it the
// recording goes on, and cannot be resumed.
func (ss *Session) mark(c *chunk) {
	if !ss.resumable || ss.request.Snapshot || c.name != "" {
		return
	}
	g := ss.group
	g.mu.Lock()
	marked := c.marked || c.closed
	c.marked = true
	c.top[resumeName] = struct{}{} // before it is there: who moves the chunk takes it along
	g.mu.Unlock()
	if marked {
		return
	}
	text, err := json.Marshal(resumeMark{resumeVersion, ss.identity, uint64(c.id), c.created})
	if err == nil {
		err = c.writeMark(append(text, '\n'))
	}
	if err != nil {
		g.mu.Lock()
		c.marked = false // the next stream tries again
		g.mu.Unlock()
		ss.store.log.Warn("recording cannot be resumed", "session", ss.id, "session_dir", g.dir, "chunk", c.id, "err", err)
	}
}

func (c *chunk) writeMark(text []byte) error {
	f, err := c.createFile(resumeName, os.O_WRONLY)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		_ = f.Close() // the write's error counts
		return err
	}
	return f.Close()
}

// unmarkLocked takes the mark away: the chunk is complete, or left behind.
func (c *chunk) unmarkLocked() {
	if !c.marked {
		return
	}
	c.marked = false
	delete(c.top, resumeName)
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	if c.root != nil {
		// One that stays does no harm: the archives are not searched.
		_ = c.root.Remove(resumeName)
	}
}

// markedChunk is a chunk that a producer may come back to.
type markedChunk struct {
	dir string // within the session directory
	resumeMark
}

// markedChunks returns the chunks in a session directory that bear the mark of
// a producer, in the order of their numbers.
func markedChunks(root *os.Root, identity string) []markedChunk {
	var found []markedChunk
	look := func(dir string) {
		if m, ok := readMark(root, path.Join(dir, resumeName)); ok && m.Session == identity {
			found = append(found, markedChunk{dir, m})
		}
	}
	look("")
	for _, name := range chunkDirs(root) {
		look(name)
	}
	slices.SortFunc(found, func(a, b markedChunk) int { return cmp.Compare(a.Chunk, b.Chunk) })
	return found
}

// chunkDirs returns the directories of chunks beside the archives.
func chunkDirs(root *os.Root) []string {
	var names []string
	for _, name := range entriesOf(root, ".") {
		_, _, ok := parseChunkDir(name)
		if ok || isTemporary(name, oldChunkDir) || isTemporary(name, newChunkDir) {
			names = append(names, name)
		}
	}
	return names
}

// entriesOf returns the names in a directory, as many as are worth looking at.
func entriesOf(root *os.Root, dir string) []string {
	f, err := root.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxResumeSearch) // what cannot be read is not there
	return names
}

func readMark(root *os.Root, name string) (m resumeMark, ok bool) {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return m, false
	}
	f, err := root.Open(name)
	if err != nil {
		return m, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResumeBytes))
	if err != nil || json.Unmarshal(text, &m) != nil || m.Version != resumeVersion {
		return resumeMark{}, false // cut by a kill, or of a later weir
	}
	return m, true
}
