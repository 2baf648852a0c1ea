// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrAbsent is the error of an object that is not there.
var ErrAbsent = errors.New("does not exist")

// Ref is an object by its kind and id.
type Ref struct {
	Kind Kind
	ID   ID
}

// Deletion is what becomes of others when an object goes.
type Deletion struct {
	Removed    []Ref // the object itself is the last
	Unlinked   []ID  // ports that lose their peer
	Unfiltered []Ref // bridges, routers and ports that lose a filter
	Groups     []ID  // port groups that lose members
}

// Clone returns a snapshot that can be changed without changing this one, by putting
// other objects in the place of those that are there. The objects are shared.
func (s *Snapshot) Clone() *Snapshot {
	return &Snapshot{
		Bridges:     maps.Clone(s.Bridges),
		Routers:     maps.Clone(s.Routers),
		Ports:       maps.Clone(s.Ports),
		Routes:      maps.Clone(s.Routes),
		Chains:      maps.Clone(s.Chains),
		Rules:       maps.Clone(s.Rules),
		PortGroups:  maps.Clone(s.PortGroups),
		GroupPorts:  maps.Clone(s.GroupPorts),
		AddrGroups:  maps.Clone(s.AddrGroups),
		GroupAddrs:  maps.Clone(s.GroupAddrs),
		Hosts:       maps.Clone(s.Hosts),
		TunnelZones: maps.Clone(s.TunnelZones),
		Tunnels:     maps.Clone(s.Tunnels),
		Requests:    maps.Clone(s.Requests),
	}
}

// Delete returns the snapshot without an object, and what goes with it:
//
//   - with a bridge or router its ports, routes and trace requests;
//   - with a port its routes and trace requests; its peer becomes unplugged, and port
//     groups lose it;
//   - with a chain its rules; devices and ports lose it as their filter. Rules that jump
//     to it stay, and requests whose trace rule it held stay enabled;
//   - with a trace request its rule, and the chain that was made for it once that is
//     empty;
//   - with a group, zone or route nothing else. Conditions keep ids of what is gone.
//
// A host goes only when no port is bound to it: the error wraps ErrTaken. It wraps
// ErrAbsent when there is no such object.
func (s *Snapshot) Delete(kind Kind, id ID) (*Snapshot, Deletion, error) {
	if !s.has(kind, id) {
		return nil, Deletion{}, fmt.Errorf("%s %v: %w", kind, id, ErrAbsent)
	}
	if kind == KindHost {
		for _, p := range s.Ports {
			if p.Host == id {
				return nil, Deletion{}, fmt.Errorf("host %v: port %v is bound to it: %w", id, p.ID, ErrTaken)
			}
		}
	}
	r := remover{s: s.Clone()}
	r.remove(kind, id)
	return r.s, r.d, nil
}

// has reports whether an object is there.
func (s *Snapshot) has(kind Kind, id ID) (ok bool) {
	switch kind {
	case KindBridge:
		_, ok = s.Bridges[id]
	case KindRouter:
		_, ok = s.Routers[id]
	case KindPort:
		_, ok = s.Ports[id]
	case KindRoute:
		_, ok = s.Routes[id]
	case KindChain:
		_, ok = s.Chains[id]
	case KindRule:
		_, _, ok = s.Rule(id)
	case KindPortGroup:
		_, ok = s.PortGroups[id]
	case KindAddrGroup:
		_, ok = s.AddrGroups[id]
	case KindHost:
		_, ok = s.Hosts[id]
	case KindTunnelZone:
		_, ok = s.TunnelZones[id]
	case KindRequest:
		_, ok = s.Requests[id]
	}
	return ok
}

// Rule returns a rule and its position, from 1, in its chain.
func (s *Snapshot) Rule(id ID) (*Rule, int, bool) {
	for _, rules := range s.Rules {
		for i, r := range rules {
			if r.ID == id {
				return r, i + 1, true
			}
		}
	}
	return nil, 0, false
}

// Tenant returns the owner of a bridge, a router or a port, which is that of its device.
func (s *Snapshot) Tenant(id ID) (tenant string, ok bool) {
	if p, ok := s.Ports[id]; ok {
		id = p.Device
	}
	if b, ok := s.Bridges[id]; ok {
		return b.TenantID, true
	}
	if r, ok := s.Routers[id]; ok {
		return r.TenantID, true
	}
	return "", false
}

// remover takes objects out of a snapshot that is its own.
type remover struct {
	s *Snapshot
	d Deletion
}

func (r *remover) remove(kind Kind, id ID) {
	switch kind {
	case KindBridge:
		r.device(id)
		delete(r.s.Bridges, id)
	case KindRouter:
		r.device(id)
		delete(r.s.Routers, id)
	case KindPort:
		r.port(id)
	case KindRoute:
		delete(r.s.Routes, id)
	case KindChain:
		r.chain(id)
	case KindRule:
		r.rule(id)
	case KindPortGroup:
		delete(r.s.PortGroups, id)
		delete(r.s.GroupPorts, id)
	case KindAddrGroup:
		delete(r.s.AddrGroups, id)
		delete(r.s.GroupAddrs, id)
	case KindHost:
		r.host(id)
	case KindTunnelZone:
		delete(r.s.TunnelZones, id)
		delete(r.s.Tunnels, id)
	case KindRequest:
		r.request(id)
	}
	r.d.Removed = append(r.d.Removed, Ref{kind, id})
}

// device removes what a bridge or router has.
func (r *remover) device(id ID) {
	for _, p := range r.s.Ports {
		if p.Device == id {
			r.remove(KindPort, p.ID)
		}
	}
	for _, route := range r.s.Routes {
		if route.Router == id {
			r.remove(KindRoute, route.ID)
		}
	}
	r.requests(id)
}

// requests removes the trace requests for a device or port.
func (r *remover) requests(device ID) {
	for _, t := range r.s.Requests {
		if t.Device == device {
			r.remove(KindRequest, t.ID)
		}
	}
}

func (r *remover) port(id ID) {
	if peer, ok := r.s.Ports[r.s.Ports[id].Peer]; ok {
		unplugged := *peer
		unplugged.Peer = ID{}
		r.s.Ports[peer.ID] = &unplugged
		r.d.Unlinked = append(r.d.Unlinked, peer.ID)
	}
	for _, route := range r.s.Routes {
		if route.NextHopPort == id {
			r.remove(KindRoute, route.ID)
		}
	}
	r.requests(id)
	for group, members := range r.s.GroupPorts {
		if i := slices.Index(members, id); i >= 0 {
			r.s.GroupPorts[group] = slices.Delete(slices.Clone(members), i, i+1)
			r.d.Groups = append(r.d.Groups, group)
		}
	}
	delete(r.s.Ports, id)
}

func (r *remover) chain(id ID) {
	for _, rule := range r.s.Rules[id] {
		r.d.Removed = append(r.d.Removed, Ref{KindRule, rule.ID})
	}
	delete(r.s.Rules, id)
	delete(r.s.Chains, id)
	for _, b := range r.s.Bridges {
		if c := *b; unfilter(id, &c.InboundFilter, &c.OutboundFilter) {
			r.s.Bridges[b.ID] = &c
			r.d.Unfiltered = append(r.d.Unfiltered, Ref{KindBridge, b.ID})
		}
	}
	for _, b := range r.s.Routers {
		if c := *b; unfilter(id, &c.InboundFilter, &c.OutboundFilter) {
			r.s.Routers[b.ID] = &c
			r.d.Unfiltered = append(r.d.Unfiltered, Ref{KindRouter, b.ID})
		}
	}
	for _, p := range r.s.Ports {
		if c := *p; unfilter(id, &c.InboundFilter, &c.OutboundFilter) {
			r.s.Ports[p.ID] = &c
			r.d.Unfiltered = append(r.d.Unfiltered, Ref{KindPort, p.ID})
		}
	}
}

// unfilter clears references to a chain, and reports whether there were any.
func unfilter(chain ID, filters ...*ID) (cleared bool) {
	for _, f := range filters {
		if *f == chain {
			*f = ID{}
			cleared = true
		}
	}
	return cleared
}

func (r *remover) rule(id ID) {
	rule, position, _ := r.s.Rule(id)
	rules := slices.Clone(r.s.Rules[rule.Chain])
	r.s.Rules[rule.Chain] = slices.Delete(rules, position-1, position)
}

func (r *remover) host(id ID) {
	delete(r.s.Hosts, id)
	for zone, hosts := range r.s.Tunnels {
		if _, ok := hosts[id]; ok {
			hosts = maps.Clone(hosts)
			delete(hosts, id)
			r.s.Tunnels[zone] = hosts
		}
	}
}

// request removes a trace request with its rule; both may be gone by hand.
func (r *remover) request(id ID) {
	t := r.s.Requests[id]
	delete(r.s.Requests, id)
	rule, _, ok := r.s.Rule(t.EnabledRule)
	if !ok {
		return
	}
	r.remove(KindRule, rule.ID)
	chain := r.s.Chains[rule.Chain]
	if chain != nil && chain.Name == TraceChainPrefix+id.String() && len(r.s.Rules[chain.ID]) == 0 {
		r.remove(KindChain, chain.ID)
	}
}
