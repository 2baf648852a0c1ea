// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/lttng"
)

// chunk is what lies between two rotations of a tracing session: a directory,
// or, before the first rotation, the session directory itself.
type chunk struct {
	// Immutable after newChunk.
	group   *group
	id      lttng.ChunkID
	created uint64 // s since the epoch
	name    string // given by the producer (snapshots), or empty

	// Guarded by group.mu.
	dir     string // within the session directory; empty = that itself
	top     map[string]struct{}
	users   int // sessions whose chunk it is, streams that write or will write to it
	closed  bool
	command lttng.CloseCommand
	ended   uint64 // s since the epoch, once closed
	reply   string // path told to the producer, once closed

	// told is dir for those who do not hold group.mu: messages.
	told atomic.Pointer[string]

	// refs keeps root open: one for the users, one for each trace file.
	refs atomic.Int64

	// rootMu is innermost: files are reopened under their own lock.
	rootMu sync.RWMutex
	root   *os.Root // guarded by rootMu; follows the chunk when it is moved
	tails  *tail.Dir
}

func newChunk(g *group, id lttng.ChunkID, created uint64) *chunk {
	c := &chunk{group: g, id: id, created: created, top: make(map[string]struct{})}
	c.refs.Store(1)
	return c
}

// openFile opens a file of the chunk.
func (c *chunk) openFile(name string, flag int) (*os.File, error) {
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	return c.root.OpenFile(name, flag, 0o660)
}

// createFile makes a file, and its directory if that is missing. An older one
// of that name is unlinked: what is open stays what it is.
func (c *chunk) createFile(name string, flag int) (*os.File, error) {
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	flag |= os.O_CREATE | os.O_EXCL
	f, err := c.root.OpenFile(name, flag, 0o660)
	switch {
	case os.IsNotExist(err):
		if err := c.root.MkdirAll(path.Dir(name), 0o770); err != nil {
			return nil, err
		}
	case os.IsExist(err):
		if err := c.root.Remove(name); err != nil {
			return nil, err
		}
	default:
		return f, err
	}
	return c.root.OpenFile(name, flag, 0o660)
}

// exists reports whether the chunk has a file of that name.
func (c *chunk) exists(name string) bool {
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	_, err := c.root.Lstat(name)
	return err == nil
}

func (c *chunk) remove(name string) error {
	c.rootMu.RLock()
	defer c.rootMu.RUnlock()
	return c.root.Remove(name)
}

// note remembers the first directory of a stream path: what has to move when
// the chunk is the session directory itself.
func (c *chunk) note(first string) {
	c.group.mu.Lock()
	c.top[first] = struct{}{}
	c.group.mu.Unlock()
}

func (c *chunk) get() {
	c.group.mu.Lock()
	c.users++
	c.group.mu.Unlock()
}

// put lets go of the chunk. The last user's put carries out the close command.
func (c *chunk) put() {
	g := c.group
	g.mu.Lock()
	c.users--
	last := c.users == 0
	var err error
	if last && c.closed && c.command == lttng.CloseDelete {
		// Viewers go on elsewhere before the files vanish. A closed chunk is
		// not joined meanwhile.
		g.mu.Unlock()
		g.dropFiles(c)
		g.mu.Lock()
	}
	if last {
		if err = c.finishLocked(); g.current == c {
			g.current = nil
		}
		delete(g.chunks, c.id)
	}
	g.mu.Unlock()
	if !last {
		return
	}
	if err != nil {
		g.store.log.Error("trace chunk not finished", "session_dir", g.dir, "chunk", c.id, "err", err)
	}
	c.unref()
	g.put()
}

// unref ends a use of the directory handle.
func (c *chunk) unref() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.rootMu.Lock()
	defer c.rootMu.Unlock()
	c.tails.Release()
	// A directory handle: nothing is lost when its close fails.
	_ = c.root.Close()
}

// finishLocked carries out the close command. A chunk whose producer went away
// without a close stays where it is.
func (c *chunk) finishLocked() error {
	if !c.closed || c.name != "" {
		return nil
	}
	g := c.group
	switch c.command {
	case lttng.CloseMove:
		if err := g.root.MkdirAll(archivesDir, 0o770); err != nil {
			return err
		}
		return c.moveLocked(path.Join(archivesDir, archiveName(c.created, c.ended, c.id, g.store.opts.Location)))
	case lttng.CloseDelete:
		return c.deleteLocked()
	}
	if c.dir != oldChunkDir {
		return nil
	}
	if g.rotated {
		return c.moveLocked(chunkDirName(c.created, c.id, g.store.opts.Location))
	}
	if g.current == nil || g.current.dir != "" {
		return c.moveLocked("")
	}
	return nil
}

func (c *chunk) deleteLocked() error {
	root := c.group.root
	if c.dir != "" {
		return root.RemoveAll(c.dir)
	}
	for name := range c.top {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// moveLocked moves the chunk's directory, or what it has in the session
// directory, to another place in the session directory.
func (c *chunk) moveLocked(to string) error {
	if c.dir == to {
		return nil
	}
	c.rootMu.Lock()
	defer c.rootMu.Unlock()
	err := c.tails.Rename(c.group.path(to), func() error { return c.renameLocked(to) })
	if err != nil {
		return fmt.Errorf("move chunk %d from %q to %q: %w", c.id, c.dir, to, err)
	}
	c.dir = to
	c.told.Store(&to)
	return nil
}

// place is where the chunk lies in the session directory, or lay a moment ago.
func (c *chunk) place() string {
	if p := c.told.Load(); p != nil {
		return *p
	}
	return ""
}

func (c *chunk) renameLocked(to string) error {
	g := c.group
	if c.dir != "" && to != "" {
		return g.root.Rename(c.dir, to)
	}
	if to != "" {
		if err := g.root.MkdirAll(to, 0o770); err != nil {
			return err
		}
	}
	for name := range c.top {
		err := g.root.Rename(path.Join(c.dir, name), path.Join(to, name))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if c.dir != "" {
		// Not empty means that somebody put a file there: it stays.
		_ = g.root.Remove(c.dir)
	}
	if to == "" {
		to = "."
	}
	root, err := g.root.OpenRoot(to)
	if err != nil {
		return err
	}
	_ = c.root.Close()
	c.root = root
	return nil
}
