// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// FS is a mounted proc file system, or a directory that looks like one.
type FS struct {
	root dir
}

// Open opens the directory: "/proc".
func Open(path string) (*FS, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &FS{root: dir(fd)}, nil
}

// Close gives the handle back.
func (fs *FS) Close() error { return fs.root.close() }

// dir is the handle of a directory. That of a process goes on to mean it, also
// when its number is given to another: all files are gone then.
type dir int

func (d dir) close() error { return unix.Close(int(d)) }

func (d dir) openat(path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(int(d), path, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// open opens a directory below.
func (d dir) open(path string) (dir, error) {
	fd, err := d.openat(path, unix.O_PATH|unix.O_DIRECTORY)
	return dir(fd), err
}

// maxFile bounds what is read of a file. The longest has a line for each interrupt
// with a column for each CPU.
const maxFile = 64 << 20

// read reads a file into the room of b, which it makes larger where that is
// needed.
func (d dir) read(path string, b []byte) ([]byte, error) {
	fd, err := d.openat(path, unix.O_RDONLY)
	if err != nil {
		return b[:0], err
	}
	defer unix.Close(fd)
	for b = b[:0]; len(b) < maxFile; {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(4096, len(b)))
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return b[:0], err
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
	}
	return b, nil
}

// readlink returns where a link leads, in the room of b: "" if it is longer.
func (d dir) readlink(path string, b []byte) ([]byte, error) {
	n, err := unix.Readlinkat(int(d), path, b)
	if err != nil {
		return nil, err
	}
	if n == len(b) {
		return nil, unix.ENAMETOOLONG
	}
	return b[:n], nil
}

// numbers appends the names below that are numbers, in order.
func (d dir) numbers(path string, list []int32) ([]int32, error) {
	fd, err := d.openat(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return list, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	begin := len(list)
	for {
		names, err := f.Readdirnames(4096)
		for _, name := range names {
			if n, err := strconv.ParseInt(name, 10, 32); err == nil && n >= 0 {
				list = append(list, int32(n))
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			slices.Sort(list[begin:])
			return list, nil
		case err != nil:
			return list[:begin], err
		}
	}
}

// refused reports whether an error says that this process may not look.
func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }
