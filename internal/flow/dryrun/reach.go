// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Matrix is which workload reaches which, by which packets. The first packet of a
// connection counts, not its answer.
type Matrix struct {
	Workloads []string `json:"workloads"`
	Probes    []string `json:"probes"`
	Cells     []Cell   `json:"cells"` // by from, to and probe, in the order of the lists
}

// Cell says whether a workload reaches another.
type Cell struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Probe   string `json:"probe"`
	Reached bool   `json:"reached"`
	Stopped *Stop  `json:"stopped,omitempty"`
}

// Stop is what keeps a packet from its destination.
type Stop struct {
	Reason   string `json:"reason"`
	Device   string `json:"device,omitempty"` // device or port
	Chain    string `json:"chain,omitempty"`
	Position int    `json:"position,omitempty"` // of the rule
	ARP      bool   `json:"arp,omitempty"`      // it was the ARP request before the packet
}

// Reasons of stops beside those of sim.
const (
	StopElsewhere = "delivered-elsewhere"
	StopNoAnswer  = "arp-unanswered" // the request went its way; no answer came back
)

// maxDerivedProbes is how many probes are made of the conditions of rules.
const maxDerivedProbes = 16

// Probes returns the probes that tell the rules of a topology apart: ICMP echo, the
// TCP and UDP ports that conditions name, and one of each that none names.
func Probes(docs ...*topology.Document) ([]Probe, error) {
	seen := map[Probe]bool{}
	add := func(proto uint8, port uint16) {
		if port != 0 && len(seen) < maxDerivedProbes {
			seen[Probe{Proto: proto, DstPort: port}] = true
		}
	}
	for _, d := range docs {
		s, err := d.Snapshot()
		if err != nil {
			return nil, err
		}
		for _, c := range d.Chains {
			id := topology.NamedID(topology.KindChain, c.Name)
			if c.ID != (topology.ID{}) {
				id = c.ID
			}
			for _, r := range s.Rules[id] {
				addProbes(&r.Condition, add)
			}
		}
	}
	probes := []Probe{{Proto: packet.ProtoICMP}}
	for _, proto := range []uint8{packet.ProtoTCP, packet.ProtoUDP} {
		p := Probe{Proto: proto, DstPort: 9}
		for seen[p] {
			p.DstPort++
		}
		seen[p] = true
	}
	for p := range seen {
		probes = append(probes, p)
	}
	slices.SortFunc(probes, func(a, b Probe) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.DstPort, b.DstPort))
	})
	return probes, nil
}

// addProbes adds the ports that a condition names.
func addProbes(c *topology.Condition, add func(proto uint8, port uint16)) {
	if c.TPDst == nil {
		return
	}
	for _, proto := range []uint8{packet.ProtoTCP, packet.ProtoUDP} {
		if c.Proto == nil || *c.Proto == proto {
			add(proto, c.TPDst.Start)
			add(proto, c.TPDst.End)
		}
	}
}

// Reach tries every probe from every workload to every other.
func Reach(d *topology.Document, probes []Probe) (*Matrix, error) {
	l, err := New(d)
	if err != nil {
		return nil, err
	}
	m := &Matrix{Workloads: []string{}, Probes: []string{}}
	for i := range l.hosts {
		m.Workloads = append(m.Workloads, l.hosts[i].name)
	}
	for _, p := range probes {
		m.Probes = append(m.Probes, p.String())
	}
	rows := make([][]Cell, len(l.hosts))
	errs := make([]error, len(l.hosts))
	next := make(chan int, len(rows))
	for i := range rows {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup // waited for below; each ends when there is no row left
	for range min(runtime.GOMAXPROCS(0), len(rows)) {
		wg.Go(func() {
			r := newReacher(l)
			for i := range next {
				rows[i], errs[i] = r.row(&l.hosts[i], probes)
			}
		})
	}
	wg.Wait()
	m.Cells = []Cell{}
	for i := range rows {
		if errs[i] != nil {
			return nil, errs[i]
		}
		m.Cells = append(m.Cells, rows[i]...)
	}
	return m, nil
}

// reacher tries probes. What devices learn of addresses is that of all reachers;
// connections and translations are forgotten after each probe, so that one does not
// open the way for another.
type reacher struct {
	lab   *Lab
	nat   *probeNAT
	byMAC map[packet.IPv4]arpAnswer // of the present sender
	frame []byte
}

// arpAnswer is what came of an ARP request.
type arpAnswer struct {
	mac  packet.MAC
	stop *Stop
}

func newReacher(l *Lab) *reacher {
	nat := &probeNAT{m: map[sim.NATKey]sim.Binding{}}
	own := *l
	own.state = &sim.State{
		MACs: l.state.MACs, Hosts: l.state.Hosts, ARP: l.asked.ARPTable,
		Conns: noConns{}, NAT: nat, Leases: firstPort{},
	}
	own.asked = &askedARP{ARPTable: own.state.ARP, asked: map[sim.Neighbour]bool{}}
	own.state.ARP = own.asked
	own.packet, own.other = sim.NewContext(own.state), sim.NewContext(own.state)
	return &reacher{lab: &own, nat: nat}
}

// row tries the probes of a sender.
func (r *reacher) row(from *host, probes []Probe) ([]Cell, error) {
	r.byMAC = map[packet.IPv4]arpAnswer{}
	cells := make([]Cell, 0, (len(r.lab.hosts)-1)*len(probes))
	for i := range r.lab.hosts {
		to := &r.lab.hosts[i]
		if to == from {
			continue
		}
		answer, err := r.ask(from, from.hop(to.addr))
		if err != nil {
			return nil, err
		}
		for _, p := range probes {
			stop := answer.stop
			if stop == nil {
				if stop, err = r.try(from, to, answer.mac, p); err != nil {
					return nil, err
				}
			}
			cells = append(cells, Cell{From: from.name, To: to.name, Probe: p.String(), Reached: stop == nil, Stopped: stop})
		}
	}
	return cells, nil
}

// ask has a workload ask for the Ethernet address of a neighbour, once.
func (r *reacher) ask(from *host, addr packet.IPv4) (arpAnswer, error) {
	if a, ok := r.byMAC[addr]; ok {
		return a, nil
	}
	r.frame = packet.AppendARPRequest(r.frame[:0], from.mac, from.addr, addr)
	var found *packet.MAC
	watch := func(d *Delivery) {
		var m packet.Match
		if m.Parse(d.Frame) == nil && isAnswer(&m, addr) {
			found = &m.SHA
		}
	}
	o, lost, err := r.simulate(from.port, watch)
	a := arpAnswer{}
	switch {
	case err != nil:
		return a, err
	case found != nil:
		a.mac = *found
	default:
		a.stop = r.unanswered(o, from, addr, lost)
		a.stop.ARP = true
	}
	r.byMAC[addr] = a
	return a, nil
}

// unanswered tells what became of an ARP request that was not answered: it did not
// come to the workload with the address, or its answer did not come back.
func (r *reacher) unanswered(o sim.Outcome, from *host, addr packet.IPv4, lost []sim.Decision) *Stop {
	if o != sim.Forward && o != sim.NoOp {
		return r.stopped(o)
	}
	ends := append(slices.Clone(r.lab.packet.Ends()), lost...)
	if s := r.culprit(ends, from.port, addr); s != nil {
		return s
	}
	return &Stop{Reason: StopNoAnswer}
}

// culprit finds the rule that ended an ARP request for an address or its answer, among
// what ended the copies of a flood: those at ports of other workloads do not matter.
func (r *reacher) culprit(ends []sim.Decision, asker topology.ID, addr packet.IPv4) *Stop {
	for _, d := range ends {
		if d.Reason != sim.ReasonRule {
			continue
		}
		h := r.lab.byPort[d.Device]
		if h == nil || h.addr == addr || h.port == asker {
			s := r.stop(d)
			s.ARP = true
			return s
		}
	}
	return nil
}

// simulate takes the present frame through the network. Watch sees what is delivered
// because of it where the frame came from; lost is what ended frames that came of it.
func (r *reacher) simulate(port topology.ID, watch func(*Delivery)) (o sim.Outcome, lost []sim.Decision, err error) {
	clear(r.nat.m)
	clear(r.lab.asked.asked)
	c := r.lab.packet
	if err := c.Ingress(r.lab.network, r.frame, port, 0); err != nil {
		return 0, nil, err
	}
	t := &turn{lab: r.lab, only: port}
	o, err = t.finish(c)
	for i := range t.delivered {
		watch(&t.delivered[i])
	}
	return o, t.lost, err
}

// try sends a probe. The result is nil if it reaches its destination.
func (r *reacher) try(from, to *host, mac packet.MAC, p Probe) (*Stop, error) {
	r.frame = p.appendFrame(r.frame[:0], packet.Route{EthDst: mac, EthSrc: from.mac, Src: from.addr, Dst: to.addr})
	clear(r.nat.m)
	c := r.lab.packet
	if err := c.Ingress(r.lab.network, r.frame, from.port, 0); err != nil {
		return nil, err
	}
	o := c.Run()
	if o == sim.NotYet {
		clear(r.lab.asked.asked)
		if err := c.Ingress(r.lab.network, r.frame, from.port, 0); err != nil {
			return nil, err
		}
		t := &turn{lab: r.lab, only: from.port}
		var err error
		if o, err = t.finish(c); err != nil {
			return nil, err
		}
		if o == sim.NotYet {
			if s := r.culprit(t.lost, from.port, to.addr); s != nil {
				return s, nil
			}
		}
	}
	if o == sim.Forward {
		for i := range c.Outputs() {
			if c.Outputs()[i].Port.ID == to.port {
				return nil, nil
			}
		}
		return &Stop{Reason: StopElsewhere}, nil
	}
	return r.stopped(o), nil
}

// stopped tells what ended the last packet.
func (r *reacher) stopped(o sim.Outcome) *Stop {
	c, n := r.lab.packet, r.lab.names
	if o == sim.NotYet {
		w := c.Waiting()
		return &Stop{Reason: result(o, w), Device: n.Of(w.Neighbour.Router)}
	}
	return r.stop(c.Decided())
}

// stop is a decision with names.
func (r *reacher) stop(d sim.Decision) *Stop {
	n := r.lab.names
	s := &Stop{Reason: string(d.Reason), Position: d.Position}
	if d.Device != (topology.ID{}) {
		s.Device = n.Of(d.Device)
	}
	if d.Chain != (topology.ID{}) {
		s.Chain = n.Of(d.Chain)
	}
	return s
}

// noConns is a ConnTable in which nothing stays.
type noConns struct{}

func (noConns) Lookup(sim.ConnKey, sim.Instant) bool { return false }
func (noConns) Store(sim.ConnKey, sim.Instant)       {}

// probeNAT is the NATTable of one probe.
type probeNAT struct{ m map[sim.NATKey]sim.Binding }

func (t *probeNAT) Lookup(k sim.NATKey, _ sim.Instant) (sim.Binding, bool) {
	b, ok := t.m[k]
	return b, ok
}

func (t *probeNAT) Store(k sim.NATKey, b sim.Binding, _ sim.Instant) { t.m[k] = b }

// firstPort is a Leaser that always gives the first port.
type firstPort struct{}

func (firstPort) Lease(_ topology.ID, _ packet.IPv4, from, _ uint16, _ sim.Destination) (uint16, sim.LeaseResult) {
	return from, sim.Leased
}

func (firstPort) Release(topology.ID, sim.Binding, sim.Destination) {}
