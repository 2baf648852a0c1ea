// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Import makes the objects of a snapshot, and replaces those that are there, with the
// rules and members that they have; objects that it does not have stay, and nothing
// becomes another tenant's. Ports without a tunnel key get one. Requests that are enabled
// stay so.
//
// What fits goes into one transaction. More goes into several, chains and groups
// first, ports after devices: an import that ends amid them leaves a tree that is in
// order, and the next one goes on from there.
func (v *Inventory) Import(ctx context.Context, s *topology.Snapshot) error {
	for try := range tries {
		err := v.importOnce(ctx, s, try > 0)
		if !stale(err) {
			return unanswered(err)
		}
	}
	return &Error{Object: "import", Reason: fmt.Sprintf("gave up after %d tries", tries), Err: ErrBusy}
}

// importOnce is a try of Import. A careful one looks at every node that it is to make:
// it may be there though no object has it, by hand or because it is not readable.
func (v *Inventory) importOnce(ctx context.Context, s *topology.Snapshot, careful bool) (err error) {
	f, err := v.view(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.session.Close()) }()
	if going, err := f.settle(ctx); err != nil || !going {
		return errors.Join(store.ErrSessionExpired, err)
	}
	base, leave, err := f.claim(ctx, s)
	if err != nil {
		return err
	}
	defer leave()
	merged, err := merge(base, s)
	if err != nil {
		return err
	}
	ops, err := f.difference(ctx, base, merged, careful)
	if err != nil {
		return err
	}
	if len(f.watcher.Take()) > 0 { // versions are not those of base
		return store.ErrBadVersion
	}
	for len(ops) > 0 {
		n, size := 0, 0
		for n < len(ops) && size+store.Size(ops[n]) <= store.MaxRequest {
			size += store.Size(ops[n])
			n++
		}
		if n == 0 {
			return &store.Error{Op: "import", Path: ops[0].Path, Err: store.ErrTooLarge}
		}
		if _, err := f.session.Multi(ctx, ops[:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// claim waits for the turns of the ids of devices and ports that an import makes, and
// returns what there is then: as long as it has them nobody gives one to another kind.
func (f *view) claim(ctx context.Context, s *topology.Snapshot) (base *topology.Snapshot, leave func(), err error) {
	ids := newcomers(f.share(), s)
	objects := make([]any, len(ids))
	for i, id := range ids {
		objects[i] = id
	}
	if leave, err = f.v.turns.enter(ctx, objects); err != nil {
		return nil, nil, err
	}
	going, err := f.settle(ctx)
	base = f.share()
	switch {
	case err != nil || !going:
		err = errors.Join(store.ErrSessionExpired, err)
	case !within(newcomers(base, s), ids):
		err = store.ErrBadVersion // one was deleted meanwhile
	default:
		return base, leave, nil
	}
	leave()
	return nil, nil, err
}

// within reports whether all ids are among others; both are in their order.
func within(ids, others []topology.ID) bool {
	return !slices.ContainsFunc(ids, func(id topology.ID) bool {
		_, there := slices.BinarySearchFunc(others, id, compareIDs)
		return !there
	})
}

// newcomers returns the ids of the devices and ports that an import makes, in their order.
func newcomers(base, s *topology.Snapshot) []topology.ID {
	var ids []topology.ID
	for _, part := range []struct {
		kind topology.Kind
		ids  []topology.ID
	}{{topology.KindBridge, sorted(s.Bridges)}, {topology.KindRouter, sorted(s.Routers)}, {topology.KindPort, sorted(s.Ports)}} {
		for _, id := range part.ids {
			if !has(base, part.kind, id) {
				ids = append(ids, id)
			}
		}
	}
	return slices.Compact(sortIDs(ids))
}

// difference returns the operations that make one tree of another.
func (f *view) difference(ctx context.Context, from, to *topology.Snapshot, careful bool) ([]store.Op, error) {
	have := make(map[string][]byte)
	for _, p := range render(f.v.paths, from) {
		data, err := encode(p.value)
		if err != nil {
			return nil, err
		}
		have[p.path] = data
	}
	var creates, sets, deletes []store.Op
	for _, p := range render(f.v.paths, to) {
		data, err := encode(p.value)
		if err != nil {
			return nil, err
		}
		old, there := have[p.path]
		delete(have, p.path)
		switch {
		case there && bytes.Equal(old, data):
			continue
		case !there && !careful && !members(p.path): // nodes for members outlive them
			creates = append(creates, store.Create(p.path, data, store.Persistent))
			continue
		}
		stat, there, err := f.session.Exists(ctx, p.path, nil)
		switch {
		case err != nil:
			return nil, err
		case !there:
			creates = append(creates, store.Create(p.path, data, store.Persistent))
		case !members(p.path):
			sets = append(sets, store.Set(p.path, data, stat.Version))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if !members(path) {
			deletes = append(deletes, store.Delete(path, store.AnyVersion))
		}
	}
	slices.Reverse(deletes)
	return slices.Concat(creates, sets, deletes), nil
}

// members reports whether a node only holds others that come and go.
func members(path string) bool {
	switch store.Name(path) {
	case "routes", "port_groups", "traces":
		return true
	}
	return false
}

// merge returns a snapshot with the objects of both, of those in both that of s.
func merge(base, s *topology.Snapshot) (*topology.Snapshot, error) {
	m := base.Clone()
	kept := suspend(m, s)
	overlay(&m.Chains, s.Chains)
	for id := range s.Chains {
		set(&m.Rules, id, s.Rules[id])
	}
	overlay(&m.AddrGroups, s.AddrGroups)
	for id := range s.AddrGroups {
		set(&m.GroupAddrs, id, s.GroupAddrs[id])
	}
	overlay(&m.PortGroups, s.PortGroups)
	for id := range s.PortGroups {
		set(&m.GroupPorts, id, s.GroupPorts[id])
	}
	overlay(&m.Hosts, s.Hosts)
	overlay(&m.TunnelZones, s.TunnelZones)
	for id := range s.TunnelZones {
		if len(s.Tunnels[id]) > 0 {
			overlay(&m.Tunnels, map[topology.ID]map[topology.ID]netip.Addr{id: s.Tunnels[id]})
		} else {
			delete(m.Tunnels, id)
		}
	}
	overlay(&m.Bridges, s.Bridges)
	overlay(&m.Routers, s.Routers)
	if err := mergePorts(m, s); err != nil {
		return nil, err
	}
	if err := checkKinds(m, s); err != nil {
		return nil, err
	}
	if err := keepOwners(base, m, s); err != nil {
		return nil, err
	}
	overlay(&m.Routes, s.Routes)
	for id, p := range s.Ports {
		old, had := base.Ports[id]
		route := p.LocalRoute()
		switch {
		case p.PortAddress.IsValid() && (m.Routes[route.ID] == nil || had && old.PortAddress != p.PortAddress):
			overlay(&m.Routes, map[topology.ID]*topology.Route{route.ID: route})
		case !p.PortAddress.IsValid():
			delete(m.Routes, route.ID)
		}
	}
	overlay(&m.Requests, s.Requests)
	resume(m, kept)
	return m, checkReferences(m, s)
}

func overlay[V any](m *map[topology.ID]V, with map[topology.ID]V) {
	if *m == nil {
		*m = make(map[topology.ID]V, len(with))
	}
	maps.Copy(*m, with)
}

// set replaces the members of an object.
func set[V any](m *map[topology.ID][]V, id topology.ID, members []V) {
	if *m == nil {
		*m = make(map[topology.ID][]V)
	}
	if len(members) == 0 {
		delete(*m, id)
		return
	}
	(*m)[id] = members
}

// mergePorts adds ports, with the tunnel keys that they have in the store or new ones.
// A port that is no peer any more is unplugged.
func mergePorts(m, s *topology.Snapshot) error {
	used := make(map[uint32]topology.ID, len(m.Ports))
	for id, p := range m.Ports {
		used[p.TunnelKey] = id
	}
	var last uint32
	for _, id := range sorted(s.Ports) {
		p := *s.Ports[id]
		if old := m.Ports[id]; old != nil && p.TunnelKey == 0 {
			p.TunnelKey = old.TunnelKey
		}
		for p.TunnelKey == 0 {
			if last++; last > topology.MaxTunnelKey {
				return conflict("port", id, "all %d tunnel keys are in use", topology.MaxTunnelKey)
			}
			if _, taken := used[last]; !taken {
				p.TunnelKey = last
			}
		}
		if other, taken := used[p.TunnelKey]; taken && other != id {
			return conflict("port", id, "tunnel key %d is that of port %v", p.TunnelKey, other)
		}
		used[p.TunnelKey] = id
		if p.Type == topology.RouterPort && p.PortMAC.IsZero() {
			if p.PortMAC = newMAC(); m.Ports[id] != nil {
				p.PortMAC = m.Ports[id].PortMAC
			}
		}
		overlay(&m.Ports, map[topology.ID]*topology.Port{id: &p})
	}
	for id, p := range m.Ports {
		if peer := m.Ports[p.Peer]; p.Interior() && (peer == nil || peer.Peer != id) && s.Ports[id] == nil {
			alone := *p
			alone.Peer = topology.ID{}
			m.Ports[id] = &alone
		}
	}
	return nil
}

// checkReferences returns the error of an object that refers to one that is not there.
func checkReferences(m, s *topology.Snapshot) error {
	for _, id := range sorted(s.Ports) {
		p := s.Ports[id]
		switch {
		case p.Type == topology.BridgePort && m.Bridges[p.Device] == nil, p.Type == topology.RouterPort && m.Routers[p.Device] == nil:
			return invalid("port", id, "deviceId", "there is no device %v of type %s", p.Device, p.Type)
		case p.Interior() && (m.Ports[p.Peer] == nil || m.Ports[p.Peer].Peer != id):
			return invalid("port", id, "peerId", "port %v is not there or has another peer", p.Peer)
		case p.Exterior() && m.Hosts[p.Host] == nil:
			return invalid("port", id, "hostId", "there is no host %v", p.Host)
		}
	}
	filters := func(k topology.Kind, id, in, out topology.ID) error {
		for _, chain := range []topology.ID{in, out} {
			if chain != (topology.ID{}) && m.Chains[chain] == nil {
				return invalid(string(k), id, "inboundFilterId", "there is no chain %v", chain)
			}
		}
		return nil
	}
	var bad error
	for id, b := range s.Bridges {
		bad = errors.Join(bad, filters(topology.KindBridge, id, b.InboundFilter, b.OutboundFilter))
	}
	for id, r := range s.Routers {
		bad = errors.Join(bad, filters(topology.KindRouter, id, r.InboundFilter, r.OutboundFilter))
	}
	for id, p := range s.Ports {
		bad = errors.Join(bad, filters(topology.KindPort, id, p.InboundFilter, p.OutboundFilter))
	}
	for id, r := range s.Routes {
		if m.Routers[r.Router] == nil || r.NextHopPort != (topology.ID{}) && m.Ports[r.NextHopPort] == nil {
			bad = errors.Join(bad, invalid("route", id, "nextHopPort", "there is no router %v or port %v", r.Router, r.NextHopPort))
		}
	}
	for group, ports := range s.GroupPorts {
		for _, port := range ports {
			if m.Ports[port] == nil {
				bad = errors.Join(bad, invalid("port group", group, "ports", "there is no port %v", port))
			}
		}
	}
	for zone, hosts := range s.Tunnels {
		for host := range hosts {
			if m.Hosts[host] == nil {
				bad = errors.Join(bad, invalid("tunnel zone", zone, "hosts", "there is no host %v", host))
			}
		}
	}
	for id, r := range s.Requests {
		if k := traced(r.DeviceType); !has(m, k, r.Device) {
			bad = errors.Join(bad, invalid("trace request", id, "deviceId", "there is no %s %v", k, r.Device))
		}
	}
	return bad
}

func has(s *topology.Snapshot, k topology.Kind, id topology.ID) (ok bool) {
	switch k {
	case topology.KindBridge:
		_, ok = s.Bridges[id]
	case topology.KindRouter:
		_, ok = s.Routers[id]
	default:
		_, ok = s.Ports[id]
	}
	return ok
}
