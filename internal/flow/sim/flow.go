// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
)

// How long flows live that are installed for a packet.
const (
	flowLife         = 60 * time.Second
	statefulFlowLife = 30 * time.Second // half of what state lives, so that others hear of it in time
	errorFlowLife    = 5 * time.Second
)

// FlowLife is how long a flow lives that does what became of the packet, and 0 if none
// is to be installed.
func (c *Context) FlowLife(o Outcome) time.Duration {
	switch {
	case o == NoOp || o == NotYet || c.PacketOnly():
		return 0
	case o == ErrorDrop || o == ShortDrop:
		return errorFlowLife
	case c.Stateful():
		return statefulFlowLife
	default:
		return flowLife
	}
}

// PacketOnly reports whether no flow can do what became of the packet: it is to be
// learned from each time, its copies differ, or the packet that it quotes changes.
func (c *Context) PacketOnly() bool {
	if c.uncached || c.made {
		return true
	}
	for i := range c.outputs {
		m := &c.outputs[i].Match
		if m.Transport == packet.ICMPError && m.Quote != c.orig.Quote || *m != c.outputs[0].Match {
			return true
		}
	}
	return false
}

// Stateful reports whether the packet made or used connections or translations, of
// which other hosts must hear.
func (c *Context) Stateful() bool { return len(c.writes) > 0 || c.conn.stored > 0 }
