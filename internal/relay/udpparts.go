// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"math"
	"math/bits"

	"github.com/weir-io/weir/lttng"
)

// maxAhead bounds how far the numbers of a stream's packets run ahead of the
// first one that is not complete.
const maxAhead = 1 << 16

// assembly is what has come of a stream and cannot be stored yet.
type assembly struct {
	next  uint64 // net_seq_num of the packet that is stored next
	parts map[uint64]*parts
}

// parts is a packet in pieces.
type parts struct {
	packet  []byte
	have    []uint64 // a bit for each piece
	payload uint32
	count   int // pieces
	missing int // of them
}

func newParts(packet []byte, payload uint32) *parts {
	n := (len(packet) + int(payload) - 1) / int(payload)
	return &parts{packet: packet, have: make([]uint64, (n+63)/64), payload: payload, count: n, missing: n}
}

// put stores a piece. ok is false when it is none of this packet, fresh when it
// has not come before.
func (p *parts) put(d lttng.Datagram, payload uint32) (fresh, ok bool) {
	n := int(d.Offset / payload)
	at := n * int(payload)
	if int64(d.PacketSize) != int64(len(p.packet)) || int64(at) != int64(d.Offset) || n >= p.count ||
		len(d.Payload) != min(int(payload), len(p.packet)-at) {
		return false, false
	}
	if bit := uint64(1) << (n % 64); p.have[n/64]&bit != 0 {
		return false, true
	} else {
		p.have[n/64] |= bit
	}
	copy(p.packet[at:], d.Payload)
	p.missing--
	return true, true
}

// gap returns the first missing pieces from piece n on: [from, to), empty at the
// end.
func (p *parts) gap(n int) (from, to int) {
	from = p.seek(n, false)
	return from, p.seek(from, true)
}

// seek returns the first piece from n on that is there, or is not.
func (p *parts) seek(n int, there bool) int {
	for n < p.count {
		word := p.have[n/64]
		if !there {
			word = ^word
		}
		if word >>= n % 64; word != 0 {
			return min(n+bits.TrailingZeros64(word), p.count)
		}
		n += 64 - n%64
	}
	return p.count
}

// arrived tells what is complete and what is missing up to the last packet that
// was sent.
func (a *assembly) arrived(sent lttng.UDPSent) lttng.UDPArrived {
	r := lttng.UDPArrived{Stream: sent.Stream, Complete: a.next - 1}
	for seq := a.next; int64(sent.Last-seq) >= 0 && seq-a.next < maxAhead && len(r.Missing) < lttng.MaxUDPRanges; seq++ {
		p := a.parts[seq]
		if p == nil {
			r.Missing = append(r.Missing, lttng.UDPRange{NetSeqNum: seq, Length: math.MaxUint32})
			continue
		}
		r.Missing = p.ranges(seq, r.Missing)
	}
	return r
}

// ranges appends what is missing, as long as there is room in a reply.
func (p *parts) ranges(seq uint64, to []lttng.UDPRange) []lttng.UDPRange {
	for from, end := p.gap(0); from < end && len(to) < lttng.MaxUDPRanges; from, end = p.gap(end) {
		at := from * int(p.payload)
		to = append(to, lttng.UDPRange{NetSeqNum: seq, Offset: uint32(at), Length: uint32(min(end*int(p.payload), len(p.packet)) - at)})
	}
	return to
}
