// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestZeroAt(t *testing.T) {
	for size := range 70 {
		b := bytes.Repeat([]byte{0x01, 0x80, 0xff}, 30)[:size]
		if got := zeroAt(b, 0); got >= 0 {
			t.Errorf("zeroAt of %d bytes without a zero = %d", size, got)
		}
		for at := range b {
			c := slices.Clone(b)
			c[at], c[size-1] = 0, 0
			if got := zeroAt(c, 0); got != at {
				t.Errorf("zeroAt of %d bytes, zero at %d = %d", size, at, got)
			}
			if got := zeroAt(c, at+1); at+1 < size && got != size-1 {
				t.Errorf("zeroAt of %d bytes from %d, zero at the end = %d", size, at+1, got)
			}
		}
	}
}

// A straight plan does what the plan does that it was made of, or nothing.
func TestStraightRapid(t *testing.T) {
	codes := []opcode{opU8, opI8, opU16, opI16, opU32, opI32, opU64, opExtent, opU32BE, opKeep}
	sizes := map[opcode]uint64{opU8: 1, opI8: 1, opU16: 2, opI16: 2, opU32: 4, opI32: 4, opU64: 8, opExtent: 17, opU32BE: 4}
	rapid.Check(t, func(t *rapid.T) {
		b := &block{}
		add := func(o op) {
			o.opRest = &opRest{}
			o.slot = uint32(b.width)
			b.ops = append(b.ops, o)
		}
		for range rapid.IntRange(0, 4).Draw(t, "runs") {
			run := len(b.ops)
			add(op{code: opRun})
			for _, code := range rapid.SliceOfN(rapid.SampledFrom(codes), 1, 5).Draw(t, "fields") {
				o := op{code: code, off: uint32(b.ops[run].n), n: sizes[code]}
				if code == opKeep {
					o = op{code: code}
				}
				add(o)
				if code != opKeep {
					b.width++
					b.ops[run].n += sizes[code]
				} else {
					b.ops[len(b.ops)-1].slot = uint32(max(b.width, 1) - 1)
				}
			}
			if rapid.Bool().Draw(t, "text") {
				add(op{code: opString, size: 1})
				b.width++
			}
		}
		b.width++
		data := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff}), 0, 120).Draw(t, "data")
		fresh := func() *machine {
			return &machine{win: data, words: make([]uint64, b.width), refs: make([]uint64, 1), maxWords: maxEventWords}
		}
		want, got := fresh(), fresh()
		ok := want.exec(b, 0)
		s := straighten(b)
		if s == nil {
			return
		}
		if !got.straight(s) {
			if got.pos != 0 {
				t.Fatalf("a straight plan stopped at bit %d, want it where it began", got.pos)
			}
			return
		}
		if !ok || got.pos != want.pos || !slices.Equal(got.words, want.words) || !slices.Equal(got.refs, want.refs) {
			t.Fatalf("straight: bit %d, words %x, want %v, bit %d, words %x", got.pos, got.words, ok, want.pos, want.words)
		}
	})
}
