// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// conditionNetwork has what conditions can ask for: groups, ports, a path.
const conditionNetwork = `{
	"bridges":[{"name":"b"},{"name":"elsewhere"}],
	"ports":[
		{"name":"a","device":"b","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"c","device":"b","workload":{"mac":"02:00:00:00:00:0c","address":"10.0.0.12"}}],
	"portGroups":[{"name":"of-a","ports":["a"]},{"name":"of-c","ports":["c"]}],
	"ipAddrGroups":[{"name":"src","addresses":["10.0.0.10"]},{"name":"dst","addresses":["10.0.1.20"]},{"name":"empty"}],
	"chains":[{"name":"x","rules":[{"type":"drop","condition":%s}]}]}`

// place is a packet in the middle of a simulation: it came in by port a of bridge b
// and is to leave by port c.
func conditionContext(t *testing.T, condition string) (*Context, *condition) {
	t.Helper()
	n := compile(t, fmt.Sprintf(conditionNetwork, condition))
	id := topology.NamedID(topology.KindChain, "x")
	c := NewContext(n.state)
	c.net, c.start = n.Network, n.ports[n.port(t, "a")]
	c.inPort, c.outPort, c.entry = c.start, n.ports[n.port(t, "c")], c.start
	c.path = append(c.path, c.start.id, c.start.device)
	k := &compiler{snapshot: n.snap, hits: new(Hits)}
	compiled := k.compileCondition(n.snap.Rules[id][0])
	return c, &compiled
}

var conditionRoute = packet.Route{
	EthDst: testMAC(0xc), EthSrc: testMAC(0xa), Src: 0x0a00000a, Dst: 0x0a000114, // 10.0.0.10 > 10.0.1.20
}

// conditionFrames are packets that conditions are tried on.
var conditionFrames = func() map[string][]byte {
	udp := packet.AppendUDP(nil, conditionRoute, 5000, 53, []byte("data"))
	fragment := func(flags byte, offset byte) []byte {
		b := append([]byte(nil), udp...)
		b[20], b[21] = flags, offset
		return b
	}
	var m packet.Match
	if err := m.Parse(udp); err != nil {
		panic(err)
	}
	tagged := append(append(append([]byte(nil), udp[:12]...), 0x81, 0, 0xa0, 7), udp[12:]...)
	tos := append([]byte(nil), udp...)
	tos[15] = 0x2e
	return map[string][]byte{
		"udp": udp, "tagged": tagged, "tos": tos, "first": fragment(0x20, 0), "later": fragment(0x20, 3),
		"tcp":   packet.AppendTCP(nil, conditionRoute, 5000, 80, 2),
		"ping":  packet.AppendEchoRequest(nil, conditionRoute, 1, 1),
		"pong":  packet.AppendEchoReply(nil, conditionRoute, packet.AppendEchoRequest(nil, conditionRoute, 1, 1), echoMatch()),
		"error": packet.AppendICMPError(nil, conditionRoute, 3, 1, udp, &m),
		"gre":   packet.AppendIPv4(nil, conditionRoute, 47, []byte("data")),
		"arp":   packet.AppendARPRequest(nil, testMAC(0xa), 0x0a00000a, 0x0a000114),
		"ipv6":  append(append([]byte(nil), udp[:12]...), 0x86, 0xdd, 0x60, 0),
	}
}()

func echoMatch() *packet.Match {
	var m packet.Match
	if err := m.Parse(packet.AppendEchoRequest(nil, conditionRoute, 1, 1)); err != nil {
		panic(err)
	}
	return &m
}

// Every field matches the frames that are named and no others; its inverse matches
// just the others; and condInvert turns both around.
func TestConditionFields(t *testing.T) {
	const all = "udp tagged tos first later tcp ping pong error gre arp ipv6"
	const ip = "udp tagged tos first later tcp ping pong error gre"
	tests := []struct{ name, condition, invert, want string }{
		{"nothing", `{}`, "", all},
		{"type", `{"dlType":2048}`, "invDlType", ip},
		{"type of ARP", `{"dlType":2054}`, "invDlType", "arp"},
		{"source MAC", `{"dlSrc":"02:00:00:00:00:0a"}`, "invDlSrc", all},
		{"another source MAC", `{"dlSrc":"02:00:00:00:00:0b"}`, "invDlSrc", ""},
		{"source MAC under a mask", `{"dlSrc":"02:00:00:00:00:0b","dlSrcMask":"ffff.ffff.fff0"}`, "invDlSrc", all},
		{"destination MAC", `{"dlDst":"02:00:00:00:00:0c"}`, "invDlDst", "udp tagged tos first later tcp ping pong error gre ipv6"},
		{"group bit", `{"dlDst":"01:00:00:00:00:00","dlDstMask":"0100.0000.0000"}`, "invDlDst", "arp"},
		{"no VLAN", `{"noVlan":true}`, "", "udp tos first later tcp ping pong error gre arp ipv6"},
		{"VLAN", `{"vlan":7}`, "", "tagged"},
		{"another VLAN", `{"vlan":8}`, "", ""},
		{"TOS", `{"nwTos":46}`, "invNwTos", "tos"},
		{"TOS 0", `{"nwTos":0}`, "invNwTos", "udp tagged first later tcp ping pong error gre"},
		{"protocol", `{"nwProto":17}`, "invNwProto", "udp tagged tos first later"},
		{"protocol 1 and ARP requests", `{"nwProto":1}`, "invNwProto", "ping pong error arp"},
		{"source", `{"nwSrcAddress":"10.0.0.0","nwSrcLength":24}`, "invNwSrc", ip + " arp"},
		{"another source", `{"nwSrcAddress":"10.0.1.0","nwSrcLength":24}`, "invNwSrc", ""},
		{"destination", `{"nwDstAddress":"10.0.1.20","nwDstLength":32}`, "invNwDst", ip + " arp"},
		{"any destination", `{"nwDstAddress":"0.0.0.0","nwDstLength":0}`, "invNwDst", ip + " arp"},
		{"source port", `{"tpSrc":{"start":5000,"end":5000}}`, "invTpSrc", "udp tagged tos first tcp"},
		{"destination port", `{"tpDst":{"start":50,"end":60}}`, "invTpDst", "udp tagged tos first"},
		{"up to a port", `{"tpDst":{"end":60}}`, "invTpDst", "udp tagged tos first ping pong error"},
		{"from a port", `{"tpDst":{"start":60}}`, "invTpDst", "tcp"},
		{"ICMP type", `{"tpSrc":{"start":8,"end":8}}`, "invTpSrc", "ping"},
		{"ICMP code", `{"tpDst":{"start":1,"end":1}}`, "invTpDst", "error"},
		{"quoted source", `{"icmpDataSrcIpAddress":"10.0.0.10","icmpDataSrcIpAddressLength":32}`, "invIcmpDataSrcIp", "error"},
		{"quoted destination", `{"icmpDataDstIpAddress":"10.0.1.0","icmpDataDstIpAddressLength":24}`, "invIcmpDataDstIp", "error"},
		{"another quoted destination", `{"icmpDataDstIpAddress":"10.0.2.0","icmpDataDstIpAddressLength":24}`, "invIcmpDataDstIp", ""},
		{"in port", `{"inPorts":["c","a"]}`, "invInPorts", all},
		{"another in port", `{"inPorts":["c"]}`, "invInPorts", ""},
		{"no in ports", `{"inPorts":[]}`, "", all},
		{"out port", `{"outPorts":["c"]}`, "invOutPorts", all},
		{"another out port", `{"outPorts":["a"]}`, "invOutPorts", ""},
		{"group of entry", `{"portGroup":"of-a"}`, "invPortGroup", all},
		{"another group of entry", `{"portGroup":"of-c"}`, "invPortGroup", ""},
		{"group of the in port", `{"inPortGroup":"of-a"}`, "invInPortGroup", all},
		{"group of the out port", `{"outPortGroup":"of-c"}`, "invOutPortGroup", all},
		{"another group of the out port", `{"outPortGroup":"of-a"}`, "invOutPortGroup", ""},
		{"addresses of source", `{"ipAddrGroupSrc":"src"}`, "invIpAddrGroupSrc", ip + " arp"},
		{"addresses of destination", `{"ipAddrGroupDst":"dst"}`, "invIpAddrGroupDst", ip + " arp"},
		{"no addresses", `{"ipAddrGroupDst":"empty"}`, "invIpAddrGroupDst", ""},
		{"device on the path", `{"traversedDevice":"b"}`, "invTraversedDevice", all},
		{"device elsewhere", `{"traversedDevice":"elsewhere"}`, "invTraversedDevice", ""},
		{"destination rewritten", `{"matchNwDstRewritten":true}`, "", ""},
		{"forward", `{"matchForwardFlow":true}`, "", all},
		{"return", `{"matchReturnFlow":true}`, "", ""},
		{"both directions", `{"matchForwardFlow":true,"matchReturnFlow":true}`, "", ""},
		{"all of several", `{"nwProto":17,"tpDst":{"start":53,"end":53},"noVlan":true}`, "", "udp tos first"},
		{"fragments with ports", `{"tpSrc":{"start":1}}`, "", "udp tagged tos first tcp ping error"},
		{"any fragment", `{"fragmentPolicy":"any"}`, "", all},
		{"header", `{"fragmentPolicy":"header"}`, "", "udp tagged tos first tcp ping pong error gre arp ipv6"},
		{"nonheader", `{"fragmentPolicy":"nonheader"}`, "", "later"},
		{"unfragmented", `{"fragmentPolicy":"unfragmented"}`, "", "udp tagged tos tcp ping pong error gre arp ipv6"},
		{"unfragmented with ports", `{"fragmentPolicy":"unfragmented","tpDst":{"start":53,"end":53}}`, "", "udp tagged tos"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkCondition(t, tt.condition, "", tt.want, false)
			checkCondition(t, tt.condition, "condInvert", tt.want, true)
			if tt.invert != "" {
				checkCondition(t, tt.condition, tt.invert, tt.want, true)
				checkCondition(t, `{}`, tt.invert, all, false) // a flag without its field
			}
		})
	}
}

// checkCondition tries a condition, with a flag set, on all frames. Fragments that the
// policy leaves out never match.
func checkCondition(t *testing.T, text, flag, want string, inverted bool) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatal(err)
	}
	if flag != "" {
		members[flag] = true
	}
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	c, compiled := conditionContext(t, string(b))
	for name, frame := range conditionFrames {
		if err := c.orig.Parse(frame); err != nil {
			t.Fatal(err)
		}
		c.match, c.conn = c.orig, connState{}
		holds := false
		for w := range strings.FieldsSeq(want) {
			holds = holds || w == name
		}
		left := compiled.fragments>>c.match.Fragment&1 == 0
		if got := compiled.matches(c); got != (!left && holds != inverted) {
			t.Errorf("%s matches %s: %v, want %v", b, name, got, !got)
		}
	}
}

// What a condition sees depends on where the packet is.
func TestConditionPlaces(t *testing.T) {
	c, compiled := conditionContext(t, `{"matchNwDstRewritten":true,"inPortGroup":"of-a","portGroup":"of-a"}`)
	if compiled.matches(c) {
		t.Error("matches although the destination was not rewritten")
	}
	c.dstRewritten = true
	if !compiled.matches(c) {
		t.Error("does not match what was rewritten")
	}
	c.entry = nil // made by a device
	if compiled.matches(c) {
		t.Error("a frame without entry is of a group of entry")
	}
}
