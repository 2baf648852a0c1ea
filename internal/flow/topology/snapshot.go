// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import "net/netip"

// Snapshot is all objects of a moment. It does not change once it is shared.
type Snapshot struct {
	Bridges     map[ID]*Bridge
	Routers     map[ID]*Router
	Ports       map[ID]*Port
	Routes      map[ID]*Route
	Chains      map[ID]*Chain
	Rules       map[ID][]*Rule // of a chain, in the order of their positions
	PortGroups  map[ID]*PortGroup
	GroupPorts  map[ID][]ID // members of a port group
	AddrGroups  map[ID]*AddrGroup
	GroupAddrs  map[ID][]netip.Addr // members of an address group
	Hosts       map[ID]*Host
	TunnelZones map[ID]*TunnelZone
	Tunnels     map[ID]map[ID]netip.Addr // of a zone: the address of each host
	Requests    map[ID]*TraceRequest
}
