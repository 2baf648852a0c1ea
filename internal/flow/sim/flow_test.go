// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

func TestFlowLife(t *testing.T) {
	n := compile(t, `{"bridges":[{"name":"b"},{"name":"v"}],
	"routers":[{"name":"r","routes":[{"dst":"10.0.9.0/24","type":"BlackHole"}]}],
	"ports":[
		{"name":"br","device":"b","peer":"r1"},{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24"},
		{"name":"w","device":"b","inboundFilter":"c","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"x","device":"b","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.0.11"}},
		{"name":"access","device":"b","peer":"trunk"},{"name":"trunk","device":"v","vlanId":5},
		{"name":"far","device":"v","workload":{"mac":"02:00:00:00:00:0c","address":"10.0.0.12"}}],
	"chains":[{"name":"c","rules":[{"type":"drop","condition":{"nwProto":6}},{"type":"accept","condition":{"nwProto":17,"tpDst":{"start":9,"end":9},"matchForwardFlow":true}}]}]}`)
	to := func(mac byte, dst packet.IPv4) packet.Route {
		return packet.Route{EthDst: testMAC(mac), EthSrc: testMAC(0xa), Src: 0x0a00000a, Dst: dst}
	}
	b := topology.NamedID(topology.KindBridge, "b")
	n.state.MACs.Learn(Station{Bridge: b, MAC: testMAC(0xb)}, n.port(t, "x"), 0)
	tests := []struct {
		name  string
		frame []byte
		o     Outcome
		want  time.Duration
	}{
		{"forwarded", packet.AppendIPv4(nil, to(0xb, 0x0a00000b), 47, nil), Forward, 60 * time.Second},
		{"tracked", packet.AppendUDP(nil, to(0xb, 0x0a00000b), 1, 9, nil), Forward, 30 * time.Second},
		{"dropped by a rule", packet.AppendTCP(nil, to(0xb, 0x0a00000b), 1, 2, 2), Drop, 60 * time.Second},
		{"no route", packet.AppendUDP(nil, to(1, 0x0b000001), 1, 2, nil), ShortDrop, 5 * time.Second},
		{"black hole", packet.AppendUDP(nil, to(1, 0x0a000901), 1, 2, nil), ErrorDrop, 5 * time.Second},
		{"answered", packet.AppendARPRequest(nil, testMAC(0xa), 0x0a00000a, 0x0a000001), NoOp, 0},
		{"gratuitous ARP", packet.AppendARPRequest(nil, testMAC(0xa), 0x0a00000a, 0x0a00000a), Forward, 0},
		{"copies with and without tag", packet.AppendUDP(nil, to(0x77, 0x0a00000b), 1, 2, nil), Forward, 0},
	}
	c := NewContext(n.state)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Ingress(n.Network, tt.frame, n.port(t, "w"), 0); err != nil {
				t.Fatal(err)
			}
			o := c.Run()
			if got := c.FlowLife(o); o != tt.o || got != tt.want {
				t.Errorf("%v for %v, want %v for %v", o, got, tt.o, tt.want)
			}
		})
	}
}

// A change of any object finds the flows that depend on it by a tag.
func TestTags(t *testing.T) {
	n := benchNetwork(t, 1, 1, 0)
	n.learned(t)
	c := NewContext(n.state)
	if err := c.Ingress(n.Network, benchFrame, n.port(t, "w1"), 0); err != nil {
		t.Fatal(err)
	}
	if o := c.Run(); o != Forward {
		t.Fatal(o)
	}
	router, b1, b2 := topology.NamedID(topology.KindRouter, "r"), topology.NamedID(topology.KindBridge, "b1"), topology.NamedID(topology.KindBridge, "b2")
	var route topology.ID
	for id, r := range n.snap.Routes {
		if r.Dst.String() == "10.0.1.0/24" {
			route = id
		}
	}
	w1, w2 := n.port(t, "w1"), n.port(t, "w2")
	for _, want := range []Tag{
		{Kind: TagPort, ID: w1},
		{Kind: TagPortIn, ID: w1},
		{Kind: TagPort, ID: n.port(t, "r1")},
		{Kind: TagPortIn, ID: n.port(t, "r1")},
		{Kind: TagPort, ID: w2},
		{Kind: TagBridge, ID: b1},
		{Kind: TagBridge, ID: b2},
		{Kind: TagRouter, ID: router},
		{Kind: TagChain, ID: topology.NamedID(topology.KindChain, "c")},
		{Kind: TagRoute, ID: route},
		{Kind: TagDestination, ID: router, Addr: 0x0a00010a},
		{Kind: TagNeighbour, ID: router, Addr: 0x0a00010a},
		{Kind: TagStation, ID: b2, MAC: testMAC(0xb), Port: w2},
	} {
		if !slices.Contains(c.Tags(), want) {
			t.Errorf("no tag %v %v among %v", want.Kind, want, c.Tags())
		}
	}
	if slices.Contains(c.Tags(), Tag{Kind: TagPortIn, ID: w2}) {
		t.Error("a flow that leaves by a port has the tag of those that enter there")
	}
	frame := packet.AppendUDP(nil, packet.Route{EthDst: testMAC(0x55), EthSrc: testMAC(0xa)}, 1, 2, nil)
	if err := c.Ingress(n.Network, frame, w1, 0); err != nil {
		t.Fatal(err)
	}
	c.Run()
	for _, want := range []Tag{{Kind: TagFlooded, ID: b1, MAC: testMAC(0x55)}, {Kind: TagBroadcast, ID: b1}} {
		if !slices.Contains(c.Tags(), want) {
			t.Errorf("flooded: no tag %v %v", want.Kind, want)
		}
	}
}
