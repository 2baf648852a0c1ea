// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package server

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// canBeDirect tells that the calls below are there.
const canBeDirect = true

// directRead reads from a socket that does not block.
func directRead(fd uintptr, b []byte) (int, error) {
	return direct(unix.SYS_RECVFROM, fd, b, 0)
}

// directWrite writes to a socket that does not block.
func directWrite(fd uintptr, b []byte) (int, error) {
	return direct(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL)
}

func direct(call, fd uintptr, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
