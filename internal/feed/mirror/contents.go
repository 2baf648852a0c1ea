// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// contents compares what is in two files.
func (c *comparison) contents(d pair, n, path string) error {
	a, err := openToRead(d.a, n)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer a.Close()
	b, err := openToRead(d.b, n)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	defer b.Close()
	for at := int64(0); ; {
		at = max(at, min(dataFrom(a, at), dataFrom(b, at)))
		x, errA := readAt(a, c.x, at)
		y, errB := readAt(b, c.y, at)
		switch {
		case errA != nil:
			return fmt.Errorf("source: byte %d: %w", at, errA)
		case errB != nil:
			return fmt.Errorf("target: byte %d: %w", at, errB)
		case !bytes.Equal(x, y):
			at += int64(firstDifference(x, y))
			c.found(Difference{Path: path, What: fmt.Sprintf("contents, from byte %d on", at), contents: true})
			return nil
		case len(x) < len(c.x):
			return nil
		}
		at += int64(len(x))
	}
}

// openToRead opens a file, which may have become something else meanwhile, and leaves its
// time of access as it is where this process may.
func openToRead(dirfd int, n string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(dirfd, n, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = unix.Openat(dirfd, n, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), n), nil
}

// dataFrom returns where a file has data next: before that there is a hole. Where there is
// none, that is its end.
func dataFrom(f *os.File, at int64) int64 {
	next, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		next, err = unix.Seek(int(f.Fd()), 0, io.SeekEnd)
	}
	if err != nil {
		return at // a file system without holes
	}
	return next
}

// readAt fills p, but for the end of the file.
func readAt(f *os.File, p []byte, at int64) ([]byte, error) {
	n, err := f.ReadAt(p, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return p[:n], err
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
