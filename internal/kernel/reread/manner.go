// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// manner is how the kernel is called.
type manner bool

// The run-time is told of usual calls, so that other goroutines have the processor
// while the kernel waits for something. A prompt call holds the processor: it is for
// files that the kernel makes up from its memory within microseconds.
//
// That saves more than it seems to. The first call that the run-time is told of
// after a rest wakes its monitor of threads, which then wakes itself every 20 µs
// until all rests again: on an otherwise idle host that costs as much as reading
// some files does.
const (
	usual  manner = false
	prompt manner = true
)

func (m manner) pread(fd int, b []byte, at int64) (n int, err error) {
	for err = error(unix.EINTR); err == unix.EINTR; { // a signal came between
		if m == prompt {
			n, err = promptPread(fd, b, at)
		} else {
			n, err = unix.Pread(fd, b, at)
		}
	}
	return n, err
}

func (m manner) openat(dir int, name []byte, flags int) (fd int, err error) {
	for err = error(unix.EINTR); err == unix.EINTR; {
		if m == prompt {
			fd, err = promptOpenat(dir, name, flags)
		} else {
			fd, err = usualOpenat(dir, name, flags)
		}
	}
	return fd, err
}

func (m manner) fstat(fd int, st *unix.Stat_t) error {
	if m == prompt {
		return promptFstat(fd, st)
	}
	return unix.Fstat(fd, st)
}

func (m manner) close(fd int) {
	if m == prompt {
		promptClose(fd)
	} else {
		unix.Close(fd)
	}
}

// usualOpenat takes a name that ends in zero and no string, so that it allocates
// nothing.
func usualOpenat(dir int, name []byte, flags int) (int, error) {
	fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])), uintptr(flags), 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// openRegular opens a regular file.
func (m manner) openRegular(dir int, name []byte) (int, error) {
	fd, err := m.openat(dir, name, flags)
	if err != nil {
		return -1, err
	}
	if err := m.regular(fd, nil); err != nil {
		m.close(fd)
		return -1, err
	}
	return fd, nil
}

// regular refuses what is no regular file, and returns the owner of one.
func (m manner) regular(fd int, uid *uint32) error {
	var st unix.Stat_t
	if err := m.fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	if uid != nil {
		*uid = st.Uid
	}
	return nil
}

func (m manner) links(fd int) uint64 {
	var st unix.Stat_t
	if m.fstat(fd, &st) != nil {
		return 0
	}
	return uint64(st.Nlink)
}
