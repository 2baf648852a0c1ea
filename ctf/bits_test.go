// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"math/rand/v2"
	"testing"
)

// slowBits reads a field bit by bit, by the definition of the two orders.
func slowBits(b []byte, pos, size uint64, big bool) uint64 {
	var v uint64
	for i := range size {
		at := pos + i
		if big {
			v = v<<1 | uint64(b[at/8]>>(7-at%8)&1)
		} else {
			v |= uint64(b[at/8]>>(at%8)&1) << i
		}
	}
	return v
}

func TestBitsOfAnySizeAtAnyPosition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for pos := range uint64(16) {
		for size := uint64(1); size <= 64; size++ {
			// Not a byte more than the field needs, so that reading on would panic.
			b := make([]byte, (pos+size+7)/8)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if got, want := bitsLittle(b, pos, size), slowBits(b, pos, size, false); got != want {
				t.Errorf("bitsLittle(%x, %d, %d) = %#x, want %#x", b, pos, size, got, want)
			}
			if got, want := bitsBig(b, pos, size), slowBits(b, pos, size, true); got != want {
				t.Errorf("bitsBig(%x, %d, %d) = %#x, want %#x", b, pos, size, got, want)
			}
		}
	}
}
