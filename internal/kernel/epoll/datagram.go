// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlLen has room for one control message with a number.
const controlLen = unix.SizeofCmsghdr + 8

// RecvSegments reads one datagram from a non-blocking socket, or several that
// the kernel has joined (UDP_GRO): then segment is the length of each but the
// last one, else n. It returns unix.EAGAIN when nothing is there.
func RecvSegments(fd int, b []byte) (n, segment int, err error) {
	var control [controlLen]byte
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	msg := unix.Msghdr{Iov: &iov, Control: &control[0]}
	msg.SetIovlen(1)
	for {
		msg.SetControllen(len(control))
		got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			n = int(got)
			return n, segmentOf(control[:], int(msg.Controllen), n), nil
		case unix.EINTR:
			continue
		}
		return 0, 0, errno
	}
}

// segmentOf finds the length of segments in the control messages.
func segmentOf(control []byte, have, n int) int {
	if have < unix.SizeofCmsghdr+4 {
		return n
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_UDP || h.Type != unix.UDP_GRO {
		return n
	}
	if s := int(int32(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):]))); s > 0 && s < n {
		return s
	}
	return n
}
