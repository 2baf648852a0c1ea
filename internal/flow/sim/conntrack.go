// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/weir-io/weir/internal/flow/packet"

// connState is what a simulation knows of the packet's connection.
type connState struct {
	asked   bool // a condition asked for the direction
	forward bool
	key     ConnKey    // by which it was asked
	writes  [8]ConnKey // of return flows, to be stored
	stored  int
}

// isForward reports whether the packet is of the direction in which its connection
// began. What devices make is of the other one, tracked or not; else what is not
// tracked is of the first.
func (c *Context) isForward() bool {
	switch {
	case c.made || c.answering:
		return false
	case !tracked(&c.match):
		return true
	case c.conn.asked:
		return c.conn.forward
	}
	k := connKey(&c.orig)
	k.Device = c.start.device
	c.conn.asked, c.conn.key = true, k
	c.conn.forward = !c.state.Conns.Lookup(k, c.now)
	if c.conn.forward {
		c.stateTags = append(c.stateTags, NATKey{Kind: Connection, Device: k.Device, Src: k.Src, Dst: k.Dst, SrcPort: k.SrcPort, DstPort: k.DstPort, Proto: k.Proto})
	}
	if c.log != nil {
		c.record(Event{Kind: EventConntrack, Key: k, Device: k.Device, Applied: !c.conn.forward})
	}
	return c.conn.forward
}

// tracked reports whether connections of this kind of packet are tracked.
func tracked(m *packet.Match) bool {
	return m.Net == packet.NetIPv4 && (m.Proto == packet.ProtoTCP || m.Proto == packet.ProtoUDP || m.Proto == packet.ProtoICMP)
}

// connKey is the key of a packet, without a device.
func connKey(m *packet.Match) ConnKey {
	k := ConnKey{Src: m.Src, Dst: m.Dst, SrcPort: m.SrcPort, DstPort: m.DstPort, Proto: m.Proto}
	if m.Proto == packet.ProtoICMP {
		k.SrcPort, k.DstPort = m.ID, m.ID
	}
	return k
}

// track notes the return flow of a packet that leaves by an exterior port.
func (c *Context) track(p *port) {
	if !c.conn.asked || !c.conn.forward || c.conn.stored == len(c.conn.writes) {
		return
	}
	k := connKey(&c.match)
	k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	k.Device = p.device
	for _, w := range c.conn.writes[:c.conn.stored] {
		if w == k {
			return
		}
	}
	c.conn.writes[c.conn.stored] = k
	c.conn.stored++
}

// commit writes what the packet did to connections and translations. Frames that
// devices made leave no state.
func (c *Context) commit() {
	if c.made {
		return
	}
	for _, k := range c.conn.writes[:c.conn.stored] {
		c.state.Conns.Store(k, c.now)
	}
	if c.conn.asked && !c.conn.forward {
		c.state.Conns.Store(c.conn.key, c.now) // used, so it lives on
	}
	for i := range c.writes {
		c.state.NAT.Store(c.writes[i].key, c.writes[i].binding, c.now)
	}
}
