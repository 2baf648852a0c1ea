// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"net/netip"

	"github.com/weir-io/weir/internal/flow/packet"
)

// Bridge is a virtual switch.
type Bridge struct {
	ID             ID     `json:"id"`
	Name           string `json:"name"`
	TenantID       string `json:"tenantId"`
	AdminStateUp   bool   `json:"adminStateUp"`
	InboundFilter  ID     `json:"inboundFilterId,omitzero"`  // chain
	OutboundFilter ID     `json:"outboundFilterId,omitzero"` // chain
}

// Router is a virtual router.
type Router struct {
	ID             ID     `json:"id"`
	Name           string `json:"name"`
	TenantID       string `json:"tenantId"`
	AdminStateUp   bool   `json:"adminStateUp"`
	InboundFilter  ID     `json:"inboundFilterId,omitzero"`  // chain
	OutboundFilter ID     `json:"outboundFilterId,omitzero"` // chain
}

// PortType is the kind of device that a port is of.
type PortType string

// Port types, as the REST interface names them.
const (
	BridgePort PortType = "Bridge"
	RouterPort PortType = "Router"
)

// Port joins a device to a host's interface (exterior), to another device (interior),
// or to nothing (unplugged).
type Port struct {
	ID             ID       `json:"id"`
	Name           string   `json:"name,omitempty"`
	Type           PortType `json:"type"`
	Device         ID       `json:"deviceId"`
	AdminStateUp   bool     `json:"adminStateUp"`
	InboundFilter  ID       `json:"inboundFilterId,omitzero"`  // chain
	OutboundFilter ID       `json:"outboundFilterId,omitzero"` // chain

	Host      ID     `json:"hostId,omitzero"` // with Interface: exterior
	Interface string `json:"interfaceName,omitempty"`
	Peer      ID     `json:"peerId,omitzero"` // interior
	TunnelKey uint32 `json:"tunnelKey"`       // 1 to 0xFFFFF: VNI of frames sent to this port

	VLAN uint16 `json:"vlanId,omitempty"` // bridge ports: of the frames to and from the peer, 0 for none

	Network     netip.Prefix `json:"-"` // router ports: networkAddress, networkLength
	PortAddress netip.Addr   `json:"portAddress,omitzero"`
	PortMAC     packet.MAC   `json:"portMac,omitzero"`

	Workload *Workload `json:"workload,omitempty"` // exterior ports: as a document says; dry runs have it answer
}

// Exterior reports whether the port is bound to an interface of a host.
func (p *Port) Exterior() bool { return p.Host != ID{} && p.Interface != "" }

// Interior reports whether the port is linked to another.
func (p *Port) Interior() bool { return p.Peer != ID{} }

// RouteType is what becomes of packets that take a route.
type RouteType string

// Route types.
const (
	NormalRoute    RouteType = "Normal"
	BlackHoleRoute RouteType = "BlackHole"
	RejectRoute    RouteType = "Reject"
	LocalRoute     RouteType = "Local"
)

// Route is a way that packets take out of a router.
type Route struct {
	ID          ID           `json:"id"`
	Router      ID           `json:"routerId"`
	Src         netip.Prefix `json:"-"` // srcNetworkAddr, srcNetworkLength
	Dst         netip.Prefix `json:"-"` // dstNetworkAddr, dstNetworkLength
	Type        RouteType    `json:"type"`
	NextHopPort ID           `json:"nextHopPort,omitzero"`
	Gateway     netip.Addr   `json:"nextHopGateway,omitzero"`
	Weight      int          `json:"weight"`
	Learned     bool         `json:"learned"`
}

// PortGroup is a named set of ports.
type PortGroup struct {
	ID       ID     `json:"id"`
	Name     string `json:"name"`
	TenantID string `json:"tenantId"`
	Stateful bool   `json:"stateful"` // flow state goes to the hosts of all members
}

// AddrGroup is a named set of IPv4 addresses.
type AddrGroup struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
}

// Host is a machine that ports are bound to. What it has is written by its agent.
type Host struct {
	ID        ID           `json:"id"`
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// TunnelZone is a set of hosts that reach each other by tunnels.
type TunnelZone struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"` // vxlan
}
