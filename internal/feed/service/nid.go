// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net"
	"net/netip"

	"github.com/weir-io/weir/changelog"
)

// hostNID is the client that changes of local file systems come from: this host, by the
// first address that others could know it by, or 0@lo if it has none.
func hostNID() changelog.NID {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return changelog.LoNID()
	}
	return nidOf(addrs)
}

// nidOf chooses among addresses: one of IPv4 rather than of IPv6.
func nidOf(addrs []net.Addr) changelog.NID {
	found := changelog.LoNID()
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().IsGlobalUnicast() {
			continue
		}
		addr := p.Addr().Unmap()
		if addr.Is4() {
			return changelog.NIDOfAddr(addr)
		}
		if found == changelog.LoNID() {
			found = changelog.NIDOfAddr(addr)
		}
	}
	return found
}
