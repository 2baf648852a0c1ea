// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Overlay returns a state that begins as another one and never changes that: what a
// dry run learns is forgotten with it. Ports of translations are those that would
// come first, without being taken.
func Overlay(base *State) *State {
	own := NewState(nil)
	return &State{
		MACs: &macOverlay{own.MACs, base.MACs}, ARP: &arpOverlay{own.ARP, base.ARP}, Hosts: &hostOverlay{own.Hosts, base.Hosts},
		Conns: &connOverlay{own.Conns, base.Conns}, NAT: &natOverlay{own.NAT, base.NAT}, Leases: own.Leases,
	}
}

type macOverlay struct{ own, base MACTable }

func (t *macOverlay) Lookup(s Station) (topology.ID, bool) {
	if p, ok := t.own.Lookup(s); ok {
		return p, true
	}
	return t.base.Lookup(s)
}

func (t *macOverlay) Learn(s Station, port topology.ID, now Instant) Learned {
	old, ok := t.Lookup(s)
	t.own.Learn(s, port, now)
	switch {
	case !ok:
		return New
	case old != port:
		return Moved
	default:
		return Known
	}
}

type arpOverlay struct{ own, base ARPTable }

func (t *arpOverlay) Lookup(n Neighbour, now Instant) (packet.MAC, Freshness) {
	if mac, f := t.own.Lookup(n, now); f != Unknown {
		return mac, f
	}
	return t.base.Lookup(n, now)
}

func (t *arpOverlay) Store(n Neighbour, mac packet.MAC, now Instant) { t.own.Store(n, mac, now) }

func (t *arpOverlay) Ask(n Neighbour, port topology.ID, now Instant) bool {
	return t.own.Ask(n, port, now)
}

type hostOverlay struct{ own, base HostTable }

func (t *hostOverlay) Lookup(bridge topology.ID, addr packet.IPv4) (packet.MAC, bool) {
	if mac, ok := t.own.Lookup(bridge, addr); ok {
		return mac, true
	}
	return t.base.Lookup(bridge, addr)
}

func (t *hostOverlay) Store(bridge topology.ID, addr packet.IPv4, mac packet.MAC) {
	t.own.Store(bridge, addr, mac)
}

type connOverlay struct{ own, base ConnTable }

func (t *connOverlay) Lookup(k ConnKey, now Instant) bool {
	return t.own.Lookup(k, now) || t.base.Lookup(k, now)
}

func (t *connOverlay) Store(k ConnKey, now Instant) { t.own.Store(k, now) }

type natOverlay struct{ own, base NATTable }

func (t *natOverlay) Lookup(k NATKey, now Instant) (Binding, bool) {
	if b, ok := t.own.Lookup(k, now); ok {
		return b, true
	}
	return t.base.Lookup(k, now)
}

func (t *natOverlay) Store(k NATKey, b Binding, now Instant) { t.own.Store(k, b, now) }
