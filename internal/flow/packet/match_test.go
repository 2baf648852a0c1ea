// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	macA = MAC{2, 0, 0, 0, 0, 0xa}
	macB = MAC{2, 0, 0, 0, 0, 0xb}
)

func addr(s string) IPv4 { return FromAddr(netip.MustParseAddr(s)) }

func route() Route {
	return Route{EthDst: macB, EthSrc: macA, Src: addr("10.0.0.1"), Dst: addr("10.0.1.2")}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Bytes of these frames and their checksums were computed apart from this package, from the layouts of the RFCs.
func TestBuilders(t *testing.T) {
	tests := []struct {
		name, want string
		frame      []byte
	}{
		{
			"ARP request",
			"ffffffffffff02000000000a08060001080006040001" + "02000000000a0a000001" + "0000000000000a000102",
			AppendARPRequest(nil, macA, addr("10.0.0.1"), addr("10.0.1.2")),
		},
		{
			"ARP reply",
			"02000000000b02000000000a08060001080006040002" + "02000000000a0a000001" + "02000000000b0a000102",
			AppendARPReply(nil, macA, addr("10.0.0.1"), macB, addr("10.0.1.2")),
		},
		{
			"echo request",
			"02000000000b02000000000a0800" + "4500001c00000000400165df0a0000010a000102" + "0800f7f500070003",
			AppendEchoRequest(nil, route(), 7, 3),
		},
		{
			"UDP",
			"02000000000b02000000000a0800" + "4500001e00000000401165cd0a0000010a000102" + "03e80035000a7e51" + "6869",
			AppendUDP(nil, route(), 1000, 53, []byte("hi")),
		},
		{
			"TCP SYN",
			"02000000000b02000000000a0800" + "4500002800000000400665ce0a0000010a000102" + "03e8005000000000000000005002ffff96a80000",
			AppendTCP(nil, route(), 1000, 80, 2),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hex.EncodeToString(tt.frame); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	udp := AppendUDP(nil, route(), 1000, 53, []byte("hi"))
	ip := Match{EthDst: macB, EthSrc: macA, EtherType: TypeIPv4, Net: NetIPv4, TTL: 64, Src: addr("10.0.0.1"), Dst: addr("10.0.1.2"), net: 14, transport: 34}
	with := func(change func(*Match)) Match {
		m := ip
		change(&m)
		return m
	}
	fragment := func(flags uint16) []byte {
		b := append([]byte(nil), udp...)
		be.PutUint16(b[14+ipFlags:], flags)
		return b
	}
	tagged := append(append(append([]byte(nil), udp[:12]...), 0x88, 0xa8, 0x20, 5, 0x81, 0, 0, 7), udp[12:]...)
	quoted := func(flags uint16) []byte {
		var m Match
		b := fragment(flags)
		if err := m.Parse(b); err != nil {
			t.Fatal(err)
		}
		return AppendICMPError(nil, route(), ICMPUnreachable, CodeHost, b, &m)
	}
	tests := []struct {
		name  string
		frame []byte
		want  Match
	}{
		{"UDP", udp, with(func(m *Match) { m.Proto, m.Transport, m.SrcPort, m.DstPort = 17, Ports, 1000, 53 })},
		{"first fragment", fragment(0x2000), with(func(m *Match) {
			m.Proto, m.Transport, m.SrcPort, m.DstPort, m.Fragment = 17, Ports, 1000, 53, FirstFragment
		})},
		{"later fragment", fragment(0x2001), with(func(m *Match) { m.Proto, m.Fragment = 17, LaterFragment })},
		{"last fragment", fragment(1), with(func(m *Match) { m.Proto, m.Fragment = 17, LaterFragment })},
		{"not to be fragmented", fragment(0x4000), with(func(m *Match) { m.Proto, m.Transport, m.SrcPort, m.DstPort = 17, Ports, 1000, 53 })},
		{"tags", tagged, with(func(m *Match) {
			m.Tags, m.NumTags = [MaxTags]Tag{{TypeProvider, 0x2005}, {TypeVLAN, 7}}, 2
			m.net, m.transport = 22, 42
			m.Proto, m.Transport, m.SrcPort, m.DstPort = 17, Ports, 1000, 53
		})},
		{"echo", AppendEchoRequest(nil, route(), 7, 3), with(func(m *Match) { m.Proto, m.Transport, m.SrcPort, m.ID = 1, Echo, 8, 7 })},
		{"ICMP error", quoted(0), with(func(m *Match) {
			m.Proto, m.Transport, m.SrcPort, m.DstPort = 1, ICMPError, 3, 1
			m.Quote = Quote{Src: m.Src, Dst: m.Dst, Proto: 17, SrcPort: 1000, DstPort: 53, Ports: true}
		})},
		{"ICMP error of a later fragment", quoted(9), with(func(m *Match) {
			m.Proto, m.Transport, m.SrcPort, m.DstPort = 1, ICMPError, 3, 1
			m.Quote = Quote{Src: m.Src, Dst: m.Dst, Proto: 17}
		})},
		{"ARP", AppendARPReply(nil, macA, addr("10.0.0.1"), macB, addr("10.0.1.2")), Match{
			EthDst: macB, EthSrc: macA, EtherType: TypeARP, Net: NetARP, Proto: ARPReply, Src: addr("10.0.0.1"), Dst: addr("10.0.1.2"), SHA: macA, THA: macB, net: 14,
		}},
		{"length in place of a type", unhex(t, "0180c200000002000000000a0026424203"), Match{
			EthDst: MAC{1, 0x80, 0xc2}, EthSrc: macA, EtherType: 0x26, net: 14,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got Match
			if err := got.Parse(tt.frame); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Match{})); diff != "" {
				t.Errorf("Parse(%x): (-want +got)\n%s", tt.frame, diff)
			}
		})
	}
}

func TestParseShortFrame(t *testing.T) {
	var m Match
	if err := m.Parse(make([]byte, 13)); err == nil || err.Error() != "frame: got 13 bytes, want at least 14" {
		t.Errorf("Parse(13 bytes) = %v", err)
	}
}

func TestTags(t *testing.T) {
	var m Match
	for v := uint16(1); v <= MaxTags; v++ {
		if !m.Push(v) {
			t.Fatalf("no room for tag %d", v)
		}
	}
	if m.Push(9) {
		t.Error("there was room for one tag more")
	}
	if m.Pop(9) {
		t.Error("a tag that is not there was removed")
	}
	if !m.Pop(2) || m.NumTags != 3 || m.Tags != [MaxTags]Tag{{TypeVLAN, 4}, {TypeVLAN, 3}, {TypeVLAN, 1}} {
		t.Errorf("after removing tag 2: %v", m.Tags)
	}
	if v, ok := m.VLAN(); v != 4 || !ok {
		t.Errorf("outermost tag %d, %v, want 4", v, ok)
	}
	m = Match{Tags: [MaxTags]Tag{{TypeVLAN, 0xe000}}, NumTags: 1}
	if m.Tagged() {
		t.Error("a priority alone counts as tag")
	}
}

func TestIPv4(t *testing.T) {
	a := addr("10.1.2.3")
	if got := a.String() + " " + a.Addr().String() + " " + a.Mask(24).String() + " " + a.Last(30).String() + " " + a.Mask(0).String(); got != "10.1.2.3 10.1.2.3 10.1.2.0 10.1.2.3 0.0.0.0" {
		t.Errorf("got %s", got)
	}
	if FromAddr(netip.MustParseAddr("::1")) != 0 || FromAddr(netip.Addr{}) != 0 {
		t.Error("what is no IPv4 address became one")
	}
	if !addr("224.0.0.1").IsMulticast() || addr("240.0.0.1").IsMulticast() {
		t.Error("multicast is 224.0.0.0/4")
	}
}
