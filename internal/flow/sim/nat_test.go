// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
)

// Targets of destinations are picked at random, sources get the first port that is free.
func TestTargets(t *testing.T) {
	n := compile(t, `{"routers":[{"name":"r","inboundFilter":"c","routes":[{"dst":"10.0.0.0/8","port":"r2","gateway":"10.0.1.9"}]}],
	"ports":[{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"r2","device":"r","mac":"02:00:00:00:00:02","address":"10.0.1.1/24","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.1.9"}}],
	"chains":[{"name":"c","rules":[
		{"type":"dnat","condition":{"nwDstAddress":"198.51.100.1","nwDstLength":32},"natTargets":[
			{"addressFrom":"10.2.0.1","addressTo":"10.2.0.1","portFrom":80,"portTo":80},
			{"addressFrom":"10.2.0.3","addressTo":"10.2.0.6","portFrom":8000,"portTo":8009}]},
		{"type":"dnat","condition":{"nwDstAddress":"198.51.100.2","nwDstLength":32},"natTargets":[{"addressFrom":"10.3.0.1","addressTo":"10.3.0.9"}]},
		{"type":"snat","natTargets":[{"addressFrom":"10.0.1.2","addressTo":"10.0.1.3","portFrom":7,"portTo":7}]}]}]}`)
	n.state.ARP.Store(Neighbour{n.snap.Ports[n.port(t, "r1")].Device, 0x0a000109}, testMAC(0xb), 0)
	const client = packet.IPv4(0x0a00000a)
	udp := func(sport uint16, dst packet.IPv4) []byte {
		return packet.AppendUDP(nil, packet.Route{EthDst: testMAC(1), EthSrc: testMAC(0xa), Src: client, Dst: dst}, sport, 53, nil)
	}
	tests := []struct {
		name     string
		picks    []int // target, address, port
		frame    []byte
		src, dst Binding
		o        Outcome
	}{
		{"target without choice", []int{0}, udp(1, 0xc6336401), Binding{client, 1}, Binding{0x0a020001, 80}, Forward},
		{"target, address and port", []int{1, 3, 9}, udp(2, 0xc6336401), Binding{client, 2}, Binding{0x0a020006, 8009}, Forward},
		{"the same connection", nil, udp(2, 0xc6336401), Binding{client, 2}, Binding{0x0a020006, 8009}, Forward},
		{"addresses only", []int{8}, udp(3, 0xc6336402), Binding{client, 3}, Binding{0x0a030009, 53}, Forward},
		{"source", nil, udp(4, 0x0a050001), Binding{0x0a000102, 7}, Binding{0x0a050001, 53}, Forward},
		{"source with the next address", nil, udp(5, 0x0a050001), Binding{0x0a000103, 7}, Binding{0x0a050001, 53}, Forward},
		{"source with none left", nil, udp(6, 0x0a050001), Binding{}, Binding{}, Drop},
		{"source to another destination", nil, udp(6, 0x0a050002), Binding{0x0a000102, 7}, Binding{0x0a050002, 53}, Forward},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewContext(n.state)
			picks := tt.picks
			c.Random = func(n int) int {
				if len(picks) == 0 {
					t.Fatalf("picks one of %d more", n)
				}
				p := picks[0]
				picks = picks[1:]
				if p >= n {
					t.Fatalf("picks one of %d, want more than %d", n, p)
				}
				return p
			}
			if err := c.Ingress(n.Network, tt.frame, n.port(t, "r1"), 0); err != nil {
				t.Fatal(err)
			}
			if o := c.Run(); o != tt.o {
				t.Fatalf("%v (%v), want %v", o, c.Decided(), tt.o)
			}
			if len(picks) > 0 {
				t.Errorf("%v were not picked", picks)
			}
			if tt.o != Forward {
				return
			}
			m := &c.Outputs()[0].Match
			if src, dst := (Binding{m.Src, m.SrcPort}), (Binding{m.Dst, m.DstPort}); src != tt.src || dst != tt.dst {
				t.Errorf("%v > %v, want %v > %v", src, dst, tt.src, tt.dst)
			}
		})
	}
}
