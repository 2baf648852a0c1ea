// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// trashPrefix begins the name of what is being deleted. It is renamed first,
// in one step and while no session can begin to use it, so that a long
// deletion needs no lock and a crash in its middle leaves no half session.
const trashPrefix = ".weir-removed-"

func isTrash(name string) bool { return strings.HasPrefix(name, trashPrefix) }

// RemoveSession deletes all of a closed session, and the directories above it
// that this leaves empty; the output directory stays. ErrInUse: the session,
// or one that shares directories with it, is open. ErrNotStored: there is no
// such directory.
func (c *Catalog) RemoveSession(ctx context.Context, s StoredSession) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Dir == "" {
		return fmt.Errorf("session %s: %w", s.Dir, ErrInUse)
	}
	out, parent, err := c.openParent(s.Dir)
	if err != nil {
		return fmt.Errorf("session %s: %w", s.Dir, err)
	}
	defer out.Close()
	defer parent.Close()
	var trash string
	err = c.store.whileNobodyIn(s.Dir, func() error {
		trash, err = moveAside(parent, path.Base(s.Dir))
		return err
	})
	if err != nil {
		return fmt.Errorf("session %s: %w", s.Dir, notStored(err))
	}
	c.store.dropStored(func(_, file string) bool { return within(file, s.Dir) })
	return c.dispose(out, parent, path.Dir(s.Dir), trash)
}

// RemoveChunk deletes one chunk of a session. Errors are those of
// RemoveSession; a chunk of an open session can be removed when it is closed.
func (c *Catalog) RemoveChunk(ctx context.Context, s StoredSession, chunk StoredChunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Dir == "" || chunk.State == ChunkOpen {
		return fmt.Errorf("chunk %s of session %s: %w", chunk.ID, s.Dir, ErrInUse)
	}
	var err error
	if chunk.sub == "" {
		err = c.removeRootChunk(ctx, s)
	} else {
		err = c.removeChunkDir(s, chunk)
	}
	if err != nil {
		return fmt.Errorf("chunk %s of session %s: %w", chunk.ID, s.Dir, err)
	}
	return nil
}

func (c *Catalog) removeChunkDir(s StoredSession, chunk StoredChunk) error {
	out, parent, err := c.openParent(chunk.Dir)
	if err != nil {
		return err
	}
	defer out.Close()
	defer parent.Close()
	var trash string
	err = c.store.whileUnused(s.Dir, []string{chunk.sub}, func() error {
		trash, err = moveAside(parent, path.Base(chunk.Dir))
		return err
	})
	if err != nil {
		return notStored(err)
	}
	c.store.dropStored(func(dir, _ string) bool { return dir == chunk.Dir })
	return c.dispose(out, parent, path.Dir(chunk.Dir), trash)
}

// removeRootChunk deletes what lies in the session directory beside its other
// chunks.
func (c *Catalog) removeRootChunk(ctx context.Context, s StoredSession) error {
	out, err := os.OpenRoot(c.store.opts.Output)
	if err != nil {
		return notStored(err)
	}
	defer out.Close()
	dir, err := openBelow(out, s.Dir)
	if err != nil {
		return notStored(err)
	}
	defer dir.Close()
	subs, err := c.rootEntries(ctx, dir, s.Dir)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		return c.removeEmptySession(out, s)
	}
	var trash string
	err = c.store.whileUnused(s.Dir, append(subs, ""), func() error {
		trash, err = gather(dir, subs)
		return err
	})
	if err != nil {
		return notStored(err)
	}
	c.store.dropStored(func(chunkDir, _ string) bool { return chunkDir == s.Dir })
	return c.dispose(out, dir, s.Dir, trash)
}

// removeEmptySession removes what a session without any chunk has left.
func (c *Catalog) removeEmptySession(out *os.Root, s StoredSession) error {
	if len(s.Chunks) > 0 {
		return ErrNotStored
	}
	c.prune(out, s.Dir)
	return nil
}

// rootEntries lists what of a session directory is the chunk in it.
func (c *Catalog) rootEntries(ctx context.Context, dir *os.Root, name string) ([]string, error) {
	w := newWalker(ctx, c, &Inventory{})
	entries, err := w.read(dir)
	if err != nil {
		return nil, err
	}
	p := w.sort(dir, name, strings.Count(name, "/")+1, entries)
	if w.inv.Truncated {
		return nil, fmt.Errorf("%w: more than %d files", ErrLimit, c.limits.DirEntries)
	}
	subs := make([]string, 0, len(p.rest))
	for _, e := range p.rest {
		subs = append(subs, e.Name())
	}
	return subs, nil
}

// removeLeftover finishes a removal that was interrupted.
func (c *Catalog) removeLeftover(dir string) error {
	if !isTrash(path.Base(dir)) {
		return fmt.Errorf("%s: %w", dir, ErrNotStored)
	}
	out, parent, err := c.openParent(dir)
	if err != nil {
		return err
	}
	defer out.Close()
	defer parent.Close()
	return c.dispose(out, parent, path.Dir(dir), path.Base(dir))
}

// dispose deletes what was moved aside in parent, which is dir below out, and
// then what this leaves empty.
func (c *Catalog) dispose(out, parent *os.Root, dir, trash string) error {
	c.changes.Add(1)
	if err := parent.RemoveAll(trash); err != nil {
		return fmt.Errorf("delete %s: %w", path.Join(dir, trash), err)
	}
	c.prune(out, dir)
	return nil
}

// prune removes dir and the directories above it as long as they are empty.
func (c *Catalog) prune(out *os.Root, dir string) {
	for dir != "." && dir != "" && c.store.removeEmpty(out, dir) {
		dir = path.Dir(dir)
	}
	c.changes.Add(1)
}

// openParent opens the output directory and, in it, the one that holds dir.
func (c *Catalog) openParent(dir string) (out, parent *os.Root, err error) {
	out, err = os.OpenRoot(c.store.opts.Output)
	if err != nil {
		return nil, nil, notStored(err)
	}
	parent, err = openBelow(out, path.Dir(dir))
	if err != nil {
		out.Close()
		return nil, nil, notStored(err)
	}
	return out, parent, nil
}

// notStored turns the absence of a directory, also by one that is not the same
// any more, into ErrNotStored.
func notStored(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	return err
}

// moveAside gives a directory a name under which it is about to be deleted. A
// symbolic link is refused: it is not what was measured.
func moveAside(parent *os.Root, name string) (string, error) {
	info, err := parent.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s: %w", name, errReplaced)
	}
	trash, err := freeTrash(parent)
	if err != nil {
		return "", err
	}
	return trash, parent.Rename(name, trash)
}

// gather moves entries of a directory into one that is about to be deleted.
func gather(dir *os.Root, names []string) (string, error) {
	trash, err := freeTrash(dir)
	if err != nil {
		return "", err
	}
	if err := dir.Mkdir(trash, 0o770); err != nil {
		return "", err
	}
	for _, name := range names {
		if err := dir.Rename(name, path.Join(trash, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return trash, nil
}

// freeTrash returns a name that nothing in the directory has.
func freeTrash(parent *os.Root) (string, error) {
	for n := range maxSuffix {
		name := trashPrefix + strconv.Itoa(n)
		if _, err := parent.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: %d unfinished removals", ErrLimit, maxSuffix)
}

// whileNobodyIn calls do while no session can begin to use dir, or returns
// ErrInUse. The store's lock is held: do must be short, it renames.
func (s *Store) whileNobodyIn(dir string, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUseLocked(dir) {
		return ErrInUse
	}
	return do()
}

// removeEmpty removes dir if it is empty and no session may count on it, and
// reports whether it did. The archives of an open session are made anew under
// the lock that is held here.
func (s *Store) removeEmpty(out *os.Root, dir string) bool {
	parent, err := openBelow(out, path.Dir(dir))
	if err != nil {
		return false
	}
	defer parent.Close()
	if path.Base(dir) == archivesDir {
		if g := s.groupAt(path.Dir(dir)); g != nil {
			defer g.put()
			g.mu.Lock()
			defer g.mu.Unlock()
			return removeEmptyDir(parent, archivesDir) == nil
		}
	}
	return s.whileNobodyIn(dir, func() error { return removeEmptyDir(parent, path.Base(dir)) }) == nil
}

// removeEmptyDir removes a directory, and nothing else.
func removeEmptyDir(parent *os.Root, name string) error {
	info, err := parent.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fs.ErrInvalid
	}
	return parent.Remove(name)
}
