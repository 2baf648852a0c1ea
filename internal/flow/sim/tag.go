// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Tag names something that a flow depends on. When that changes, all flows with the
// tag are simulated anew. Tags are comparable; a change makes the same tag.
type Tag struct {
	Kind TagKind
	ID   topology.ID // device, port, chain, route, request
	Port topology.ID // of a station
	MAC  packet.MAC
	VLAN uint16
	Addr packet.IPv4
}

// TagKind is what a tag names.
type TagKind uint8

// Kinds of tags. Most have an ID alone.
const (
	TagPort        TagKind = iota // ID
	TagPortIn                     // ID: frames that entered there
	TagBridge                     // ID
	TagRouter                     // ID
	TagChain                      // ID
	TagRoute                      // ID
	TagDestination                // router ID, Addr
	TagNeighbour                  // router ID, Addr: its MAC
	TagStation                    // bridge ID, MAC, VLAN, Port
	TagFlooded                    // bridge ID, MAC, VLAN: a station that is unknown
	TagBroadcast                  // bridge ID: all that is flooded
	TagRequest                    // ID
)

var tagNames = [...]string{
	"port", "port-in", "bridge", "router", "chain", "route", "destination", "neighbour", "station", "flooded", "broadcast", "trace-request",
}

func (k TagKind) String() string { return tagNames[k] }

func (c *Context) tag(kind TagKind, id topology.ID) {
	c.tags = append(c.tags, Tag{Kind: kind, ID: id})
}
