// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// model is the simulator again, as plainly as it can be said: it looks everything up
// in the snapshot by going through all objects, copies packets where they fork, and
// gives up by panicking. It knows no translations and no traces.
type model struct {
	s     *topology.Snapshot
	ports []*topology.Port // in the order of their creation
	loads map[topology.ID]topology.Workload

	macs  map[sim.Station]topology.ID
	arp   map[sim.Neighbour]packet.MAC
	hosts map[sim.Neighbour]packet.MAC // of bridges
	conns map[sim.ConnKey]bool
}

func newModel(d *topology.Document, s *topology.Snapshot) *model {
	m := &model{
		s: s, loads: d.Workloads(), macs: map[sim.Station]topology.ID{}, arp: map[sim.Neighbour]packet.MAC{},
		hosts: map[sim.Neighbour]packet.MAC{}, conns: map[sim.ConnKey]bool{},
	}
	for _, p := range s.Ports {
		m.ports = append(m.ports, p)
	}
	slices.SortFunc(m.ports, func(a, b *topology.Port) int { return int(a.TunnelKey) - int(b.TunnelKey) })
	return m
}

// modelPacket is a copy of a packet on its way.
type modelPacket struct {
	h, entry packet.Match // headers now, and as they entered the router
	in, out  *topology.Port
	entered  int
}

// modelRun is one simulation.
type modelRun struct {
	*model
	frame   []byte
	orig    packet.Match
	start   *topology.Port
	made    bool
	hops    []Hop
	reached map[topology.ID]int
	sent    []modelFrame
	made2   []modelFrame // by devices
	asked   bool         // for the direction of the flow
	forward bool
	returns []sim.ConnKey
}

type modelFrame struct {
	port  topology.ID
	frame []byte
}

// modelWait is the panic of a packet whose next hop is not known.
type modelWait struct{ n sim.Neighbour }

func (m *model) run(frame []byte, port topology.ID, made bool) (r *modelRun, result string, wait *sim.Neighbour) {
	r = &modelRun{model: m, frame: frame, start: m.s.Ports[port], made: made, reached: map[topology.ID]int{}}
	if err := r.orig.Parse(frame); err != nil {
		panic(err)
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
			if result != "ErrorDrop" && !made {
				for _, k := range r.returns {
					m.conns[k] = true
				}
			}
		case modelWait:
			result, wait = NeedsARP, &p.n
		default:
			panic(p)
		}
	}()
	p := modelPacket{h: r.orig, entry: r.orig}
	if made {
		return r, r.egress(p, r.start), nil
	}
	return r, r.ingress(p, r.start), nil
}

func (r *modelRun) ingress(p modelPacket, port *topology.Port) string {
	if p.entered == 12 {
		return "ErrorDrop"
	}
	p.entered++
	p.in, p.out, p.entry = port, nil, p.h
	r.hops = append(r.hops, Hop{port.ID.String(), "in"})
	if !port.AdminStateUp {
		r.refuse(p, port)
		return "Drop"
	}
	switch r.filter(&p, port.ID, port.InboundFilter) {
	case "drop":
		return "Drop"
	case "reject":
		r.refuse(p, port)
		return "Drop"
	}
	if b := r.s.Bridges[port.Device]; b != nil {
		return r.bridge(p, b)
	}
	return r.router(p, r.s.Routers[port.Device])
}

func (r *modelRun) refuse(p modelPacket, port *topology.Port) {
	if port.Type == topology.RouterPort {
		r.icmp(p, 3, 13)
	}
}

func (r *modelRun) egress(p modelPacket, port *topology.Port) string {
	if p.entered == 12 {
		return "ErrorDrop"
	}
	if port.Type == topology.BridgePort {
		if port == p.in {
			return "Drop"
		}
		if port.VLAN != 0 {
			p.h.Pop(port.VLAN)
		}
	} else if p.h.EthSrc == p.h.EthDst {
		return r.ingress(p, port)
	}
	p.out = port
	r.hops = append(r.hops, Hop{port.ID.String(), "out"})
	if !port.AdminStateUp {
		r.refuse(p, port)
		return "Drop"
	}
	switch r.filter(&p, port.ID, port.OutboundFilter) {
	case "drop":
		return "Drop"
	case "reject":
		r.refuse(p, port)
		return "Drop"
	}
	switch {
	case port.Exterior():
		r.sent = append(r.sent, modelFrame{port.ID, packet.AppendRewritten(nil, r.frame, &r.orig, &p.h)})
		if r.asked && r.forward {
			k := modelKey(&p.h)
			r.returns = append(r.returns, sim.ConnKey{Device: port.Device, Src: k.Dst, Dst: k.Src, SrcPort: k.DstPort, DstPort: k.SrcPort, Proto: k.Proto})
		}
		return "Forward"
	case port.Interior():
		return r.ingress(p, r.s.Ports[port.Peer])
	default:
		return "ErrorDrop"
	}
}

func modelKey(m *packet.Match) sim.ConnKey {
	k := sim.ConnKey{Src: m.Src, Dst: m.Dst, SrcPort: m.SrcPort, DstPort: m.DstPort, Proto: m.Proto}
	if m.Proto == packet.ProtoICMP {
		k.SrcPort, k.DstPort = m.ID, m.ID
	}
	return k
}

// filter takes a packet through a chain.
func (r *modelRun) filter(p *modelPacket, owner, chain topology.ID) string {
	r.reached[owner]++
	var seen []topology.ID
	switch v := r.chain(p, chain, &seen); v {
	case "drop", "reject":
		return v
	default:
		return "accept"
	}
}

func (r *modelRun) chain(p *modelPacket, chain topology.ID, seen *[]topology.ID) string {
	*seen = append(*seen, chain)
	for _, rule := range r.s.Rules[chain] {
		if !r.matches(p, &rule.Condition) {
			continue
		}
		switch rule.Type {
		case topology.JumpRule:
			if r.s.Chains[rule.JumpChain] == nil || slices.Contains(*seen, rule.JumpChain) {
				continue
			}
			if v := r.chain(p, rule.JumpChain, seen); v != "" && v != "return" {
				return v
			}
		default:
			return string(rule.Type)
		}
	}
	return ""
}

// matches knows the conditions that random topologies have.
func (r *modelRun) matches(p *modelPacket, c *topology.Condition) bool {
	later := p.h.Fragment == packet.LaterFragment
	if later && (c.TPDst != nil || c.Fragments == topology.FragmentHeader) ||
		!later && c.Fragments == topology.FragmentNonHeader ||
		p.h.Fragment == packet.FirstFragment && c.Fragments == topology.FragmentUnfragmented ||
		later && c.Fragments == topology.FragmentUnfragmented {
		return false
	}
	ip := p.h.Net != packet.NoNet
	all := true
	check := func(given, holds, inverted bool) { all = all && (!given || holds != inverted) }
	if c.MatchForwardFlow || c.MatchReturnFlow {
		forward := r.isForward(p)
		check(c.MatchForwardFlow, forward, false)
		check(c.MatchReturnFlow, !forward, false)
	}
	check(c.Proto != nil, ip && c.Proto != nil && p.h.Proto == *c.Proto, c.InvProto)
	check(c.Src.IsValid(), ip && c.Src.IsValid() && c.Src.Contains(p.h.Src.Addr()), c.InvSrc)
	check(c.Dst.IsValid(), ip && c.Dst.IsValid() && c.Dst.Contains(p.h.Dst.Addr()), c.InvDst)
	check(c.EtherType != 0, p.h.EtherType == c.EtherType, c.InvEtherType)
	check(c.TPDst != nil, c.TPDst != nil && p.h.Transport != packet.NoTransport && p.h.DstPort >= c.TPDst.Start && p.h.DstPort <= c.TPDst.End, c.InvTPDst)
	check(len(c.InPorts) > 0, p.in != nil && slices.Contains(c.InPorts, p.in.ID), c.InvInPorts)
	check(len(c.OutPorts) > 0, p.out != nil && slices.Contains(c.OutPorts, p.out.ID), c.InvOutPorts)
	return all != c.Invert
}

func (r *modelRun) isForward(p *modelPacket) bool {
	if r.made {
		return false
	}
	if p.h.Net != packet.NetIPv4 || !slices.Contains([]uint8{1, 6, 17}, p.h.Proto) {
		return true
	}
	if !r.asked {
		k := modelKey(&r.orig)
		k.Device = r.start.Device
		r.asked, r.forward = true, !r.conns[k]
	}
	return r.forward
}

// bridge takes a packet through a bridge.
func (r *modelRun) bridge(p modelPacket, b *topology.Bridge) string {
	if p.h.EthSrc.IsGroup() || !b.AdminStateUp {
		return "Drop"
	}
	var own []*topology.Port
	routers := map[packet.MAC]*topology.Port{}
	addrs := map[packet.IPv4]packet.MAC{}
	vlans := map[uint16]*topology.Port{}
	for _, q := range r.ports {
		if q.Device != b.ID {
			continue
		}
		own = append(own, q)
		if peer := r.s.Ports[q.Peer]; peer != nil && peer.Type == topology.RouterPort {
			routers[peer.PortMAC] = q
			if peer.PortAddress.IsValid() {
				addrs[packet.FromAddr(peer.PortAddress)] = peer.PortMAC
			}
		} else if q.VLAN != 0 {
			vlans[q.VLAN] = q
		}
	}
	tagged := p.h.Tagged()
	dropped := !tagged && r.filter(&p, b.ID, b.InboundFilter) != "accept"
	outer, _ := p.h.VLAN()
	vlan := outer
	if p.in.VLAN != 0 {
		vlan = p.in.VLAN
	}
	if len(vlans) == 0 {
		vlan = 0
	}
	if routers[p.h.EthSrc] == nil {
		r.macs[sim.Station{Bridge: b.ID, MAC: p.h.EthSrc, VLAN: vlan}] = p.in.ID
	}
	if dropped {
		return "Drop"
	}
	var to []*topology.Port
	single := true
	flood := func() {
		single = false
		for _, q := range own {
			if q.Exterior() && q != p.in {
				to = append(to, q)
			}
		}
		for _, q := range own {
			if peer := r.s.Ports[q.Peer]; q != p.in && q.VLAN == 0 && peer != nil && peer.Type == topology.BridgePort && peer.VLAN != 0 {
				to = append(to, q)
			}
		}
		if q := vlans[outer]; q != nil && p.in.VLAN == 0 && p.h.NumTags > 0 && q != p.in {
			to = append(to, q)
		}
	}
	switch {
	case p.h.EthDst == packet.Broadcast && p.h.Net == packet.NetARP:
		gratuitous := p.h.Src == p.h.Dst
		mac, known := addrs[p.h.Dst]
		if !known {
			mac, known = r.hosts[sim.Neighbour{Router: b.ID, Addr: p.h.Dst}]
		}
		switch q := routers[addrs[p.h.Dst]]; {
		case p.h.Proto == packet.ARPRequest && !tagged && !gratuitous && known:
			r.made2 = append(r.made2, modelFrame{p.in.ID, packet.AppendARPReply(nil, mac, p.h.Dst, p.h.SHA, p.h.Src)})
			return "NoOp"
		case q != nil && !tagged:
			to = []*topology.Port{q}
		default:
			if gratuitous {
				r.hosts[sim.Neighbour{Router: b.ID, Addr: p.h.Src}] = p.h.EthSrc
			}
			flood()
		}
	case p.h.EthDst.IsGroup():
		flood()
	case routers[p.h.EthDst] != nil:
		to = []*topology.Port{routers[p.h.EthDst]}
	case p.h.EthDst == p.h.EthSrc:
		return "ErrorDrop"
	default:
		id, ok := r.macs[sim.Station{Bridge: b.ID, MAC: p.h.EthDst, VLAN: vlan}]
		if !ok {
			flood()
			break
		}
		if id == p.in.ID {
			return "ErrorDrop"
		}
		to = []*topology.Port{r.s.Ports[id]}
	}
	if single && to[0].VLAN != 0 && p.in.VLAN == 0 && (p.h.NumTags == 0 || outer != to[0].VLAN) {
		return "Drop"
	}
	if p.in.VLAN != 0 {
		p.h.Push(p.in.VLAN)
	}
	p.out = nil
	if len(to) == 1 {
		p.out = to[0]
	}
	if !tagged && r.filter(&p, b.ID, b.OutboundFilter) != "accept" {
		return "Drop"
	}
	result := ""
	for _, q := range to {
		one := r.egress(p, q)
		switch {
		case result == "" || result != "Forward" && one == "Forward":
			result = one
		case result != "Forward" && result != "ErrorDrop":
			result = one
		}
	}
	if result == "" {
		return "Drop"
	}
	return result
}

// icmp sends an error to where a packet entered the router.
func (r *modelRun) icmp(p modelPacket, kind, code uint8) {
	e := &p.entry
	if p.in == nil || !p.in.PortAddress.IsValid() || e.Net != packet.NetIPv4 || e.Fragment == packet.LaterFragment {
		return
	}
	if e.Transport != packet.NoTransport && e.Proto == 1 && slices.Contains([]uint16{3, 4, 5, 11, 12}, e.SrcPort) {
		return
	}
	addr, bits := packet.FromAddr(p.in.PortAddress), p.in.Network.Bits()
	if e.EthDst.IsGroup() || e.Dst>>28 == 14 || e.Dst == packet.AllHosts || e.Src == packet.AllHosts || bits < 31 && e.Dst == addr.Last(bits) {
		return
	}
	quoted := packet.AppendRewritten(nil, r.frame, &r.orig, e)
	var m packet.Match
	if err := m.Parse(quoted); err != nil {
		panic(err)
	}
	r.made2 = append(r.made2, modelFrame{p.in.ID, packet.AppendICMPError(nil, packet.Route{
		EthDst: e.EthSrc, EthSrc: p.in.PortMAC, Src: addr, Dst: e.Src,
	}, kind, code, quoted, &m)})
}

// router takes a packet through a router.
func (r *modelRun) router(p modelPacket, rt *topology.Router) string {
	p.entry = p.h
	if p.h.Tagged() {
		return "Drop"
	}
	for p.h.Pop(0) {
	}
	if p.h.Net == packet.NoNet {
		return "Drop"
	}
	if !rt.AdminStateUp {
		r.icmp(p, 3, 13)
		return "Drop"
	}
	if p.h.EthDst != packet.Broadcast && p.h.EthDst != p.in.PortMAC {
		return "Drop"
	}
	if p.h.Net == packet.NetARP {
		return r.routerARP(p, rt)
	}
	if p.h.EthDst == packet.Broadcast {
		return "Drop"
	}
	switch r.filter(&p, rt.ID, rt.InboundFilter) {
	case "drop":
		if p.h.Fragment == packet.FirstFragment {
			r.icmp(p, 3, 4)
			return "ErrorDrop"
		}
		return "Drop"
	case "reject":
		r.icmp(p, 3, 13)
		return "Drop"
	}
	route := r.route(rt, p.h.Src, p.h.Dst)
	switch {
	case route == nil:
		r.icmp(p, 3, 0)
		return "ShortDrop"
	case route.Type == topology.LocalRoute:
		if p.h.Transport == packet.Echo && p.h.SrcPort == 8 && p.h.Fragment == packet.Whole {
			r.echo(p, rt)
			return "NoOp"
		}
		return "ErrorDrop"
	case route.Type == topology.BlackHoleRoute:
		return "ErrorDrop"
	case route.Type == topology.RejectRoute:
		r.icmp(p, 3, 13)
		return "ShortDrop"
	case p.h.TTL <= 1:
		r.icmp(p, 11, 0)
		return "ErrorDrop"
	}
	p.h.TTL--
	out := r.s.Ports[route.NextHopPort]
	if !out.PortAddress.IsValid() || p.h.Dst == packet.FromAddr(out.PortAddress) {
		return "Drop"
	}
	p.out = out
	switch r.filter(&p, rt.ID, rt.OutboundFilter) {
	case "drop":
		return "Drop"
	case "reject":
		r.icmp(p, 3, 13)
		return "Drop"
	}
	mac, why := r.nextHop(rt, route, p.h.Dst)
	if why == "unplugged" {
		return "ErrorDrop"
	}
	p.h.EthSrc, p.h.EthDst = out.PortMAC, mac
	return r.egress(p, out)
}

func (r *modelRun) routerARP(p modelPacket, rt *topology.Router) string {
	addr := packet.FromAddr(p.in.PortAddress)
	inside := p.in.PortAddress.IsValid() && p.in.Network.Contains(p.h.Src.Addr())
	switch p.h.Proto {
	case packet.ARPRequest:
		gratuitous := p.h.Src == p.h.Dst && p.h.THA.IsZero()
		if inside && (gratuitous || p.h.Dst == addr) {
			r.arp[sim.Neighbour{Router: rt.ID, Addr: p.h.Src}] = p.h.SHA
			if !gratuitous {
				r.made2 = append(r.made2, modelFrame{p.in.ID, packet.AppendARPReply(nil, p.in.PortMAC, addr, p.h.SHA, p.h.Src)})
			}
		}
	case packet.ARPReply:
		if inside && (p.h.Src == p.h.Dst || p.h.Dst == addr && p.h.THA == p.in.PortMAC) {
			r.arp[sim.Neighbour{Router: rt.ID, Addr: p.h.Src}] = p.h.SHA
		}
	default:
		return "Drop"
	}
	return "NoOp"
}

// route looks through all routes. Random topologies have none that are equally good.
func (r *modelRun) route(rt *topology.Router, src, dst packet.IPv4) *topology.Route {
	var best *topology.Route
	for _, c := range r.s.Routes {
		if c.Router != rt.ID || !c.Dst.Contains(dst.Addr()) || !c.Src.Contains(src.Addr()) {
			continue
		}
		if best == nil || c.Dst.Bits() > best.Dst.Bits() || c.Dst.Bits() == best.Dst.Bits() && c.Weight < best.Weight {
			best = c
		}
	}
	return best
}

func (r *modelRun) nextHop(rt *topology.Router, route *topology.Route, dst packet.IPv4) (mac packet.MAC, why string) {
	out, hop := r.s.Ports[route.NextHopPort], dst
	if route.Gateway.IsValid() {
		hop = packet.FromAddr(route.Gateway)
	}
	if peer := r.s.Ports[out.Peer]; peer != nil {
		if peer.Type == topology.RouterPort {
			return peer.PortMAC, ""
		}
		for _, q := range r.ports {
			behind := r.s.Ports[q.Peer]
			if q.Device == peer.Device && behind != nil && behind.Type == topology.RouterPort && behind.PortAddress == hop.Addr() {
				return behind.PortMAC, ""
			}
		}
		if mac, ok := r.hosts[sim.Neighbour{Router: peer.Device, Addr: hop}]; ok {
			return mac, ""
		}
	} else if !out.Exterior() {
		return mac, "unplugged"
	}
	n := sim.Neighbour{Router: rt.ID, Addr: hop}
	if mac, ok := r.arp[n]; ok {
		return mac, ""
	}
	r.made2 = append(r.made2, modelFrame{out.ID, packet.AppendARPRequest(nil, out.PortMAC, packet.FromAddr(out.PortAddress), hop)})
	panic(modelWait{n})
}

func (r *modelRun) echo(p modelPacket, rt *topology.Router) {
	route := r.route(rt, p.h.Dst, p.h.Src)
	if route == nil || route.Type != topology.NormalRoute {
		return
	}
	out := r.s.Ports[route.NextHopPort]
	if !out.PortAddress.IsValid() || packet.FromAddr(out.PortAddress) == p.h.Src {
		return
	}
	mac, why := r.nextHop(rt, route, p.h.Src)
	if why != "" {
		return
	}
	to := packet.Route{EthDst: mac, EthSrc: out.PortMAC, Src: p.h.Dst, Dst: p.h.Src}
	frame := packet.AppendEchoReply(nil, to, r.frame, &r.orig)
	answer := modelPacket{out: out}
	if err := answer.h.Parse(frame); err != nil {
		panic(err)
	}
	made := r.made
	r.made = true // counts as a return flow
	v := r.filter(&answer, rt.ID, rt.OutboundFilter)
	r.made = made
	r.reached[rt.ID]-- // the packet itself does not come there
	if v == "accept" {
		r.made2 = append(r.made2, modelFrame{out.ID, frame})
	}
}
