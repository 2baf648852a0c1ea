// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows calls the kernel without telling Go's scheduler. One that is told wakes
// Go's monitor of threads, which looks around each 20 µs until all goroutines wait
// (entersyscall and sysmon in Go's runtime/proc.go): with a packet now and then that
// costs as much as writing it. Nobody can take the processor of a goroutine that is in
// such a call, and who collects garbage waits for it: it is for what cannot block.

// quietCall is a system call whose second argument is a pointer.
func quietCall(call, a uintptr, p unsafe.Pointer, c uintptr) (int, error) {
	n, _, e := unix.RawSyscall(call, a, uintptr(p), c)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// quietRead reads from a descriptor that does not block.
func quietRead(fd int, b []byte) (int, error) {
	return quietCall(unix.SYS_READ, uintptr(fd), unsafe.Pointer(&b[0]), uintptr(len(b)))
}

// quietWrite writes to a descriptor that does not block.
func quietWrite(fd int, b []byte) (int, error) {
	return quietCall(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&b[0]), uintptr(len(b)))
}

// quietTimer has a timer go off after a time, once.
func quietTimer(fd int, in *unix.ItimerSpec) error {
	_, _, e := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(fd), 0, uintptr(unsafe.Pointer(in)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// quietEvents asks an epoll descriptor whether one of those that it watches is ready.
func quietEvents(epoll int) (bool, error) {
	var event unix.EpollEvent
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&event)), 1, 0, 0, 0)
	if e != 0 && e != unix.EINTR {
		return false, e
	}
	return e == 0 && n > 0, nil
}

// inMemory reports whether files of a directory are memory: writing one waits for
// nothing for which using memory would not.
func inMemory(dir *os.File) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return false
	}
	return st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC
}

// writeParts writes what several pieces hold to a place of a file, in one call where the
// kernel takes it all. Quiet is for files in memory.
func writeParts(f *os.File, at int64, quiet bool, parts ...[]byte) error {
	var buf [2]unix.Iovec
	for {
		vec := buf[:0]
		for _, p := range parts {
			if len(p) > 0 {
				v := unix.Iovec{Base: &p[0]}
				v.SetLen(len(p))
				vec = append(vec, v)
			}
		}
		if len(vec) == 0 {
			return nil
		}
		n, err := pwritev(f, vec, at, quiet)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.EIO
		}
		at += int64(n)
		for i, p := range parts {
			k := min(n, len(p))
			parts[i], n = p[k:], n-k
		}
	}
}

func pwritev(f *os.File, vec []unix.Iovec, at int64, quiet bool) (int, error) {
	// The offset is in two halves, of which the kernel uses one with 64 bits.
	fd, low, high := f.Fd(), uintptr(at), uintptr(uint64(at)>>32)
	var n uintptr
	var e unix.Errno
	if quiet {
		n, _, e = unix.RawSyscall6(unix.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)), low, high, 0)
	} else {
		n, _, e = unix.Syscall6(unix.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)), low, high, 0)
	}
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
