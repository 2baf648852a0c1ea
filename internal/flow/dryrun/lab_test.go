// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// natDocument is a router that translates what goes out by r2.
const natDocument = `{"routers":[{"name":"r","outboundFilter":"c","routes":[{"dst":"10.0.0.0/24","port":"r1"},{"dst":"0.0.0.0/0","port":"r2","gateway":"10.0.1.9"}]}],
	"ports":[{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"r2","device":"r","mac":"02:00:00:00:00:02","address":"10.0.1.1/24","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.1.9"}},
		{"name":"idle","device":"r","mac":"02:00:00:00:00:03","address":"10.0.2.1/24"}],
	"chains":[{"name":"c","rules":[{"type":"snat","natTargets":[{"addressFrom":"10.0.1.1","addressTo":"10.0.1.1","portFrom":1,"portTo":1}]}]}]}`

func document(t testing.TB, text string) *topology.Document {
	t.Helper()
	d, err := topology.ReadDocument(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A dry run on a hub leaves its state alone, and nobody answers.
func TestSimulate(t *testing.T) {
	d := document(t, natDocument)
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	n, state := sim.Compile(s, new(sim.Hits)), sim.NewState(nil)
	r1, err := d.Port("r1")
	if err != nil {
		t.Fatal(err)
	}
	frame := packet.AppendUDP(nil, packet.Route{EthDst: packet.MAC{2, 0, 0, 0, 0, 1}, EthSrc: packet.MAC{2, 0, 0, 0, 0, 0xa}, Src: 0x0a00000a, Dst: 0x0b000001}, 7, 53, nil)
	step, err := Simulate(n, state, r1, frame)
	if err != nil || step.Result != NeedsARP || len(step.Delivered) != 1 || !step.Delivered[0].Generated {
		t.Fatalf("%v, %v, want %s and the ARP request", step, err, NeedsARP)
	}
	router := topology.NamedID(topology.KindRouter, "r")
	state.ARP.Store(sim.Neighbour{Router: router, Addr: 0x0a000109}, packet.MAC{2, 0, 0, 0, 0, 0xb}, 0)
	for range 2 { // the only port is free each time
		step, err = Simulate(n, state, r1, frame)
		if err != nil || step.Result != "Forward" {
			t.Fatalf("%v, %v, want Forward", step, err)
		}
		b, err := json.Marshal(step)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"note":"would allocate"`, `"device":"` + router.String() + `"`, `"port":"` + r1.String() + `"`} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s has no %s", b, want)
			}
		}
	}
	for _, tt := range []struct {
		port topology.ID
		want error
	}{{uuid.New(), sim.ErrNoPort}, {topology.NamedID(topology.KindPort, "idle"), sim.ErrNotExterior}} {
		if _, err := Simulate(n, state, tt.port, frame); !errors.Is(err, tt.want) {
			t.Errorf("by port %v: %v, want %v", tt.port, err, tt.want)
		}
	}
}

func TestSend(t *testing.T) {
	lab, err := New(document(t, natDocument))
	if err != nil {
		t.Fatal(err)
	}
	frame, step, err := lab.Send(Packet{Port: "r1", Src: "10.0.0.77", Dst: "198.51.100.1", Probe: Probe{Proto: packet.ProtoTCP, DstPort: 80}})
	if !errors.Is(err, ErrNoAnswer) || frame != nil || step == nil {
		t.Errorf("without gateway, from another address: %x, %v, %v, want %v", frame, step, err, ErrNoAnswer)
	}
	for _, p := range []Packet{{Src: "nobody", Dst: "r2"}, {Src: "r1", Dst: "nowhere"}, {Src: "10.0.0.77", Dst: "r2"}, {Port: "idle", Src: "10.0.0.77", Dst: "r2"}} {
		if _, _, err := lab.Send(p); err == nil {
			t.Errorf("Send(%v) did not fail", p)
		}
	}
	frame, step, err = lab.Send(Packet{Src: "r1", Dst: "10.0.0.1", Probe: Probe{Proto: packet.ProtoICMP}})
	if err != nil || step.Result != "NoOp" || len(step.Delivered) != 1 || len(frame) == 0 {
		t.Errorf("ping to the router: %v, %v, want an answer", step, err)
	}
}

func TestProbeNames(t *testing.T) {
	for p, want := range map[Probe]string{{Proto: 1}: "icmp", {Proto: 6, DstPort: 80}: "tcp/80", {Proto: 17, DstPort: 53}: "udp/53", {Proto: 47}: "47"} {
		if got := p.String(); got != want {
			t.Errorf("%#v is %s, want %s", p, got, want)
		}
		var m packet.Match
		if err := m.Parse(p.appendFrame(nil, packet.Route{})); err != nil || m.Proto != p.Proto || p.DstPort != m.DstPort && p.Proto != packet.ProtoICMP {
			t.Errorf("%s makes a frame of protocol %d to port %d, %v", want, m.Proto, m.DstPort, err)
		}
	}
}

// A mesh of VLAN-aware bridges makes of a frame as many as there are ways through it.
// That has an end.
func TestFloodOfAMesh(t *testing.T) {
	const levels, width = 11, 6
	d := &topology.Document{}
	for level := range levels {
		for b := range width {
			name := fmt.Sprintf("b%d-%d", level, b)
			d.Bridges = append(d.Bridges, topology.DocumentDevice{Name: name})
			if level == 0 {
				continue
			}
			for from := range width { // each bridge leads to all of the next level
				port := fmt.Sprintf("b%d-%d-%d", level, from, b)
				d.Ports = append(d.Ports,
					topology.DocumentPort{Name: port, Device: fmt.Sprintf("b%d-%d", level-1, from), Peer: port + "x"},
					topology.DocumentPort{Name: port + "x", Device: name, VLAN: uint16(from + 1)})
			}
		}
	}
	d.Ports = append(d.Ports, topology.DocumentPort{Name: "w", Device: "b0-0", Host: "h", Interface: "i"})
	lab, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	s, err := lab.Play("w", packet.AppendUDP(nil, packet.Route{EthDst: packet.Broadcast, EthSrc: packet.MAC{2}}, 1, 2, nil))
	if err != nil || s.Result != "ErrorDrop" && s.Result != "Drop" {
		t.Errorf("%v, %v, want that it is dropped", s, err)
	}
	if n := len(s.Hops); n < 1000 || n > 10_000 {
		t.Errorf("%d hops, want an end after some thousands", n)
	}
}
