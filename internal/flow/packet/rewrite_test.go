// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// valid reports the first wrong checksum of a frame, computed whole.
func wrongChecksum(frame []byte, m *Match) string {
	if m.Net != NetIPv4 {
		return ""
	}
	b := frame[m.net:]
	return wrongIPChecksum(b, int(m.transport-m.net), m.Fragment == Whole)
}

func wrongIPChecksum(b []byte, header int, whole bool) string {
	if checksumOf(b[:header], 0) != 0 {
		return "IPv4"
	}
	p := ipPayload(b, header)
	if !whole || len(b) < int(be.Uint16(b[ipTotal:])) {
		return ""
	}
	pseudo := pseudoSum(IPv4(be.Uint32(b[ipSrc:])), IPv4(be.Uint32(b[ipDst:])), b[ipProto], len(p))
	switch b[ipProto] {
	case ProtoICMP:
		if checksumOf(p, 0) != 0 {
			return "ICMP"
		}
		if IsICMPError(p[0]) {
			q := p[icmpLen:]
			h, ok := ipHeader(q)
			if !ok {
				return "no quoted header"
			}
			if w := wrongIPChecksum(q, h, true); w != "" {
				return "quoted " + w
			}
		}
	case ProtoTCP:
		if checksumOf(p, pseudo) != 0 {
			return "TCP"
		}
	case ProtoUDP:
		if be.Uint16(p[udpChecksum:]) != 0 && checksumOf(p, pseudo) != 0 {
			return "UDP"
		}
	}
	return ""
}

// randomFrame is a frame with right checksums.
func randomFrame(r *rand.Rand) []byte {
	rt := Route{EthDst: macB, EthSrc: macA, Src: IPv4(r.Uint32()), Dst: IPv4(r.Uint32())}
	data := make([]byte, r.IntN(20))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	var b []byte
	switch r.IntN(4) {
	case 0:
		b = AppendUDP(nil, rt, uint16(r.Uint32()), uint16(r.Uint32()), data)
		if r.IntN(4) == 0 {
			be.PutUint16(b[14+20+udpChecksum:], 0)
		}
	case 1:
		b = AppendTCP(nil, rt, uint16(r.Uint32()), uint16(r.Uint32()), 2)
	case 2:
		b = AppendEchoRequest(nil, rt, uint16(r.Uint32()), 1)
	default:
		inner := randomFrame(r)
		var m Match
		if err := m.Parse(inner); err != nil {
			panic(err)
		}
		if m.Net != NetIPv4 || m.Transport == ICMPError {
			return randomFrame(r)
		}
		if r.IntN(2) == 0 {
			return AppendICMPError(nil, rt, ICMPTimeExceeded, 0, inner, &m)
		}
		icmp := append([]byte{ICMPUnreachable, CodeHost, 0, 0, 0, 0, 0, 0}, inner[m.net:]...) // quotes all
		be.PutUint16(icmp[icmpChecksum:], checksumOf(icmp, 0))
		b = AppendIPv4(nil, rt, ProtoICMP, icmp)
	}
	if r.IntN(3) == 0 { // an option, three bytes and the end of options
		var m Match
		_ = m.Parse(b)
		opt := append(append(append([]byte(nil), b[:34]...), 0x94, 4, 0, 0), b[34:]...)
		opt[14]++
		be.PutUint16(opt[16:], be.Uint16(opt[16:])+4)
		setIPChecksum(opt[14:38])
		b = opt
	}
	return b
}

func TestRewriteKeepsChecksumsRight(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[Transport]int{}
	for range 20000 {
		frame := randomFrame(r)
		var from Match
		if err := from.Parse(frame); err != nil {
			t.Fatal(err)
		}
		if w := wrongChecksum(frame, &from); w != "" {
			t.Fatalf("%x: built with a wrong checksum of %s", frame, w)
		}
		to := from
		to.EthSrc, to.EthDst = macB, macA
		to.TTL--
		to.Push(uint16(r.IntN(4095)))
		if r.IntN(2) == 0 {
			to.Src = IPv4(r.Uint32())
		}
		if r.IntN(2) == 0 {
			to.Dst = IPv4(r.Uint32())
		}
		switch from.Transport {
		case Ports:
			to.SrcPort, to.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
		case ICMPError:
			to.Quote.Src, to.Quote.Dst = IPv4(r.Uint32()), IPv4(r.Uint32())
			if to.Quote.Ports && to.Quote.Proto != ProtoICMP {
				to.Quote.SrcPort, to.Quote.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
			}
		}
		kinds[from.Transport]++
		out := AppendRewritten(nil, frame, &from, &to)
		var got Match
		if err := got.Parse(out); err != nil {
			t.Fatal(err)
		}
		want := to
		want.net, want.transport = from.net+tagLen, from.transport+tagLen
		if got != want {
			t.Fatalf("%x rewritten: (-want +got)\n%s", frame, cmp.Diff(want, got, cmp.AllowUnexported(Match{})))
		}
		if w := wrongChecksum(out, &got); w != "" {
			t.Fatalf("%x became %x, with a wrong checksum of %s", frame, out, w)
		}
	}
	for _, k := range []Transport{Ports, Echo, ICMPError} {
		if kinds[k] == 0 {
			t.Errorf("no frame of transport %d was rewritten", k)
		}
	}
}

func TestRewriteOfNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		frame := append(randomFrame(r), 0, 0, 0) // padding stays
		var m Match
		if err := m.Parse(frame); err != nil {
			t.Fatal(err)
		}
		if got := AppendRewritten(nil, frame, &m, &m); !bytes.Equal(got, frame) {
			t.Fatalf("unchanged %x became %x", frame, got)
		}
	}
}

func TestCutAtEveryByte(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		frame := randomFrame(r)
		for n := range len(frame) {
			exercise(t, frame[:n:n])
		}
	}
}

// exercise does everything with a frame that can be done with it.
func exercise(t *testing.T, frame []byte) {
	t.Helper()
	var m Match
	if m.Parse(frame) != nil {
		return
	}
	to := m
	to.Src, to.Dst, to.SrcPort, to.DstPort, to.TTL = 1, 2, 3, 4, 5
	to.Quote.Src, to.Quote.Dst, to.Quote.SrcPort, to.Quote.DstPort = 1, 2, 3, 4
	to.Push(9)
	if got := AppendRewritten(nil, frame, &m, &to); m.NumTags < MaxTags && len(got) != len(frame)+tagLen {
		t.Fatalf("%x: rewritten to %d bytes, want %d", frame, len(got), len(frame)+tagLen)
	}
	if m.Net == NetIPv4 {
		AppendICMPError(nil, route(), ICMPUnreachable, CodeNet, frame, &m)
	}
	if m.Transport == Echo {
		AppendEchoReply(nil, route(), frame, &m)
	}
}

func FuzzParse(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		f.Add(randomFrame(r))
	}
	f.Add(AppendARPRequest(nil, macA, 1, 2))
	f.Fuzz(func(t *testing.T, frame []byte) { exercise(t, frame) })
}

func TestNoAllocations(t *testing.T) {
	frame := AppendTCP(nil, route(), 1, 2, 2)
	buf := make([]byte, 0, 256)
	n := testing.AllocsPerRun(100, func() {
		var m Match
		if m.Parse(frame) != nil {
			t.Fatal("no frame")
		}
		to := m
		to.Src = 9
		buf = AppendRewritten(buf[:0], frame, &m, &to)
	})
	if n != 0 {
		t.Errorf("parsing and rewriting made %v allocations, want 0", n)
	}
}

func BenchmarkParse(b *testing.B) {
	frame := AppendTCP(nil, route(), 1, 2, 2)
	var m Match
	for b.Loop() {
		if err := m.Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}
