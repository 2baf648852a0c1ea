// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Access is a list of networks whose connections are taken. The zero value is
// the host itself: loopback.
type Access struct {
	any      bool
	networks []netip.Prefix
}

// ParseAccess reads addresses and networks in CIDR notation, separated by commas,
// or "any".
func ParseAccess(text string) (Access, error) {
	var a Access
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "":
			continue
		case part == "any":
			a.any = true
			continue
		}
		p, err := parseNetwork(part)
		if err != nil {
			return Access{}, fmt.Errorf("%q is neither an address nor a network nor any", part)
		}
		a.networks = append(a.networks, p)
	}
	if !a.any && len(a.networks) == 0 {
		return Access{}, fmt.Errorf("no network in %q", text)
	}
	return a, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
}

// Given tells whether somebody has said who may connect.
func (a Access) Given() bool { return a.any || len(a.networks) > 0 }

// Allows tells whether a peer may connect. Peers without a network address, of
// Unix sockets and pipes, are let in: the modes of files decide about them.
func (a Access) Allows(peer net.Addr) bool {
	t, ok := peer.(*net.TCPAddr)
	if !ok {
		return true
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	switch {
	case a.any:
		return true
	case len(a.networks) == 0:
		return ip.IsLoopback()
	}
	for _, n := range a.networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}
