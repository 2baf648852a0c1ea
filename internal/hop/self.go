// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"net"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/lttng"
)

// self is what a hop is called in chains.
type self struct {
	at    []netip.AddrPort // that it listens on, one for each address of the host
	ports []uint16
	names []string
}

func newSelf(on []net.Listener, names []string) self {
	var me self
	for _, name := range names {
		me.names = append(me.names, fold(name))
	}
	for _, l := range on {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		at := a.AddrPort()
		me.ports = append(me.ports, at.Port())
		if !at.Addr().IsUnspecified() {
			me.at = append(me.at, netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()))
			continue
		}
		local, _ := net.InterfaceAddrs() // without them loops end at the limit of hops
		for _, one := range local {
			if p, err := netip.ParsePrefix(one.String()); err == nil {
				me.at = append(me.at, netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), at.Port()))
			}
		}
	}
	return me
}

// is reports whether a place of a chain, as it is written, is this hop.
func (me *self) is(h lttng.Hop) bool {
	if a, err := netip.ParseAddr(h.Host); err == nil {
		return me.isAt(a, h.Port)
	}
	return slices.Contains(me.ports, h.Port) && slices.Contains(me.names, fold(h.Host))
}

func (me *self) isAt(a netip.Addr, port uint16) bool {
	return slices.Contains(me.at, netip.AddrPortFrom(a.Unmap().WithZone(""), port))
}
