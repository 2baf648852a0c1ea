// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// recordWord is the length of the word in front of a record.
const recordWord = 4

// quickHead is the length of a short header and the part of the context that all
// events have.
const quickHead = shortHead + streamHead

// quick converts records that need nothing special, up to the first that does:
// it does what record does, for nearly all of them. It is one function, without
// calls where most records pass, as each instruction is to be seen in the whole's
// speed. Sizes of arrays are fixed and offsets are of small types so that nothing
// has to be checked: there are spare bytes behind the data and behind the packet.
func (c *Converter) quick(plans []*plan, data []byte, cursor *ftrace.Cursor) {
	from, now := cursor.At()
	// When this time needs no long header and is not to be clamped, neither are
	// those that are counted from it.
	if c.pos == 0 || now < c.last || now-c.last > math.MaxUint32-ftrace.MaxDelta || len(c.buf) > math.MaxInt32 {
		return
	}
	wide, buf, near := data[:len(data)+spare], c.buf[:len(c.buf)+spare], c.full-maxQuick
	next, pos, n := uint32(from), uint32(c.pos), uint64(0)
loop:
	for int(next)+spare <= len(wide) {
		in := (*[spare]byte)(wide[next : int(next)+spare])
		word := ftrace.Header(binary.LittleEndian.Uint32(in[:]))
		size := word.Size()
		end := next + recordWord + size
		if !word.Plain() || int(end)+spare > len(wide) {
			break
		}
		record := (*window)(in[recordWord:])
		id := int(binary.LittleEndian.Uint16(record[:]))
		if id >= len(plans) {
			break
		}
		p := plans[id]
		if p == nil || size < p.quick.minLen || int(pos) > near && !c.fits(p, size, pos) {
			break
		}
		time, q := now+word.Delta(), &p.quick
		out := (*[quickHead + len(window{})]byte)(buf[pos : int(pos)+quickHead+len(window{})])
		putQuickHead((*[quickHead]byte)(out[:]), p.id, time, record)
		b, at := (*window)(out[quickHead:]), pos+quickHead
		if q.before {
			if at = c.before(p, record, size, at, time); at == 0 {
				break
			}
			b = (*window)(buf[at : int(at)+len(window{})])
		}
		copyBlock((*[block]byte)(b[:]), (*[block]byte)(record[q.block:]))
		switch q.shape {
		case shapeBlock:
		case shapeText:
			q.adds[0].do(b, record)
			q.adds[1].do(b, record)
			low, high := cleaned(q.texts[0].of(record))
			q.texts[0].put(b, low, high)
		case shapeTexts:
			q.adds[0].do(b, record)
			q.adds[1].do(b, record)
			low, high := cleaned(q.texts[0].of(record))
			q.texts[0].put(b, low, high)
			low, high = cleaned(q.texts[1].of(record))
			q.texts[1].put(b, low, high)
		case shapeBlocks2:
			q.copies[0].block(b, record)
		case shapeBlocks3:
			q.copies[0].block(b, record)
			q.copies[1].block(b, record)
		case shapeString:
			place, n := q.place(record)
			if place+n > size || place > uint32(len(record)-quickText) {
				break loop
			}
			text := (*[quickText]byte)(record[place : place+quickText])
			if n = min(lengthOf(text), n); n >= quickText {
				break loop
			}
			to := (*[2 * block]byte)(b[q.fixed%(2*block):])
			*(*[quickText]byte)(to[:]) = *text
			to[n] = 0
			q.putTail((*[2 * shortBlock]byte)(to[n+1:]), record)
			at += n + 1 + uint32(q.tailBytes)
		case shapeSteps:
			if at = c.whole(p, record, size, at); at == 0 {
				break loop
			}
		}
		pos, now, next = at+uint32(q.fixed), time, end
		n++
	}
	if n > 0 {
		cursor.Jump(int(next), now)
		c.pos, c.last = int(pos), now
		c.counts.Events += n
	}
}

// fits reports whether the open packet has room for an event.
func (c *Converter) fits(p *plan, size, pos uint32) bool {
	return p.room+p.dynamic*int(size) <= c.full-int(pos)
}

// before does what comes before the payload, and returns where that begins; 0 when
// the event needs more than quick does.
func (c *Converter) before(p *plan, record *window, size, pos uint32, time uint64) uint32 {
	if p.feed.kind != feedNothing {
		if size > uint32(len(record)) {
			return 0
		}
		c.learn(p, record[:size], time)
		c.last = time // for what the payload asks
	}
	switch {
	case c.table.context.bytes > 0:
		return c.quickContexts(record, pos, time)
	case c.table.context.ops != nil:
		return uint32(c.putContexts(int(pos), record[:recordHead], nil, time))
	default:
		return pos
	}
}

// whole makes the payload by the steps of the plan, and returns its end; 0 when
// the event needs more than quick does.
func (c *Converter) whole(p *plan, record *window, size, pos uint32) uint32 {
	if size > uint32(len(record)) {
		return 0
	}
	p.fixedBytes(c.buf[pos:], record[:size], record[:])
	return uint32(c.steps(p, int(pos)+p.fixed, record[:size]))
}

func putQuickHead(b *[quickHead]byte, id uint32, time uint64, record *window) {
	e := binary.LittleEndian
	e.PutUint16(b[:], uint16(id))
	e.PutUint32(b[2:], uint32(time))
	e.PutUint32(b[6:], e.Uint32(record[4:]))
	e.PutUint16(b[10:], e.Uint16(record[2:]))
}

// copyBlock copies a block. Arrays of 16 bytes are what the compiler copies
// without a call.
func copyBlock(dst, src *[block]byte) {
	*(*[16]byte)(dst[0:]) = *(*[16]byte)(src[0:])
	*(*[16]byte)(dst[16:]) = *(*[16]byte)(src[16:])
	*(*[16]byte)(dst[32:]) = *(*[16]byte)(src[32:])
	*(*[16]byte)(dst[48:]) = *(*[16]byte)(src[48:])
}

func (s *quickSpan) block(b, record *window) {
	copyBlock((*[block]byte)(b[s.dst:]), (*[block]byte)(record[s.src:]))
}

func (a *quickAdd) do(b, record *window) {
	binary.LittleEndian.PutUint32(b[a.dst:], binary.LittleEndian.Uint32(record[a.src:])+uint32(a.n))
}

func (s *quickSpan) of(record *window) *[16]byte { return (*[16]byte)(record[s.src:]) }

func (s *quickSpan) put(b *window, low, high uint64) {
	to := (*[16]byte)(b[s.dst:])
	binary.LittleEndian.PutUint64(to[:], low)
	binary.LittleEndian.PutUint64(to[8:], high)
}

// place is where the string is in the record, and how long it is said to be.
func (q *quickPlan) place(record *window) (from, n uint32) {
	where := binary.LittleEndian.Uint32(record[q.str:])
	return where & 0xffff, where >> 16
}

// putTail writes the block behind a string.
func (q *quickPlan) putTail(b *[2 * shortBlock]byte, record *window) {
	src, add := (*[shortBlock]byte)(record[q.tail:]), &q.adds[0]
	*(*[16]byte)(b[0:]) = *(*[16]byte)(src[0:])
	*(*[16]byte)(b[16:]) = *(*[16]byte)(src[16:])
	binary.LittleEndian.PutUint32(b[add.dst%shortBlock:], binary.LittleEndian.Uint32(record[add.src:])+uint32(add.n))
}

// lengthOf is the number of bytes before the first that is zero. It has no
// branches: lengths of names are hard to foresee.
func lengthOf(s *[quickText]byte) uint32 {
	low, high := zeros(binary.LittleEndian.Uint64(s[:])), zeros(binary.LittleEndian.Uint64(s[8:]))
	first, second := bits.TrailingZeros64(low), bits.TrailingZeros64(high) // 64 when there is none
	return uint32(first+second&-(first>>6)) / 8
}
