// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// output is a directory that is built beside its place: nothing has its name
// before it is complete.
type output struct {
	place  string
	hidden string   // directory of the work, nobody else's
	lock   *os.File // hidden, locked while the process lives
	root   string   // in it, what becomes the output
}

// newOutput begins a directory whose place must be free, or an empty directory.
// What killed conversions to that place have left behind is removed.
func newOutput(place string) (*output, error) {
	place = filepath.Clean(place)
	if err := checkFree(place); err != nil {
		return nil, err
	}
	sweep(place)
	hidden, lock, err := makeHidden(place)
	if err != nil {
		return nil, err
	}
	o := &output{place, hidden, lock, filepath.Join(hidden, newName)}
	if err := os.Mkdir(o.root, 0o777); err != nil {
		return nil, errors.Join(err, o.remove())
	}
	return o, nil
}

// newName is the name of the output before it has its own.
const newName = "new"

// hiddenPrefix begins the names of directories in which what is to be at a place
// is built; digits follow.
func hiddenPrefix(place string) string { return "." + filepath.Base(place) + ".convert-" }

// makeHidden makes the directory of the work and locks it.
func makeHidden(place string) (string, *os.File, error) {
	for {
		dir, err := os.MkdirTemp(filepath.Dir(place), hiddenPrefix(place)+"*")
		if err != nil {
			return "", nil, err
		}
		lock, err := lockDir(dir, 0)
		if err == nil {
			return dir, lock, nil
		}
		// Another conversion may have taken it for one that nobody works on,
		// before it was locked.
		if !errors.Is(err, os.ErrNotExist) {
			return "", nil, errors.Join(err, os.Remove(dir))
		}
	}
}

// lockDir locks a directory that has its name still when it is locked. Where a
// file system knows no locks, nobody else gets one either.
func lockDir(dir string, how int) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|how)
	if err != nil && how != 0 {
		f.Close()
		return nil, err
	}
	mine, err1 := f.Stat()
	named, err2 := os.Lstat(dir)
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(mine, named) {
		f.Close()
		return nil, errors.Join(os.ErrNotExist, err)
	}
	return f, nil
}

// sweep removes what conversions to a place have left behind that were killed.
// That it cannot is no reason not to convert.
func sweep(place string) {
	parent := filepath.Dir(place)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), hiddenPrefix(place))
		if !ok || !e.IsDir() || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		lock, err := lockDir(dir, syscall.LOCK_NB)
		if err != nil {
			continue // somebody works in it
		}
		if names, err := lock.Readdirnames(-1); err == nil && (len(names) == 0 || len(names) == 1 && names[0] == newName) {
			_ = os.RemoveAll(dir) // what is left over is tried again
		}
		lock.Close()
	}
}

// checkFree refuses a place where something is.
func checkFree(place string) error {
	info, err := os.Lstat(place)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("output %s: a symbolic link: %w: want a new or an empty directory", place, os.ErrExist)
	}
	d, err := os.Open(place)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("output %s: %w: want a new or an empty directory", place, os.ErrExist)
	}
	return nil
}

// finish moves the directory to its place.
func (o *output) finish() error {
	defer o.lock.Close()
	// os.Rename refuses to take the place of an empty directory.
	if err := syscall.Rename(o.root, o.place); err != nil {
		return errors.Join(&os.LinkError{Op: "rename", Old: o.root, New: o.place, Err: err}, o.remove())
	}
	return os.Remove(o.hidden)
}

// remove gives up.
func (o *output) remove() error {
	defer o.lock.Close()
	return os.RemoveAll(o.hidden)
}
