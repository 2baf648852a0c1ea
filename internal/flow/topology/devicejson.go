// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"math"
	"net/netip"
	"unicode/utf8"
)

const maxNameLen = 255 // characters

// UnmarshalJSON reads a bridge. Its error is an *Invalid.
func (b *Bridge) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*b = Bridge{AdminStateUp: true}
	o.id("id", &b.ID)
	readName(o, &b.Name)
	o.text("tenantId", &b.TenantID)
	readAdmin(o, &b.AdminStateUp, &b.InboundFilter, &b.OutboundFilter)
	return invalid(bad)
}

// UnmarshalJSON reads a router. Its error is an *Invalid.
func (r *Router) UnmarshalJSON(data []byte) error {
	var b Bridge // a router has the same members
	if err := b.UnmarshalJSON(data); err != nil {
		return err
	}
	*r = Router(b)
	return nil
}

// readName reads a name of at most 255 characters.
func readName(o *object, v *string) {
	if o.text("name", v) && utf8.RuneCountInString(*v) > maxNameLen {
		o.report("name", "got %d characters, want at most %d", utf8.RuneCountInString(*v), maxNameLen)
	}
}

// readAdmin reads what devices and ports have in common.
func readAdmin(o *object, up *bool, inbound, outbound *ID) {
	o.bool("adminStateUp", up)
	o.id("inboundFilterId", inbound)
	o.id("outboundFilterId", outbound)
}

// portFields is a Port as JSON has it.
type portFields struct {
	plainPort

	NetworkAddress netip.Addr `json:"networkAddress,omitzero"`
	NetworkLength  *int       `json:"networkLength,omitempty"`
}

type plainPort Port

// MarshalJSON writes a port; its network is two members.
func (p Port) MarshalJSON() ([]byte, error) {
	f := portFields{plainPort: plainPort(p)}
	f.NetworkAddress, f.NetworkLength = splitPrefix(p.Network)
	return json.Marshal(f)
}

// MaxTunnelKey is the greatest number of a port in tunnels.
const MaxTunnelKey = 0xfffff

// UnmarshalJSON reads a port. Its error is an *Invalid.
func (p *Port) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*p = Port{AdminStateUp: true}
	o.id("id", &p.ID)
	readName(o, &p.Name)
	o.text("type", (*string)(&p.Type))
	o.id("deviceId", &p.Device)
	readAdmin(o, &p.AdminStateUp, &p.InboundFilter, &p.OutboundFilter)
	o.id("hostId", &p.Host)
	o.text("interfaceName", &p.Interface)
	o.id("peerId", &p.Peer)
	var n int64
	if o.integer("tunnelKey", 0, MaxTunnelKey, &n) {
		p.TunnelKey = uint32(n)
	}
	if o.integer("vlanId", 0, 4094, &n) {
		p.VLAN = uint16(n)
	}
	o.prefix("networkAddress", "networkLength", &p.Network)
	o.addr("portAddress", &p.PortAddress)
	o.mac("portMac", &p.PortMAC)
	if raw, ok := o.get("workload"); ok {
		p.Workload = readWorkload(readObject(raw, o.at("workload"), &bad))
	}
	bad = append(bad, p.violations()...)
	return invalid(bad)
}

// violations returns what is wrong with members taken together. The type may be open:
// in a request the path says it.
func (p *Port) violations() (bad []Violation) {
	report := func(property, message string) {
		bad = append(bad, Violation{Property: property, Message: message})
	}
	switch p.Type {
	case "":
	case BridgePort:
		if p.Network.IsValid() || p.PortAddress.IsValid() || !p.PortMAC.IsZero() {
			report("type", "got Bridge with an address, which router ports have")
		}
	case RouterPort:
		if p.VLAN != 0 {
			report("vlanId", "got a VLAN of a router port, want none")
		}
	default:
		report("type", "want Bridge or Router")
	}
	if p.PortMAC.IsGroup() {
		report("portMac", "got a group address, want one of a single station")
	}
	if p.PortAddress.IsValid() && !p.Network.IsValid() {
		report("networkAddress", "got portAddress without the network that it is in")
	}
	if p.PortAddress.IsValid() && p.Network.IsValid() && !p.Network.Contains(p.PortAddress) {
		report("portAddress", "got "+p.PortAddress.String()+", which is not in "+p.Network.String())
	}
	return bad
}

// routeFields is a Route as JSON has it.
type routeFields struct {
	plainRoute

	SrcAddress netip.Addr `json:"srcNetworkAddr,omitzero"`
	SrcLength  *int       `json:"srcNetworkLength,omitempty"`
	DstAddress netip.Addr `json:"dstNetworkAddr,omitzero"`
	DstLength  *int       `json:"dstNetworkLength,omitempty"`
}

type plainRoute Route

// everywhere is the prefix of all addresses.
var everywhere = netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 0)

// MarshalJSON writes a route; its prefixes are two members each.
func (r Route) MarshalJSON() ([]byte, error) {
	f := routeFields{plainRoute: plainRoute(r)}
	f.SrcAddress, f.SrcLength = splitPrefix(r.Src)
	f.DstAddress, f.DstLength = splitPrefix(r.Dst)
	return json.Marshal(f)
}

// UnmarshalJSON reads a route; prefixes that are not given are of all addresses. Its
// error is an *Invalid.
func (r *Route) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*r = Route{Src: everywhere, Dst: everywhere}
	o.id("id", &r.ID)
	o.id("routerId", &r.Router)
	readNetwork(o, "srcNetworkAddr", "srcNetworkLength", &r.Src)
	readNetwork(o, "dstNetworkAddr", "dstNetworkLength", &r.Dst)
	if !o.text("type", (*string)(&r.Type)) {
		r.Type = NormalRoute
	}
	o.id("nextHopPort", &r.NextHopPort)
	o.addr("nextHopGateway", &r.Gateway)
	var n int64
	if o.integer("weight", 0, math.MaxInt32, &n) {
		r.Weight = int(n)
	}
	o.bool("learned", &r.Learned)
	bad = append(bad, r.violations()...)
	return invalid(bad)
}

// readNetwork reads a prefix of which a client may give the length 0 alone, and of
// which 0.0.0.0 without a length is everything.
func readNetwork(o *object, address, length string, v *netip.Prefix) {
	o.prefix(address, length, v)
	_, given := o.get(length)
	if v.Addr().IsUnspecified() && !given {
		*v = everywhere
	}
}

func (r *Route) violations() []Violation {
	switch r.Type {
	case NormalRoute:
		if r.NextHopPort == (ID{}) {
			return []Violation{{"nextHopPort", "got none, want the port that a Normal route leaves by"}}
		}
	case BlackHoleRoute, RejectRoute, LocalRoute:
	default:
		return []Violation{{"type", "want Normal, BlackHole, Reject or Local"}}
	}
	return nil
}

// UnmarshalJSON reads a port group. Its error is an *Invalid.
func (g *PortGroup) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*g = PortGroup{}
	o.id("id", &g.ID)
	readName(o, &g.Name)
	o.text("tenantId", &g.TenantID)
	o.bool("stateful", &g.Stateful)
	return invalid(bad)
}

// UnmarshalJSON reads an address group. Its error is an *Invalid.
func (g *AddrGroup) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*g = AddrGroup{}
	o.id("id", &g.ID)
	readName(o, &g.Name)
	return invalid(bad)
}

// UnmarshalJSON reads a host. Its error is an *Invalid.
func (h *Host) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*h = Host{}
	o.id("id", &h.ID)
	readName(o, &h.Name)
	for _, raw := range o.array("addresses") {
		var a netip.Addr
		if err := json.Unmarshal(raw, &a); err != nil {
			o.report("addresses", "got %s, want IP addresses", describe(raw))
			continue
		}
		h.Addresses = append(h.Addresses, a)
	}
	return invalid(bad)
}

// VXLAN is the type of tunnel zones.
const VXLAN = "vxlan"

// UnmarshalJSON reads a tunnel zone. Its error is an *Invalid.
func (z *TunnelZone) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*z = TunnelZone{Type: VXLAN}
	o.id("id", &z.ID)
	readName(o, &z.Name)
	if z.Name == "" {
		o.report("name", "got none, want 1 to %d characters", maxNameLen)
	}
	o.text("type", &z.Type)
	if z.Type != VXLAN {
		o.report("type", "got %.60q, want %q, the only tunnels that there are", z.Type, VXLAN)
	}
	return invalid(bad)
}
