// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// ownDir is the directory in the target that is the mirror's own.
const ownDir = ".weir-mirror"

// target changes the copy. Directories are opened one by one from the root, so that
// nothing leads out of it.
type target struct {
	dir    string
	root   int
	stage  int // the directory of what is parked
	top    changelog.FID
	state  *state
	opened map[changelog.FID]int
	most   int // of opened, see leastOpened
	// numbers says that objects are known by their numbers: handles do not outlast a mount.
	numbers bool
	xattrs  xattrRules
	unit    int64 // of times, in nanoseconds
	folds   bool  // takes names for the same that differ in case only
}

// openTarget opens a target, and makes its own directory.
func openTarget(dir string, top changelog.FID, st *state) (*target, error) {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	stage := filepath.Join(dir, ownDir, "staged")
	err = os.MkdirAll(stage, 0o700)
	fd := -1
	if err == nil {
		fd, err = unix.Open(stage, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		unix.Close(root)
		return nil, fmt.Errorf("%s: %w", stage, err)
	}
	t := &target{dir: dir, root: root, stage: fd, top: top, state: st, opened: map[changelog.FID]int{}, most: openedAtMost()}
	if err := errors.Join(t.know(), t.tick()); err != nil {
		t.close()
		return nil, err
	}
	if t.folds, err = t.probeFolds(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// probeFolds asks the mirror's own directory, which is of the same kind as the root.
func (t *target) probeFolds() (bool, error) {
	own, err := unix.Openat(t.stage, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(own)
	return foldsNames(own)
}

func (t *target) close() {
	t.forget()
	unix.Close(t.stage)
	unix.Close(t.root)
}

// forget closes directories that may be gone. Those that only moved stay open: what is
// open is the copy of the same directory, wherever it is.
func (t *target) forget() {
	for _, fd := range t.opened {
		unix.Close(fd)
	}
	clear(t.opened)
}

// Bounds of how many directories are kept open, and how many more a way down may take: where
// a tree is deeper than that, each object in it takes a way of its own.
const (
	leastOpened = 128
	mostOpened  = 4096
)

// openedAtMost is as many as leave room for other files of this process.
func openedAtMost() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return leastOpened
	}
	return int(min(max(limit.Cur/8, leastOpened), mostOpened))
}

// ChangedError tells that somebody else has changed the target: going on could destroy
// what is not the mirror's.
type ChangedError struct {
	Path  string
	What  string
	Since time.Time // zero: it was found now

	at name
}

func (e *ChangedError) Error() string {
	has := "has stopped"
	if !e.Since.IsZero() {
		has = "has been stopped since " + e.Since.Format(time.RFC3339)
	}
	return fmt.Sprintf("target %s: %s: changed by others; the mirror %s (--take-over goes on, and replaces what they have done there)", e.Path, e.What, has)
}

// lostError is the error of a directory that has no way to the root of the target.
type lostError struct{ dir changelog.FID }

func (e *lostError) Error() string { return fmt.Sprintf("directory %v is not in the target", e.dir) }

// isLost reports whether an error is a lostError.
func isLost(err error) bool {
	var lost *lostError
	return errors.As(err, &lost)
}

// openDir opens the copy of a directory. The descriptor is the target's, and good until
// the next call.
func (t *target) openDir(f changelog.FID) (int, error) {
	if len(t.opened) >= t.most {
		t.forget()
	}
	return t.openAnother(f)
}

// openAnother is openDir that leaves open what is.
func (t *target) openAnother(f changelog.FID) (int, error) {
	fd, way, err := t.wayTo(f)
	if err != nil {
		return -1, err
	}
	passing := -1 // a directory on the way that is not kept
	for i, n := range slices.Backward(way) {
		dir := f
		if i > 0 {
			dir = way[i-1].parent
		}
		next, err := t.step(fd, n, dir)
		if passing >= 0 {
			unix.Close(passing)
		}
		if err != nil {
			return -1, err
		}
		passing, fd = -1, next
		if i == 0 || len(t.opened) < 2*t.most {
			t.opened[dir] = fd
		} else {
			passing = fd
		}
	}
	return fd, nil
}

// wayTo returns the names that lead to a directory, its own first, from one that is open.
func (t *target) wayTo(f changelog.FID) (from int, way []name, err error) {
	for f != t.top {
		if fd, ok := t.opened[f]; ok {
			return fd, way, nil
		}
		if t.state.staged[f] {
			return t.stage, append(way, parked(f)), nil
		}
		n, err := t.placeOf(f)
		if err != nil {
			return -1, nil, err
		}
		way, f = append(way, n), n.parent
	}
	return t.root, way, nil
}

// step opens the copy of a directory by its name in another that is open.
func (t *target) step(dirfd int, n name, f changelog.FID) (int, error) {
	fd, err := unix.Openat(dirfd, n.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, t.surprise(n, err)
	}
	if err := t.check(fd, "", f, n); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// surprise explains an error that only a change by others can cause.
func (t *target) surprise(n name, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EEXIST) {
		return &ChangedError{Path: t.path(n), What: err.Error(), at: n}
	}
	return fmt.Errorf("target %s: %w", t.path(n), err)
}

// placeOf returns the name of a directory on the target.
func (t *target) placeOf(f changelog.FID) (name, error) {
	links, err := t.state.links(f)
	if err != nil {
		return name{}, err
	}
	if len(links) == 0 {
		return name{}, &lostError{f}
	}
	return links[0], nil
}

// path is a name's path on the target, for people.
func (t *target) path(n name) string {
	p := n.name
	for range 4096 {
		switch {
		case n.parent == t.top:
			return filepath.Join(t.dir, p)
		case n.parent == stageDir:
			return filepath.Join(t.dir, ownDir, "staged", p)
		case t.state.staged[n.parent]:
			p, n = filepath.Join(stagedName(n.parent), p), parked(n.parent)
			continue
		}
		up, err := t.placeOf(n.parent)
		if err != nil {
			break
		}
		p, n = filepath.Join(up.name, p), up
	}
	return "…/" + p
}

// handleAt returns the handle of a name in an open directory of the target, of that itself
// for an empty name.
func (t *target) handleAt(dirfd int, name string) (handle, error) {
	if t.numbers {
		var st unix.Stat_t
		err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
		return handle(fmt.Sprintf("number:%x:%d", st.Mode&unix.S_IFMT, st.Ino)), err
	}
	h, err := fanotify.HandleAt(dirfd, name)
	if err != nil {
		return "", err
	}
	return handle(fmt.Sprintf("%x:%x", h.Type, h.Bytes)), nil
}

// check makes sure that what is at a name is the copy of f and nothing else.
func (t *target) check(dirfd int, at string, f changelog.FID, n name) error {
	want, err := t.state.copyOf(f)
	if err != nil {
		return err
	}
	got, err := t.handleAt(dirfd, at)
	if err != nil {
		return t.surprise(n, err)
	}
	if got != want {
		return &ChangedError{Path: t.path(n), What: "it is another object than the mirror made", at: n}
	}
	return nil
}

// stagedName is the name of an object that is parked.
func stagedName(f changelog.FID) string { return fidKey(f) }

// stageDir stands for the directory of what is parked: no object has this FID.
var stageDir = changelog.FID{Seq: changelog.FIDTable, OID: 6}

// parked is where an object that is parked is.
func parked(f changelog.FID) name { return name{stageDir, stagedName(f)} }

// takeOut takes a name from the target: the object is unlinked if it has another name,
// and parked if not.
func (t *target) takeOut(n name, f changelog.FID) error {
	dir, err := t.openDir(n.parent)
	if err != nil {
		return err
	}
	if err := t.check(dir, n.name, f, n); err != nil {
		return err
	}
	links, err := t.state.links(f)
	if err != nil {
		return err
	}
	if len(links) > 1 || t.state.staged[f] {
		err = unix.Unlinkat(dir, n.name, 0)
	} else {
		err = renameNew(dir, n.name, t.stage, stagedName(f))
		t.state.staged[f] = true
	}
	if err != nil {
		return t.surprise(n, err)
	}
	return t.state.set(n, changelog.FID{})
}

// putBack gives a parked object a name.
func (t *target) putBack(n name, f changelog.FID) error {
	dir, err := t.openDir(n.parent)
	if err != nil {
		return err
	}
	if err := t.check(t.stage, stagedName(f), f, parked(f)); err != nil {
		return err
	}
	if err := renameNew(t.stage, stagedName(f), dir, n.name); err != nil {
		return t.refusal(dir, n, true, err)
	}
	delete(t.state.staged, f)
	return t.state.set(n, f)
}

// link gives an object that has a name another one.
func (t *target) link(from, to name, f changelog.FID) error {
	a, err := t.openDir(from.parent)
	if err != nil {
		return err
	}
	b, err := t.openAnother(to.parent)
	if err != nil {
		return err
	}
	if err := t.check(a, from.name, f, from); err != nil {
		return err
	}
	if err := unix.Linkat(a, from.name, b, to.name, 0); err != nil {
		return t.refusal(b, to, false, err)
	}
	return t.state.set(to, f)
}

// create makes the copy of an object, empty and parked: there it is known to be the
// mirror's, whatever happens before it is written down as such.
func (t *target) create(f changelog.FID, st *unix.Stat_t, link string) (c copied, err error) {
	base := stagedName(f)
	switch mode := st.Mode & unix.S_IFMT; mode {
	case unix.S_IFDIR:
		c.isDir = true
		err = unix.Mkdirat(t.stage, base, 0o700)
	case unix.S_IFLNK:
		err = unix.Symlinkat(link, t.stage, base)
	case unix.S_IFREG:
		var fd int
		fd, err = unix.Openat(t.stage, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			err = unix.Close(fd)
		}
	default:
		err = unix.Mknodat(t.stage, base, mode|0o600, int(st.Rdev))
	}
	if err != nil {
		return c, err
	}
	c.of = f
	if c.is, err = t.handleAt(t.stage, base); err != nil {
		err = fmt.Errorf("file handle: %w", err)
	}
	return c, err
}

// sync has all that was changed written to disk.
func (t *target) sync() error {
	if err := unix.Syncfs(t.root); err != nil {
		return fmt.Errorf("target %s: syncfs: %w", t.dir, err)
	}
	return nil
}
