// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows sends and receives datagrams without telling Go's scheduler, which waits
// for the socket only. A call that it is told of wakes Go's monitor of threads, which looks
// around each 20 µs from then on until all goroutines wait (entersyscall and sysmon in
// Go's runtime/proc.go): with an order now and then that cost a consumer more than what it
// was ordered to do. A socket that does not block has nothing to wait for.

// quietReceive receives a datagram, with the descriptors beside it.
func quietReceive(c syscall.RawConn, b, oob []byte) (n, oobn, flags int, err error) {
	vec := unix.Iovec{Base: &b[0]}
	vec.SetLen(len(b))
	m := unix.Msghdr{Iov: &vec, Control: &oob[0]}
	m.SetIovlen(1)
	rerr := c.Read(func(fd uintptr) (done bool) {
		m.SetControllen(len(oob))
		n, done, err = quietMessage(unix.SYS_RECVMSG, fd, &m, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		return done
	})
	if rerr != nil {
		return 0, 0, 0, rerr
	}
	return n, int(m.Controllen), int(m.Flags), err
}

// quietSend sends a datagram, all of it.
func quietSend(c syscall.RawConn, b, oob []byte) (err error) {
	vec := unix.Iovec{Base: unsafe.SliceData(b)}
	vec.SetLen(len(b))
	m := unix.Msghdr{Iov: &vec, Control: unsafe.SliceData(oob)}
	m.SetIovlen(1)
	m.SetControllen(len(oob))
	var n int
	werr := c.Write(func(fd uintptr) (done bool) {
		n, done, err = quietMessage(unix.SYS_SENDMSG, fd, &m, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return done
	})
	switch {
	case werr != nil:
		return werr
	case err == nil && n != len(b):
		return io.ErrShortWrite
	}
	return err
}

// quietMessage is sendmsg or recvmsg. It is not done where it would wait.
func quietMessage(call, fd uintptr, m *unix.Msghdr, flags uintptr) (n int, done bool, err error) {
	for {
		r, _, e := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(m)), flags)
		switch e {
		case 0:
			return int(r), true, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, nil
		default:
			return 0, true, e
		}
	}
}
