// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Rules are the places that a hop connects to. The zero value is nowhere.
type Rules struct{ list []rule }

// rule is one entry: a name, or a range of addresses, and a port.
type rule struct {
	name     string // in lower case; "" for a range
	prefix   netip.Prefix
	port     uint16
	allPorts bool
}

// ParseRules reads entries HOST:PORT, ADDRESS:PORT or CIDR:PORT, IPv6 in
// brackets; the port may be "*".
func ParseRules(entries []string) (Rules, error) {
	var r Rules
	for _, e := range entries {
		one, err := parseRule(e)
		if err != nil {
			return Rules{}, fmt.Errorf("hop rule %q: %w", e, err)
		}
		r.list = append(r.list, one)
	}
	return r, nil
}

func parseRule(s string) (rule, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return rule{}, fmt.Errorf("want HOST:PORT or CIDR:PORT")
	}
	var r rule
	host, port := s[:i], s[i+1:]
	if r.allPorts = port == "*"; !r.allPorts {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return rule{}, fmt.Errorf("port %q: want 1 to 65535 or *", port)
		}
		r.port = uint16(n)
	}
	bare, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		var closed bool
		if bare, closed = strings.CutSuffix(bare, "]"); !closed {
			return rule{}, fmt.Errorf("host %q: want ] at its end", host)
		}
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		r.prefix = netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen())
	} else if prefix, err := netip.ParsePrefix(bare); err == nil {
		r.prefix = prefix.Masked()
	}
	switch {
	case r.prefix.IsValid():
		if r.prefix.Addr().Is6() != bracketed {
			return rule{}, fmt.Errorf("host %q: want IPv6, and nothing else, in brackets", host)
		}
	case bracketed, bare == "", strings.ContainsAny(bare, "/:[]*, "):
		return rule{}, fmt.Errorf("host %q: want a name, an address or a range", host)
	default:
		r.name = fold(bare)
	}
	return r, nil
}

// fold makes names comparable.
func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// allowName reports whether a place is allowed as it is written, whatever its
// addresses.
func (r Rules) allowName(host string, port uint16) bool {
	for _, x := range r.list {
		if x.name != "" && x.name == fold(host) && (x.allPorts || x.port == port) {
			return true
		}
	}
	return false
}

// allowAddr reports whether an address is allowed.
func (r Rules) allowAddr(addr netip.Addr, port uint16) bool {
	addr = addr.Unmap().WithZone("")
	for _, x := range r.list {
		if x.name == "" && x.prefix.Contains(addr) && (x.allPorts || x.port == port) {
			return true
		}
	}
	return false
}

// hasRanges reports whether the addresses of a name can matter.
func (r Rules) hasRanges() bool {
	for _, x := range r.list {
		if x.name == "" {
			return true
		}
	}
	return false
}
