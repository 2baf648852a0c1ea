// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/weir-io/weir/internal/flow/topology"
)

// pair is a node and its value.
type pair struct {
	path  string
	value any
}

// renderer makes the nodes of a snapshot's objects: what the tree is, said without
// the operations that make it so.
type renderer struct {
	paths paths
	pairs []pair
	made  map[string]bool
}

// render returns the nodes of a snapshot, parents first, an object after those that it
// refers to but for ports, which refer to each other. Nodes of what a snapshot does not
// have, as the interfaces of hosts, are not among them.
func render(p paths, s *topology.Snapshot) []pair {
	r := &renderer{paths: p, made: make(map[string]bool)}
	for _, id := range sorted(s.Chains) {
		r.chain(s, id)
	}
	for _, id := range sorted(s.AddrGroups) {
		r.add(p.addrGroup(id), s.AddrGroups[id])
		r.add(p.groupAddrs(id), nil)
		for _, a := range s.GroupAddrs[id] {
			r.add(p.groupAddr(id, a), nil)
		}
	}
	for _, id := range sorted(s.PortGroups) {
		r.add(p.portGroup(id), s.PortGroups[id])
		r.add(p.groupPorts(id), nil)
	}
	for _, id := range sorted(s.TunnelZones) {
		r.add(p.tunnelZone(id), s.TunnelZones[id])
		r.add(p.memberships(id), nil)
	}
	for _, id := range sorted(s.Hosts) {
		r.add(p.host(id), s.Hosts[id])
		for _, path := range hostNodes(p, id) {
			r.add(path, nil)
		}
	}
	for _, zone := range sorted(s.Tunnels) {
		for _, host := range sorted(s.Tunnels[zone]) {
			r.add(p.membership(zone, host), membership{s.Tunnels[zone][host]})
			r.add(p.hostZones(host)+"/"+zone.String(), nil)
		}
	}
	r.devices(s)
	r.ports(s)
	for _, id := range sorted(s.Routes) {
		r.route(s.Routes[id])
	}
	for _, id := range sorted(s.Requests) {
		q := s.Requests[id]
		r.add(p.trace(id), q)
		r.add(p.traces(traced(q.DeviceType), q.Device), nil)
		r.add(p.traces(traced(q.DeviceType), q.Device)+"/"+id.String(), nil)
	}
	return r.pairs
}

// add adds a node, once.
func (r *renderer) add(path string, value any) {
	if !r.made[path] {
		r.made[path] = true
		r.pairs = append(r.pairs, pair{path, value})
	}
}

func (r *renderer) chain(s *topology.Snapshot, id topology.ID) {
	r.add(r.paths.chain(id), s.Chains[id])
	list := make([]topology.ID, 0, len(s.Rules[id]))
	for _, rule := range s.Rules[id] {
		list = append(list, rule.ID)
		r.add(r.paths.rule(rule.ID), rule)
	}
	r.add(r.paths.rules(id), list)
	r.add(r.paths.refs(id), nil)
}

// filters adds what chains know of a device that has them as filters.
func (r *renderer) filters(k topology.Kind, id topology.ID, chains ...topology.ID) {
	for _, chain := range chains {
		if chain != (topology.ID{}) {
			r.add(r.paths.ref(chain, k, id), nil)
		}
	}
}

func (r *renderer) devices(s *topology.Snapshot) {
	for _, id := range sorted(s.Bridges) {
		r.add(r.paths.blocks(id), nil)
		r.add(r.paths.bridge(id), s.Bridges[id])
		for _, name := range bridgeNodes {
			r.add(r.paths.bridge(id)+"/"+name, nil)
		}
		r.filters(topology.KindBridge, id, s.Bridges[id].InboundFilter, s.Bridges[id].OutboundFilter)
	}
	for _, id := range sorted(s.Routers) {
		r.add(r.paths.blocks(id), nil)
		r.add(r.paths.router(id), s.Routers[id])
		for _, name := range routerNodes {
			r.add(r.paths.router(id)+"/"+name, nil)
		}
		r.filters(topology.KindRouter, id, s.Routers[id].InboundFilter, s.Routers[id].OutboundFilter)
	}
}

func (r *renderer) ports(s *topology.Snapshot) {
	for _, id := range sorted(s.Ports) {
		p := s.Ports[id]
		r.add(r.paths.blocks(id), nil)
		r.add(r.paths.port(id), p)
		r.add(r.paths.ofDevice(p), nil)
		r.add(r.paths.tunnelKey(p.TunnelKey), p.ID)
		if p.Exterior() {
			r.add(r.paths.binding(p.Host, id), bindingValue{p.Interface})
		}
		r.filters(topology.KindPort, id, p.InboundFilter, p.OutboundFilter)
	}
	for _, group := range sorted(s.GroupPorts) {
		for _, port := range s.GroupPorts[group] {
			r.add(r.paths.groupPorts(group)+"/"+port.String(), nil)
			r.add(r.paths.groupsOf(port), nil)
			r.add(r.paths.groupsOf(port)+"/"+group.String(), nil)
		}
	}
}

func (r *renderer) route(route *topology.Route) {
	r.add(r.paths.route(route.ID), route)
	r.add(r.paths.routerRoutes(route.Router)+"/"+route.ID.String(), nil)
	if route.NextHopPort != (topology.ID{}) {
		r.add(r.paths.portRoutes(route.NextHopPort), nil)
		r.add(r.paths.portRoutes(route.NextHopPort)+"/"+route.ID.String(), nil)
	}
}

// sorted returns the keys of a map in their order.
func sorted[V any](m map[topology.ID]V) []topology.ID {
	return slices.SortedFunc(maps.Keys(m), func(a, b topology.ID) int { return bytes.Compare(a[:], b[:]) })
}
