// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"math/bits"

	"github.com/weir-io/weir/ctf/schema"
)

// align advances to a multiple of o.n bits; what it skips becomes zero.
func (e *encoder) align(o *encOp) bool {
	to := (e.pos + o.n - 1) &^ (o.n - 1)
	if to > 8*uint64(len(e.buf)) {
		return e.stop(encFull, o, (to-e.pos+7)/8, 0)
	}
	e.cutByte()
	if whole := (e.pos + 7) >> 3; whole < (to+7)>>3 {
		clear(e.buf[whole : (to+7)>>3])
	}
	e.pos = to
	return true
}

// cutByte makes the bits of the byte at the position that are behind it zero.
// Those before it stay.
func (e *encoder) cutByte() {
	if n := e.pos & 7; n != 0 {
		e.buf[e.pos>>3] &= firstBits(n, e.order)
	}
}

// firstBits masks the first n bits of a byte, 0 < n < 8.
func firstBits(n uint64, order schema.ByteOrder) byte {
	if order == schema.BigEndian {
		return ^(byte(0xff) >> n)
	}
	return 1<<n - 1
}

// bits writes a field of 1 to 64 bits that lies anywhere. What follows it in its
// last byte becomes zero.
func (e *encoder) bits(o *encOp, v uint64) bool {
	size := uint64(o.size)
	if !fitsBits(v, size, o.signed) {
		return e.stop(encRange, o, v, 0)
	}
	if e.pos+size > 8*uint64(len(e.buf)) {
		return e.stop(encFull, o, (size+7)/8, 0)
	}
	if e.pos&7 != 0 && (e.order != o.order || e.reverse != o.reverse) {
		return e.stop(encOrder, o, 0, 0)
	}
	e.order, e.reverse = o.order, o.reverse
	v &= ^uint64(0) >> (64 - size)
	if o.reverse {
		v = bits.Reverse64(v) >> (64 - size)
	}
	e.cutByte()
	if o.order == schema.BigEndian {
		putBitsBig(e.buf, e.pos, size, v)
	} else {
		putBitsLittle(e.buf, e.pos, size, v)
	}
	e.pos += size
	return true
}

// fitsBits reports whether an integer of size bits can have a value.
func fitsBits(v, size uint64, signed bool) bool {
	if signed {
		return uint64(int64(v<<(64-size))>>(64-size)) == v
	}
	return v>>1>>(size-1) == 0
}

// putBitsLittle writes the lower size bits of v at bit pos, least significant
// first: bit i of the stream is bit i%8 of byte i/8. The first byte's bits
// behind pos must be zero.
func putBitsLittle(b []byte, pos, size, v uint64) {
	at, shift := pos>>3, pos&7
	if shift != 0 {
		b[at] |= byte(v << shift)
		if size <= 8-shift {
			return
		}
		v >>= 8 - shift
		size -= 8 - shift
		at++
	}
	for ; ; at++ {
		b[at] = byte(v)
		if size <= 8 {
			return
		}
		v >>= 8
		size -= 8
	}
}

// putBitsBig writes the lower size bits of v at bit pos, most significant first:
// bit i of the stream is bit 7-i%8 of byte i/8. The first byte's bits behind pos
// must be zero.
func putBitsBig(b []byte, pos, size, v uint64) {
	at, shift := pos>>3, pos&7
	if shift != 0 {
		room := 8 - shift
		if size <= room {
			b[at] |= byte(v << (room - size))
			return
		}
		size -= room
		b[at] |= byte(v >> size)
		at++
	}
	for ; size > 8; at++ {
		size -= 8
		b[at] = byte(v >> size)
	}
	b[at] = byte(v << (8 - size))
}

// maxLEBLen is the length of the longest variable-length integer of 64 bits.
const maxLEBLen = 10

func (e *encoder) leb(o *encOp, v uint64) bool {
	var tmp [maxLEBLen]byte
	n := 0
	for {
		c := byte(v & 0x7f)
		var last bool
		if o.signed {
			v = uint64(int64(v) >> 7)
			last = v == 0 && c&0x40 == 0 || v == ^uint64(0) && c&0x40 != 0
		} else {
			v >>= 7
			last = v == 0
		}
		if o.fixed {
			last = n == maxLEBLen-1
		}
		if last {
			tmp[n] = c
			n++
			break
		}
		tmp[n] = c | 0x80
		n++
	}
	at := int(e.pos >> 3)
	if at+n > len(e.buf) {
		return e.stop(encFull, o, uint64(n), 0)
	}
	copy(e.buf[at:], tmp[:n])
	e.pos = uint64(at+n) << 3
	return true
}
