// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// straight is a plan again, or its first steps, in a form that takes fewer
// instructions: most events are integers and texts of whole bytes, one behind
// the other. What it cannot do, and what lies at the end of the window, is left
// to [machine.exec], which also says what is wrong.
type straight struct {
	legs []leg
	rest *block // steps behind the legs, nil: none
}

// leg is some fields at fixed distances from a byte boundary, then perhaps a
// text that ends with a zero.
type leg struct {
	n      int // bytes of the fields
	behind int // bytes that have to be at hand from the leg's start on
	ints   []intPick
	texts  []textPick
	ends   bool   // with a text
	slot   uint32 // its word
}

// intPick is an integer of a leg.
type intPick struct {
	mask, sign uint64 // bits of the integer; its highest one, 0: unsigned
	slot, off  uint32 // word; bytes from the leg's start
}

// textPick is a text of fixed length.
type textPick struct {
	extent uint64 // from the leg's start
	slot   uint32
}

// slack is the bytes that integers are loaded with, however small they are.
const slack = 8

// pickSizes gives, of the steps that a leg can hold, the bits of the integer.
var pickSizes = map[opcode]struct {
	size   int
	signed bool
}{
	opU8: {8, false}, opI8: {8, true}, opU16: {16, false}, opI16: {16, true},
	opU32: {32, false}, opI32: {32, true}, opU64: {64, false},
}

// straighten returns the straight form of a plan, nil when it has none.
func straighten(b *block) *straight {
	s := &straight{}
	ops := b.ops
	for len(ops) > 0 {
		l, n := straightLeg(ops)
		if n == 0 {
			break
		}
		s.legs = append(s.legs, l)
		ops = ops[n:]
	}
	if len(s.legs) == 0 {
		return nil
	}
	if len(ops) > 0 {
		s.rest = &block{ops: ops, width: b.width}
	}
	return s
}

// straightLeg makes a leg of the first steps and returns how many; 0: it cannot.
func straightLeg(ops []op) (l leg, n int) {
	if ops[0].code == opRun {
		l.n = int(ops[0].n)
		for n = 1; n < len(ops) && ops[n].code != opString && !beginsRun(&ops[n]); n++ {
			o := &ops[n]
			if o.code == opExtent {
				l.texts = append(l.texts, textPick{extent(int(o.off), int(o.n)), o.slot})
				continue
			}
			c, ok := pickSizes[o.code]
			if !ok {
				return l, 0 // it may be one of a run that has to stay whole
			}
			p := intPick{mask: ^uint64(0) >> (64 - c.size), slot: o.slot, off: o.off}
			if c.signed {
				p.sign = 1 << (c.size - 1)
			}
			l.ints = append(l.ints, p)
		}
	}
	if n < len(ops) && ops[n].code == opString && ops[n].size == 1 {
		l.ends, l.slot = true, ops[n].slot
		n++
	}
	l.behind = l.n + slack
	return l, n
}

// beginsRun reports whether a step is not one of the run before it.
func beginsRun(o *op) bool {
	switch o.code {
	case opRun, opBits, opAlign, opLEB, opString, opDynamic, opArray, opSeq, opVariant, opOption:
		return true
	}
	return false
}

// straight runs a straight plan for the frame's first row. It reports false,
// and leaves the position where it was, when the plan has to be run by exec.
func (m *machine) straight(s *straight) bool {
	at := walkLegs(s.legs, m.win, m.words, int(m.pos>>3))
	if at < 0 {
		return false
	}
	pos := m.pos
	m.pos = uint64(at) << 3
	if s.rest == nil || m.exec(s.rest, 0) {
		return true
	}
	m.pos = pos
	return false
}

// walkLegs fills words from the legs that begin at a byte of the window, and returns
// where the last one ends; negative: the window ends before.
func walkLegs(legs []leg, win []byte, words []uint64, at int) int {
	for i := range legs {
		l := &legs[i]
		if at+l.behind > len(win) {
			return -1
		}
		b := win[at : at+l.behind]
		pickInts(words, b, l.ints)
		for _, p := range l.texts {
			words[p.slot] = p.extent + uint64(at)<<32
		}
		at += l.n
		if l.ends {
			end := zeroAt(win, at)
			if end < 0 {
				return -1
			}
			words[l.slot] = extent(at, end-at)
			at = end + 1
		}
	}
	return at
}

// pickInts is a function of its own for the sake of registers.
//
//go:noinline
func pickInts(words []uint64, leg []byte, ints []intPick) {
	for i := range ints {
		p := &ints[i]
		v := binary.LittleEndian.Uint64(leg[p.off:p.off+slack:p.off+slack]) & p.mask
		words[p.slot] = (v ^ p.sign) - p.sign
	}
}

// zeroIn returns the index of the first zero byte in a word, 8 when there is
// none.
func zeroIn(w uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	return bits.TrailingZeros64((w-ones)&^w&tops) >> 3
}

// zeroAt returns the index of the first zero byte at or behind a place, negative when
// there is none. Most texts are short: the first bytes
// are looked at eight at a time.
func zeroAt(b []byte, from int) int {
	const short = 32
	at := from
	for ; at < from+short && at+8 <= len(b); at += 8 {
		if z := zeroIn(binary.LittleEndian.Uint64(b[at:])); z < 8 {
			return at + z
		}
	}
	if z := bytes.IndexByte(b[at:], 0); z >= 0 {
		return at + z
	}
	return -1
}
