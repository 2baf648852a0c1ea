// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// State is what virtual devices have learned. All of its tables are safe for
// concurrent use. Instants are passed as time since any fixed one.
type State struct {
	MACs   MACTable
	ARP    ARPTable
	Hosts  HostTable
	Conns  ConnTable
	NAT    NATTable
	Leases Leaser
}

// Instant is a time on the caller's clock.
type Instant = time.Duration

// MACTable says on which port of a bridge a station is.
type MACTable interface {
	Lookup(station Station) (port topology.ID, ok bool)
	Learn(station Station, port topology.ID, now Instant) Learned
}

// Station is an Ethernet address in a VLAN of a bridge.
type Station struct {
	Bridge topology.ID
	MAC    packet.MAC
	VLAN   uint16
}

// Learned is what a bridge learns from a frame.
type Learned uint8

// What is learned of a station.
const (
	Known Learned = iota
	New
	Moved
)

// ARPTable is what routers know of their neighbours.
type ARPTable interface {
	Lookup(n Neighbour, now Instant) (packet.MAC, Freshness)
	Store(n Neighbour, mac packet.MAC, now Instant)

	// Ask reports whether a request for the neighbour is to be sent now. One is sent
	// at once, and repeated by whom the table belongs to.
	Ask(n Neighbour, port topology.ID, now Instant) bool
}

// Neighbour is an address next to a router.
type Neighbour struct {
	Router topology.ID
	Addr   packet.IPv4
}

// Freshness is what an entry of an ARP table is worth.
type Freshness uint8

// An entry that is stale is used, and asked for anew.
const (
	Unknown Freshness = iota
	Fresh
	Stale
)

func (f Freshness) String() string {
	switch f {
	case Fresh:
		return "known"
	case Stale:
		return "stale"
	default:
		return "unknown"
	}
}

// HostTable is the addresses that bridges answer for, beside those of router ports.
type HostTable interface {
	Lookup(bridge topology.ID, addr packet.IPv4) (packet.MAC, bool)
	Store(bridge topology.ID, addr packet.IPv4, mac packet.MAC)
}

// ConnTable holds the keys of the return flows of connections.
type ConnTable interface {
	Lookup(k ConnKey, now Instant) bool
	Store(k ConnKey, now Instant)
}

// ConnKey is the headers of a return flow, and the device where it enters. Of ICMP
// both ports are the identifier.
type ConnKey struct {
	Device           topology.ID
	Src, Dst         packet.IPv4
	SrcPort, DstPort uint16
	Proto            uint8
}

// NATTable holds translations.
type NATTable interface {
	Lookup(k NATKey, now Instant) (Binding, bool)
	Store(k NATKey, b Binding, now Instant)
}

// NATKey is the headers of a packet that is translated, and by what.
type NATKey struct {
	Kind             NATKind
	Proto            uint8
	Device           topology.ID
	Src, Dst         packet.IPv4
	SrcPort, DstPort uint16
}

// NATKind is a direction of translation.
type NATKind uint8

// Kinds of translation.
const (
	ForwardSNAT NATKind = iota
	ForwardDNAT
	ReverseSNAT
	ReverseDNAT
	Connection // no translation: of the tag of a ConnKey
)

func (k NATKind) String() string {
	return [...]string{"FWD_SNAT", "FWD_DNAT", "REV_SNAT", "REV_DNAT", "CONNECTION"}[k]
}

// Binding is an address and a port that take the place of others.
type Binding struct {
	Addr packet.IPv4
	Port uint16
}

// Leaser hands out the ports of translated sources.
type Leaser interface {
	// Lease takes a port of the range for packets to a destination. Pending is that
	// there may be one later.
	Lease(device topology.ID, addr packet.IPv4, from, to uint16, dst Destination) (port uint16, result LeaseResult)
	Release(device topology.ID, b Binding, dst Destination)
}

// Destination is where packets from a leased port go. Ports of TCP and UDP are not the
// same.
type Destination struct {
	Binding

	Proto uint8
}

// destination is where the packets of a key go.
func (k *NATKey) destination() Destination { return Destination{Binding{k.Dst, k.DstPort}, k.Proto} }

// LeaseResult is how a lease came out.
type LeaseResult uint8

// Results of leases.
const (
	Exhausted LeaseResult = iota
	Leased
	Pending
)
