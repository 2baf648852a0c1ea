// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// peerName returns the address of a connection's other end for a message. It
// is asked for only there: thousands of idle connections need not keep it.
func peerName(fd int) string {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return "unknown"
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)).String()
	}
	return "local"
}
