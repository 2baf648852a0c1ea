// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
)

// natLab is the network of testdata/nat.test, with all ports for translations.
func natLab(t *testing.T) *Lab {
	t.Helper()
	text, err := os.ReadFile("testdata/nat.test")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(text), "topology\n")
	doc, _, _ = strings.Cut(doc, "\nend\n")
	lab, err := New(document(t, strings.Replace(doc, `"portTo": 1090`, `"portTo": 65535`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

// answerTo is what a host sends that has got a packet: to where it came from, from
// where it went to.
func answerTo(frame []byte) []byte {
	var m packet.Match
	if err := m.Parse(frame); err != nil {
		panic(err)
	}
	r := packet.Route{EthDst: m.EthSrc, EthSrc: m.EthDst, Src: m.Dst, Dst: m.Src}
	switch m.Proto {
	case packet.ProtoTCP:
		return packet.AppendTCP(nil, r, m.DstPort, m.SrcPort, 0x12)
	case packet.ProtoUDP:
		return packet.AppendUDP(nil, r, m.DstPort, m.SrcPort, nil)
	default:
		return packet.AppendEchoReply(nil, r, frame, &m)
	}
}

// errorAbout is what a router on the way sends that drops a packet.
func errorAbout(frame []byte) []byte {
	var m packet.Match
	if err := m.Parse(frame); err != nil {
		panic(err)
	}
	r := packet.Route{EthDst: m.EthSrc, EthSrc: m.EthDst, Src: 0xcb007163, Dst: m.Src}
	return packet.AppendICMPError(nil, r, packet.ICMPTimeExceeded, 0, frame, &m)
}

// delivered returns the last frame that was delivered and that no device made.
func delivered(t *testing.T, s *Step) (string, packet.Match, []byte) {
	t.Helper()
	for i := len(s.Delivered) - 1; i >= 0; i-- {
		if d := &s.Delivered[i]; !d.Generated {
			var m packet.Match
			if err := m.Parse(d.Frame); err != nil {
				t.Fatal(err)
			}
			return d.Port, m, d.Frame
		}
	}
	t.Fatalf("nothing was delivered: %s", s.Summary())
	return "", packet.Match{}, nil
}

// Whatever is translated, answers and errors come back to who sent, as if nothing had
// been; and no two connections look alike outside.
func TestTranslationsComeBack(t *testing.T) {
	lab := natLab(t)
	r := rand.New(rand.NewPCG(1, 1))
	type flow struct {
		src, dst     packet.IPv4
		sport, dport uint16
		proto        uint8
	}
	outside := map[flow]flow{}
	for range 2000 {
		f := flow{src: 0x0a00000a + packet.IPv4(r.IntN(2)), dst: 0xc6336401 + packet.IPv4(r.IntN(3)), sport: uint16(1 + r.IntN(50)), dport: uint16(80 + r.IntN(2)), proto: []uint8{1, 6, 17}[r.IntN(3)]}
		port, to := "w", packet.Route{EthDst: packet.MAC{2, 0, 0, 0, 1, 1}, EthSrc: packet.MAC{2, 0, 0, 0, 0, 0xa}}
		if f.src == 0x0a00000b {
			port, to.EthSrc = "v", packet.MAC{2, 0, 0, 0, 0, 0xb}
		}
		if r.IntN(4) == 0 { // from outside, to what is translated inwards
			f.src, f.dst = f.dst, 0xc0000250
			port, to = "r2", packet.Route{EthDst: packet.MAC{2, 0, 0, 0, 1, 2}, EthSrc: packet.MAC{2, 0, 0, 0, 0, 0xfe}}
		}
		to.Src, to.Dst = f.src, f.dst
		if f.proto == packet.ProtoICMP { // its identifier stays, so that of each host is another
			f.sport, f.dport = f.sport<<8|uint16(f.src&0xff), 0
		}
		var frame []byte
		switch f.proto {
		case packet.ProtoTCP:
			frame = packet.AppendTCP(nil, to, f.sport, f.dport, 2)
		case packet.ProtoUDP:
			frame = packet.AppendUDP(nil, to, f.sport, f.dport, nil)
		default:
			frame = packet.AppendEchoRequest(nil, to, f.sport, 1)
		}
		s, err := lab.Play(port, frame)
		if err != nil {
			t.Fatal(err)
		}
		at, m, out := delivered(t, s)
		if at == "r2" {
			seen := flow{m.Src, m.Dst, m.SrcPort, m.DstPort, m.Proto}
			if m.Transport == packet.Echo {
				seen.sport, seen.dport = m.ID, 0
			}
			if other, ok := outside[seen]; ok && other != f {
				t.Fatalf("%v and %v both look like %v", f, other, seen)
			}
			outside[seen] = f
		}
		for _, back := range [][]byte{answerTo(out), errorAbout(out)} {
			s, err := lab.Play(at, back)
			if err != nil {
				t.Fatal(err)
			}
			end, m, got := delivered(t, s)
			if end != port || m.Dst != f.src {
				t.Fatalf("%v: what comes back goes to %v by %s: %x", f, m.Dst, end, got)
			}
			if m.Transport == packet.ICMPError {
				if q := m.Quote; q.Src != f.src || q.Dst != f.dst || q.SrcPort != f.sport || f.proto != packet.ProtoICMP && q.DstPort != f.dport {
					t.Fatalf("%v: an error comes back about %v", f, q)
				}
				continue
			}
			if m.Src != f.dst || f.proto != packet.ProtoICMP && (m.SrcPort != f.dport || m.DstPort != f.sport) {
				t.Fatalf("%v: the answer comes back as %v:%d > %v:%d", f, m.Src, m.SrcPort, m.Dst, m.DstPort)
			}
		}
	}
	if len(outside) < 300 {
		t.Errorf("%d connections went out: too few to say something", len(outside))
	}
}
