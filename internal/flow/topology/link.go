// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrTaken is the error of a link or binding to what is in use.
var ErrTaken = errors.New("is in use")

// CheckLink tells why two ports cannot be linked: an error that wraps ErrTaken when one
// of them, or its VLAN, is in use, another when they do not fit.
func (s *Snapshot) CheckLink(a, b *Port) error {
	if a.ID == b.ID {
		return errors.New("a port cannot be its own peer")
	}
	for _, p := range []*Port{a, b} {
		switch {
		case p.Interior():
			return fmt.Errorf("port %v has the peer %v: %w", p.ID, p.Peer, ErrTaken)
		case p.Exterior():
			return fmt.Errorf("port %v is bound to interface %q: %w", p.ID, p.Interface, ErrTaken)
		}
	}
	if a.Type == BridgePort && b.Type == BridgePort && (a.VLAN == 0) == (b.VLAN == 0) {
		return errors.New("two bridges are linked by a port with a VLAN and one without")
	}
	for _, p := range []*Port{a, b} {
		if other := s.vlanPort(p); other != nil {
			return fmt.Errorf("VLAN %d of bridge %v is that of port %v: %w", p.VLAN, p.Device, other.ID, ErrTaken)
		}
	}
	return nil
}

// vlanPort returns another interior port of the same VLAN and bridge.
func (s *Snapshot) vlanPort(p *Port) *Port {
	if p.VLAN == 0 {
		return nil
	}
	for _, other := range s.Ports {
		if other.Device == p.Device && other.VLAN == p.VLAN && other.ID != p.ID && other.Interior() {
			return other
		}
	}
	return nil
}

// LocalRoute returns the route of a router port's own address, which is there as long
// as the port. Its id follows from the port's.
func (p *Port) LocalRoute() *Route {
	return &Route{
		ID:     NamedID(KindRoute, p.ID.String(), "local"),
		Router: p.Device,
		Src:    everywhere, Dst: netip.PrefixFrom(p.PortAddress, 32),
		Type: LocalRoute, NextHopPort: p.ID,
	}
}
