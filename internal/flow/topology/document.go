// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
)

// Document is a whole topology in which objects refer to each other by names. It is
// what people write, and what is imported and exported. Where a name is wanted, the id
// of an object may stand; an object without an id gets one that follows from its name,
// so that all who read a document agree.
type Document struct {
	Bridges     []DocumentDevice     `json:"bridges,omitempty"`
	Routers     []DocumentDevice     `json:"routers,omitempty"`
	Ports       []DocumentPort       `json:"ports,omitempty"`
	Chains      []DocumentChain      `json:"chains,omitempty"`
	PortGroups  []DocumentPortGroup  `json:"portGroups,omitempty"`
	AddrGroups  []DocumentAddrGroup  `json:"ipAddrGroups,omitempty"`
	Hosts       []DocumentHost       `json:"hosts,omitempty"` // those that ports name need not be here
	TunnelZones []DocumentTunnelZone `json:"tunnelZones,omitempty"`

	// Unknown is the paths of members that a reader did not know.
	Unknown []string `json:"-"`
}

// DocumentDevice is a bridge or a router.
type DocumentDevice struct {
	ID             ID              `json:"id,omitzero"`
	Name           string          `json:"name"`
	TenantID       string          `json:"tenantId,omitempty"`
	AdminStateUp   *bool           `json:"adminStateUp,omitempty"` // none: up
	InboundFilter  string          `json:"inboundFilter,omitempty"`
	OutboundFilter string          `json:"outboundFilter,omitempty"`
	Routes         []DocumentRoute `json:"routes,omitempty"` // routers
}

// DocumentRoute is a route of the router that it stands in. The Local route of a
// port's own address need not be given.
type DocumentRoute struct {
	ID      ID           `json:"id,omitzero"`
	Dst     netip.Prefix `json:"dst"`
	Src     netip.Prefix `json:"src,omitzero"` // none: of all addresses
	Port    string       `json:"port,omitempty"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	Weight  int          `json:"weight,omitempty"`
	Type    RouteType    `json:"type,omitempty"` // none: Normal
}

// DocumentPort is a port of a bridge or router: exterior with a host and interface,
// interior with a peer, unplugged with neither.
type DocumentPort struct {
	ID             ID           `json:"id,omitzero"`
	Name           string       `json:"name"`
	Device         string       `json:"device"`
	InboundFilter  string       `json:"inboundFilter,omitempty"`
	OutboundFilter string       `json:"outboundFilter,omitempty"`
	AdminStateUp   *bool        `json:"adminStateUp,omitempty"` // none: up
	Peer           string       `json:"peer,omitempty"`
	MAC            packet.MAC   `json:"mac,omitzero"`     // router ports; none: made from the id
	Address        netip.Prefix `json:"address,omitzero"` // router ports
	VLAN           uint16       `json:"vlanId,omitempty"` // bridge ports
	Host           string       `json:"host,omitempty"`
	Interface      string       `json:"interface,omitempty"`
	Workload       *Workload    `json:"workload,omitempty"`
}

// Workload is the machine behind an exterior port.
type Workload struct {
	MAC     packet.MAC
	Address netip.Addr
	Network netip.Prefix // invalid unless the address came with a length
	Gateway netip.Addr   // invalid for none
}

// MarshalJSON writes an address with its length, if it has one.
func (w Workload) MarshalJSON() ([]byte, error) {
	address := w.Address.String()
	if w.Network.IsValid() {
		address = netip.PrefixFrom(w.Address, w.Network.Bits()).String()
	}
	return json.Marshal(struct {
		MAC     packet.MAC `json:"mac"`
		Address string     `json:"address"`
		Gateway netip.Addr `json:"gateway,omitzero"`
	}{w.MAC, address, w.Gateway})
}

// DocumentChain is a chain with its rules, in the order of their positions.
type DocumentChain struct {
	ID       ID             `json:"id,omitzero"`
	Name     string         `json:"name"`
	TenantID string         `json:"tenantId,omitempty"`
	Rules    []DocumentRule `json:"rules,omitempty"`
}

// DocumentRule is a rule. Its condition is an object in which names may stand for ids,
// or a string.
type DocumentRule struct {
	ID         ID              `json:"id,omitzero"`
	Type       RuleType        `json:"type"`
	Condition  json.RawMessage `json:"condition,omitempty"`
	JumpChain  string          `json:"jumpChain,omitempty"`
	NATTargets []NATTarget     `json:"natTargets,omitempty"`
	FlowAction FlowAction      `json:"flowAction,omitempty"`
}

// DocumentPortGroup is a port group with its members.
type DocumentPortGroup struct {
	ID       ID       `json:"id,omitzero"`
	Name     string   `json:"name"`
	TenantID string   `json:"tenantId,omitempty"`
	Stateful bool     `json:"stateful,omitempty"`
	Ports    []string `json:"ports,omitempty"`
}

// DocumentAddrGroup is an address group with its members.
type DocumentAddrGroup struct {
	ID        ID           `json:"id,omitzero"`
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// DocumentHost is a host.
type DocumentHost struct {
	ID        ID           `json:"id,omitzero"`
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// DocumentTunnelZone is a tunnel zone with the addresses of its hosts.
type DocumentTunnelZone struct {
	ID    ID                   `json:"id,omitzero"`
	Name  string               `json:"name"`
	Type  string               `json:"type,omitempty"` // none: vxlan
	Hosts []DocumentTunnelHost `json:"hosts,omitempty"`
}

// DocumentTunnelHost is where other hosts send tunnels to.
type DocumentTunnelHost struct {
	Host    string     `json:"host"`
	Address netip.Addr `json:"address"`
}

// Kind is a kind of object.
type Kind string

// Kinds of objects.
const (
	KindBridge     Kind = "bridge"
	KindRouter     Kind = "router"
	KindPort       Kind = "port"
	KindRoute      Kind = "route"
	KindChain      Kind = "chain"
	KindRule       Kind = "rule"
	KindPortGroup  Kind = "port group"
	KindAddrGroup  Kind = "address group"
	KindHost       Kind = "host"
	KindTunnelZone Kind = "tunnel zone"
	KindRequest    Kind = "trace request"
)

// namespace makes ids of names. It is part of the format: another would give all
// objects of all documents other ids.
var namespace = uuid.MustParse("6e2f5f0c-5d0e-5b0e-9d3a-77656972f10e")

// NamedID returns the id of an object that a document gives a name but no id. The
// parts of the name are those of the objects that it is in, and its own.
func NamedID(kind Kind, name ...string) ID {
	return uuid.NewSHA1(namespace, []byte(string(kind)+"\x00"+strings.Join(name, "\x00")))
}

// Names returns the name of each object that has one, by its id.
func (d *Document) Names() map[ID]string {
	names := make(map[ID]string)
	ix, _ := newDocumentIndex(d)
	for _, m := range ix.byName {
		for name, id := range m {
			names[id] = name
		}
	}
	return names
}

// Workloads returns the machine behind each exterior port that has one, by the port's id.
func (d *Document) Workloads() map[ID]Workload {
	w := make(map[ID]Workload)
	for i := range d.Ports {
		if p := &d.Ports[i]; p.Workload != nil {
			w[idOr(p.ID, KindPort, p.Name)] = *p.Workload
		}
	}
	return w
}

// Port returns the id of a port by its name, or by its id in text.
func (d *Document) Port(name string) (ID, error) {
	ix, _ := newDocumentIndex(d)
	return ix.find(name, KindPort)
}

func idOr(id ID, kind Kind, name ...string) ID {
	if id != (ID{}) {
		return id
	}
	return NamedID(kind, name...)
}

// documentIndex finds the objects of a document.
type documentIndex struct {
	byName map[Kind]map[string]ID
	at     map[ID]string // path of each object in the document
	bad    []Violation
}

// newDocumentIndex reads the names of a document; names that are missing or given
// twice are violations.
func newDocumentIndex(d *Document) (*documentIndex, []Violation) {
	ix := &documentIndex{byName: make(map[Kind]map[string]ID), at: make(map[ID]string)}
	for i, b := range d.Bridges {
		ix.add(KindBridge, index("bridges", i), b.Name, b.ID)
	}
	for i, r := range d.Routers {
		ix.add(KindRouter, index("routers", i), r.Name, r.ID)
	}
	for i, p := range d.Ports {
		ix.add(KindPort, index("ports", i), p.Name, p.ID)
	}
	for i, c := range d.Chains {
		ix.add(KindChain, index("chains", i), c.Name, c.ID)
	}
	for i, g := range d.PortGroups {
		ix.add(KindPortGroup, index("portGroups", i), g.Name, g.ID)
	}
	for i, g := range d.AddrGroups {
		ix.add(KindAddrGroup, index("ipAddrGroups", i), g.Name, g.ID)
	}
	for i, h := range d.Hosts {
		ix.add(KindHost, index("hosts", i), h.Name, h.ID)
	}
	for i, z := range d.TunnelZones {
		ix.add(KindTunnelZone, index("tunnelZones", i), z.Name, z.ID)
	}
	for i, p := range d.Ports {
		ix.addHost(index("ports", i), p.Host)
	}
	return ix, ix.bad
}

func (ix *documentIndex) add(kind Kind, path, name string, id ID) {
	if name == "" {
		ix.report(path+".name", "got none")
		return
	}
	id = idOr(id, kind, name)
	names := []Kind{kind}
	if kind == KindRouter { // bridges and routers are both devices
		names = append(names, KindBridge)
	}
	for _, k := range names {
		if other, ok := ix.byName[k][name]; ok {
			ix.report(path+".name", "%q is the name of %s, too", name, ix.at[other])
			return
		}
	}
	if other, ok := ix.at[id]; ok {
		ix.report(path+".id", "%v is the id of %s, too", id, other)
		return
	}
	if ix.byName[kind] == nil {
		ix.byName[kind] = make(map[string]ID)
	}
	ix.byName[kind][name] = id
	ix.at[id] = path
}

// addHost adds a host that only ports name.
func (ix *documentIndex) addHost(path, name string) {
	if name == "" {
		return
	}
	if _, err := ix.find(name, KindHost); err != nil {
		ix.add(KindHost, path+".host", name, ID{})
	}
}

func (ix *documentIndex) report(path, format string, args ...any) {
	ix.bad = append(ix.bad, Violation{Property: path, Message: fmt.Sprintf(format, args...)})
}

// find returns the id of an object of the document by its name, or by its id in text.
func (ix *documentIndex) find(name string, kinds ...Kind) (ID, error) {
	for _, k := range kinds {
		if id, ok := ix.byName[k][name]; ok {
			return id, nil
		}
	}
	if id, err := ParseID(name); err == nil {
		for _, k := range kinds {
			for _, other := range ix.byName[k] {
				if other == id {
					return id, nil
				}
			}
		}
	}
	text := make([]string, len(kinds))
	for i, k := range kinds {
		text[i] = string(k)
	}
	return ID{}, fmt.Errorf("there is no %s %.100q in the document", strings.Join(text, " or "), name)
}
