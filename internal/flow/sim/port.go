// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/weir-io/weir/internal/flow/packet"

// ingress takes the packet into a port.
func (c *Context) ingress(p *port) Outcome {
	if c.entered >= MaxDevices || c.enteredAll >= maxEntered {
		return c.end(ErrorDrop, ReasonLoop, p.id)
	}
	c.entered++
	c.enteredAll++
	c.path = append(c.path, p.id)
	c.tag(TagPort, p.id)
	c.tag(TagPortIn, p.id)
	c.inPort, c.outPort, c.device, c.dstRewritten = p, nil, p.device, false
	if p.exterior {
		c.entry = p
	}
	if p.router != nil {
		c.pre = c.match
	}
	if c.log != nil {
		c.recordPort(EventPortIn, p)
	}
	if !p.up {
		c.prohibit(p)
		return c.end(Drop, ReasonPortDown, p.id)
	}
	switch c.filter(p.in, Stage{Owner: p.id, Port: true, Dir: In}) {
	case accept:
	case reject:
		c.prohibit(p)
		return Drop
	case traceHere:
		return restart
	case missingPort:
		return NotYet
	default:
		return Drop
	}
	switch {
	case p.bridge != nil:
		return c.bridge(p.bridge)
	case p.router != nil:
		return c.router(p.router, p)
	default:
		return c.end(ErrorDrop, ReasonDeviceGone, p.device)
	}
}

// prohibit answers that the packet is not allowed here, if a router port says so: of
// the port where it entered the router.
func (c *Context) prohibit(p *port) {
	if p.router != nil {
		c.icmpError(c.inPort, packet.ICMPUnreachable, packet.CodeProhibited)
	}
}

// egress takes the packet out of a port.
func (c *Context) egress(p *port) Outcome {
	if c.entered >= MaxDevices {
		return c.end(ErrorDrop, ReasonLoop, p.id)
	}
	switch {
	case p.bridge != nil && p == c.inPort:
		return c.end(Drop, ReasonSamePort, p.id)
	case p.bridge != nil && p.vlan != 0:
		c.match.Pop(p.vlan)
	case p.router != nil && c.match.EthSrc == c.match.EthDst:
		return c.ingress(p) // the router sent to itself
	}
	c.path = append(c.path, p.id)
	c.tag(TagPort, p.id)
	c.outPort = p
	if c.log != nil {
		c.recordPort(EventPortOut, p)
	}
	if !p.up {
		c.prohibit(p)
		return c.end(Drop, ReasonPortDown, p.id)
	}
	switch c.filter(p.out, Stage{Owner: p.id, Port: true, Dir: Out}) {
	case accept:
		return c.emit(p)
	case reject:
		c.prohibit(p)
		return Drop
	case traceHere:
		return restart
	case missingPort:
		return NotYet
	default:
		return Drop
	}
}

// emit hands the packet to what is behind a port.
func (c *Context) emit(p *port) Outcome {
	switch {
	case p.exterior:
		c.outputs = append(c.outputs, Output{Port: p.src, Match: c.match})
		c.track(p)
		return Forward
	case p.peer != nil:
		return c.ingress(p.peer)
	default:
		return c.end(ErrorDrop, ReasonUnplugged, p.id)
	}
}

func (c *Context) recordPort(k Kind, p *port) {
	c.record(Event{Kind: k, Port: p.id, Device: p.device, Exterior: p.exterior, Interior: p.peer != nil})
}
