// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"errors"
	"fmt"
	"maps"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Lab is a topology with what its devices have learned, and its workloads. It belongs
// to one goroutine.
type Lab struct {
	names   *Names
	dry     bool // what devices learn is forgotten
	ports   map[string]topology.ID
	network *sim.Network
	state   *sim.State
	hosts   []host
	byAddr  map[packet.IPv4][]*host
	byPort  map[topology.ID]*host
	asked   *askedARP

	packet *sim.Context // of the frame of a step
	other  *sim.Context // of all that it brings about
}

// New returns a lab of a document.
func New(d *topology.Document) (*Lab, error) {
	s, err := d.Snapshot()
	if err != nil {
		return nil, err
	}
	l := newLab(sim.Compile(s, new(sim.Hits)), sim.NewState(nil), &Names{of: d.Names()})
	l.hosts, l.byAddr, l.byPort = hosts(d), map[packet.IPv4][]*host{}, map[topology.ID]*host{}
	for i := range l.hosts {
		h := &l.hosts[i]
		l.byAddr[h.addr] = append(l.byAddr[h.addr], h)
		l.byPort[h.port] = h
	}
	for i := range d.Ports {
		l.ports[d.Ports[i].Name] = portID(&d.Ports[i])
	}
	return l, nil
}

// portID is the ID of a port of a document.
func portID(p *topology.DocumentPort) topology.ID {
	if p.ID != (topology.ID{}) {
		return p.ID
	}
	return topology.NamedID(topology.KindPort, p.Name)
}

func newLab(n *sim.Network, s *sim.State, names *Names) *Lab {
	asked := &askedARP{ARPTable: s.ARP, asked: map[sim.Neighbour]bool{}}
	s.ARP = asked
	l := &Lab{
		names: names, network: n, state: s, asked: asked, ports: map[string]topology.ID{},
		packet: sim.NewContext(s), other: sim.NewContext(s),
	}
	l.packet.RecordAll = true
	return l
}

// Simulate tells what a network would do with a frame that enters by an exterior port.
// The state stays as it is, and nobody answers what devices ask.
func Simulate(n *sim.Network, s *sim.State, port topology.ID, frame []byte) (*Step, error) {
	l := newLab(n, sim.Overlay(s), &Names{})
	l.dry = true
	return l.play(port, frame)
}

// Port finds a port by its name or ID.
func (l *Lab) Port(name string) (topology.ID, error) {
	if id, ok := l.ports[name]; ok {
		return id, nil
	}
	if id, err := topology.ParseID(name); err == nil {
		return id, nil
	}
	return topology.ID{}, fmt.Errorf("there is no port %.100q in the topology", name)
}

// Play has a frame enter by an exterior port, and everything happen that comes of it.
func (l *Lab) Play(port string, frame []byte) (*Step, error) {
	id, err := l.Port(port)
	if err != nil {
		return nil, err
	}
	return l.play(id, frame)
}

func (l *Lab) play(port topology.ID, frame []byte) (*Step, error) {
	if err := l.network.CheckEntry(port); err != nil {
		return nil, fmt.Errorf("port %s: %w", l.names.Of(port), err)
	}
	clear(l.asked.asked)
	r := newRecorder(l.names, l.dry)
	l.packet.Recorder = r
	if err := l.packet.Ingress(l.network, frame, port, 0); err != nil {
		return nil, err
	}
	s := &turn{lab: l}
	o, err := s.finish(l.packet)
	if err != nil {
		return nil, err
	}
	return &Step{
		Delivered: s.deliveries(), Hops: append([]Hop{}, r.hops...), FilterReached: maps.Clone(r.reached),
		Result: result(o, l.packet.Waiting()), Events: r.records,
		Outcome: o, Decided: l.packet.Decided(), Wait: l.packet.Waiting(),
	}, nil
}

// result is how the end of a packet is called.
func result(o sim.Outcome, w sim.Wait) string {
	switch {
	case o != sim.NotYet:
		return o.String()
	case w.Reason == sim.ReasonPorts:
		return NeedsNAT
	default:
		return NeedsARP
	}
}

// turn is what happens in one step.
type turn struct {
	lab       *Lab
	only      topology.ID // what is delivered there counts; none: what is delivered anywhere
	delivered []Delivery
	events    []event // that are to be simulated, in order
	waiting   []event // that are, once there are no others: a device asked for something
	simulated int
	lost      []sim.Decision // what ended the frames that came of it
}

// event is a frame that enters by a port or, made by a device, leaves by one.
type event struct {
	port  topology.ID
	frame []byte
	made  bool
	tries int
}

// maxEvents bounds what one frame can bring about: networks can multiply frames.
const maxEvents = 100_000

var errStorm = errors.New("the frame brings about more than 100000 others: the topology multiplies frames")

// finish simulates the frame of a step until it needs nothing that somebody could
// answer.
func (t *turn) finish(c *sim.Context) (sim.Outcome, error) {
	for {
		o := c.Run()
		t.collect(c, o, false)
		if err := t.settle(); err != nil {
			return o, err
		}
		if o != sim.NotYet || !t.lab.known(c.Waiting()) {
			return o, nil
		}
		c.Resume(t.lab.network, 0)
	}
}

// known reports whether what a packet waits for has come.
func (l *Lab) known(w sim.Wait) bool {
	if w.Reason != sim.ReasonNeighbour {
		return false
	}
	_, fresh := l.state.ARP.Lookup(w.Neighbour, 0)
	return fresh != sim.Unknown
}

// collect takes the results of a simulation: frames that leave are delivered, those
// that devices made are simulated next, then what workloads answer.
func (t *turn) collect(c *sim.Context, o sim.Outcome, made bool) {
	var answers []event
	if o == sim.Forward {
		for i := range c.Outputs() {
			out := &c.Outputs()[i]
			id := out.Port.ID
			if t.only == (topology.ID{}) || t.only == id {
				t.delivered = append(t.delivered, Delivery{ID: id, Frame: c.AppendFrame(nil, out), Generated: made})
			}
			if frame := t.lab.answer(id, &out.Match); frame != nil {
				answers = append(answers, event{port: id, frame: frame})
			}
		}
	}
	for _, g := range c.Generated() {
		t.events = append(t.events, event{port: g.Port, frame: append([]byte(nil), g.Frame...), made: true})
	}
	t.events = append(t.events, answers...)
}

// settle simulates all that waits to be.
func (t *turn) settle() error {
	for len(t.events) > 0 || len(t.waiting) > 0 {
		if len(t.events) == 0 {
			t.events, t.waiting = t.waiting, nil
		}
		e := t.events[0]
		t.events = t.events[1:]
		if t.simulated++; t.simulated > maxEvents {
			return errStorm
		}
		c := t.lab.other
		begin := c.Ingress
		if e.made {
			begin = c.Egress
		}
		if err := begin(t.lab.network, e.frame, e.port, 0); err != nil {
			return err
		}
		o := c.Run()
		t.collect(c, o, e.made)
		t.lost = append(t.lost, c.Ends()...)
		if o == sim.NotYet && e.tries == 0 {
			e.tries++
			t.waiting = append(t.waiting, e)
		}
	}
	return nil
}

// deliveries returns what was delivered, with the names of ports.
func (t *turn) deliveries() []Delivery {
	for i := range t.delivered {
		t.delivered[i].Port = t.lab.names.Of(t.delivered[i].ID)
	}
	return append([]Delivery{}, t.delivered...)
}

// answer is what the workload behind a port answers to a frame: ARP requests for its
// address.
func (l *Lab) answer(port topology.ID, m *packet.Match) []byte {
	if m.Net != packet.NetARP || m.Proto != packet.ARPRequest || m.NumTags > 0 || m.Src == m.Dst {
		return nil
	}
	for _, h := range l.byAddr[m.Dst] {
		if h.port == port && (m.EthDst == packet.Broadcast || m.EthDst == h.mac) {
			return packet.AppendARPReply(nil, h.mac, h.addr, m.SHA, m.Src)
		}
	}
	return nil
}
