// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Network is a snapshot of virtual networks, compiled. It does not change.
type Network struct {
	ports map[topology.ID]*port
}

// port is a compiled port: of a bridge or of a router.
type port struct {
	src      *topology.Port
	id       topology.ID
	device   topology.ID
	up       bool
	exterior bool
	bridge   *bridge // or nil
	router   *router // or nil
	peer     *port   // or nil
	in, out  *chain  // or nil
	groups   []topology.ID
	vlan     uint16 // of bridge ports

	hasAddr bool // of router ports
	addr    packet.IPv4
	bits    int
	mac     packet.MAC
}

// contains reports whether an address is in the network of the port.
func (p *port) contains(a packet.IPv4) bool {
	return p.hasAddr && a.Mask(p.bits) == p.addr.Mask(p.bits)
}

// bridge is a compiled bridge.
type bridge struct {
	id          topology.ID
	up          bool
	in, out     *chain
	flood       []*port // exterior
	vlanPeers   []*port // whose peers are of a VLAN
	vlanPorts   map[uint16]*port
	routerPorts map[packet.MAC]*port // own ports, by the MAC of the router port behind
	routerAddrs map[packet.IPv4]packet.MAC
}

// router is a compiled router.
type router struct {
	id      topology.ID
	up      bool
	in, out *chain
	routes  routeTable
}

// Compile makes a network of a snapshot. Hits counts the flows that trace rules have
// taken; it outlives networks. Nil is that nothing is counted elsewhere.
func Compile(s *topology.Snapshot, hits *Hits) *Network {
	if hits == nil {
		hits = new(Hits)
	}
	k := &compiler{snapshot: s, hits: hits, network: &Network{ports: map[topology.ID]*port{}}}
	k.chains()
	k.devices()
	k.routes()
	return k.network
}

// compiler is a network under construction.
type compiler struct {
	snapshot *topology.Snapshot
	hits     *Hits
	network  *Network
	compiled map[topology.ID]*chain
	bridges  map[topology.ID]*bridge
	routers  map[topology.ID]*router
}

func (k *compiler) devices() {
	k.bridges, k.routers = map[topology.ID]*bridge{}, map[topology.ID]*router{}
	for id, b := range k.snapshot.Bridges {
		k.bridges[id] = &bridge{
			id: id, up: b.AdminStateUp, in: k.compiled[b.InboundFilter], out: k.compiled[b.OutboundFilter],
			vlanPorts: map[uint16]*port{}, routerPorts: map[packet.MAC]*port{}, routerAddrs: map[packet.IPv4]packet.MAC{},
		}
	}
	for id, r := range k.snapshot.Routers {
		k.routers[id] = &router{id: id, up: r.AdminStateUp, in: k.compiled[r.InboundFilter], out: k.compiled[r.OutboundFilter]}
	}
	// Tunnel keys are given in the order of creation, which is the order of floods.
	ports := slices.SortedFunc(maps.Values(k.snapshot.Ports), func(a, b *topology.Port) int {
		return cmp.Or(cmp.Compare(a.TunnelKey, b.TunnelKey), compareID(a.ID, b.ID))
	})
	for _, p := range ports {
		k.network.ports[p.ID] = k.port(p)
	}
	for id, members := range k.snapshot.GroupPorts {
		for _, m := range members {
			if p := k.network.ports[m]; p != nil {
				p.groups = append(p.groups, id)
			}
		}
	}
	for _, p := range ports {
		c := k.network.ports[p.ID]
		c.peer = k.network.ports[p.Peer]
		if c.bridge != nil {
			c.bridge.attach(c)
		}
	}
}

func (k *compiler) port(p *topology.Port) *port {
	c := &port{
		src: p, id: p.ID, device: p.Device, up: p.AdminStateUp, exterior: p.Exterior(),
		bridge: k.bridges[p.Device], router: k.routers[p.Device],
		in: k.compiled[p.InboundFilter], out: k.compiled[p.OutboundFilter],
		vlan: p.VLAN, mac: p.PortMAC,
	}
	if c.router != nil && p.PortAddress.IsValid() {
		c.hasAddr, c.addr, c.bits = true, packet.FromAddr(p.PortAddress), bitsOf(p.Network)
	}
	return c
}

// attach makes a port known to its bridge.
func (b *bridge) attach(p *port) {
	switch {
	case p.exterior:
		b.flood = append(b.flood, p)
	case p.peer == nil:
	case p.peer.router != nil:
		b.routerPorts[p.peer.mac] = p
		if p.peer.hasAddr {
			b.routerAddrs[p.peer.addr] = p.peer.mac
		}
	case p.vlan != 0:
		b.vlanPorts[p.vlan] = p
	case p.peer.vlan != 0:
		b.vlanPeers = append(b.vlanPeers, p)
	}
}

func (k *compiler) routes() {
	byRouter := map[topology.ID][]*topology.Route{}
	for _, r := range k.snapshot.Routes {
		byRouter[r.Router] = append(byRouter[r.Router], r)
	}
	for id, r := range k.routers {
		r.routes = newRouteTable(byRouter[id], k.network.ports)
	}
}

// bitsOf is the length of a prefix. That of none is 0.
func bitsOf(p netip.Prefix) int { return max(0, p.Bits()) }

func compareID(a, b topology.ID) int { return bytes.Compare(a[:], b[:]) }

// Reasons why frames cannot enter by a port.
var (
	ErrNoPort      = errors.New("there is no such port")
	ErrNotExterior = errors.New("the port is not bound to an interface of a host")
)

// CheckEntry tells whether frames can enter by a port.
func (n *Network) CheckEntry(port topology.ID) error {
	p := n.ports[port]
	switch {
	case p == nil:
		return ErrNoPort
	case !p.exterior:
		return ErrNotExterior
	default:
		return nil
	}
}
