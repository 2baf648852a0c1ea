// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// bridge takes the packet through a bridge. Whether filters apply is decided by the
// frame as it came in: they look at frames without a tag only.
func (c *Context) bridge(b *bridge) Outcome {
	c.path = append(c.path, b.id)
	c.tag(TagBridge, b.id)
	switch {
	case c.match.EthSrc.IsGroup():
		return c.end(Drop, ReasonGroupSource, b.id)
	case !b.up:
		return c.end(Drop, ReasonDeviceDown, b.id)
	}
	tagged := c.match.Tagged()
	if !tagged {
		switch c.filter(b.in, Stage{Owner: b.id, Dir: In}) {
		case accept:
		case traceHere:
			return restart
		case missingPort:
			return NotYet
		default:
			c.learn(b)
			return Drop
		}
	}
	c.learn(b)
	to, o := c.lookup(b)
	if o != Forward {
		return o
	}
	if c.inPort.vlan != 0 && !c.match.Push(c.inPort.vlan) {
		return c.end(Drop, ReasonTooManyTags, b.id)
	}
	return c.leave(b, to, !tagged)
}

// sourceVLAN is the VLAN in which the source of the packet is known.
func (c *Context) sourceVLAN(b *bridge) uint16 {
	switch {
	case len(b.vlanPorts) == 0:
		return 0
	case c.inPort.vlan != 0:
		return c.inPort.vlan
	default:
		vlan, _ := c.match.VLAN()
		return vlan
	}
}

// learn remembers on which port the source of the packet is. Routers do not move.
func (c *Context) learn(b *bridge) {
	mac := c.match.EthSrc
	if _, ok := b.routerPorts[mac]; ok {
		return
	}
	s := Station{Bridge: b.id, MAC: mac, VLAN: c.sourceVLAN(b)}
	what := c.state.MACs.Learn(s, c.inPort.id, c.now)
	if c.log != nil && what != Known {
		result := "new"
		if what == Moved {
			result = "moved"
		}
		c.record(Event{Kind: EventLearn, Device: b.id, MAC: mac, VLAN: s.VLAN, Port: c.inPort.id, Result: result})
	}
}

// lookup finds where a bridge sends the packet: a port, or nil for all. The outcome is
// Forward if the packet goes on.
func (c *Context) lookup(b *bridge) (*port, Outcome) {
	m := &c.match
	if m.EthDst == packet.Broadcast && m.Net == packet.NetARP {
		return c.lookupARP(b)
	}
	if m.EthDst.IsGroup() {
		return c.flood(b)
	}
	vlan := c.sourceVLAN(b)
	if p, ok := b.routerPorts[m.EthDst]; ok {
		c.tags = append(c.tags, Tag{Kind: TagStation, ID: b.id, MAC: m.EthDst, VLAN: 0, Port: p.id})
		c.recordLookup(b, "port", vlan, p.id)
		return c.vlanCheck(b, p)
	}
	c.tags = append(c.tags, Tag{Kind: TagStation, ID: b.id, MAC: m.EthSrc, VLAN: vlan, Port: c.inPort.id})
	id, ok := c.inPort.id, true
	if m.EthDst != m.EthSrc {
		id, ok = c.state.MACs.Lookup(Station{b.id, m.EthDst, vlan})
	}
	p := c.net.ports[id]
	switch {
	case !ok || p == nil || p.bridge != b:
		c.tags = append(c.tags, Tag{Kind: TagFlooded, ID: b.id, MAC: m.EthDst, VLAN: vlan})
		return c.flood(b)
	case p == c.inPort:
		c.recordLookup(b, "same-port", vlan, p.id)
		return nil, c.end(ErrorDrop, ReasonSamePort, b.id)
	default:
		c.tags = append(c.tags, Tag{Kind: TagStation, ID: b.id, MAC: m.EthDst, VLAN: vlan, Port: id})
		c.recordLookup(b, "port", vlan, id)
		return c.vlanCheck(b, p)
	}
}

// vlanCheck lets frames to a port of a VLAN pass if they are of that VLAN.
func (c *Context) vlanCheck(b *bridge, p *port) (*port, Outcome) {
	if p.vlan != 0 && c.inPort.vlan == 0 {
		if vlan, ok := c.match.VLAN(); !ok || vlan != p.vlan {
			return nil, c.end(Drop, ReasonVLANMismatch, b.id)
		}
	}
	return p, Forward
}

// lookupARP finds where an ARP message to all goes. A request for an address that is
// known is answered.
func (c *Context) lookupARP(b *bridge) (*port, Outcome) {
	m := &c.match
	gratuitous := m.Src == m.Dst
	routerMAC, router := b.routerAddrs[m.Dst]
	if m.Proto == packet.ARPRequest && !m.Tagged() && !gratuitous {
		mac, known := routerMAC, router
		if !known {
			mac, known = c.state.Hosts.Lookup(b.id, m.Dst)
		}
		if known {
			c.recordLookup(b, "local-answer", 0, c.inPort.id)
			begin := len(c.arena)
			c.arena = packet.AppendARPReply(c.arena, mac, m.Dst, m.SHA, m.Src)
			c.generate(c.inPort, begin)
			return nil, c.end(NoOp, ReasonARPAnswered, b.id)
		}
	}
	if p := b.routerPorts[routerMAC]; router && p != nil && !m.Tagged() {
		c.recordLookup(b, "port", 0, p.id)
		return p, Forward
	}
	if gratuitous {
		c.state.Hosts.Store(b.id, m.Src, m.EthSrc)
		c.uncached = true
	}
	return c.flood(b)
}

// flood is that the packet goes to all.
func (c *Context) flood(b *bridge) (*port, Outcome) {
	c.tag(TagBroadcast, b.id)
	c.recordLookup(b, "flood", c.sourceVLAN(b), topology.ID{})
	return nil, Forward
}

func (c *Context) recordLookup(b *bridge, result string, vlan uint16, p topology.ID) {
	if c.log != nil {
		c.record(Event{Kind: EventBridge, Device: b.id, MAC: c.match.EthDst, VLAN: vlan, Result: result, Port: p})
	}
}

// leave takes the packet through the outbound filter of a bridge, and out of one port
// or, if that is nil, of all.
func (c *Context) leave(b *bridge, to *port, filtered bool) Outcome {
	c.outPort = to
	if to == nil {
		c.outPort = c.only(b)
	}
	if filtered {
		switch c.filter(b.out, Stage{Owner: b.id, Dir: Out}) {
		case accept:
		case traceHere:
			return restart
		case missingPort:
			return NotYet
		default:
			return Drop
		}
	}
	if to != nil {
		return c.egress(to)
	}
	return c.floodFrom(b)
}

// only returns the port to which the packet is flooded if it is just one.
func (c *Context) only(b *bridge) *port {
	var one *port
	n := 0
	for i := 0; ; i++ {
		p, more := b.floodPort(i, c)
		if !more {
			break
		}
		if p != nil {
			one = p
			n++
		}
	}
	if n != 1 {
		return nil
	}
	return one
}

// floodPort returns the i-th port to which a packet may be flooded, nil if it is not,
// and whether there are as many. Exterior ports come first, then those that lead to a
// VLAN-aware bridge, then that of the frame's own VLAN.
func (b *bridge) floodPort(i int, c *Context) (p *port, more bool) {
	switch n := len(b.flood); {
	case i < n:
		p = b.flood[i]
	case i < n+len(b.vlanPeers):
		p = b.vlanPeers[i-n]
	case i == n+len(b.vlanPeers):
		if vlan, ok := c.match.VLAN(); ok && c.inPort.vlan == 0 {
			p = b.vlanPorts[vlan]
		}
	default:
		return nil, false
	}
	if p == c.inPort {
		p = nil
	}
	return p, true
}

// floodFrom takes a copy of the packet out of each port.
func (c *Context) floodFrom(b *bridge) Outcome {
	result, first := Drop, true
	var from branch
	c.fork(&from)
	for i := 0; ; i++ {
		p, more := b.floodPort(i, c)
		if !more {
			if first {
				return c.end(Drop, ReasonNobodyToFlood, b.id)
			}
			return result
		}
		if p == nil {
			continue
		}
		o := c.egress(p)
		if o.final() {
			return o
		}
		c.join(&from)
		if first {
			result, first = o, false
		} else {
			result = merge(result, o)
		}
	}
}
