// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/weir-io/weir/internal/flow/packet"

// recorded looks up how a packet is translated back.
func (c *Context) recorded(kind NATKind) (NATKey, Binding, bool) {
	k := c.natKey(kind)
	c.stateTags = append(c.stateTags, k)
	b, ok := c.binding(k)
	if ok && !c.made && !c.answering {
		c.note(natWrite{key: k, binding: b})
	}
	return k, b, ok
}

// reverseDNAT sets the source of an answer to the address that was asked.
func (c *Context) reverseDNAT() bool {
	k, b, ok := c.recorded(ReverseDNAT)
	if !ok {
		return false
	}
	m := &c.match
	switch m.Transport {
	case packet.Ports:
		m.Src, m.SrcPort = b.Addr, b.Port
		return true
	case packet.Echo:
		m.Src = b.Addr
		return true
	default:
		changed := m.Quote.Dst == k.Src
		if changed {
			m.Quote.Dst = b.Addr
			m.Quote.SetPorts(m.Quote.SrcPort, b.Port)
		}
		if m.Src == k.Src { // else the error is of a router on the way
			m.Src = b.Addr
			changed = true
		}
		return changed
	}
}

// reverseSNAT sets the destination of an answer to the address that asked.
func (c *Context) reverseSNAT() bool {
	k, b, ok := c.recorded(ReverseSNAT)
	if !ok {
		return false
	}
	m := &c.match
	switch m.Transport {
	case packet.Ports:
		m.Dst, m.DstPort = b.Addr, b.Port
		return true
	case packet.Echo:
		m.Dst = b.Addr
		return true
	default:
		changed := m.Quote.Src == k.Dst
		if changed {
			m.Quote.Src = b.Addr
			m.Quote.SetPorts(b.Port, m.Quote.DstPort)
		}
		if m.Dst == k.Dst {
			m.Dst = b.Addr
			changed = true
		}
		return changed
	}
}

// staticDNAT sets the destination, and in an ICMP error the source of the quoted
// packet, which had the old address from the other direction's rule. A rule for a quoted
// destination changes that alone: the error is of a router on the way.
func (c *Context) staticDNAT(r *rule) bool {
	m := &c.match
	if m.Net != packet.NetIPv4 {
		return false
	}
	to := r.targets[0].addrFrom
	if r.condition.wants(onQuoteDst) {
		m.Quote.Dst = to
		return true
	}
	if m.Transport == packet.ICMPError && m.Quote.Src == m.Dst {
		m.Quote.Src = to
	}
	m.Dst = to
	c.dstRewritten = true
	return true
}

// staticSNAT sets the source, and in an ICMP error the destination of the quoted
// packet.
func (c *Context) staticSNAT(r *rule) bool {
	m := &c.match
	if m.Net != packet.NetIPv4 {
		return false
	}
	to := r.targets[0].addrFrom
	if m.Transport == packet.ICMPError && m.Quote.Dst == m.Src {
		m.Quote.Dst = to
	}
	m.Src = to
	return true
}
