// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
)

// NewSnapshot returns a snapshot of nothing.
func NewSnapshot() *Snapshot {
	return &Snapshot{
		Bridges:     make(map[ID]*Bridge),
		Routers:     make(map[ID]*Router),
		Ports:       make(map[ID]*Port),
		Routes:      make(map[ID]*Route),
		Chains:      make(map[ID]*Chain),
		Rules:       make(map[ID][]*Rule),
		PortGroups:  make(map[ID]*PortGroup),
		GroupPorts:  make(map[ID][]ID),
		AddrGroups:  make(map[ID]*AddrGroup),
		GroupAddrs:  make(map[ID][]netip.Addr),
		Hosts:       make(map[ID]*Host),
		TunnelZones: make(map[ID]*TunnelZone),
		Tunnels:     make(map[ID]map[ID]netip.Addr),
		Requests:    make(map[ID]*TraceRequest),
	}
}

// Snapshot returns the objects of the document. Its error is an *Invalid whose
// properties are paths in the document.
func (d *Document) Snapshot() (*Snapshot, error) {
	ix, bad := newDocumentIndex(d)
	b := &documentBuilder{documentIndex: ix, doc: d, s: NewSnapshot()}
	b.bad = bad
	b.devices()
	b.groups()
	b.chains()
	b.ports()
	b.links()
	b.routes()
	b.bindings()
	return b.s, invalid(b.bad)
}

// documentBuilder makes a snapshot of a document.
type documentBuilder struct {
	*documentIndex

	doc *Document
	s   *Snapshot
}

// ref returns the id of an object that a member names, and none for an empty name.
func (b *documentBuilder) ref(path, name string, kinds ...Kind) ID {
	if name == "" {
		return ID{}
	}
	id, err := b.find(name, kinds...)
	if err != nil {
		b.report(path, "%v", err)
	}
	return id
}

func up(v *bool) bool { return v == nil || *v }

func (b *documentBuilder) devices() {
	for i := range b.doc.Bridges {
		v := b.device(index("bridges", i), KindBridge, &b.doc.Bridges[i])
		b.s.Bridges[v.ID] = &v
	}
	for i := range b.doc.Routers {
		v := b.device(index("routers", i), KindRouter, &b.doc.Routers[i])
		b.s.Routers[v.ID] = new(Router(v))
	}
}

func (b *documentBuilder) device(path string, kind Kind, d *DocumentDevice) Bridge {
	return Bridge{
		ID:             idOr(d.ID, kind, d.Name),
		Name:           d.Name,
		TenantID:       d.TenantID,
		AdminStateUp:   up(d.AdminStateUp),
		InboundFilter:  b.ref(path+".inboundFilter", d.InboundFilter, KindChain),
		OutboundFilter: b.ref(path+".outboundFilter", d.OutboundFilter, KindChain),
	}
}

func (b *documentBuilder) groups() {
	for i, g := range b.doc.PortGroups {
		id := idOr(g.ID, KindPortGroup, g.Name)
		b.s.PortGroups[id] = &PortGroup{ID: id, Name: g.Name, TenantID: g.TenantID, Stateful: g.Stateful}
		for j, name := range g.Ports {
			path := index("portGroups", i) + "." + index("ports", j)
			b.s.GroupPorts[id] = append(b.s.GroupPorts[id], b.ref(path, name, KindPort))
		}
	}
	for _, g := range b.doc.AddrGroups {
		id := idOr(g.ID, KindAddrGroup, g.Name)
		b.s.AddrGroups[id] = &AddrGroup{ID: id, Name: g.Name}
		b.s.GroupAddrs[id] = append(b.s.GroupAddrs[id], g.Addresses...)
	}
	for _, h := range b.doc.Hosts {
		id := idOr(h.ID, KindHost, h.Name)
		b.s.Hosts[id] = &Host{ID: id, Name: h.Name, Addresses: h.Addresses}
	}
	for i, z := range b.doc.TunnelZones {
		b.tunnelZone(index("tunnelZones", i), &z)
	}
}

func (b *documentBuilder) tunnelZone(path string, z *DocumentTunnelZone) {
	id := idOr(z.ID, KindTunnelZone, z.Name)
	b.s.TunnelZones[id] = &TunnelZone{ID: id, Name: z.Name, Type: VXLAN}
	b.s.Tunnels[id] = make(map[ID]netip.Addr)
	for j, h := range z.Hosts {
		at := path + "." + index("hosts", j) + ".host"
		host, err := b.find(h.Host, KindHost)
		if err != nil {
			b.report(at, "%v", err)
			continue
		}
		if _, ok := b.s.Tunnels[id][host]; ok {
			b.report(at, "host %q is in the zone twice", h.Host)
		}
		b.s.Tunnels[id][host] = h.Address
	}
}

func (b *documentBuilder) chains() {
	for i := range b.doc.Chains {
		c := &b.doc.Chains[i]
		id := idOr(c.ID, KindChain, c.Name)
		b.s.Chains[id] = &Chain{ID: id, Name: c.Name, TenantID: c.TenantID}
		for j := range c.Rules {
			path := index("chains", i) + "." + index("rules", j)
			r := b.rule(path, &c.Rules[j])
			r.Chain = id
			r.ID = idOr(c.Rules[j].ID, KindRule, c.Name, index("", j))
			b.s.Rules[id] = append(b.s.Rules[id], r)
		}
	}
}

// rule makes a rule. A chain that is not in the document may be named by its id: rules
// that jump to a chain outlive it.
func (b *documentBuilder) rule(path string, d *DocumentRule) *Rule {
	r := &Rule{Type: d.Type, NATTargets: d.NATTargets, FlowAction: d.FlowAction}
	if r.FlowAction == "" && r.NAT() {
		r.FlowAction = FlowAccept
	}
	before := len(b.bad)
	if id, err := ParseID(d.JumpChain); err == nil {
		r.JumpChain = id
	} else {
		r.JumpChain = b.ref(path+".jumpChain", d.JumpChain, KindChain)
	}
	r.Condition = b.condition(path+".condition", d.Condition)
	if d.Type == TraceRule {
		b.report(path+".type", "got trace, want a rule that is not the system's own")
		return r
	}
	if len(b.bad) == before {
		for _, v := range r.violations() {
			b.report(path+"."+documentMember(v.Property), "%s", v.Message)
		}
	}
	return r
}

// documentMember returns the path below a rule of the document of a property of a rule.
func documentMember(property string) string {
	switch property {
	case "jumpChainId":
		return "jumpChain"
	case "fragmentPolicy":
		return "condition.fragmentPolicy"
	}
	return property
}

// condition reads a condition in either form.
func (b *documentBuilder) condition(path string, raw json.RawMessage) Condition {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return Condition{}
	}
	if s, ok := unquote(raw); ok {
		c, err := ParseCondition(s)
		if bad, ok := errors.AsType[*Invalid](err); ok {
			for _, v := range bad.Violations {
				b.report(path, "%s: %s", v.Property, v.Message)
			}
		}
		return c
	}
	o := readObject(raw, path, &b.bad)
	o.resolve = b.conditionRef
	return readCondition(o)
}

// conditionRef returns the id of an object that a condition names.
func (b *documentBuilder) conditionRef(member, name string) (ID, error) {
	switch member {
	case "inPorts", "outPorts":
		return b.find(name, KindPort)
	case "portGroup", "inPortGroup", "outPortGroup":
		return b.find(name, KindPortGroup)
	case "ipAddrGroupSrc", "ipAddrGroupDst":
		return b.find(name, KindAddrGroup)
	case "traversedDevice":
		return b.find(name, KindBridge, KindRouter, KindPort)
	}
	return ParseID(name)
}

func (b *documentBuilder) ports() {
	for i := range b.doc.Ports {
		d := &b.doc.Ports[i]
		path := index("ports", i)
		p := &Port{
			ID:             idOr(d.ID, KindPort, d.Name),
			Name:           properName(d.Name),
			Device:         b.ref(path+".device", d.Device, KindBridge, KindRouter),
			AdminStateUp:   up(d.AdminStateUp),
			InboundFilter:  b.ref(path+".inboundFilter", d.InboundFilter, KindChain),
			OutboundFilter: b.ref(path+".outboundFilter", d.OutboundFilter, KindChain),
			Host:           b.ref(path+".host", d.Host, KindHost),
			Interface:      d.Interface,
			TunnelKey:      uint32(i + 1),
			VLAN:           d.VLAN,
			PortMAC:        d.MAC,
			Workload:       d.Workload,
		}
		if d.Address.IsValid() {
			p.Network, p.PortAddress = d.Address.Masked(), d.Address.Addr()
		}
		b.portType(path, p)
		b.s.Ports[p.ID] = p
		if p.Host != (ID{}) && b.s.Hosts[p.Host] == nil {
			b.s.Hosts[p.Host] = &Host{ID: p.Host, Name: d.Host}
		}
	}
	if len(b.doc.Ports) > MaxTunnelKey {
		b.report("ports", "got %d, want at most %d", len(b.doc.Ports), MaxTunnelKey)
	}
}

// properName returns a name, unless it is an id that stands for one.
func properName(name string) string {
	if _, err := ParseID(name); err == nil {
		return ""
	}
	return name
}

// portType completes a port by the device that it is of.
func (b *documentBuilder) portType(path string, p *Port) {
	switch {
	case b.s.Bridges[p.Device] != nil:
		p.Type = BridgePort
	case b.s.Routers[p.Device] != nil:
		p.Type = RouterPort
		if p.PortMAC.IsZero() {
			p.PortMAC = derivedMAC(p.ID)
		}
	}
	for _, v := range p.violations() {
		b.report(path+"."+documentPortMember(v.Property), "%s", v.Message)
	}
}

func documentPortMember(property string) string {
	switch property {
	case "portMac":
		return "mac"
	case "vlanId":
		return property
	}
	return "address"
}

// links joins interior ports; one of two that names the other is enough.
func (b *documentBuilder) links() {
	for i := range b.doc.Ports {
		d := &b.doc.Ports[i]
		if d.Peer == "" {
			continue
		}
		path := index("ports", i) + ".peer"
		peer := b.s.Ports[b.ref(path, d.Peer, KindPort)]
		port := b.s.Ports[idOr(d.ID, KindPort, d.Name)]
		if peer == nil || port == nil || port.Peer == peer.ID && peer.Peer == port.ID {
			continue
		}
		if err := b.s.CheckLink(port, peer); err != nil {
			b.report(path, "%v", err)
			continue
		}
		port.Peer, peer.Peer = peer.ID, port.ID
	}
	for i, d := range b.doc.Ports {
		p := b.s.Ports[idOr(d.ID, KindPort, d.Name)]
		if p != nil && p.VLAN != 0 && (p.Exterior() || p.Workload != nil) { // one that is plugged in nowhere may get a peer
			b.report(index("ports", i)+".vlanId", "got a VLAN, which ports at a host or with a workload do not have")
		}
	}
}

func (b *documentBuilder) routes() {
	for i := range b.doc.Routers {
		d := &b.doc.Routers[i]
		router := idOr(d.ID, KindRouter, d.Name)
		for j := range d.Routes {
			path := index("routers", i) + "." + index("routes", j)
			r := b.route(path, router, &d.Routes[j])
			r.ID = idOr(d.Routes[j].ID, KindRoute, d.Name, index("", j))
			b.s.Routes[r.ID] = r
		}
	}
	for _, p := range b.s.Ports {
		if p.PortAddress.IsValid() {
			r := p.LocalRoute()
			b.s.Routes[r.ID] = r
		}
	}
}

// route makes a route.
func (b *documentBuilder) route(path string, router ID, d *DocumentRoute) *Route {
	r := &Route{
		Router: router, Src: d.Src, Dst: d.Dst, Type: d.Type,
		NextHopPort: b.ref(path+".port", d.Port, KindPort),
		Gateway:     d.Gateway, Weight: d.Weight,
	}
	if r.Type == "" {
		r.Type = NormalRoute
	}
	if !r.Src.IsValid() {
		r.Src = everywhere
	}
	if p := b.s.Ports[r.NextHopPort]; p != nil && p.Device != router {
		b.report(path+".port", "got %q, which is not of this router", d.Port)
	}
	for _, v := range r.violations() {
		if v.Property == "nextHopPort" {
			v.Property = "port"
		}
		b.report(path+"."+v.Property, "%s", v.Message)
	}
	return r
}

// bindings looks for interfaces that two ports claim.
func (b *documentBuilder) bindings() {
	type place struct {
		host ID
		name string
	}
	taken := make(map[place]string)
	for i := range b.doc.Ports {
		d := &b.doc.Ports[i]
		p := b.s.Ports[idOr(d.ID, KindPort, d.Name)]
		if p == nil || p.Host == (ID{}) {
			continue
		}
		path := index("ports", i)
		if p.Interior() {
			b.report(path+".host", "got a host for a port with a peer")
		}
		at := place{p.Host, p.Interface}
		if other, ok := taken[at]; ok {
			b.report(path+".interface", "%q of %q is that of %s, too", d.Interface, d.Host, other)
			continue
		}
		taken[at] = path
	}
}
