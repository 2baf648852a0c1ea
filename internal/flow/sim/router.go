// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// router takes the packet through a router.
func (c *Context) router(r *router, in *port) Outcome {
	m := &c.match
	c.pre = *m
	c.path = append(c.path, r.id)
	c.tag(TagRouter, r.id)
	if m.Tagged() {
		return c.end(Drop, ReasonTagged, r.id)
	}
	for m.NumTags > 0 { // they tell a priority only
		m.Pop(0)
	}
	if m.Net == packet.NoNet {
		return c.end(Drop, ReasonNotIPv4, r.id)
	}
	if !r.up {
		c.icmpError(in, packet.ICMPUnreachable, packet.CodeProhibited)
		return c.end(Drop, ReasonDeviceDown, r.id)
	}
	switch {
	case m.EthDst != packet.Broadcast && m.EthDst != in.mac:
		return c.end(Drop, ReasonOtherMAC, r.id)
	case m.Net == packet.NetARP:
		return c.arp(r, in)
	case m.EthDst == packet.Broadcast:
		return c.end(Drop, ReasonBroadcast, r.id)
	}
	switch c.filter(r.in, Stage{Owner: r.id, Dir: In}) {
	case accept:
		return c.route(r, in)
	case reject:
		c.icmpError(in, packet.ICMPUnreachable, packet.CodeProhibited)
		return Drop
	case traceHere:
		return restart
	case missingPort:
		return NotYet
	default:
		if m.Fragment == packet.FirstFragment {
			c.icmpError(in, packet.ICMPUnreachable, packet.CodeFragNeeded)
			return ErrorDrop
		}
		return Drop
	}
}

// arp handles ARP messages at a router. Those of its neighbours are remembered, and
// requests for the address of the port are answered.
func (c *Context) arp(r *router, in *port) Outcome {
	m := &c.match
	switch m.Proto {
	case packet.ARPRequest:
		if !in.contains(m.Src) {
			break
		}
		if m.Src == m.Dst && m.THA.IsZero() {
			c.neighbour(r, in)
		} else if m.Dst == in.addr {
			c.neighbour(r, in)
			begin := len(c.arena)
			c.arena = packet.AppendARPReply(c.arena, in.mac, in.addr, m.SHA, m.Src)
			c.generate(in, begin)
			return c.end(NoOp, ReasonARPAnswered, r.id)
		}
	case packet.ARPReply:
		gratuitous := m.Src == m.Dst
		toPort := m.Dst == in.addr && m.THA == in.mac
		if in.contains(m.Src) && (gratuitous || toPort) {
			c.neighbour(r, in)
		}
	default:
		return c.end(Drop, ReasonARPOpcode, r.id)
	}
	return c.end(NoOp, ReasonARP, r.id)
}

// neighbour remembers the sender of an ARP message.
func (c *Context) neighbour(r *router, in *port) {
	m := &c.match
	c.state.ARP.Store(Neighbour{r.id, m.Src}, m.SHA, c.now)
	if c.log != nil {
		c.record(Event{Kind: EventARP, Device: r.id, Addr: m.Src, MAC: m.SHA, Result: "learned", Port: in.id})
	}
}

// route sends the packet on by the routes of a router.
func (c *Context) route(r *router, in *port) Outcome {
	m := &c.match
	rt, candidates := r.routes.lookup(m.Src, m.Dst, connectionHash(m))
	if c.log != nil {
		e := Event{Kind: EventRoute, Device: r.id, Addr: m.Dst, Candidates: candidates, Result: "none"}
		if rt != nil {
			e.Route, e.Result, e.Name = rt.src.ID, string(rt.kind), rt.src.Dst.String()
			if rt.port != nil {
				e.Port = rt.port.id
			}
		}
		c.record(e)
	}
	if rt == nil {
		c.tags = append(c.tags, Tag{Kind: TagDestination, ID: r.id, Addr: m.Dst})
		c.icmpError(in, packet.ICMPUnreachable, packet.CodeNet)
		return c.end(ShortDrop, ReasonNoRoute, r.id)
	}
	if bitsOf(rt.src.Dst) < 32 {
		c.tag(TagRoute, rt.src.ID)
		c.tags = append(c.tags, Tag{Kind: TagDestination, ID: r.id, Addr: m.Dst})
	}
	switch rt.kind {
	case topology.LocalRoute:
		return c.local(r)
	case topology.BlackHoleRoute:
		return c.end(ErrorDrop, ReasonBlackHole, r.id)
	case topology.RejectRoute:
		c.icmpError(in, packet.ICMPUnreachable, packet.CodeProhibited)
		return c.end(ShortDrop, ReasonReject, r.id)
	}
	if rt.port == nil {
		return c.end(ErrorDrop, ReasonNoPort, r.id)
	}
	if m.TTL <= 1 {
		c.icmpError(in, packet.ICMPTimeExceeded, 0)
		return c.end(ErrorDrop, ReasonTTL, r.id)
	}
	m.TTL--
	return c.forward(r, rt, in)
}

// forward sends the packet on by a route.
func (c *Context) forward(r *router, rt *route, in *port) Outcome {
	out, m := rt.port, &c.match
	switch {
	case !out.hasAddr:
		return c.end(Drop, ReasonNoAddress, out.id)
	case m.Dst == out.addr:
		return c.end(Drop, ReasonOwnAddress, out.id)
	}
	c.outPort = out
	switch c.filter(r.out, Stage{Owner: r.id, Dir: Out}) {
	case accept:
	case reject:
		c.icmpError(in, packet.ICMPUnreachable, packet.CodeProhibited)
		return Drop
	case traceHere:
		return restart
	case missingPort:
		return NotYet
	default:
		return Drop
	}
	mac, o := c.nextHop(r, rt, m.Dst)
	switch {
	case o == Forward:
	case o == ErrorDrop && c.decided.Reason == ReasonNoAnswer:
		code := uint8(packet.CodeHost)
		if rt.gateway != 0 {
			code = packet.CodeNet
		}
		c.icmpError(in, packet.ICMPUnreachable, code)
		return o
	default:
		return o
	}
	m.EthSrc, m.EthDst = out.mac, mac
	return c.egress(out)
}

// nextHop finds the Ethernet address to which packets of a route to dst are sent. The
// outcome is Forward if there is one.
func (c *Context) nextHop(r *router, rt *route, dst packet.IPv4) (packet.MAC, Outcome) {
	out, hop := rt.port, dst
	if rt.gateway != 0 {
		hop = rt.gateway
	}
	switch {
	case out.peer != nil && out.peer.router != nil:
		return out.peer.mac, Forward
	case out.peer != nil && out.peer.bridge != nil:
		b := out.peer.bridge
		if mac, ok := b.routerAddrs[hop]; ok {
			return mac, Forward
		}
		if mac, ok := c.state.Hosts.Lookup(b.id, hop); ok {
			return mac, Forward
		}
	case !out.exterior:
		return packet.MAC{}, c.end(ErrorDrop, ReasonUnplugged, out.id)
	}
	n := Neighbour{r.id, hop}
	c.tags = append(c.tags, Tag{Kind: TagNeighbour, ID: r.id, Addr: hop})
	mac, fresh := c.state.ARP.Lookup(n, c.now)
	if c.log != nil {
		c.record(Event{Kind: EventARP, Device: r.id, Addr: hop, MAC: mac, Result: fresh.String(), Port: out.id})
	}
	if fresh == Fresh {
		return mac, Forward
	}
	if fresh == Unknown && c.gaveUp == n {
		return packet.MAC{}, c.end(ErrorDrop, ReasonNoAnswer, out.id)
	}
	if c.state.ARP.Ask(n, out.id, c.now) {
		begin := len(c.arena)
		c.arena = packet.AppendARPRequest(c.arena, out.mac, out.addr, hop)
		c.generate(out, begin)
	}
	if fresh == Stale {
		return mac, Forward
	}
	c.wait = Wait{Reason: ReasonNeighbour, Neighbour: n, Port: out.id}
	return packet.MAC{}, NotYet
}

// connectionHash spreads connections over routes that are equally good.
func connectionHash(m *packet.Match) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for _, v := range [...]uint32{uint32(m.Src), uint32(m.Dst), uint32(m.SrcPort)<<16 | uint32(m.DstPort), uint32(m.Proto)} {
		h = (h ^ v) * prime
		h ^= h >> 15
	}
	return h
}
