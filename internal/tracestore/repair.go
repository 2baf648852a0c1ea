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
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/lttng"
)

// Repair puts chunks that a killed relay left in the middle of a rotation where
// they can stay, and deletes what it was deleting. What changed at or after the
// time before (the start of the process), or belongs to a session of this or
// another living relay, is left alone. It returns the number of chunks moved.
//
// What the producer said of the chunk died with the relay: it gets the time at
// which its directory was made, and the number that follows those known.
func (c *Catalog) Repair(ctx context.Context, before time.Time) (moved int, err error) {
	inv, err := c.List(ctx, 0)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, dir := range inv.Leftovers {
		if err := c.removeLeftover(dir); err != nil && !errors.Is(err, ErrNotStored) {
			errs = append(errs, err)
		}
	}
	for _, s := range inv.Sessions {
		if ctx.Err() != nil {
			break
		}
		n, err := c.repairSession(&s, before)
		if moved += n; err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotStored) {
			errs = append(errs, err)
		}
	}
	if moved > 0 {
		c.changes.Add(1)
	}
	return moved, errors.Join(errs...)
}

// unfinished is what a rotation had in hand in a session directory.
type unfinished struct {
	old, next []StoredChunk // in places for the time of a rotation
	root      bool          // a chunk lies in the session directory itself
	last      int64         // highest number of an archived chunk, -1 = none
	follows   int64         // highest number of another one, -1 = none
}

func unfinishedOf(s *StoredSession) unfinished {
	u := unfinished{last: -1, follows: -1}
	for _, chunk := range s.Chunks {
		switch {
		case isTemporary(chunk.sub, oldChunkDir):
			u.old = append(u.old, chunk)
		case isTemporary(chunk.sub, newChunkDir):
			u.next = append(u.next, chunk)
		case chunk.sub == "":
			u.root = true
		case chunk.State == ChunkArchived:
			u.last = max(u.last, chunk.Number)
		case chunk.State == ChunkClosed:
			u.follows = max(u.follows, chunk.Number)
		}
	}
	return u
}

func (c *Catalog) repairSession(s *StoredSession, before time.Time) (moved int, err error) {
	u := unfinishedOf(s)
	if s.Dir == "" || len(u.old)+len(u.next) == 0 {
		return 0, nil
	}
	out, err := os.OpenRoot(c.store.opts.Output)
	if err != nil {
		return 0, notStored(err)
	}
	defer out.Close()
	root, err := openBelow(out, s.Dir)
	if err != nil {
		return 0, notStored(err)
	}
	defer root.Close()
	err = c.store.whileNobodyIn(s.Dir, func() error {
		unlock, err := lockDir(root, unix.LOCK_EX)
		if err != nil {
			return err
		}
		defer unlock()
		moved, err = u.finish(root, before, c.store.opts.Location)
		return err
	})
	if err != nil {
		return moved, fmt.Errorf("repair session %s: %w", s.Dir, err)
	}
	return moved, nil
}

// finish moves the chunks, the older ones first.
func (u *unfinished) finish(root *os.Root, before time.Time, loc *time.Location) (moved int, err error) {
	number := u.last + 1
	if len(u.next) == 0 && u.follows >= 0 {
		number = max(u.follows-1, 0)
	} else if len(u.next) > 0 {
		number = max(number, u.follows+1)
	}
	for _, chunk := range append(u.old, u.next...) {
		id := number
		if chunk.Number >= 0 {
			id = chunk.Number
		} else if isTemporary(chunk.sub, newChunkDir) && len(u.old) == 0 {
			id = max(number, 1) // the one before is there, or was cleared
		}
		number = id + 1
		made, changed, err := timesOf(root, chunk.sub)
		if err != nil {
			return moved, err
		}
		if !changed.Before(before) {
			continue
		}
		to := chunkDirName(uint64(made.Unix()), lttng.ChunkID(id), loc)
		if isTemporary(chunk.sub, oldChunkDir) && !u.root && u.last < 0 && u.follows < 0 {
			to, u.root = "", true
		}
		if err := moveEntries(root, chunk.sub, to); err != nil {
			return moved, err
		}
		moved++
	}
	return moved, nil
}

// moveEntries moves a directory, or, where it is to be the session directory
// itself, what is in it.
func moveEntries(root *os.Root, from, to string) error {
	if to != "" {
		if _, err := root.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move %s: %s: %w", from, to, errors.Join(fs.ErrExist, err))
		}
		return root.Rename(from, to)
	}
	dir, err := root.Open(from)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := root.Rename(path.Join(from, name), name); err != nil {
			return err
		}
	}
	return root.Remove(from)
}

// timesOf returns when a directory was made, as far as the file system knows,
// and when it was last changed.
func timesOf(root *os.Root, name string) (made, changed time.Time, err error) {
	dir, err := root.Open(name)
	if err != nil {
		return made, changed, err
	}
	defer dir.Close()
	var st unix.Statx_t
	if err := unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME|unix.STATX_MTIME, &st); err != nil {
		return made, changed, fmt.Errorf("%s: %w", name, err)
	}
	changed = time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))
	if made = changed; st.Mask&unix.STATX_BTIME != 0 {
		made = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
	return made, changed, nil
}

// lockDir locks a session directory: shared by the groups that use it,
// exclusively by who repairs it. ErrInUse: another process has the other kind.
// File systems without locks are used without.
func lockDir(root *os.Root, kind int) (unlock func(), err error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), kind|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		dir.Close()
		return nil, ErrInUse
	}
	// Closing it ends the lock.
	return func() { dir.Close() }, nil
}
