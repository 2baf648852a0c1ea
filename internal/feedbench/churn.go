// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// churner is a thread of Churn. It has its directory open, names files in it by buffers of
// its own, and calls the kernel without telling Go's scheduler, from a thread of the
// system's that does nothing else: none of the calls waits for anybody, and what names,
// memory for them and the scheduler take (a sixth of all on ext4) would be taken for a part
// of the changes, whose cost and rate are what is measured.
type churner struct {
	path     string // of its directory
	dir      uintptr
	old, new fileName
	content  [1]byte
}

// fileName is a name that ends in 0.
type fileName [32]byte

// newChurner makes the directory of a thread, if it is not there, and opens it.
func newChurner(path string) (*churner, error) {
	if err := unix.Mkdir(path, 0o755); err != nil && err != unix.EEXIST {
		return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &churner{path: path, dir: uintptr(fd), content: [1]byte{'x'}}, nil
}

func (c *churner) close() error { return unix.Close(int(c.dir)) }

// one makes the i-th file, writes to it, renames and removes it.
func (c *churner) one(i int) error {
	c.old.set('a', i)
	c.new.set('z', i)
	if err := c.make(); err != nil {
		return err
	}
	_, _, e := unix.RawSyscall6(unix.SYS_RENAMEAT2, c.dir, uintptr(unsafe.Pointer(&c.old)), c.dir, uintptr(unsafe.Pointer(&c.new)), 0, 0)
	if e != 0 {
		return c.failed("rename", &c.old, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_UNLINKAT, c.dir, uintptr(unsafe.Pointer(&c.new)), 0); e != 0 {
		return c.failed("unlink", &c.new, e)
	}
	return nil
}

// make makes a file that has one byte.
func (c *churner) make() error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_CLOEXEC
	fd, _, e := unix.RawSyscall6(unix.SYS_OPENAT, c.dir, uintptr(unsafe.Pointer(&c.old)), flags, 0o644, 0, 0)
	if e != 0 {
		return c.failed("open", &c.old, e)
	}
	n, _, wrote := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&c.content)), 1)
	_, _, closed := unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	switch {
	case wrote != 0:
		return c.failed("write", &c.old, wrote)
	case n != 1:
		return c.failed("write", &c.old, fmt.Errorf("got %d bytes, want 1", n))
	case closed != 0:
		return c.failed("close", &c.old, closed)
	}
	return nil
}

func (c *churner) failed(op string, n *fileName, err error) error {
	return &fs.PathError{Op: op, Path: filepath.Join(c.path, unix.ByteSliceToString(n[:])), Err: err}
}

func (n *fileName) set(prefix byte, i int) {
	b := strconv.AppendInt(append(n[:0], prefix), int64(i), 10)
	n[len(b)] = 0
}
