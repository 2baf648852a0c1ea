// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// play does with the model what Lab.play does with the simulator.
func (m *model) play(port topology.ID, frame []byte) *Step {
	s := &Step{Delivered: []Delivery{}, Hops: []Hop{}, FilterReached: map[string]int{}}
	asked := map[sim.Neighbour]bool{}
	var queue []event
	collect := func(r *modelRun, result string, wait *sim.Neighbour) {
		var answers []event
		if result == "Forward" {
			for _, f := range r.sent {
				s.Delivered = append(s.Delivered, Delivery{ID: f.port, Port: f.port.String(), Frame: f.frame, Generated: r.made})
				if a := m.answer(f); a != nil {
					answers = append(answers, event{port: f.port, frame: a})
				}
			}
		}
		for i, f := range r.made2 {
			if wait != nil && i == len(r.made2)-1 { // the request
				if asked[*wait] {
					continue
				}
				asked[*wait] = true
			}
			queue = append(queue, event{port: f.port, frame: f.frame, made: true})
		}
		queue = append(queue, answers...)
	}
	settle := func() {
		var waiting []event
		for len(queue)+len(waiting) > 0 {
			if len(queue) == 0 {
				queue, waiting = waiting, nil
			}
			e := queue[0]
			queue = queue[1:]
			r, result, wait := m.run(e.frame, e.port, e.made)
			collect(r, result, wait)
			if wait != nil && e.tries == 0 {
				e.tries++
				waiting = append(waiting, e)
			}
		}
	}
	for {
		r, result, wait := m.run(frame, port, false)
		collect(r, result, wait)
		settle()
		if wait != nil && m.arp[*wait] != (packet.MAC{}) {
			continue
		}
		s.Result = result
		s.Hops = append(s.Hops, r.hops...)
		for id, n := range r.reached {
			kind := "device:"
			if m.s.Ports[id] != nil {
				kind = "port:"
			}
			s.FilterReached[kind+id.String()] = n
		}
		return s
	}
}

func (m *model) answer(f modelFrame) []byte {
	w, ok := m.loads[f.port]
	var h packet.Match
	if err := h.Parse(f.frame); err != nil || !ok {
		return nil
	}
	addr := packet.FromAddr(w.Address)
	if h.Net != packet.NetARP || h.Proto != packet.ARPRequest || h.NumTags > 0 || h.Src == addr || h.Dst != addr ||
		h.EthDst != packet.Broadcast && h.EthDst != w.MAC {
		return nil
	}
	return packet.AppendARPReply(nil, w.MAC, addr, h.SHA, h.Src)
}

// world is a random topology with what random frames are made of.
type world struct {
	r     *rand.Rand
	doc   *topology.Document
	macs  []packet.MAC
	addrs []packet.IPv4
	ports []string // exterior
}

func (w *world) mac() packet.MAC {
	m := packet.MAC{2, 0, 0, 0, 0, byte(len(w.macs) + 1)}
	w.macs = append(w.macs, m)
	return m
}

func (w *world) one(n int) bool { return w.r.IntN(n) == 0 }

func (w *world) down() *bool {
	if w.one(25) {
		return new(bool)
	}
	return nil
}

func (w *world) filter() string {
	if w.one(2) {
		return ""
	}
	return fmt.Sprintf("c%d", w.r.IntN(4))
}

// newWorld makes a random topology: bridges with routers between them, VLANs, chains.
func newWorld(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 1)), doc: &topology.Document{}}
	d := w.doc
	bridges, routers := 1+w.r.IntN(4), 1+w.r.IntN(3)
	for b := range bridges {
		d.Bridges = append(d.Bridges, topology.DocumentDevice{Name: fmt.Sprintf("b%d", b), AdminStateUp: w.down(), InboundFilter: w.filter(), OutboundFilter: w.filter()})
		for range w.r.IntN(4) {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(b), byte(10 + len(d.Ports))})
			w.workload(fmt.Sprintf("b%d", b), addr)
		}
	}
	for r := range routers {
		rt := topology.DocumentDevice{Name: fmt.Sprintf("r%d", r), AdminStateUp: w.down(), InboundFilter: w.filter(), OutboundFilter: w.filter()}
		for b := range bridges {
			if w.one(4) {
				continue
			}
			w.link(&rt, r, b)
		}
		if r > 0 && w.one(2) {
			w.wire(&rt, r)
		}
		w.edge(&rt, r)
		d.Routers = append(d.Routers, rt)
	}
	if bridges > 1 && w.one(2) {
		d.Ports = append(d.Ports,
			topology.DocumentPort{Name: "trunk", Device: "b0", VLAN: 5, Peer: "access", InboundFilter: w.filter()},
			topology.DocumentPort{Name: "access", Device: "b1", Peer: "trunk", OutboundFilter: w.filter()})
	}
	for c := range 4 {
		w.chain(c)
	}
	return w
}

func (w *world) workload(device string, addr netip.Addr) {
	name := fmt.Sprintf("w%d", len(w.ports))
	w.ports = append(w.ports, name)
	w.addrs = append(w.addrs, packet.FromAddr(addr))
	w.doc.Ports = append(w.doc.Ports, topology.DocumentPort{
		Name: name, Device: device, Host: "h", Interface: name, AdminStateUp: w.down(), InboundFilter: w.filter(), OutboundFilter: w.filter(),
		Workload: &topology.Workload{MAC: w.mac(), Address: addr},
	})
}

// link joins a router and a bridge.
func (w *world) link(rt *topology.DocumentDevice, r, b int) {
	addr := netip.AddrFrom4([4]byte{10, 0, byte(b), byte(r + 1)})
	w.addrs = append(w.addrs, packet.FromAddr(addr))
	port := fmt.Sprintf("r%db%d", r, b)
	w.doc.Ports = append(w.doc.Ports,
		topology.DocumentPort{Name: port, Device: rt.Name, MAC: w.mac(), Address: netip.PrefixFrom(addr, 24), Peer: "to" + port, AdminStateUp: w.down(), InboundFilter: w.filter(), OutboundFilter: w.filter()},
		topology.DocumentPort{Name: "to" + port, Device: fmt.Sprintf("b%d", b), Peer: port, InboundFilter: w.filter(), OutboundFilter: w.filter()})
	rt.Routes = append(rt.Routes, topology.DocumentRoute{Dst: netip.PrefixFrom(addr, 24).Masked(), Port: port})
	if w.one(4) {
		rt.Routes = append(rt.Routes, topology.DocumentRoute{
			Dst: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/%d", w.r.IntN(5), 25+w.r.IntN(4))), Src: netip.MustParsePrefix("10.0.0.0/22"),
			Port: port, Gateway: netip.AddrFrom4([4]byte{10, 0, byte(b), byte(1 + w.r.IntN(12))}), Weight: len(rt.Routes),
		})
	}
}

// wire joins a router and the one before it, which is the way to everywhere.
func (w *world) wire(rt *topology.DocumentDevice, r int) {
	before := &w.doc.Routers[r-1]
	a, b := netip.AddrFrom4([4]byte{10, 9, byte(r), 1}), netip.AddrFrom4([4]byte{10, 9, byte(r), 2})
	left, right := fmt.Sprintf("r%dr%d", r-1, r), fmt.Sprintf("r%dr%d", r, r-1)
	w.doc.Ports = append(w.doc.Ports,
		topology.DocumentPort{Name: left, Device: before.Name, MAC: w.mac(), Address: netip.PrefixFrom(a, 30), Peer: right, OutboundFilter: w.filter()},
		topology.DocumentPort{Name: right, Device: rt.Name, MAC: w.mac(), Address: netip.PrefixFrom(b, 30), Peer: left, AdminStateUp: w.down()})
	rt.Routes = append(rt.Routes, topology.DocumentRoute{Dst: netip.MustParsePrefix("0.0.0.0/0"), Port: right, Gateway: a})
	before.Routes = append(before.Routes, topology.DocumentRoute{Dst: netip.MustParsePrefix("10.0.0.0/20"), Port: left, Weight: 3})
}

// edge gives a router a port of its own, and routes that lead nowhere.
func (w *world) edge(rt *topology.DocumentDevice, r int) {
	addr := netip.AddrFrom4([4]byte{10, 0, byte(20 + r), 1})
	w.addrs = append(w.addrs, packet.FromAddr(addr))
	p := topology.DocumentPort{Name: fmt.Sprintf("edge%d", r), Device: rt.Name, MAC: w.mac(), Address: netip.PrefixFrom(addr, 24), InboundFilter: w.filter(), OutboundFilter: w.filter()}
	if !w.one(4) {
		load := addr.Next()
		w.addrs = append(w.addrs, packet.FromAddr(load))
		p.Host, p.Interface, p.Workload = "h", p.Name, &topology.Workload{MAC: w.mac(), Address: load}
		w.ports = append(w.ports, p.Name)
	}
	w.doc.Ports = append(w.doc.Ports, p)
	rt.Routes = append(rt.Routes,
		topology.DocumentRoute{Dst: netip.PrefixFrom(addr, 24).Masked(), Port: p.Name},
		topology.DocumentRoute{Dst: netip.MustParsePrefix("10.0.30.0/24"), Port: p.Name},
		topology.DocumentRoute{Dst: netip.MustParsePrefix("10.0.31.0/24"), Type: topology.BlackHoleRoute},
		topology.DocumentRoute{Dst: netip.MustParsePrefix("10.0.31.0/26"), Type: topology.RejectRoute})
	w.addrs = append(w.addrs, packet.FromAddr(netip.MustParseAddr("10.0.30.1")), packet.FromAddr(netip.MustParseAddr("10.0.31.1")), packet.FromAddr(netip.MustParseAddr("10.0.31.99")), packet.FromAddr(netip.MustParseAddr("10.0.0.255")), packet.FromAddr(netip.MustParseAddr("10.0.2.99")))
}

func (w *world) chain(n int) {
	c := topology.DocumentChain{Name: fmt.Sprintf("c%d", n)}
	for range w.r.IntN(5) {
		kind := []topology.RuleType{topology.AcceptRule, topology.DropRule, topology.RejectRule, topology.ReturnRule, topology.JumpRule}[w.r.IntN(5)]
		r := topology.DocumentRule{Type: kind}
		if kind == topology.JumpRule {
			r.JumpChain = fmt.Sprintf("c%d", w.r.IntN(4))
		}
		raw, err := json.Marshal(w.condition())
		if err != nil {
			panic(err)
		}
		r.Condition = raw
		c.Rules = append(c.Rules, r)
	}
	w.doc.Chains = append(w.doc.Chains, c)
}

func (w *world) condition() map[string]any {
	c := map[string]any{}
	add := func(often int, name, invert string, v any) {
		if !w.one(often) {
			return
		}
		c[name] = v
		if invert != "" && w.one(3) {
			c[invert] = true
		}
	}
	add(2, "nwProto", "invNwProto", []int{1, 6, 17, 47}[w.r.IntN(4)])
	if w.one(4) {
		add(1, "nwDstAddress", "invNwDst", fmt.Sprintf("10.0.%d.0", w.r.IntN(4)))
		c["nwDstLength"] = 24
	}
	if w.one(5) {
		add(1, "nwSrcAddress", "invNwSrc", fmt.Sprintf("10.0.%d.0", w.r.IntN(4)))
		c["nwSrcLength"] = 24
	}
	add(5, "dlType", "invDlType", []int{packet.TypeIPv4, packet.TypeARP}[w.r.IntN(2)])
	if w.one(4) {
		add(1, "tpDst", "invTpDst", map[string]int{"start": 1, "end": 1 + w.r.IntN(3)})
	} else {
		add(6, "fragmentPolicy", "", []string{"header", "nonheader", "unfragmented", "any"}[w.r.IntN(4)])
	}
	if len(w.ports) > 0 {
		add(5, "inPorts", "invInPorts", []string{w.ports[w.r.IntN(len(w.ports))]})
		add(5, "outPorts", "invOutPorts", []string{w.ports[w.r.IntN(len(w.ports))]})
	}
	add(8, "matchForwardFlow", "", true)
	add(8, "matchReturnFlow", "", true)
	add(8, "condInvert", "", true)
	if len(c) == 0 { // applies to all: too often the end
		c["nwProto"] = 6
	}
	return c
}

// frame makes a random frame: most of them could get somewhere.
func (w *world) frame() []byte {
	r := w.r
	to := packet.Route{EthDst: w.macs[r.IntN(len(w.macs))], EthSrc: w.macs[r.IntN(len(w.macs))], Src: w.addrs[r.IntN(len(w.addrs))], Dst: w.addrs[r.IntN(len(w.addrs))]}
	if w.one(6) {
		to.EthDst = packet.Broadcast
	}
	if w.one(30) {
		to.Dst = packet.AllHosts
	}
	var b []byte
	switch r.IntN(8) {
	case 0:
		to.EthDst = packet.Broadcast
		b = packet.AppendARPRequest(nil, to.EthSrc, to.Src, to.Dst)
	case 1:
		b = packet.AppendARPReply(nil, to.EthSrc, to.Src, to.EthDst, to.Dst)
	case 2, 3:
		b = packet.AppendEchoRequest(nil, to, uint16(r.IntN(2)), 1)
	case 4:
		b = packet.AppendTCP(nil, to, uint16(r.IntN(4)), uint16(r.IntN(4)), 2)
	case 5:
		inner := packet.AppendUDP(nil, packet.Route{Src: to.Dst, Dst: to.Src}, 1, 2, nil)
		var m packet.Match
		if err := m.Parse(inner); err != nil {
			panic(err)
		}
		b = packet.AppendICMPError(nil, to, 3, 1, inner, &m)
	default:
		b = packet.AppendUDP(nil, to, uint16(r.IntN(4)), uint16(r.IntN(4)), []byte("x"))
	}
	return edit(b, func(m *packet.Match) {
		if w.one(4) {
			m.TTL = uint8(r.IntN(4))
		}
		if w.one(10) {
			m.Push(uint16([]int{0, 5, 6}[r.IntN(3)]))
		}
	})
}

// The simulator does what a plain model of the description does, with any topology.
func TestRandomTopologies(t *testing.T) {
	results := map[string]int{}
	worlds := 400
	if testing.Short() {
		worlds = 100
	}
	for seed := range uint64(worlds) {
		w := newWorld(seed)
		if len(w.ports) == 0 {
			continue
		}
		s, err := w.doc.Snapshot()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		lab, err := New(w.doc)
		if err != nil {
			t.Fatal(err)
		}
		lab.names.of = nil // both by ID
		m := newModel(w.doc, s)
		for i := range 25 {
			port, err := w.doc.Port(w.ports[w.r.IntN(len(w.ports))])
			if err != nil {
				t.Fatal(err)
			}
			frame := w.frame()
			want := m.play(port, frame)
			got, err := lab.play(port, frame)
			if err != nil {
				t.Fatal(err)
			}
			results[got.Result]++
			if diff := compareSteps(want, got); diff != "" {
				doc, _ := json.Marshal(w.doc)
				var tree strings.Builder
				_ = got.WriteTree(&tree)
				t.Fatalf("seed %d, frame %d: %x at %v: (-model +simulator)\n%s\n%s\n%s", seed, i, frame, port, diff, doc, tree.String())
			}
		}
	}
	for _, r := range []string{"Forward", "NoOp", "Drop", "ShortDrop", "ErrorDrop", NeedsARP} {
		if results[r] < 5 {
			t.Errorf("%d frames ended as %s: too few to say something", results[r], r)
		}
	}
	t.Log(results)
}

func compareSteps(want, got *Step) string {
	a, b := *want, *got
	a.Events, b.Events = nil, nil
	b.Outcome, b.Decided, b.Wait = a.Outcome, a.Decided, a.Wait
	return cmp.Diff(a, b)
}

// traceAll puts trace rules into a topology: at every device and port that has an
// inbound filter, behind the other rules or before them, and in a chain of their own
// where there is none.
func (w *world) traceAll(s *topology.Snapshot) (requests []topology.ID) {
	add := func(owner topology.ID, filter *topology.ID) {
		if w.one(3) {
			return
		}
		if *filter == (topology.ID{}) {
			*filter = topology.NamedID(topology.KindChain, owner.String())
			s.Chains[*filter] = &topology.Chain{ID: *filter}
		}
		r := &topology.Rule{
			ID: topology.NamedID(topology.KindRule, owner.String()), Chain: *filter, Type: topology.TraceRule,
			Request: topology.NamedID(topology.KindRequest, owner.String()), Limit: int64(1 + w.r.IntN(10)), Device: owner,
		}
		requests = append(requests, r.Request)
		s.Rules[*filter] = append(s.Rules[*filter], r)
	}
	for id, b := range s.Bridges {
		add(id, &b.InboundFilter)
	}
	for id, r := range s.Routers {
		add(id, &r.InboundFilter)
	}
	for id, p := range s.Ports {
		add(id, &p.InboundFilter)
	}
	return requests
}

// Tracing never changes what becomes of a packet.
func TestTracingChangesNothing(t *testing.T) {
	traced := int64(0)
	for seed := range uint64(150) {
		w := newWorld(seed + 10_000)
		if len(w.ports) == 0 {
			continue
		}
		plain, err := New(w.doc)
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.doc.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		requests := w.traceAll(s)
		hits := new(sim.Hits)
		lab, err := New(w.doc)
		if err != nil {
			t.Fatal(err)
		}
		lab.network = sim.Compile(s, hits)
		lab.packet.RecordAll = false
		lab.packet.NewTraceID = func() topology.ID { return topology.NamedID(topology.KindRequest, "one") }
		for i := range 25 {
			port, frame := w.ports[w.r.IntN(len(w.ports))], w.frame()
			want, err := plain.Play(port, frame)
			if err != nil {
				t.Fatal(err)
			}
			got, err := lab.Play(port, frame)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Delivered, got.Delivered); diff != "" || got.Result != want.Result || got.Decided.Reason != want.Decided.Reason {
				t.Fatalf("seed %d, frame %d: traced %s, else %s; delivered (-else +traced)\n%s", seed, i, got.Result, want.Result, diff)
			}
			if len(got.Events) > 0 {
				if diff := cmp.Diff(want.Hops, got.Hops); diff != "" {
					t.Fatalf("seed %d, frame %d: hops (-all recorded +traced)\n%s", seed, i, diff)
				}
			}
		}
		for _, r := range requests {
			traced += hits.Count(r)
		}
	}
	if traced < 1000 {
		t.Errorf("%d packets were traced: too few to say something", traced)
	}
}
