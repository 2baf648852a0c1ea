// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"path/filepath"
)

// Dir is a directory below which followed files lie: a chunk directory. All
// methods may be called on a nil Dir.
type Dir struct {
	// Immutable after Table.Dir.
	t     *Table
	index uint32

	// Guarded by t.mu.
	refs     int // slots that follow a file here, and the owner until Release
	renaming bool
	released bool
	freed    bool
}

// Dir returns a record for the directory with the given absolute path. It is
// nil, and counted, when the table has no room for it or the path is longer
// than 4088 bytes: files in it then go unprotected.
func (t *Table) Dir(path string) *Dir {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !validPath(path) {
		t.stats.Unprotected++
		return nil
	}
	i, err := t.takeLocked(&t.freeDirs, &t.dirTop, t.layout.dirs, &t.dirSpace, dirLen, headerDirTop)
	if err != nil {
		t.stats.Unprotected++
		return nil
	}
	d := &Dir{t: t, index: i, refs: 1}
	t.stats.Dirs++
	putPath(t.mem[t.layout.dir(i)+pathAt(false):], path)
	d.storeState(dirUsed)
	return d
}

// validPath says whether a directory's path can be recorded.
func validPath(path string) bool {
	return filepath.IsAbs(path) && len(path) <= maxPath
}

// Rename records newPath (absolute) as the directory's other path, calls do,
// which renames, and makes newPath the current one. A crash in between finds the
// files under either path, and so it does after an error of do, which may have
// moved a part. Only one Rename of a directory runs at a time: a second one
// returns [ErrRenaming] and does nothing.
func (d *Dir) Rename(newPath string, do func() error) error {
	if d == nil {
		return do()
	}
	next, recorded, err := d.announce(newPath)
	if err != nil {
		return err
	}
	err = do()
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	d.renaming = false
	if recorded && err == nil {
		d.storeState(next)
	}
	d.freeLocked()
	return err
}

// announce records newPath as the other path. It returns the state that makes
// it the current one, and whether it could be recorded at all.
func (d *Dir) announce(newPath string) (next uint32, recorded bool, err error) {
	t := d.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.renaming {
		return 0, false, ErrRenaming
	}
	d.renaming = true
	if d.freed || !validPath(newPath) {
		t.stats.Unprotected++
		return 0, false, nil
	}
	current := d.loadState() &^ dirOther
	next = current ^ dirSecond
	d.storeState(current)
	putPath(t.mem[t.layout.dir(d.index)+pathAt(next&dirSecond != 0):], newPath)
	d.storeState(current | dirOther)
	return next, true, nil
}

// Release gives the record back as soon as no slot follows a file in it.
func (d *Dir) Release() {
	if d == nil {
		return
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	if d.released {
		return
	}
	d.released = true
	d.unrefLocked()
}

func (d *Dir) unrefLocked() {
	d.refs--
	d.freeLocked()
}

// freeLocked frees the record when neither a slot, nor the owner, nor a Rename
// needs it.
func (d *Dir) freeLocked() {
	if d.refs > 0 || d.renaming || d.freed {
		return
	}
	d.freed = true
	d.storeState(0)
	d.t.freeDirs = append(d.t.freeDirs, d.index)
	d.t.stats.Dirs--
	d.t.releaseLocked()
}

func (d *Dir) loadState() uint32   { return d.t.u32(d.t.layout.dir(d.index)).Load() }
func (d *Dir) storeState(s uint32) { d.t.u32(d.t.layout.dir(d.index)).Store(s) }
