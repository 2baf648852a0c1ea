// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// machine runs decoding plans over a window of a packet. All positions are bits
// from the window's first bit.
type machine struct {
	win   []byte   // bytes at hand, none behind the packet's content
	base  uint64   // of the window's first bit in the packet
	pos   uint64   // where the next field begins, before its alignment
	limit uint64   // end of the content; may lie behind the window
	words []uint64 // of the frame being filled
	refs  []uint64 // values that other fields need
	marks []uint64 // when opMark kept each of them
	mark  uint64
	clock uint64 // the stream's clock

	// order of the bit field last read, when it ended within a byte.
	order bitOrder

	maxWords int
	fault    fault
}

func (m *machine) stop(kind faultKind, pos uint64, o *op, got, want uint64) bool {
	m.fault = fault{kind, pos, o.field, got, want}
	return false
}

// stopRun stops at the first field of a run that goes behind the window.
func (m *machine) stopRun(ops []op) bool {
	at := m.pos >> 3
	for i := range ops[1:] {
		o := &ops[1+i]
		n := uint64(o.size / 8)
		switch o.code {
		case opKeep, opMark, opClock:
			continue
		case opExtent:
			n = o.n
		}
		if o.code > opExtent {
			break // the end of the run
		}
		if at+uint64(o.off)+n > uint64(len(m.win)) {
			return m.stop(faultShort, m.pos+8*uint64(o.off), o, 8*n, 0)
		}
	}
	return m.stop(faultShort, m.pos, &ops[0], 8*ops[0].n, 0)
}

// exec runs a plan for the row of words that begins at row. It reports false,
// and says why in m.fault, when the plan cannot go on.
func (m *machine) exec(b *block, row int) bool {
	words := m.words[row:]
	var run []byte
	ops := b.ops
	for i := range ops {
		o := &ops[i]
		switch o.code {
		case opRun:
			at := m.pos >> 3
			end := at + o.n
			if end > uint64(len(m.win)) {
				return m.stopRun(ops[i:])
			}
			run = m.win[at:end]
			m.pos = end << 3
		case opU8:
			words[o.slot] = uint64(run[o.off])
		case opU16:
			words[o.slot] = uint64(binary.LittleEndian.Uint16(run[o.off:]))
		case opU32:
			words[o.slot] = uint64(binary.LittleEndian.Uint32(run[o.off:]))
		case opU64:
			words[o.slot] = binary.LittleEndian.Uint64(run[o.off:])
		case opI8:
			words[o.slot] = uint64(int8(run[o.off]))
		case opI16:
			words[o.slot] = uint64(int16(binary.LittleEndian.Uint16(run[o.off:])))
		case opI32:
			words[o.slot] = uint64(int32(binary.LittleEndian.Uint32(run[o.off:])))
		case opU16BE:
			words[o.slot] = uint64(binary.BigEndian.Uint16(run[o.off:]))
		case opU32BE:
			words[o.slot] = uint64(binary.BigEndian.Uint32(run[o.off:]))
		case opU64BE:
			words[o.slot] = binary.BigEndian.Uint64(run[o.off:])
		case opI16BE:
			words[o.slot] = uint64(int16(binary.BigEndian.Uint16(run[o.off:])))
		case opI32BE:
			words[o.slot] = uint64(int32(binary.BigEndian.Uint32(run[o.off:])))
		case opExtent:
			// The run ends at m.pos: its start is that less its length.
			words[o.slot] = extent(int(m.pos>>3)-len(run)+int(o.off), int(o.n))
		case opKeep:
			m.refs[o.ref] = words[o.slot]
		case opClock:
			m.tick(words[o.slot], o.size)
		case opString:
			if o.size != 1 {
				if !m.wideString(o, row) {
					return false
				}
				continue
			}
			at := int(m.pos >> 3)
			if at >= len(m.win) {
				return m.stop(faultShort, m.pos, o, 8, 0)
			}
			n := bytes.IndexByte(m.win[at:], 0)
			if n < 0 {
				return m.stop(faultShort, m.pos, o, 8*uint64(len(m.win)-at)+8, 0)
			}
			words[o.slot] = extent(at, n)
			m.pos = uint64(at+n+1) << 3
		default:
			if !m.slow(o, row) {
				return false
			}
			words = m.words[row:] // may have moved
		}
	}
	return true
}

// slow runs the steps that are not worth a place in exec's loop.
func (m *machine) slow(o *op, row int) bool {
	switch o.code {
	case opAlign:
		at := m.base + m.pos
		m.pos = (at+o.n-1)&^(o.n-1) - m.base
		return true
	case opBits:
		return m.bits(o, row)
	case opLEB:
		return m.leb(o, row)
	case opDynamic:
		return m.dynamic(o, row)
	case opArray:
		return m.elements(o, row, o.n)
	case opSeq:
		return m.elements(o, row, m.refs[o.ref])
	case opVariant:
		return m.variant(o, row)
	case opOption:
		return m.option(o, row)
	case opMark:
		m.mark++
		m.refs[o.ref], m.marks[o.ref] = m.words[row+int(o.slot)], m.mark
		return true
	case opLatest:
		last := o.among[0]
		for _, ref := range o.among {
			if m.marks[ref] > m.marks[last] {
				last = ref
			}
		}
		m.refs[o.ref] = m.refs[last]
		return true
	default:
		panic("ctf: unknown step of a plan")
	}
}

// tick updates the clock by an integer of size bits (ctf 1.8.3, section 8).
func (m *machine) tick(v uint64, size uint8) {
	if size >= 64 {
		m.clock = v
		return
	}
	mask := uint64(1)<<size - 1
	if v < m.clock&mask {
		m.clock += mask + 1
	}
	m.clock = m.clock&^mask | v
}

func (m *machine) wideString(o *op, row int) bool {
	at, n := int(m.pos>>3), 0
	for unit := int(o.size); ; n += unit {
		if at+n+unit > len(m.win) {
			return m.stop(faultShort, m.pos, o, 8*uint64(n+unit), 0)
		}
		zero := true
		for _, c := range m.win[at+n : at+n+unit] {
			zero = zero && c == 0
		}
		if zero {
			m.words[row+int(o.slot)] = extent(at, n)
			m.pos = uint64(at+n+unit) << 3
			return true
		}
	}
}

func (m *machine) bits(o *op, row int) bool {
	size := uint64(o.size)
	if m.pos+size > 8*uint64(len(m.win)) {
		return m.stop(faultShort, m.pos, o, size, 0)
	}
	if m.pos&7 != 0 && o.bits != m.order {
		return m.stop(faultOrder, m.pos, o, 0, 0)
	}
	m.order = o.bits
	var v uint64
	if o.bits&1 == 0 {
		v = bitsLittle(m.win, m.pos, size)
	} else {
		v = bitsBig(m.win, m.pos, size)
	}
	if o.bits >= bitsLEReversed {
		v = bits.Reverse64(v) >> (64 - size)
	}
	if o.signed {
		v = uint64(int64(v<<(64-size)) >> (64 - size))
	}
	m.words[row+int(o.slot)] = v
	m.pos += size
	return true
}

// bitsLittle reads size bits at bit pos, least significant first: bit i of the
// stream is bit i%8 of byte i/8.
func bitsLittle(b []byte, pos, size uint64) uint64 {
	at, shift := pos>>3, pos&7
	var v uint64
	for i := uint64(0); 8*i < shift+size; i++ {
		if i == 8 {
			v |= uint64(b[at+8]) << (64 - shift)
			break
		}
		if i == 0 {
			v = uint64(b[at]) >> shift
		} else {
			v |= uint64(b[at+i]) << (8*i - shift)
		}
	}
	return v & (^uint64(0) >> (64 - size))
}

// bitsBig reads size bits at bit pos, most significant first: bit i of the
// stream is bit 7-i%8 of byte i/8.
func bitsBig(b []byte, pos, size uint64) uint64 {
	at, shift := pos>>3, pos&7
	v := uint64(b[at] << shift >> shift)
	got := 8 - shift
	for ; got < size; got += 8 {
		at++
		if got+8 > size {
			rest := size - got
			return v<<rest | uint64(b[at])>>(8-rest)
		}
		v = v<<8 | uint64(b[at])
	}
	return v >> (got - size)
}

func (m *machine) leb(o *op, row int) bool {
	at := int(m.pos >> 3)
	var v uint64
	for n := 0; ; n++ {
		if at+n >= len(m.win) {
			return m.stop(faultShort, m.pos, o, 8*uint64(n+1), 0)
		}
		c := m.win[at+n]
		if shift := 7 * n; shift < 64 {
			v |= uint64(c&0x7f) << shift
		}
		if n > 9 || n == 9 && !lastLEB(c, o.signed) {
			return m.stop(faultVarint, m.pos, o, uint64(c), 0)
		}
		if c&0x80 == 0 {
			if used := 7 * (n + 1); o.signed && used < 64 {
				v = uint64(int64(v<<(64-used)) >> (64 - used))
			}
			m.words[row+int(o.slot)] = v
			m.pos = uint64(at+n+1) << 3
			return true
		}
	}
}

// lastLEB reports whether the tenth byte of a variable-length integer says no
// more than its 64th bit, and ends it.
func lastLEB(c byte, signed bool) bool {
	return c <= 1 && !signed || signed && (c == 0 || c == 0x7f)
}

func (m *machine) dynamic(o *op, row int) bool {
	n := o.n
	if o.ref != noRef {
		n = m.refs[o.ref]
	}
	at := m.pos >> 3
	if n > uint64(len(m.win)) || at+n > uint64(len(m.win)) {
		return m.stop(faultShort, m.pos, o, 8*min(n, maxBits/8), 0)
	}
	m.words[row+int(o.slot)] = extent(int(at), int(n))
	m.pos = (at + n) << 3
	return true
}

// grow adds n words behind the frame's and returns the index of the first.
func (m *machine) grow(o *op, n uint64) (int, bool) {
	start := len(m.words)
	if n > uint64(m.maxWords) || start+int(n) > m.maxWords {
		return 0, m.stop(faultTooMany, m.pos, o, n, uint64(m.maxWords))
	}
	if need := start + int(n); need <= cap(m.words) {
		m.words = m.words[:need]
	} else {
		m.words = append(m.words, make([]uint64, n)...)
	}
	return start, true
}

func (m *machine) elements(o *op, row int, n uint64) bool {
	if each := o.sub.minBits; each > 0 && n > (8*uint64(len(m.win))-min(m.pos, 8*uint64(len(m.win))))/each {
		return m.stop(faultShort, m.pos, o, fixedBits(n, each, nil), 0)
	}
	width := uint64(o.sub.width)
	if n > uint64(m.maxWords) { // elements without bits
		return m.stop(faultTooMany, m.pos, o, n, uint64(m.maxWords))
	}
	// Elements without words take one all the same, or arrays of them within
	// each other would be of any size in a few bytes.
	start, ok := m.grow(o, n*max(width, 1))
	if !ok {
		return false
	}
	m.words[row+int(o.slot)] = extent(start, int(n))
	if len(o.sub.ops) == 0 {
		return true
	}
	for i := range int(n) {
		if !m.exec(o.sub, start+i*int(width)) {
			return false
		}
	}
	return true
}

func (m *machine) variant(o *op, row int) bool {
	tag := m.refs[o.ref]
	i := o.choice.variant.Select(tag)
	if i < 0 {
		return m.stop(faultOption, m.pos, o, tag, 0)
	}
	sub := o.choice.options[i]
	start, ok := m.grow(o, uint64(sub.width))
	if !ok {
		return false
	}
	m.words[row+int(o.slot)] = extent(start, i)
	return m.exec(sub, start)
}

func (m *machine) option(o *op, row int) bool {
	if !o.choice.optional.Present(m.refs[o.ref]) {
		m.words[row+int(o.slot)] = extent(len(m.words), 0)
		return true
	}
	start, ok := m.grow(o, uint64(o.sub.width))
	if !ok {
		return false
	}
	m.words[row+int(o.slot)] = extent(start, 1)
	return m.exec(o.sub, start)
}
