// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"fmt"
	"net/netip"
	"slices"
)

// Networks are those whose peers are allowed. Loopback is always one of them; the
// zero value is it alone.
type Networks struct {
	any  bool
	list []netip.Prefix
}

// ParseNetworks reads networks in CIDR notation and addresses, or "any".
func ParseNetworks(texts []string) (Networks, error) {
	var n Networks
	for _, text := range texts {
		if text == "any" {
			n.any = true
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			ip, ipErr := netip.ParseAddr(text)
			if ipErr != nil {
				return Networks{}, fmt.Errorf("%q is neither a network nor an address nor any", text)
			}
			p = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		}
		n.list = append(n.list, p.Masked())
	}
	return n, nil
}

// Given tells whether somebody has said which.
func (n Networks) Given() bool { return n.any || len(n.list) > 0 }

// Contain tells whether an address is in one of them.
func (n Networks) Contain(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsValid() && (n.any || ip.IsLoopback() || slices.ContainsFunc(n.list, func(p netip.Prefix) bool { return p.Contains(ip) }))
}
