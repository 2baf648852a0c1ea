// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// pathOf is the path that the kernel has for something open. It has none that is longer than
// a page.
func pathOf(fd int) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

// climb is whereIs for an open directory that lies too deep to have a path: its name is the one
// of its parent's that stands for it, and that it is inside is known by a directory above.
func (s *source) climb(fd int) (name, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Nlink == 0 {
		return name{}, err
	}
	f, err := fidAt(fd, "")
	if err != nil {
		return name{}, err
	}
	parent, err := unix.Openat(fd, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return name{}, err
	}
	up := os.NewFile(uintptr(parent), "the directory above "+f.String())
	defer up.Close()
	in, err := s.isBelow(parent)
	if err != nil || !in {
		return name{}, err
	}
	at := name{}
	if at.parent, err = fidAt(parent, ""); err != nil {
		return name{}, err
	}
	if at.name, err = nameOf(up, f); err != nil || at.name == "" {
		return name{}, err // it has moved meanwhile, which a record tells
	}
	return at, nil
}

// isBelow reports whether an open directory lies below the mirrored one.
func (s *source) isBelow(fd int) (bool, error) {
	path, err := pathOf(fd)
	if err == nil {
		return s.holds(path), nil
	}
	if !errors.Is(err, unix.ENAMETOOLONG) {
		return false, err
	}
	up, err := unix.Openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(up)
	return s.isBelow(up)
}

// nameOf returns the name in a directory that stands for an object, empty for none.
func nameOf(dir *os.File, f changelog.FID) (string, error) {
	for {
		names, err := dir.Readdirnames(chunk)
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for _, n := range names {
			is, err := fidAt(int(dir.Fd()), n)
			if err == nil && is == f {
				return n, nil
			}
		}
	}
}
