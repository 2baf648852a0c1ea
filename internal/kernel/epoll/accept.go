// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Accept takes a connection from a listening socket, non-blocking like that,
// and returns the address of its other end, which is not valid for sockets that
// have none.
func Accept(fd int) (conn int, peer netip.Addr, err error) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		peer = netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		peer = netip.AddrFrom16(sa.Addr).Unmap()
	}
	return conn, peer, err
}
