// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// target is a compiled range of addresses and ports.
type target struct {
	addrFrom, addrTo packet.IPv4
	portFrom, portTo uint16 // 0: ports stay
}

func newTarget(t topology.NATTarget) target {
	c := target{packet.FromAddr(t.AddressFrom), packet.FromAddr(t.AddressTo), t.PortFrom, t.PortTo}
	c.addrTo = max(c.addrFrom, c.addrTo)
	c.portTo = max(c.portFrom, c.portTo)
	return c
}

// isStatic reports whether a translation is of one address to one other, without
// ports. It needs no state.
func isStatic(targets []topology.NATTarget) bool {
	if len(targets) != 1 {
		return false
	}
	t := targets[0]
	return t.PortFrom == 0 && t.PortTo == 0 && (!t.AddressTo.IsValid() || t.AddressFrom == t.AddressTo)
}

// natWrite is a translation that is stored when the simulation concludes. Leased is
// set for one whose port goes back if it does not.
type natWrite struct {
	key     NATKey
	binding Binding
	leased  bool
	made    bool // by this packet
}

// translate does what a translating rule says. Of a rule that did not apply the result
// is to proceed.
func (c *Context) translate(r *rule, e *Event) (v verdict, applied bool) {
	before, writes := c.match, len(c.writes)
	switch {
	case r.src.Type == topology.DNATRule && r.static:
		applied = c.staticDNAT(r)
	case r.src.Type == topology.SNATRule && r.static:
		applied = c.staticSNAT(r)
	case !translatable(&c.match):
	case r.src.Type == topology.DNATRule:
		v, applied = c.dnat(r)
	case r.src.Type == topology.SNATRule:
		v, applied = c.snat(r)
	case r.src.Type == topology.RevDNATRule:
		applied = c.reverseDNAT()
	case r.src.Type == topology.RevSNATRule:
		applied = c.reverseSNAT()
	}
	if v != proceed || !applied {
		return v, applied
	}
	if c.log != nil {
		e.Before, e.After = natChange(&before, &c.match)
		e.Allocated = len(c.writes) > writes && c.writes[writes].made
	}
	return r.action, true
}

// natChange is what a translation changed: of the source, else of the destination.
func natChange(before, now *packet.Match) (from, to Binding) {
	if before.Src != now.Src || before.SrcPort != now.SrcPort {
		return Binding{before.Src, before.SrcPort}, Binding{now.Src, now.SrcPort}
	}
	return Binding{before.Dst, before.DstPort}, Binding{now.Dst, now.DstPort}
}

// translatable reports whether translations with state know this kind of packet: of
// ICMP errors they know those that quote such a packet.
func translatable(m *packet.Match) bool {
	if m.Net != packet.NetIPv4 {
		return false
	}
	return m.Transport == packet.Ports || m.Transport == packet.Echo || m.Transport == packet.ICMPError && m.Quote.Ports
}

// natKey is the key of the packet at the current device. An ICMP error has that of the
// packet to which the quoted one was an answer.
func (c *Context) natKey(kind NATKind) NATKey {
	m := &c.match
	k := NATKey{Kind: kind, Proto: m.Proto, Device: c.device, Src: m.Src, Dst: m.Dst}
	switch m.Transport {
	case packet.Echo:
		k.SrcPort, k.DstPort = m.ID, m.ID
	case packet.ICMPError:
		q := &m.Quote
		k.Proto, k.Src, k.Dst, k.SrcPort, k.DstPort = q.Proto, q.Dst, q.Src, q.DstPort, q.SrcPort
	default:
		k.SrcPort, k.DstPort = m.SrcPort, m.DstPort
	}
	return k
}

// reverse is the key and the binding by which answers are translated back.
func (k NATKey) reverse(b Binding) (NATKey, Binding) {
	r := NATKey{Proto: k.Proto, Device: k.Device}
	if k.Kind == ForwardDNAT {
		r.Kind = ReverseDNAT
		r.Src, r.SrcPort, r.Dst, r.DstPort = b.Addr, b.Port, k.Src, k.SrcPort
		return r, Binding{k.Dst, k.DstPort}
	}
	r.Kind = ReverseSNAT
	r.Src, r.SrcPort, r.Dst, r.DstPort = k.Dst, k.DstPort, b.Addr, b.Port
	return r, Binding{k.Src, k.SrcPort}
}

// binding looks up a translation, first among those that the packet itself made.
func (c *Context) binding(k NATKey) (Binding, bool) {
	for i := range c.writes {
		if c.writes[i].key == k {
			return c.writes[i].binding, true
		}
	}
	return c.state.NAT.Lookup(k, c.now)
}

// bind finds the translation of a packet, or makes one. An answer of a device makes
// none.
func (c *Context) bind(r *rule, kind NATKind) (b Binding, v verdict, ok bool) {
	k := c.natKey(kind)
	b, known := c.binding(k)
	var leased bool
	if !known {
		if c.made || c.answering {
			return b, proceed, false
		}
		var result LeaseResult
		b, leased, result = c.choose(r, k)
		switch result {
		case Pending:
			c.wait = Wait{Reason: ReasonPorts, Neighbour: Neighbour{Router: c.device}}
			return b, missingPort, false
		case Exhausted:
			c.decide(Decision{Reason: ReasonPortsExhausted, Device: c.device, Rule: r.src.ID, Chain: r.src.Chain, Position: r.position})
			return b, drop, false
		case Leased:
		}
	}
	back, old := k.reverse(b)
	c.note(natWrite{k, b, leased, !known})
	c.note(natWrite{back, old, false, !known})
	return b, proceed, true
}

// note keeps a translation until the simulation concludes; one that was there lives on
// by that.
func (c *Context) note(w natWrite) {
	c.stateTags = append(c.stateTags, w.key)
	for i := range c.writes {
		if c.writes[i].key == w.key {
			return
		}
	}
	c.writes = append(c.writes, w)
}

// choose picks a target. Sources of TCP and UDP get ports that are leased. An ICMP
// error gets what the packets of the connection that it tells of will get, too.
func (c *Context) choose(r *rule, k NATKey) (b Binding, leased bool, result LeaseResult) {
	hasPorts := k.Proto != packet.ProtoICMP
	if k.Kind == ForwardSNAT && hasPorts {
		return c.lease(r, k)
	}
	t := &r.targets[c.random(len(r.targets))]
	b.Addr = t.addrFrom + packet.IPv4(c.random(int(t.addrTo-t.addrFrom)+1))
	switch {
	case k.Kind == ForwardSNAT:
		b.Port = k.SrcPort
	case !hasPorts || t.portFrom == 0:
		b.Port = k.DstPort
	default:
		b.Port = t.portFrom + uint16(c.random(int(t.portTo-t.portFrom)+1))
	}
	return b, false, Leased
}

// lease takes the first address and port of the targets that is free.
func (c *Context) lease(r *rule, k NATKey) (b Binding, leased bool, result LeaseResult) {
	for i := range r.targets {
		t := &r.targets[i]
		if t.portFrom == 0 {
			return Binding{t.addrFrom, k.SrcPort}, false, Leased
		}
		for addr := t.addrFrom; ; addr++ {
			port, result := c.state.Leases.Lease(k.Device, addr, t.portFrom, t.portTo, k.destination())
			if result != Exhausted {
				return Binding{addr, port}, result == Leased, result
			}
			if addr == t.addrTo {
				break
			}
		}
	}
	return b, false, Exhausted
}

func (c *Context) random(n int) int {
	if n <= 1 || c.Random == nil {
		return 0
	}
	return c.Random(n)
}

// abandon gives back what the present run has leased.
func (c *Context) abandon() {
	for i := range c.writes {
		if w := &c.writes[i]; w.leased {
			c.state.Leases.Release(w.key.Device, w.binding, w.key.destination())
		}
	}
	c.writes = c.writes[:0]
}

func (c *Context) dnat(r *rule) (verdict, bool) {
	k := c.natKey(ForwardDNAT)
	b, v, ok := c.bind(r, ForwardDNAT)
	if !ok {
		return v, false
	}
	m := &c.match
	switch m.Transport {
	case packet.ICMPError: // of a packet that was an answer to what is translated here
		if m.Quote.Src == k.Dst {
			m.Quote.Src = b.Addr
			m.Quote.SetPorts(b.Port, m.Quote.DstPort)
		}
	case packet.Ports:
		m.DstPort = b.Port
	}
	m.Dst = b.Addr
	c.dstRewritten = true
	return proceed, true
}

func (c *Context) snat(r *rule) (verdict, bool) {
	k := c.natKey(ForwardSNAT)
	b, v, ok := c.bind(r, ForwardSNAT)
	if !ok {
		return v, false
	}
	m := &c.match
	switch m.Transport {
	case packet.ICMPError:
		if m.Quote.Dst == k.Src {
			m.Quote.Dst = b.Addr
			m.Quote.SetPorts(m.Quote.SrcPort, b.Port)
		}
	case packet.Ports:
		m.SrcPort = b.Port
	}
	m.Src = b.Addr
	return proceed, true
}
