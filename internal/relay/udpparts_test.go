// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

// piecesOf cuts a packet.
func piecesOf(seq uint64, packet []byte, payload int) (all []lttng.Datagram) {
	for at := 0; at < len(packet); at += payload {
		all = append(all, lttng.Datagram{
			Type: lttng.DatagramData, NetSeqNum: seq, PacketSize: uint32(len(packet)), Offset: uint32(at),
			Payload: packet[at:min(at+payload, len(packet))],
		})
	}
	return all
}

func TestArrived(t *testing.T) {
	a := &assembly{next: 5, parts: make(map[uint64]*parts)}
	put := func(seq uint64, size int, pieces ...int) {
		p := newParts(make([]byte, size), 100)
		for i, d := range piecesOf(seq, make([]byte, size), 100) {
			if slices.Contains(pieces, i) {
				if fresh, ok := p.put(d, 100); !fresh || !ok {
					t.Fatalf("piece %d of packet %d: fresh %v, ok %v", i, seq, fresh, ok)
				}
			}
		}
		a.parts[seq] = p
	}
	put(6, 450, 0, 1, 3)
	put(7, 100, 0)
	put(8, 200)
	got := a.arrived(lttng.UDPSent{Stream: 3, Last: 9})
	want := lttng.UDPArrived{Stream: 3, Complete: 4, Missing: []lttng.UDPRange{
		{NetSeqNum: 5, Length: 1<<32 - 1},
		{NetSeqNum: 6, Offset: 200, Length: 100},
		{NetSeqNum: 6, Offset: 400, Length: 50},
		{NetSeqNum: 8, Offset: 0, Length: 200},
		{NetSeqNum: 9, Length: 1<<32 - 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	if got := a.arrived(lttng.UDPSent{Stream: 3, Last: 4}); len(got.Missing) > 0 {
		t.Errorf("missing %v of nothing", got.Missing)
	}
	if got := a.arrived(lttng.UDPSent{Last: 1 << 40}); len(got.Missing) != lttng.MaxUDPRanges {
		t.Errorf("%d ranges, want %d", len(got.Missing), lttng.MaxUDPRanges)
	}
}

// FuzzParts puts pieces into a packet, true ones and others, until it is
// complete: it is as it was, and what is said to be missing is what had not come.
func FuzzParts(f *testing.F) {
	f.Add(uint32(1000), uint16(128), uint64(1))
	f.Add(uint32(1), uint16(1176), uint64(2))
	f.Add(uint32(128*64), uint16(128), uint64(3))
	f.Add(uint32(128*64+1), uint16(128), uint64(4))
	f.Fuzz(func(t *testing.T, size uint32, payload uint16, seed uint64) {
		size, step := size%(1<<18)+1, int(max(payload, lttng.MinDatagramPayload))
		rng := rand.New(rand.NewPCG(seed, 0))
		packet := make([]byte, size)
		for i := range packet {
			packet[i] = byte(rng.Uint32())
		}
		p := newParts(make([]byte, size), uint32(step))
		all := piecesOf(0, packet, step)
		there := make([]bool, len(all))
		for range min(2*len(all), 500) {
			i := rng.IntN(len(all))
			if fresh, ok := p.put(all[i], uint32(step)); !ok || fresh == there[i] {
				t.Fatalf("piece %d: fresh %v, ok %v", i, fresh, ok)
			}
			there[i] = true
			lie := all[rng.IntN(len(all))]
			switch lie.Payload = slices.Clone(lie.Payload); rng.IntN(4) {
			case 0:
				lie.PacketSize++
			case 1:
				lie.Offset += 1 + rng.Uint32N(uint32(step)-1)
			case 2:
				lie.Offset += uint32(step * len(all))
			case 3:
				lie.Payload = lie.Payload[1:]
			}
			if _, ok := p.put(lie, uint32(step)); ok {
				t.Fatalf("taken: %d bytes at %d of a packet of %d", len(lie.Payload), lie.Offset, lie.PacketSize)
			}
		}
		for p.missing > 0 {
			a := assembly{parts: map[uint64]*parts{0: p}}
			for _, r := range a.arrived(lttng.UDPSent{}).Missing {
				for at := r.Offset; at < r.Offset+r.Length; at += uint32(step) {
					i := int(at) / step
					if fresh, ok := p.put(all[i], uint32(step)); !fresh || !ok || there[i] {
						t.Fatalf("piece %d is said to be missing", i)
					}
					there[i] = true
				}
			}
		}
		if !bytes.Equal(p.packet, packet) {
			t.Fatal("the packet is another one")
		}
	})
}
