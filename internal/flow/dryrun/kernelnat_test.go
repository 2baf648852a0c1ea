// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
)

// kernelNATDocument is the network of kernelDocument with translations in place of filters: a
// server at an address and port of its own, clients behind one, and a floating address.
var kernelNATDocument = strings.NewReplacer(
	`"inboundFilter":"policy"`, `"inboundFilter":"pre","outboundFilter":"post"`,
	`"outboundFilter":"quiet",`, ``,
	kernelDocument[strings.Index(kernelDocument, `"chains":`):], `"chains":[
		{"name":"pre","rules":[
			{"type":"rev_snat"},
			{"type":"dnat","condition":{"nwDstAddress":"10.0.9.80","nwDstLength":32},"natTargets":[{"addressFrom":"10.0.1.11","addressTo":"10.0.1.11","portFrom":8080,"portTo":8080}]},
			{"type":"dnat","condition":{"nwDstAddress":"10.0.9.50","nwDstLength":32},"natTargets":[{"addressFrom":"10.0.2.11","addressTo":"10.0.2.11"}]}]},
		{"name":"post","rules":[
			{"type":"rev_dnat"},
			{"type":"snat","condition":{"nwSrcAddress":"10.0.0.0","nwSrcLength":24,"outPorts":["w4"]},"natTargets":[{"addressFrom":"10.0.9.9","addressTo":"10.0.9.9","portFrom":30000,"portTo":30000}]},
			{"type":"snat","condition":{"nwSrcAddress":"10.0.2.11","nwSrcLength":32,"outPorts":["w3"]},"natTargets":[{"addressFrom":"10.0.9.50","addressTo":"10.0.9.50"}]}]}]}`,
).Replace(kernelDocument)

const kernelNATSetup = `
nft flush table ip t
nft flush table bridge t
nft add chain ip t to '{ type nat hook prerouting priority -100; }'
nft add rule ip t to ip daddr 10.0.9.80 meta l4proto '{ tcp, udp }' dnat to 10.0.1.11:8080
nft add rule ip t to ip daddr 10.0.9.80 dnat to 10.0.1.11
nft add rule ip t to ip daddr 10.0.9.50 dnat to 10.0.2.11
nft add chain ip t from '{ type nat hook postrouting priority 100; }'
nft add rule ip t from ip saddr 10.0.0.0/24 oifname p4 meta l4proto '{ tcp, udp }' snat to 10.0.9.9:30000
nft add rule ip t from ip saddr 10.0.0.0/24 oifname p4 snat to 10.0.9.9
`

// stations are the Ethernet and IPv4 addresses of workloads, and of the router for them.
var stations = map[string]struct {
	mac, router packet.MAC
	addr        packet.IPv4
}{
	"w1": {packet.MAC{2, 0, 0, 0, 0, 1}, packet.MAC{2, 0, 0, 0, 1, 1}, 0x0a00000b},
	"w2": {packet.MAC{2, 0, 0, 0, 0, 2}, packet.MAC{2, 0, 0, 0, 1, 1}, 0x0a00000c},
	"w3": {packet.MAC{2, 0, 0, 0, 0, 3}, packet.MAC{2, 0, 0, 0, 1, 3}, 0x0a00010b},
	"w4": {packet.MAC{2, 0, 0, 0, 0, 4}, packet.MAC{2, 0, 0, 0, 1, 4}, 0x0a00020b},
}

// request is the first packet of a connection that no other is like.
func request(r *rand.Rand, i int, from string, dst packet.IPv4) []byte {
	s := stations[from]
	to := packet.Route{EthSrc: s.mac, EthDst: s.router, Src: s.addr, Dst: dst}
	switch r.IntN(3) {
	case 0:
		return packet.AppendTCP(nil, to, uint16(1000+i), uint16(2000+i), 2)
	case 1:
		return packet.AppendUDP(nil, to, uint16(1000+i), uint16(2000+i), []byte("data"))
	default:
		return packet.AppendEchoRequest(nil, to, uint16(5000+i), 1)
	}
}

// answer is what a station answers to a frame.
func answer(t *testing.T, frame []byte) []byte {
	t.Helper()
	m, to := answerRoute(t, frame)
	switch m.Proto {
	case packet.ProtoTCP:
		return packet.AppendTCP(nil, to, m.DstPort, m.SrcPort, 0x12)
	case packet.ProtoUDP:
		return packet.AppendUDP(nil, to, m.DstPort, m.SrcPort, []byte("answer"))
	default:
		return packet.AppendEchoReply(nil, to, frame, &m)
	}
}

// failure is how a station tells that it does not take a frame.
func failure(t *testing.T, frame []byte) []byte {
	t.Helper()
	m, to := answerRoute(t, frame)
	return packet.AppendICMPError(nil, to, packet.ICMPUnreachable, 3, frame, &m)
}

func answerRoute(t *testing.T, frame []byte) (packet.Match, packet.Route) {
	t.Helper()
	var m packet.Match
	if err := m.Parse(frame); err != nil {
		t.Fatal(err)
	}
	return m, packet.Route{EthSrc: m.EthDst, EthDst: m.EthSrc, Src: m.Dst, Dst: m.Src}
}

// The kernel's address translation does with connections, their answers and ICMP errors
// about both what the simulator says: also with the packets that errors quote.
func TestTranslationsAgainstKernel(t *testing.T) {
	n := newBothNetworks(t, kernelNetwork(t, kernelNATSetup), kernelNATDocument)
	r := rand.New(rand.NewPCG(2, 2))
	ways := []struct {
		from, to string
		dst      packet.IPv4
	}{
		{"w1", "w3", 0x0a000950}, {"w2", "w3", 0x0a000950}, // to the server
		{"w1", "w4", 0x0a00020b}, {"w2", "w4", 0x0a00020b}, // from behind one address
		{"w3", "w4", 0x0a000932}, // to the floating address
		{"w1", "w3", 0x0a00010b}, // past all translations
	}
	for i := range 500 {
		way := ways[r.IntN(len(ways))]
		step := func(what, from, to string, frame []byte) []byte {
			t.Helper()
			d := n.play(t, fmt.Sprintf("connection %d from %s to %v: %s", i, way.from, way.dst, what), from, frame)
			if len(d) != 1 || d[0].Port != to {
				t.Fatalf("connection %d from %s to %v: %s: %d frames were delivered, want one at %s", i, way.from, way.dst, what, len(d), to)
			}
			return d[0].Frame
		}
		there := step("request", way.from, way.to, request(r, i, way.from, way.dst))
		if r.IntN(3) == 0 {
			step("error about the request", way.to, way.from, failure(t, there))
			continue
		}
		back := step("answer", way.to, way.from, answer(t, there))
		if r.IntN(2) == 0 {
			step("error about the answer", way.from, way.to, failure(t, back))
		}
	}
}
