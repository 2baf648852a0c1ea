// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
)

func TestStationsAreForgotten(t *testing.T) {
	s := NewState(nil)
	table := s.MACs.(*macMemory)
	at, held := Station{MAC: testMAC(1)}, Station{MAC: testMAC(2)}
	port, other := uuid.New(), uuid.New()
	for _, want := range []Learned{New, Known} {
		if got := table.Learn(at, port, 0); got != want {
			t.Errorf("learning: %v, want %v", got, want)
		}
	}
	if got := table.Learn(at, other, 10*time.Second); got != Moved {
		t.Errorf("on another port: %v, want moved", got)
	}
	table.Learn(held, port, 0)
	table.Hold(held, port)
	s.Expire(24 * time.Second)
	if p, ok := table.Lookup(at); !ok || p != other {
		t.Errorf("after 14 s: %v, %v, want port %v", p, ok, other)
	}
	s.Expire(25 * time.Second)
	if _, ok := table.Lookup(at); ok {
		t.Error("after 15 s the station is still known")
	}
	if _, ok := table.Lookup(held); !ok {
		t.Error("a station that a flow uses was forgotten")
	}
	table.Drop(held, port, 30*time.Second)
	s.Expire(45 * time.Second)
	if _, ok := table.Lookup(held); ok {
		t.Error("15 s after the flow ended the station is still known")
	}
}

func TestARPAges(t *testing.T) {
	table := newARPMemory(nil)
	n := Neighbour{Router: uuid.New(), Addr: 1}
	table.Store(n, testMAC(1), time.Second)
	for _, tt := range []struct {
		now  time.Duration
		want Freshness
	}{{time.Second, Fresh}, {60 * time.Second, Fresh}, {61 * time.Second, Stale}, {90 * time.Second, Stale}, {91 * time.Second, Unknown}} {
		if _, got := table.Lookup(n, tt.now); got != tt.want {
			t.Errorf("at %v: %v, want %v", tt.now, got, tt.want)
		}
	}
}

func TestARPRequestsAreRepeated(t *testing.T) {
	table := newARPMemory(func() float64 { return 0.5 }) // factor 1, growing by 0.1
	n, port := Neighbour{Router: uuid.New(), Addr: 1}, uuid.New()
	if !table.Ask(n, port, 0) || table.Ask(n, port, time.Second) {
		t.Error("want one request at once, and none beside the repetitions")
	}
	var times []time.Duration
	for now := time.Duration(0); ; now += time.Second {
		again, failed, _ := table.Due(now)
		for _, r := range again {
			if r.Port != port || r.Neighbour != n {
				t.Errorf("repeats %v", r)
			}
			times = append(times, now/time.Second)
		}
		if len(failed) > 0 {
			times = append(times, now/time.Second)
			break
		}
	}
	want := []time.Duration{10, 21, 33, 46, 60}
	if len(times) != len(want) {
		t.Fatalf("repeated at %v, want %v, the last the end", times, want)
	}
	for i := range want {
		if times[i] != want[i] {
			t.Errorf("repeated at %v, want %v, the last the end", times, want)
			break
		}
	}
	if !table.Ask(n, port, 61*time.Second) {
		t.Error("after giving up a new packet asks nobody")
	}
	table.Store(n, testMAC(1), 62*time.Second)
	if again, failed, _ := table.Due(100 * time.Second); len(again)+len(failed) != 0 {
		t.Error("an answered request is repeated")
	}
}

func TestStaleNeighbourIsUsedAndAskedFor(t *testing.T) {
	n := benchNetwork(t, 0, 1, 0)
	n.learned(t)
	c := NewContext(n.state)
	for i, want := range []int{0, 1, 0} {
		now := []Instant{0, arpStale, arpStale + 1}[i]
		if err := c.Ingress(n.Network, benchFrame, n.port(t, "w1"), now); err != nil {
			t.Fatal(err)
		}
		if o := c.Run(); o != Forward || len(c.Generated()) != want {
			t.Errorf("at %v: %v with %d requests, want Forward with %d", now, o, len(c.Generated()), want)
		}
	}
}

func TestGiveUp(t *testing.T) {
	n := benchNetwork(t, 0, 1, 0)
	c := NewContext(n.state)
	if err := c.Ingress(n.Network, benchFrame, n.port(t, "w1"), 0); err != nil {
		t.Fatal(err)
	}
	if o := c.Run(); o != NotYet {
		t.Fatalf("%v, want NotYet", o)
	}
	c.GiveUp()
	c.Resume(n.Network, arpTimeout)
	if o := c.Run(); o != ErrorDrop || c.Decided().Reason != ReasonNoAnswer || len(c.Generated()) != 1 {
		t.Fatalf("%v, %v with %d generated frames, want ErrorDrop with an ICMP error", o, c.Decided(), len(c.Generated()))
	}
	var m packet.Match
	if err := m.Parse(c.Generated()[0].Frame); err != nil || m.SrcPort != packet.ICMPUnreachable || m.DstPort != packet.CodeHost {
		t.Errorf("generated type %d code %d, %v, want host unreachable", m.SrcPort, m.DstPort, err)
	}
}

func TestLeases(t *testing.T) {
	device, addr := uuid.New(), packet.IPv4(9)
	var blocks []Block
	l := NewLeases(func(b Block) LeaseResult {
		blocks = append(blocks, b)
		return map[uint16]LeaseResult{0: Exhausted, 64: Leased, 128: Pending}[b.First]
	})
	dst := Destination{Binding{1, 80}, packet.ProtoTCP}
	if p, r := l.Lease(device, addr, 62, 130, dst); p != 64 || r != Leased {
		t.Errorf("first: %d, %v, want the first port of the first block that is free", p, r)
	}
	if p, _ := l.Lease(device, addr, 62, 130, Destination{Binding{2, 80}, packet.ProtoTCP}); p != 64 {
		t.Errorf("to another destination: %d, want 64", p)
	}
	if p, _ := l.Lease(device, addr, 62, 130, Destination{Binding{1, 80}, packet.ProtoUDP}); p != 64 {
		t.Errorf("of another protocol: %d, want 64", p)
	}
	for want := uint16(65); want < 128; want++ {
		if p, r := l.Lease(device, addr, 62, 130, dst); p != want || r != Leased {
			t.Fatalf("got %d, %v, want %d", p, r, want)
		}
	}
	if _, r := l.Lease(device, addr, 62, 130, dst); r != Pending {
		t.Errorf("with all ports of the blocks used: %v, want Pending", r)
	}
	if _, r := l.Lease(device, addr, 62, 127, dst); r != Exhausted {
		t.Errorf("with all ports of the range used: %v, want Exhausted", r)
	}
	l.Release(device, Binding{addr, 70}, dst)
	if p, _ := l.Lease(device, addr, 62, 130, dst); p != 70 {
		t.Errorf("after a release: %d, want 70", p)
	}
	if p, _ := l.Lease(uuid.New(), addr, 65535, 65535, dst); p != 0 {
		t.Errorf("of a block that nobody grants: %d", p)
	}
	if want := (Block{device, addr, 64}); blocks[1] != want {
		t.Errorf("asked for %v, want %v", blocks[1], want)
	}
}

func TestExpiryGivesPortsBack(t *testing.T) {
	s := NewState(nil)
	device := uuid.New()
	dst := Destination{Binding{1, 80}, packet.ProtoTCP}
	port, _ := s.Leases.Lease(device, 9, 100, 100, dst)
	s.NAT.Store(NATKey{Kind: ForwardSNAT, Proto: packet.ProtoTCP, Device: device, Src: 2, SrcPort: 7, Dst: 1, DstPort: 80}, Binding{9, port}, 0)
	s.Expire(59 * time.Second)
	if _, r := s.Leases.Lease(device, 9, 100, 100, dst); r != Exhausted {
		t.Errorf("before the translation ended its port was given away: %v", r)
	}
	s.Expire(60 * time.Second)
	if _, r := s.Leases.Lease(device, 9, 100, 100, dst); r != Leased {
		t.Errorf("after the translation ended its port is not free: %v", r)
	}
}

// What fails leaves nothing behind: the port of a translation is free again.
func TestLeaseOfADroppedPacket(t *testing.T) {
	n := compile(t, `{"routers":[{"name":"r","outboundFilter":"c","routes":[{"dst":"0.0.0.0/0","port":"r2","gateway":"10.0.1.9"}]}],
	"ports":[{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"r2","device":"r","mac":"02:00:00:00:00:02","address":"10.0.1.1/24","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.1.9"}}],
	"chains":[{"name":"c","rules":[{"type":"snat","natTargets":[{"addressFrom":"10.0.1.1","addressTo":"10.0.1.1","portFrom":1,"portTo":1}]}]}]}`)
	frame := packet.AppendUDP(nil, packet.Route{EthDst: testMAC(1), EthSrc: testMAC(0xa), Src: 0x0a00000a, Dst: 0x0b000001}, 7, 53, nil)
	c := NewContext(n.state)
	for range 2 {
		if err := c.Ingress(n.Network, frame, n.port(t, "r1"), 0); err != nil {
			t.Fatal(err)
		}
		if o := c.Run(); o != NotYet {
			t.Fatalf("%v (%v), want NotYet: the port is leased anew each time", o, c.Decided())
		}
	}
}

func TestOverlayChangesNothing(t *testing.T) {
	base := NewState(nil)
	s := Overlay(base)
	st, port := Station{MAC: testMAC(1)}, uuid.New()
	n := Neighbour{Addr: 1}
	base.MACs.Learn(st, port, 0)
	if got := s.MACs.Learn(st, port, 0); got != Known {
		t.Errorf("a station of the base is %v, want known", got)
	}
	if got := s.MACs.Learn(st, uuid.New(), 0); got != Moved {
		t.Errorf("on another port it is %v, want moved", got)
	}
	if p, _ := base.MACs.Lookup(st); p != port {
		t.Error("the base has moved the station, too")
	}
	s.ARP.Store(n, testMAC(2), 0)
	s.Hosts.Store(uuid.Nil, 1, testMAC(2))
	s.Conns.Store(ConnKey{Src: 1}, 0)
	s.NAT.Store(NATKey{Src: 1}, Binding{Port: 1}, 0)
	if _, f := base.ARP.Lookup(n, 0); f != Unknown {
		t.Error("the base knows a neighbour of the overlay")
	}
	if _, ok := base.Hosts.Lookup(uuid.Nil, 1); ok {
		t.Error("the base knows a host of the overlay")
	}
	if base.Conns.Lookup(ConnKey{Src: 1}, 0) || !s.Conns.Lookup(ConnKey{Src: 1}, 0) {
		t.Error("a connection is in the base, or not in the overlay")
	}
	if _, ok := base.NAT.Lookup(NATKey{Src: 1}, 0); ok {
		t.Error("a translation is in the base")
	}
}
