// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/weir-io/weir/ctf/schema"
)

// encoder runs encoding plans: it puts the fields of a frame into a packet. All
// positions are bits from the packet's first.
type encoder struct {
	buf   []byte // the packet; its length is the limit
	pos   uint64
	words []uint64 // the frame being encoded
	data  []byte
	refs  []encRef
	clock uint64 // the stream's clock, as a reader sees it

	// Of the field last written, when it ended within a byte.
	order   schema.ByteOrder
	reverse bool

	fault encFault
}

// encRef is the value of a field that others need.
type encRef struct {
	v   uint64
	set bool
}

// encFault says why a plan cannot go on.
type encFault struct {
	kind encFaultKind
	op   *encOp
	got  uint64
	want uint64
}

type encFaultKind uint8

const (
	encFine     encFaultKind = iota
	encFull                  // the packet has no room
	encRange                 // got does not fit into the field
	encLength                // got bytes or elements, want by the class or the field that says so
	encChoice                // got is the option given, want the tag
	encThere                 // got is whether the field was given, want the selector
	encOrder                 // two byte orders meet within a byte
	encNUL                   // a code unit of zero within text that ends by it, or a part of a unit
	encUnset                 // the field that this one needs is not there
	encBadData               // the frame's words lead out of it
	encNoHeader              // no layout of the event header can say id got and time want
)

func (e *encoder) stop(kind encFaultKind, o *encOp, got, want uint64) bool {
	e.fault = encFault{kind, o, got, want}
	return false
}

// encFrameOp stands for a whole row in errors.
var encFrameOp = &encOp{encMore: &encMore{}}

// encode writes the row of words that begins at row. It reports false, and says
// why in e.fault, when that cannot be done; the packet's bytes behind where the
// row began are then undefined.
func (e *encoder) encode(b *encBlock, row int) bool {
	if uint(row)+uint(b.width) > uint(len(e.words)) {
		return e.stop(encBadData, encFrameOp, uint64(row+b.width), uint64(len(e.words)))
	}
	words := e.words[row : row+b.width]
	var run []byte
	for i := range b.ops {
		o := &b.ops[i]
		if o.code == encRun {
			at := e.pos >> 3
			end := at + o.n
			if end > uint64(len(e.buf)) {
				return e.stop(encFull, o, o.n, 0)
			}
			run = e.buf[at:end]
			e.pos = end << 3
			continue
		}
		if o.code <= encAlign {
			if !e.skip(o, run) {
				return false
			}
			continue
		}
		v := words[o.slot]
		ok := true
		switch o.code {
		case encU8:
			ok = v <= math.MaxUint8
			run[o.off] = uint8(v)
		case encU16:
			ok = v <= math.MaxUint16
			binary.LittleEndian.PutUint16(run[o.off:], uint16(v))
		case encU32:
			ok = v <= math.MaxUint32
			binary.LittleEndian.PutUint32(run[o.off:], uint32(v))
		case encU64:
			binary.LittleEndian.PutUint64(run[o.off:], v)
		case encI8:
			ok = v == uint64(int8(v))
			run[o.off] = uint8(v)
		case encI16:
			ok = v == uint64(int16(v))
			binary.LittleEndian.PutUint16(run[o.off:], uint16(v))
		case encI32:
			ok = v == uint64(int32(v))
			binary.LittleEndian.PutUint32(run[o.off:], uint32(v))
		case encU16BE:
			ok = v <= math.MaxUint16
			binary.BigEndian.PutUint16(run[o.off:], uint16(v))
		case encU32BE:
			ok = v <= math.MaxUint32
			binary.BigEndian.PutUint32(run[o.off:], uint32(v))
		case encU64BE:
			binary.BigEndian.PutUint64(run[o.off:], v)
		case encI16BE:
			ok = v == uint64(int16(v))
			binary.BigEndian.PutUint16(run[o.off:], uint16(v))
		case encI32BE:
			ok = v == uint64(int32(v))
			binary.BigEndian.PutUint32(run[o.off:], uint32(v))
		case encBytes:
			if !e.bytes(o, v, run[o.off:uint64(o.off)+o.n]) {
				return false
			}
		case encString:
			if !e.string(o, v) {
				return false
			}
		case encKeep:
			e.refs[o.ref] = encRef{v, true}
		case encClock:
			e.clock = clockAfter(e.clock, v, o.size)
		default:
			if !e.slow(o, v) {
				return false
			}
		}
		if !ok {
			return e.stop(encRange, o, v, 0)
		}
	}
	return true
}

// skip runs the steps that have no word.
func (e *encoder) skip(o *encOp, run []byte) bool {
	if o.code == encAlign {
		return e.align(o)
	}
	clear(run[o.off : uint64(o.off)+o.n])
	return true
}

// slow runs the steps that are not worth a place in encode's loop.
func (e *encoder) slow(o *encOp, v uint64) bool {
	switch o.code {
	case encBits:
		return e.bits(o, v)
	case encLEB:
		return e.leb(o, v)
	case encDynamic:
		return e.dynamic(o, v)
	case encArray:
		return e.elements(o, v)
	case encVariant:
		return e.variant(o, v)
	case encOption:
		return e.option(o, v)
	default:
		panic("ctf: unknown step of an encoding plan")
	}
}

// clockAfter is the value of a clock at v once its lower size bits are low: the
// least that is not before v.
func clockAfter(v, low uint64, size uint8) uint64 {
	if size >= 64 {
		return low
	}
	mask := uint64(1)<<size - 1
	if low < v&mask {
		v += mask + 1
	}
	return v&^mask | low
}

// text returns the bytes that a word refers to.
func (e *encoder) text(o *encOp, word uint64) ([]byte, bool) {
	off, n := Extent(word)
	if uint64(off)+uint64(n) > uint64(len(e.data)) {
		return nil, e.stop(encBadData, o, uint64(off+n), uint64(len(e.data)))
	}
	return e.data[off : off+n], true
}

func (e *encoder) bytes(o *encOp, word uint64, to []byte) bool {
	b, ok := e.text(o, word)
	if !ok {
		return false
	}
	if len(b) != len(to) && (!o.fixed || len(b) > len(to)) {
		return e.stop(encLength, o, uint64(len(b)), uint64(len(to)))
	}
	clear(to[copy(to, b):])
	return true
}

func (e *encoder) string(o *encOp, word uint64) bool {
	b, ok := e.text(o, word)
	if !ok {
		return false
	}
	if o.size == 1 {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return e.stop(encNUL, o, uint64(i), 0)
		}
	} else if i := unitsEnd(b, int(o.size)); i < len(b) {
		return e.stop(encNUL, o, uint64(i), 0)
	}
	at := int(e.pos >> 3)
	end := at + len(b) + int(o.size)
	if end > len(e.buf) {
		return e.stop(encFull, o, uint64(end-at), 0)
	}
	to := e.buf[at:end]
	copy(to, b)
	to[len(b)] = 0
	if o.size > 1 {
		clear(to[len(b):])
	}
	e.pos = uint64(end) << 3
	return true
}

// unitsEnd is where text in code units of a size ends: at the first of zero or
// the first that is cut off.
func unitsEnd(b []byte, unit int) int {
	var zero [4]byte
	i := 0
	for i+unit <= len(b) && !bytes.Equal(b[i:i+unit], zero[:unit]) {
		i += unit
	}
	return i
}

// count returns the number that a field's class, or another field, says.
func (e *encoder) count(o *encOp) (uint64, bool) {
	if o.ref == encNoRef {
		return o.n, true
	}
	r := e.refs[o.ref]
	if !r.set {
		return 0, e.stop(encUnset, o, 0, 0)
	}
	return r.v, true
}

func (e *encoder) dynamic(o *encOp, word uint64) bool {
	b, ok := e.text(o, word)
	if !ok {
		return false
	}
	n, ok := e.count(o)
	if !ok {
		return false
	}
	if have := uint64(len(b)); have != n && (!o.fixed || have > n) {
		return e.stop(encLength, o, have, n)
	}
	at := e.pos >> 3
	if n > uint64(len(e.buf)) || at+n > uint64(len(e.buf)) {
		return e.stop(encFull, o, n, 0)
	}
	to := e.buf[at : at+n]
	clear(to[copy(to, b):])
	e.pos = (at + n) << 3
	return true
}

func (e *encoder) elements(o *encOp, word uint64) bool {
	want, ok := e.count(o)
	if !ok {
		return false
	}
	start, n := Extent(word)
	if uint64(n) != want {
		return e.stop(encLength, o, uint64(n), want)
	}
	if uint64(start)+uint64(n)*uint64(o.sub.width) > uint64(len(e.words)) {
		return e.stop(encBadData, o, uint64(n), uint64(len(e.words)))
	}
	for i := range n {
		if !e.encode(o.sub, start+i*o.sub.width) {
			return false
		}
	}
	return true
}

func (e *encoder) variant(o *encOp, word uint64) bool {
	tag, ok := e.count(o)
	if !ok {
		return false
	}
	start, i := Extent(word)
	if o.variant.Select(tag) != i {
		return e.stop(encChoice, o, uint64(i), tag)
	}
	return e.encode(o.options[i], start)
}

func (e *encoder) option(o *encOp, word uint64) bool {
	selector, ok := e.count(o)
	if !ok {
		return false
	}
	start, there := Extent(word)
	if o.optional.Present(selector) != (there == 1) || there > 1 {
		return e.stop(encThere, o, uint64(there), selector)
	}
	return there == 0 || e.encode(o.sub, start)
}
