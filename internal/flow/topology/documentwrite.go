// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// TraceChainPrefix begins the name of a chain that is made for a trace request on a
// device that has no inbound filter; the request's id ends it.
const TraceChainPrefix = "TRACE_REQUEST_CHAIN_"

// NewDocument returns the document of a snapshot. Names are those of the objects, and
// of ports those of names; where a name is missing or is not the only one of its kind,
// the id stands for it. What the system made itself is
// left out: Local routes of ports' own addresses, trace rules and their chains.
func NewDocument(s *Snapshot, names map[ID]string, workloads map[ID]Workload) *Document {
	w := &documentWriter{s: s, names: make(map[ID]string), workloads: workloads}
	w.choose(names)
	return &Document{
		Bridges:     w.bridges(),
		Routers:     w.routers(),
		Ports:       w.ports(),
		Chains:      w.chains(),
		PortGroups:  w.portGroups(),
		AddrGroups:  w.addrGroups(),
		Hosts:       w.hosts(),
		TunnelZones: w.tunnelZones(),
	}
}

// PortNames returns names for ports. One that has none of its own gets that of its device
// with its interface, or with the device of its peer. Two may have the same.
func (s *Snapshot) PortNames() map[ID]string {
	device := func(id ID) string {
		if b, ok := s.Bridges[id]; ok {
			return b.Name
		}
		if r, ok := s.Routers[id]; ok {
			return r.Name
		}
		return ""
	}
	names := make(map[ID]string)
	for id, p := range s.Ports {
		if p.Name != "" {
			names[id] = p.Name
			continue
		}
		other := p.Interface
		if peer, ok := s.Ports[p.Peer]; ok {
			other = device(peer.Device)
		}
		if name := device(p.Device); name != "" && other != "" {
			names[id] = name + "/" + other
		}
	}
	return names
}

// Write writes the document as indented JSON.
func (d *Document) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}

type documentWriter struct {
	s         *Snapshot
	names     map[ID]string // chosen, of what has one
	workloads map[ID]Workload
}

// choose finds the names that are the only ones of their kind. Bridges and routers
// share theirs.
func (w *documentWriter) choose(names map[ID]string) {
	devices := make(map[ID]string)
	for id, b := range w.s.Bridges {
		devices[id] = b.Name
	}
	for id, r := range w.s.Routers {
		devices[id] = r.Name
	}
	ports := make(map[ID]string)
	for id := range w.s.Ports {
		ports[id] = names[id]
	}
	w.unique(devices)
	w.unique(ports)
	w.unique(namesOf(w.s.Chains, func(c *Chain) string { return c.Name }))
	w.unique(namesOf(w.s.PortGroups, func(g *PortGroup) string { return g.Name }))
	w.unique(namesOf(w.s.AddrGroups, func(g *AddrGroup) string { return g.Name }))
	w.unique(namesOf(w.s.Hosts, func(h *Host) string { return h.Name }))
	w.unique(namesOf(w.s.TunnelZones, func(z *TunnelZone) string { return z.Name }))
}

func namesOf[T any](objects map[ID]T, name func(T) string) map[ID]string {
	m := make(map[ID]string, len(objects))
	for id, o := range objects {
		m[id] = name(o)
	}
	return m
}

func (w *documentWriter) unique(names map[ID]string) {
	count := make(map[string]int)
	for _, name := range names {
		count[name]++
	}
	for id, name := range names {
		if _, err := ParseID(name); name == "" || count[name] > 1 || err == nil {
			name = id.String()
		}
		w.names[id] = name
	}
}

// ref returns the name of an object, its id when it is gone, nothing for none.
func (w *documentWriter) ref(id ID) string {
	if id == (ID{}) {
		return ""
	}
	if name, ok := w.names[id]; ok {
		return name
	}
	return id.String()
}

// id returns the id to write, which is none when it follows from the name.
func (w *documentWriter) id(id ID, kind Kind, name ...string) ID {
	if id == NamedID(kind, name...) {
		return ID{}
	}
	return id
}

// filter returns the name of a filter, unless it is the system's own or gone.
func (w *documentWriter) filter(id ID) string {
	c := w.s.Chains[id]
	if c == nil || w.system(c) {
		return ""
	}
	return w.ref(id)
}

// system reports whether a chain is there for a trace request alone.
func (w *documentWriter) system(c *Chain) bool {
	return strings.HasPrefix(c.Name, TraceChainPrefix) &&
		!slices.ContainsFunc(w.s.Rules[c.ID], func(r *Rule) bool { return r.Type != TraceRule })
}

func down(adminStateUp bool) *bool {
	if adminStateUp {
		return nil
	}
	return new(false)
}

// sorted returns the objects in the order of their names.
func sorted[T any](w *documentWriter, objects map[ID]T) []T {
	ids := slices.SortedFunc(maps.Keys(objects), func(a, b ID) int {
		return cmp.Or(cmp.Compare(w.names[a], w.names[b]), slices.Compare(a[:], b[:]))
	})
	list := make([]T, len(ids))
	for i, id := range ids {
		list[i] = objects[id]
	}
	return list
}

func (w *documentWriter) bridges() (list []DocumentDevice) {
	for _, b := range sorted(w, w.s.Bridges) {
		list = append(list, w.device(KindBridge, b))
	}
	return list
}

func (w *documentWriter) device(kind Kind, b *Bridge) DocumentDevice {
	name := w.ref(b.ID)
	return DocumentDevice{
		ID: w.id(b.ID, kind, name), Name: name, TenantID: b.TenantID,
		AdminStateUp:  down(b.AdminStateUp),
		InboundFilter: w.filter(b.InboundFilter), OutboundFilter: w.filter(b.OutboundFilter),
	}
}

func (w *documentWriter) routers() (list []DocumentDevice) {
	routes := make(map[ID][]*Route)
	for _, r := range sorted(w, w.s.Routes) {
		routes[r.Router] = append(routes[r.Router], r)
	}
	for _, r := range sorted(w, w.s.Routers) {
		d := w.device(KindRouter, new(Bridge(*r)))
		slices.SortStableFunc(routes[r.ID], func(a, b *Route) int {
			return cmp.Or(a.Dst.Addr().Compare(b.Dst.Addr()), cmp.Compare(a.Dst.Bits(), b.Dst.Bits()),
				cmp.Compare(a.Weight, b.Weight))
		})
		for _, route := range routes[r.ID] {
			if w.automatic(route) {
				continue
			}
			d.Routes = append(d.Routes, w.route(route, d.Name, len(d.Routes)))
		}
		list = append(list, d)
	}
	return list
}

// automatic reports whether a route is there because a port is.
func (w *documentWriter) automatic(r *Route) bool {
	p := w.s.Ports[r.NextHopPort]
	return p != nil && r.Type == LocalRoute && r.Weight == 0 && r.Src == everywhere &&
		r.Dst == netip.PrefixFrom(p.PortAddress, 32)
}

func (w *documentWriter) route(r *Route, router string, i int) DocumentRoute {
	d := DocumentRoute{
		ID:  w.id(r.ID, KindRoute, router, index("", i)),
		Dst: r.Dst, Port: w.ref(r.NextHopPort), Gateway: r.Gateway, Weight: r.Weight,
	}
	if r.Src != everywhere {
		d.Src = r.Src
	}
	if r.Type != NormalRoute {
		d.Type = r.Type
	}
	return d
}

func (w *documentWriter) ports() (list []DocumentPort) {
	ports := slices.SortedFunc(maps.Values(w.s.Ports), func(a, b *Port) int {
		return cmp.Or(cmp.Compare(a.TunnelKey, b.TunnelKey), slices.Compare(a.ID[:], b.ID[:]))
	})
	for _, p := range ports {
		list = append(list, w.port(p))
	}
	return list
}

func (w *documentWriter) port(p *Port) DocumentPort {
	name := w.ref(p.ID)
	d := DocumentPort{
		ID: w.id(p.ID, KindPort, name), Name: name, Device: w.ref(p.Device),
		InboundFilter: w.filter(p.InboundFilter), OutboundFilter: w.filter(p.OutboundFilter),
		AdminStateUp: down(p.AdminStateUp), Peer: w.ref(p.Peer), VLAN: p.VLAN,
		Host: w.ref(p.Host), Interface: p.Interface,
	}
	if p.PortMAC != derivedMAC(p.ID) {
		d.MAC = p.PortMAC
	}
	if p.PortAddress.IsValid() {
		d.Address = netip.PrefixFrom(p.PortAddress, p.Network.Bits())
	}
	if load, ok := w.workloads[p.ID]; ok {
		d.Workload = &load
	} else if p.Exterior() {
		d.Workload = p.Workload
	}
	return d
}

func (w *documentWriter) chains() (list []DocumentChain) {
	for _, c := range sorted(w, w.s.Chains) {
		if w.system(c) {
			continue
		}
		name := w.ref(c.ID)
		d := DocumentChain{ID: w.id(c.ID, KindChain, name), Name: name, TenantID: c.TenantID}
		for _, r := range w.s.Rules[c.ID] {
			if r.Type != TraceRule {
				d.Rules = append(d.Rules, w.rule(r, name, len(d.Rules)))
			}
		}
		list = append(list, d)
	}
	return list
}

func (w *documentWriter) rule(r *Rule, chain string, i int) DocumentRule {
	return DocumentRule{
		ID:        w.id(r.ID, KindRule, chain, index("", i)),
		Type:      r.Type,
		Condition: w.condition(&r.Condition),
		JumpChain: w.ref(r.JumpChain), NATTargets: r.NATTargets, FlowAction: r.FlowAction,
	}
}

// conditionRefs are the members of a condition that are ids.
var conditionRefs = []string{
	"portGroup", "inPortGroup", "outPortGroup", "ipAddrGroupSrc", "ipAddrGroupDst", "traversedDevice",
}

// condition returns a condition with names for ids; nothing for one that matches all.
func (w *documentWriter) condition(c *Condition) json.RawMessage {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("topology: a condition cannot be written: " + err.Error())
	}
	if string(raw) == "{}" {
		return nil
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		panic("topology: a condition cannot be read: " + err.Error())
	}
	for _, m := range conditionRefs {
		if s, ok := members[m].(string); ok {
			members[m] = w.name(s)
		}
	}
	for _, m := range []string{"inPorts", "outPorts"} {
		list, _ := members[m].([]any)
		for i := range list {
			list[i] = w.name(list[i].(string))
		}
	}
	raw, _ = json.Marshal(members)
	return raw
}

func (w *documentWriter) name(id string) string {
	parsed, _ := ParseID(id)
	return w.ref(parsed)
}

func (w *documentWriter) portGroups() (list []DocumentPortGroup) {
	for _, g := range sorted(w, w.s.PortGroups) {
		name := w.ref(g.ID)
		d := DocumentPortGroup{
			ID: w.id(g.ID, KindPortGroup, name), Name: name, TenantID: g.TenantID, Stateful: g.Stateful,
		}
		for _, p := range w.s.GroupPorts[g.ID] {
			d.Ports = append(d.Ports, w.ref(p))
		}
		list = append(list, d)
	}
	return list
}

func (w *documentWriter) addrGroups() (list []DocumentAddrGroup) {
	for _, g := range sorted(w, w.s.AddrGroups) {
		name := w.ref(g.ID)
		list = append(list, DocumentAddrGroup{
			ID: w.id(g.ID, KindAddrGroup, name), Name: name, Addresses: w.s.GroupAddrs[g.ID],
		})
	}
	return list
}

func (w *documentWriter) hosts() (list []DocumentHost) {
	for _, h := range sorted(w, w.s.Hosts) {
		name := w.ref(h.ID)
		list = append(list, DocumentHost{ID: w.id(h.ID, KindHost, name), Name: name, Addresses: h.Addresses})
	}
	return list
}

func (w *documentWriter) tunnelZones() (list []DocumentTunnelZone) {
	for _, z := range sorted(w, w.s.TunnelZones) {
		name := w.ref(z.ID)
		d := DocumentTunnelZone{ID: w.id(z.ID, KindTunnelZone, name), Name: name}
		for _, host := range slices.SortedFunc(maps.Keys(w.s.Tunnels[z.ID]), func(a, b ID) int {
			return cmp.Compare(w.names[a], w.names[b])
		}) {
			d.Hosts = append(d.Hosts, DocumentTunnelHost{Host: w.ref(host), Address: w.s.Tunnels[z.ID][host]})
		}
		list = append(list, d)
	}
	return list
}
