// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
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
	want    string // where it is to lie: it is moved as soon as that is possible
	top     map[string]struct{}
	users   int  // sessions whose chunk it is, streams that write or will write to it
	marked  bool // bears the mark of a producer that may come back
	closed  bool
	command lttng.CloseCommand
	ended   uint64 // s since the epoch, once closed
	reply   string // path told to the producer, once closed

	cleared atomic.Bool // its files are deleted, or about to be

	// told is dir for those who do not hold group.mu: messages.
	told atomic.Pointer[string]

	// refs keeps root open: one for the users, one for each trace file.
	refs atomic.Int64

	// rootMu is innermost: files are reopened under their own lock.
	rootMu sync.RWMutex
	root   *os.Root  // guarded by rootMu; nil before make; follows the chunk when it is moved
	tails  *tail.Dir // likewise
}

func newChunk(g *group, id lttng.ChunkID, created uint64) *chunk {
	c := &chunk{group: g, id: id, created: created, top: make(map[string]struct{})}
	c.refs.Store(1)
	return c
}

// make makes the chunk's directory, if that has not been possible before.
func (c *chunk) make() error {
	c.rootMu.RLock()
	made := c.root != nil
	c.rootMu.RUnlock()
	if made {
		return nil
	}
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	return c.makeLocked()
}

func (c *chunk) makeLocked() error {
	if c.root != nil {
		return nil
	}
	g := c.group
	dir := c.dir
	if dir == "" {
		dir = "."
	}
	root, err := makeDir(g.root, dir)
	if err != nil {
		return fmt.Errorf("trace chunk directory: %w", err)
	}
	c.rootMu.Lock()
	c.root, c.tails = root, g.store.opts.Tails.Dir(g.path(c.dir))
	c.rootMu.Unlock()
	return nil
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
	if c.root == nil {
		return false // there was no space to make it
	}
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
	if last && c.closed && c.command == lttng.CloseDelete {
		c.cleared.Store(true)
		// Viewers go on elsewhere before the files vanish. A closed chunk is
		// not joined meanwhile.
		g.mu.Unlock()
		g.dropFiles(c)
		g.mu.Lock()
	}
	if last {
		g.forgetLocked(c)
		c.settleLocked()
	}
	g.mu.Unlock()
	if last {
		g.arrange()
	}
}

// unref ends a use of the directory handle.
func (c *chunk) unref() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.rootMu.Lock()
	defer c.rootMu.Unlock()
	c.tails.Release()
	if c.root != nil {
		// A directory handle: nothing is lost when its close fails.
		_ = c.root.Close()
	}
}

// settleLocked says where the chunk is to lie for good: its last user has left.
// One whose producer went away without a close stays where it is, unless that
// is a place for the time of a rotation.
func (c *chunk) settleLocked() {
	g := c.group
	loc := g.store.opts.Location
	if c.closed && c.command != lttng.CloseDelete {
		c.unmarkLocked()
	}
	switch {
	case c.name != "":
	case c.closed && c.command == lttng.CloseMove:
		c.want = path.Join(archivesDir, archiveName(c.created, c.ended, c.id, loc))
	case c.closed && c.command == lttng.CloseDelete:
		c.want = nowhere
	case isTemporary(c.want, oldChunkDir) && !g.rotated && !g.spokenForLocked("", c):
		c.want = ""
	case isTemporary(c.want, oldChunkDir), isTemporary(c.want, newChunkDir):
		c.want = chunkDirName(c.created, c.id, loc)
	}
}

// discardLocked gives the chunk's directory, or what it has in the session
// directory, names under which it is nothing any more and will be deleted: that
// takes long, and what comes next may need the place. It needs no disk space.
func (c *chunk) discardLocked() error {
	var names []string
	switch {
	case c.root == nil: // never made
	case c.dir == "":
		names = slices.Collect(maps.Keys(c.top))
	default:
		names = []string{c.dir}
	}
	g := c.group
	for _, name := range names {
		if err := g.root.Rename(name, g.trashNameLocked()); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("clear chunk %d: %w", c.id, err)
		}
	}
	c.dir = nowhere
	g.store.backlog.discard(g)
	return nil
}

// trashNameLocked returns a name that nothing in the session directory has.
func (g *group) trashNameLocked() string {
	for {
		g.trashed++
		name := trashPrefix + strconv.Itoa(g.trashed)
		if _, err := g.root.Lstat(name); err != nil {
			return name
		}
	}
}

// moveLocked moves the chunk's directory, or what it has in the session
// directory, to another place in the session directory.
func (c *chunk) moveLocked(to string) error {
	c.rootMu.Lock()
	defer c.rootMu.Unlock()
	if c.root != nil {
		err := c.tails.Rename(c.group.path(to), func() error { return c.renameLocked(to) })
		if err != nil {
			return fmt.Errorf("move chunk %d from %q to %q: %w", c.id, c.dir, to, err)
		}
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
		if err := g.root.MkdirAll(path.Dir(to), 0o770); err != nil {
			return err
		}
		return g.root.Rename(c.dir, to)
	}
	if to != "" {
		if err := g.root.MkdirAll(to, 0o770); err != nil {
			return err
		}
	}
	names := slices.Collect(maps.Keys(c.top))
	for i, name := range names {
		err := g.root.Rename(path.Join(c.dir, name), path.Join(to, name))
		if err != nil && !os.IsNotExist(err) {
			for _, moved := range names[:i] {
				// All or nothing: the handle below leads to one place.
				_ = g.root.Rename(path.Join(to, moved), path.Join(c.dir, moved))
			}
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
