// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// place has a name stand for an object that was found there: one that came from where
// it is no more, or one that is new.
func (w *worker) place(at name, f changelog.FID, l *look, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if o.exists && o.Links > 0 {
		from, ok := w.index.someLink(f)
		if ok && l.isDir() {
			return w.move(from, at, f, changelog.FID{}, how)
		}
		if ok {
			is, err := w.resolve(from)
			if err != nil {
				return err
			}
			if is != f {
				return w.move(from, at, f, changelog.FID{}, how)
			}
		}
	}
	return w.add(at, f, l.isDir(), how)
}

// displace takes a name from an object that another has now. A directory is left in
// the list of what is missing if it cannot be found.
func (w *worker) displace(at name, f changelog.FID, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if !o.isDir() {
		return w.take(at, f, how)
	}
	now, err := w.whereIs(f)
	if err != nil {
		return err
	}
	if now == (name{}) || now == at {
		return w.takeTree(at, f, how, 0)
	}
	return w.move(at, now, f, changelog.FID{}, how)
}

// whereIs finds the name of a directory on the disk, the zero name if it is gone or
// lies where the index knows no directory.
func (w *worker) whereIs(f changelog.FID) (name, error) {
	fd, err := w.disk.openFID(f, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return name{}, err
	}
	defer unix.Close(fd)
	above, err := fanotify.HandleAt(fd, "..")
	if err != nil {
		return name{}, err
	}
	parent, err := fidOf(above)
	if err != nil {
		return name{}, err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return name{}, err
	}
	if o, err := w.index.object(parent); err != nil || !o.exists && parent != w.index.root {
		return name{}, err
	}
	found := name{parent, baseName(path)}
	if was, err := w.index.dirent(found); err != nil || !was.IsZero() {
		return name{}, err // its place is taken by the index: it is found when that is visited
	}
	return found, nil
}

func baseName(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// adopt tells of an object that was found at a name. A directory that the journal has
// elsewhere moved from there.
func (w *worker) adopt(at name, f changelog.FID, how addition) error {
	l, err := w.disk.look(f)
	if err != nil || l.gone {
		return err
	}
	isDir := l.isDir()
	if from, ok := w.index.place(f); isDir && ok {
		return w.move(from, at, f, changelog.FID{}, how)
	}
	return w.add(at, f, isDir, how)
}

// takeTree takes a name with all that the index has below it, children first.
func (w *worker) takeTree(at name, f changelog.FID, how addition, depth int) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if o.isDir() {
		if err := w.takeBelow(f, how, depth); err != nil {
			return err
		}
	}
	return w.take(at, f, how)
}

// takeBelow takes all names that the index has below a directory.
func (w *worker) takeBelow(f changelog.FID, how addition, depth int) error {
	if depth >= maxDepth {
		return nil
	}
	children, err := w.index.children(f)
	if err != nil {
		return err
	}
	for n, child := range children {
		if err := w.takeTree(name{f, n}, child, how, depth+1); err != nil {
			return err
		}
	}
	return nil
}
