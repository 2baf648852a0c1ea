// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads what a non-blocking socket holds, up to len(b) bytes. It returns
// 0, nil at the end of the stream and unix.EAGAIN when nothing is there.
//
// It bypasses the scheduler's bookkeeping for system calls: the call cannot
// block, and at 50 000 small messages a second that bookkeeping shows.
func Recv(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// Send writes what a non-blocking socket takes, with unix.EAGAIN when that is
// nothing. more tells the kernel that further bytes follow at once.
func Send(fd int, b []byte, more bool) (int, error) {
	flags := uintptr(unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}
