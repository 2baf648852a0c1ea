// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
)

// ReadDocument reads a document. Its error names the places that are wrong: an
// *Invalid whose properties are paths as ports[3].peer. Members that it does not know
// are let be, and named in Unknown.
func ReadDocument(r io.Reader) (*Document, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("topology document: %w", err)
	}
	if err := wellFormed(data); err != nil {
		return nil, fmt.Errorf("topology document: %w", err)
	}
	dr := &documentReader{}
	d := dr.document(data)
	return d, invalid(dr.bad)
}

// wellFormed tells where what is no JSON goes wrong.
func wellFormed(data []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := data[:min(int(syntax.Offset), len(data))]
		line := strings.Count(string(before), "\n") + 1
		return fmt.Errorf("line %d: %w", line, err)
	}
	return err
}

type documentReader struct {
	bad     []Violation
	unknown []string
}

func (dr *documentReader) document(data []byte) *Document {
	var d Document
	o := dr.object(trim(data), "")
	each(dr, o, "bridges", &d.Bridges, dr.device)
	each(dr, o, "routers", &d.Routers, dr.router)
	each(dr, o, "ports", &d.Ports, dr.port)
	each(dr, o, "chains", &d.Chains, dr.chain)
	each(dr, o, "portGroups", &d.PortGroups, dr.portGroup)
	each(dr, o, "ipAddrGroups", &d.AddrGroups, dr.addrGroup)
	each(dr, o, "hosts", &d.Hosts, dr.host)
	each(dr, o, "tunnelZones", &d.TunnelZones, dr.tunnelZone)
	dr.done(o)
	d.Unknown = dr.unknown
	return &d
}

// object takes an object apart and remembers which members were asked for.
func (dr *documentReader) object(raw json.RawMessage, path string) *object {
	o := readObject(raw, path, &dr.bad)
	o.asked = make(map[string]bool)
	return o
}

// done notes the members that nobody asked for.
func (dr *documentReader) done(o *object) {
	for _, name := range o.unknown() {
		dr.unknown = append(dr.unknown, o.at(name))
	}
}

// each reads the objects of an array.
func each[T any](dr *documentReader, o *object, name string, list *[]T, read func(o *object) T) {
	for i, raw := range o.array(name) {
		in := dr.object(raw, o.at(index(name, i)))
		*list = append(*list, read(in))
		dr.done(in)
	}
}

func (dr *documentReader) device(o *object) (d DocumentDevice) {
	o.id("id", &d.ID)
	readName(o, &d.Name)
	o.text("tenantId", &d.TenantID)
	d.AdminStateUp = optionalBool(o, "adminStateUp")
	o.text("inboundFilter", &d.InboundFilter)
	o.text("outboundFilter", &d.OutboundFilter)
	return d
}

func (dr *documentReader) router(o *object) DocumentDevice {
	d := dr.device(o)
	each(dr, o, "routes", &d.Routes, dr.route)
	return d
}

func (dr *documentReader) route(o *object) (r DocumentRoute) {
	o.id("id", &r.ID)
	o.want("dst", "the addresses that the route is for, as 10.0.0.0/8")
	readPrefix(o, "dst", &r.Dst)
	readPrefix(o, "src", &r.Src)
	o.text("port", &r.Port)
	o.addr("gateway", &r.Gateway)
	var n int64
	o.integer("weight", 0, math.MaxInt32, &n)
	r.Weight = int(n)
	var kind string
	if o.text("type", &kind) {
		r.Type = routeType(kind)
	}
	return r
}

// routeType returns the type that is written in any case.
func routeType(s string) RouteType {
	for _, t := range []RouteType{NormalRoute, BlackHoleRoute, RejectRoute, LocalRoute} {
		if strings.EqualFold(s, string(t)) {
			return t
		}
	}
	return RouteType(s)
}

func (dr *documentReader) port(o *object) (p DocumentPort) {
	o.id("id", &p.ID)
	readName(o, &p.Name)
	o.want("device", "the bridge or router that the port is of")
	o.text("device", &p.Device)
	o.text("inboundFilter", &p.InboundFilter)
	o.text("outboundFilter", &p.OutboundFilter)
	p.AdminStateUp = optionalBool(o, "adminStateUp")
	o.text("peer", &p.Peer)
	o.mac("mac", &p.MAC)
	readPrefix(o, "address", &p.Address)
	var n int64
	o.integer("vlanId", 0, 4094, &n)
	p.VLAN = uint16(n)
	o.text("host", &p.Host)
	o.text("interface", &p.Interface)
	if raw, ok := o.get("workload"); ok {
		in := dr.object(raw, o.at("workload"))
		p.Workload = readWorkload(in)
		dr.done(in)
	}
	dr.exterior(&p)
	return p
}

// exterior completes what is said of a port of a host: a document that is not for real
// hosts need not name them.
func (dr *documentReader) exterior(p *DocumentPort) {
	if p.Host == "" && p.Interface == "" && p.Workload == nil {
		return
	}
	if p.Host == "" {
		p.Host = "local"
	}
	if p.Interface == "" {
		p.Interface = p.Name
	}
}

func readWorkload(o *object) *Workload {
	var w Workload
	o.want("mac", "the Ethernet address of the workload")
	o.mac("mac", &w.MAC)
	o.want("address", "the IPv4 address of the workload")
	var address netip.Prefix
	readPrefix(o, "address", &address)
	w.Address = address.Addr()
	if address.IsValid() && address.Bits() < 32 {
		w.Network = address.Masked()
	}
	o.addr("gateway", &w.Gateway)
	return &w
}

func (dr *documentReader) chain(o *object) (c DocumentChain) {
	o.id("id", &c.ID)
	readName(o, &c.Name)
	o.text("tenantId", &c.TenantID)
	each(dr, o, "rules", &c.Rules, dr.rule)
	return c
}

func (dr *documentReader) rule(o *object) (r DocumentRule) {
	o.id("id", &r.ID)
	o.text("type", (*string)(&r.Type))
	if raw, ok := o.get("condition"); ok {
		r.Condition = raw
		dr.condition(raw, o.at("condition"))
	}
	o.text("jumpChain", &r.JumpChain)
	o.text("flowAction", (*string)(&r.FlowAction))
	each(dr, o, "natTargets", &r.NATTargets, readNATTarget)
	return r
}

// condition notes the members of a condition that nobody asks for: without them a rule
// matches more than its author thinks. What is wrong with the others is told when their
// names can be looked up.
func (dr *documentReader) condition(raw json.RawMessage, path string) {
	if raw[0] != '{' {
		return
	}
	in := dr.object(raw, path)
	in.bad = new([]Violation)
	readCondition(in)
	dr.done(in)
}

func (dr *documentReader) portGroup(o *object) (g DocumentPortGroup) {
	o.id("id", &g.ID)
	readName(o, &g.Name)
	o.text("tenantId", &g.TenantID)
	o.bool("stateful", &g.Stateful)
	for i, raw := range o.array("ports") {
		s, ok := unquote(raw)
		if !ok {
			o.report(index("ports", i), "got %s, want the name of a port", describe(raw))
		}
		g.Ports = append(g.Ports, s)
	}
	return g
}

func (dr *documentReader) addrGroup(o *object) (g DocumentAddrGroup) {
	o.id("id", &g.ID)
	readName(o, &g.Name)
	for i, raw := range o.array("addresses") {
		s, _ := unquote(raw)
		a, err := parseIPv4(s)
		if err != nil {
			o.report(index("addresses", i), "got %s, want an IPv4 address", describe(raw))
		}
		g.Addresses = append(g.Addresses, a)
	}
	return g
}

func (dr *documentReader) host(o *object) (h DocumentHost) {
	o.id("id", &h.ID)
	readName(o, &h.Name)
	for i, raw := range o.array("addresses") {
		s, _ := unquote(raw)
		a, err := netip.ParseAddr(s)
		if err != nil {
			o.report(index("addresses", i), "got %s, want an IP address", describe(raw))
		}
		h.Addresses = append(h.Addresses, a)
	}
	return h
}

func (dr *documentReader) tunnelZone(o *object) (z DocumentTunnelZone) {
	o.id("id", &z.ID)
	readName(o, &z.Name)
	if o.text("type", &z.Type); z.Type != "" && z.Type != VXLAN {
		o.report("type", "got %.60q, want %q", z.Type, VXLAN)
	}
	each(dr, o, "hosts", &z.Hosts, func(o *object) (h DocumentTunnelHost) {
		o.text("host", &h.Host)
		o.want("address", "the IPv4 address that tunnels go to")
		o.addr("address", &h.Address)
		return h
	})
	return z
}

func optionalBool(o *object, name string) *bool {
	if _, ok := o.get(name); !ok {
		return nil
	}
	var v bool
	o.bool(name, &v)
	return &v
}

// readPrefix reads an address with its length; an address alone is /32.
func readPrefix(o *object, name string, v *netip.Prefix) {
	var s string
	if !o.text(name, &s) {
		return
	}
	p, err := parsePrefix(s)
	if err != nil {
		o.report(name, "%v", err)
		return
	}
	*v = p
}

// trim takes white space off both ends.
func trim(data []byte) []byte {
	return []byte(strings.Trim(string(data), " \t\r\n"))
}

// derivedMAC returns the Ethernet address of a router port that is given none: locally
// administered, of a single station, the same for the same id.
func derivedMAC(id ID) packet.MAC {
	m := packet.MAC(id[:6])
	m[0] = m[0]&^1 | 2
	return m
}
