// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// checkApart refuses a source within its target, and the reverse. Paths do not tell all: a
// directory may be mounted at another place, too, and a mirror into its own source has no end.
func checkApart(source, target string) error {
	for _, of := range [][2]string{{target, source}, {source, target}} {
		in, err := isWithin(of[0], of[1])
		if err != nil {
			return err
		}
		if in {
			return fmt.Errorf("source %s and target %s: one is within the other", source, target)
		}
	}
	return nil
}

// isWithin reports whether a directory, or the one that it is to be made in, is another one or
// lies below it.
func isWithin(dir, other string) (bool, error) {
	if dir == other || strings.HasPrefix(dir, strings.TrimSuffix(other, "/")+"/") {
		return true, nil
	}
	at, err := openExisting(dir)
	if err != nil {
		return false, err
	}
	defer unix.Close(at)
	root, err := fanotify.OpenRoot(other)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer root.Close()
	h, err := fanotify.HandleAt(at, "")
	if err != nil {
		return false, nil // its file system has no handles, and is not the other one's
	}
	seen, err := root.Open(h, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false, nil // as above
	}
	if !isSame(seen, at) { // another file system may have the same handle
		unix.Close(seen)
		return false, nil
	}
	return leadsUpTo(seen, root.FD())
}

// openExisting opens a directory, or the first above it that there is.
func openExisting(dir string) (int, error) {
	for {
		fd, err := openDirAt(unix.AT_FDCWD, dir)
		up := filepath.Dir(dir)
		if err == nil || !errors.Is(err, unix.ENOENT) || up == dir {
			if err != nil {
				err = &os.PathError{Op: "open", Path: dir, Err: err}
			}
			return fd, err
		}
		dir = up
	}
}

// leadsUpTo reports whether an open directory is another one or lies below it on the same
// mount. It closes the directory.
func leadsUpTo(fd, top int) (bool, error) {
	for {
		if isSame(fd, top) {
			return true, unix.Close(fd)
		}
		up, err := openDirAt(fd, "..")
		if errors.Is(err, unix.ENOENT) { // the mount shows a part of the file system, and it is outside
			return false, unix.Close(fd)
		}
		if err != nil {
			unix.Close(fd)
			return false, fmt.Errorf("open the directory above: %w", err)
		}
		end := isSame(fd, up)
		unix.Close(fd)
		if end {
			return false, unix.Close(up)
		}
		fd = up
	}
}

// isSame reports whether two open files are one.
func isSame(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}
