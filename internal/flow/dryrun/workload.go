// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Probe is a kind of packet that a workload sends to another.
type Probe struct {
	Proto   uint8
	SrcPort uint16 // of TCP and UDP; 0 is 40000
	DstPort uint16
}

// String returns the text of the probe, as icmp, tcp/80 or 47.
func (p Probe) String() string {
	switch p.Proto {
	case packet.ProtoICMP:
		return "icmp"
	case packet.ProtoTCP:
		return fmt.Sprintf("tcp/%d", p.DstPort)
	case packet.ProtoUDP:
		return fmt.Sprintf("udp/%d", p.DstPort)
	default:
		return fmt.Sprint(p.Proto)
	}
}

const (
	probeSrcPort = 40000
	probeID      = 7 // of ICMP echo
	tcpSYN       = 2
)

// appendFrame appends the packet: an echo request, a SYN, or one without data.
func (p Probe) appendFrame(b []byte, r packet.Route) []byte {
	src := p.SrcPort
	if src == 0 {
		src = probeSrcPort
	}
	switch p.Proto {
	case packet.ProtoICMP:
		return packet.AppendEchoRequest(b, r, probeID, 1)
	case packet.ProtoTCP:
		return packet.AppendTCP(b, r, src, p.DstPort, tcpSYN)
	case packet.ProtoUDP:
		return packet.AppendUDP(b, r, src, p.DstPort, nil)
	default:
		return packet.AppendIPv4(b, r, p.Proto, nil)
	}
}

// host is a workload with what it needs to know to send.
type host struct {
	name    string // of the port
	port    topology.ID
	mac     packet.MAC
	addr    packet.IPv4
	network netip.Prefix // on the link; invalid: everything, if there is no gateway
	gateway packet.IPv4  // 0 for none
}

// hosts returns the workloads of a document, in its order.
func hosts(d *topology.Document) []host {
	var all []host
	for i := range d.Ports {
		p := &d.Ports[i]
		load := p.Workload
		if load == nil {
			continue
		}
		h := host{name: p.Name, port: portID(p), mac: load.MAC, addr: packet.FromAddr(load.Address), network: load.Network, gateway: packet.FromAddr(load.Gateway)}
		if !h.network.IsValid() && h.gateway != 0 {
			h.network = networkOf(d, load.Gateway)
		}
		all = append(all, h)
	}
	return all
}

// networkOf is the network of the router port with an address: what a workload has in
// common with its gateway where the document does not say it.
func networkOf(d *topology.Document, gateway netip.Addr) netip.Prefix {
	for i := range d.Ports {
		if a := d.Ports[i].Address; a.IsValid() && a.Addr() == gateway {
			return a.Masked()
		}
	}
	return netip.Prefix{}
}

// hop is the address to which a workload sends what is for dst.
func (h *host) hop(dst packet.IPv4) packet.IPv4 {
	if h.gateway == 0 || h.network.IsValid() && h.network.Contains(dst.Addr()) {
		return dst
	}
	return h.gateway
}

// Packet is what a workload is to send: from one address to another.
type Packet struct {
	Port string // where it enters; empty: that of the workload Src
	Src  string // name of a workload's port, or address
	Dst  string
	Probe
}

// ErrNoAnswer is that nobody answers the ARP request of a workload, so that it cannot
// send.
var ErrNoAnswer = errors.New("nobody answers its ARP request")

// Send has a workload send a packet. It asks for the Ethernet address first, as it
// would in life. The frame is that which it sends; with ErrNoAnswer the step is that
// of the request.
func (l *Lab) Send(p Packet) (frame []byte, s *Step, err error) {
	h, src, err := l.sender(p)
	if err != nil {
		return nil, nil, err
	}
	dst, err := l.address(p.Dst)
	if err != nil {
		return nil, nil, err
	}
	mac, s, err := l.resolve(h, h.hop(dst))
	if err != nil {
		return nil, s, err
	}
	frame = p.appendFrame(nil, packet.Route{EthDst: mac, EthSrc: h.mac, Src: src, Dst: dst})
	s, err = l.play(h.port, frame)
	return frame, s, err
}

// sender finds who sends, and from which address.
func (l *Lab) sender(p Packet) (*host, packet.IPv4, error) {
	src, err := l.address(p.Src)
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(l.hosts, func(h host) bool {
		if p.Port != "" {
			return h.name == p.Port
		}
		return h.name == p.Src || h.addr == src
	})
	switch {
	case i >= 0:
		return &l.hosts[i], src, nil
	case p.Port != "":
		return nil, 0, fmt.Errorf("port %q has no workload that could send", p.Port)
	default:
		return nil, 0, fmt.Errorf("no workload has the address %s: name the port where it is to enter", src)
	}
}

// address is the address of a workload that is named, or is its own text.
func (l *Lab) address(s string) (packet.IPv4, error) {
	for i := range l.hosts {
		if l.hosts[i].name == s {
			return l.hosts[i].addr, nil
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 0, fmt.Errorf("%.100q is neither a workload nor an IPv4 address; workloads are %s", s, l.workloadNames())
	}
	return packet.FromAddr(a), nil
}

// workloadNames lists some workloads.
func (l *Lab) workloadNames() string {
	const most = 10
	var names []string
	for i := range l.hosts {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, l.hosts[i].name)
	}
	return strings.Join(names, ", ")
}

// resolve finds the Ethernet address of a neighbour of a workload.
func (l *Lab) resolve(h *host, addr packet.IPv4) (packet.MAC, *Step, error) {
	s, err := l.play(h.port, packet.AppendARPRequest(nil, h.mac, h.addr, addr))
	if err != nil {
		return packet.MAC{}, nil, err
	}
	for _, d := range s.Delivered {
		var m packet.Match
		if d.ID == h.port && m.Parse(d.Frame) == nil && isAnswer(&m, addr) {
			return m.SHA, s, nil
		}
	}
	return packet.MAC{}, s, fmt.Errorf("workload %s, %s: %w", h.name, addr, ErrNoAnswer)
}

func isAnswer(m *packet.Match, addr packet.IPv4) bool {
	return m.Net == packet.NetARP && m.Proto == packet.ARPReply && m.Src == addr
}

// askedARP is an ARP table of which each step asks anew: between two steps there is
// time enough to give up.
type askedARP struct {
	sim.ARPTable
	asked map[sim.Neighbour]bool // in this step
}

// Ask implements sim.ARPTable.
func (t *askedARP) Ask(n sim.Neighbour, _ topology.ID, _ sim.Instant) bool {
	if t.asked[n] {
		return false
	}
	t.asked[n] = true
	return true
}
