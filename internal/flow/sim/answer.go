// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// icmpError has a router tell the sender of the packet, as it entered, of an error. It
// leaves by the port where the packet entered the router.
func (c *Context) icmpError(in *port, kind, code uint8) {
	if !c.mayAnswer(in) {
		return
	}
	frame, m := c.frame, c.orig
	if c.pre != c.orig {
		c.scratch = packet.AppendRewritten(c.scratch[:0], c.frame, &c.orig, &c.pre)
		frame = c.scratch
		if m.Parse(frame) != nil {
			return
		}
	}
	if c.log != nil {
		c.record(Event{Kind: EventICMP, Device: in.device, Port: in.id, Code: [2]uint8{kind, code}})
	}
	begin := len(c.arena)
	c.arena = packet.AppendICMPError(c.arena, packet.Route{
		EthDst: c.pre.EthSrc, EthSrc: in.mac, Src: in.addr, Dst: c.pre.Src,
	}, kind, code, frame, &m)
	c.generate(in, begin)
}

// mayAnswer reports whether an ICMP error may be sent because of the packet: not for
// errors, not for what went to many, and once for the fragments of a datagram.
func (c *Context) mayAnswer(in *port) bool {
	m := &c.pre
	switch {
	case in == nil || !in.hasAddr || m.Net != packet.NetIPv4:
		return false
	case m.Fragment == packet.LaterFragment:
		return false
	case m.Proto == packet.ProtoICMP && m.Transport != packet.NoTransport && packet.IsICMPError(uint8(m.SrcPort)):
		return false
	case m.EthDst.IsGroup() || m.Dst.IsMulticast() || m.Dst == packet.AllHosts || m.Src == packet.AllHosts:
		return false
	default:
		return in.bits >= 31 || m.Dst != in.addr.Last(in.bits)
	}
}

// local handles a packet to a router's own address.
func (c *Context) local(r *router) Outcome {
	m := &c.match
	if m.Transport != packet.Echo || m.SrcPort != packet.ICMPEchoRequest || m.Fragment != packet.Whole {
		return c.end(ErrorDrop, ReasonLocal, r.id)
	}
	if o := c.echo(r); o.final() {
		return o
	}
	return c.end(NoOp, ReasonEchoAnswered, r.id)
}

// echo answers an echo request. The answer takes a route of its own and passes the
// router's outbound filter, which may translate its source back.
func (c *Context) echo(r *router) Outcome {
	asked := c.match
	reply := asked
	reply.Src, reply.Dst = asked.Dst, asked.Src
	reply.SrcPort, reply.DstPort, reply.TTL = packet.ICMPEchoReply, 0, 64
	rt, _ := r.routes.lookup(reply.Src, reply.Dst, connectionHash(&reply))
	if rt == nil || rt.kind != topology.NormalRoute || rt.port == nil || !rt.port.hasAddr || rt.port.addr == reply.Dst {
		return NoOp
	}
	mac, o := c.nextHop(r, rt, reply.Dst)
	if o != Forward {
		return o
	}
	reply.EthSrc, reply.EthDst = rt.port.mac, mac
	v := c.filterAnswer(r, rt.port, &reply)
	if v != accept {
		return NoOp
	}
	if c.log != nil {
		c.record(Event{Kind: EventICMP, Device: r.id, Port: rt.port.id, Code: [2]uint8{packet.ICMPEchoReply, 0}})
	}
	begin := len(c.arena)
	c.arena = packet.AppendEchoReply(c.arena, packet.Route{
		EthDst: mac, EthSrc: rt.port.mac, Src: reply.Src, Dst: asked.Src,
	}, c.frame, &c.orig)
	c.generate(rt.port, begin)
	return NoOp
}

// filterAnswer takes an answer through the outbound filter of a router, as if it were
// the packet.
func (c *Context) filterAnswer(r *router, out *port, reply *packet.Match) verdict {
	var from branch
	c.fork(&from)
	decided := c.decided
	c.match, c.inPort, c.outPort, c.entry, c.answering = *reply, nil, out, nil, true
	c.dstRewritten = false
	v := c.filter(r.out, Stage{Owner: r.id, Dir: Out})
	*reply = c.match
	c.answering = false
	c.decided = decided
	c.join(&from)
	return v
}
