// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// fixedBytes makes the payload's fixed bytes. What follows the record in memory may
// be read, and slack behind the bytes be written: copies go by blocks.
func (p *plan) fixedBytes(dst, record, wide []byte) {
	for i := range p.copies {
		s := &p.copies[i]
		from, to, n := int(s.src), int(s.dst), int(s.n)
		if from+n+slack > len(wide) {
			copy(dst[to:to+n], record[from:])
			continue
		}
		copySlack(dst[to:], wide[from:])
		for n -= slack; n > 0; n -= slack {
			from, to = from+slack, to+slack
			copySlack(dst[to:], wide[from:])
		}
	}
	for _, s := range p.texts {
		text16(dst[s.dst:], record[s.src:])
	}
	for _, s := range p.adds {
		binary.NativeEndian.PutUint32(dst[s.dst:], binary.NativeEndian.Uint32(record[s.src:])+uint32(s.n))
	}
}

// copySlack copies slack bytes.
func copySlack(dst, src []byte) {
	e := binary.NativeEndian
	_, _ = dst[slack-1], src[slack-1]
	a, b, c, d := e.Uint64(src), e.Uint64(src[8:]), e.Uint64(src[16:]), e.Uint64(src[24:])
	e.PutUint64(dst, a)
	e.PutUint64(dst[8:], b)
	e.PutUint64(dst[16:], c)
	e.PutUint64(dst[24:], d)
}

// steps does the steps of a plan that depend on the record, and returns the end
// of what it wrote. The caller has made sure of the room and of the record's
// fixed part.
func (c *Converter) steps(p *plan, pos int, record []byte) int {
	buf := c.buf
	start := pos // of the last copy
	for i := range p.ops {
		o := &p.ops[i]
		src := int(o.src)
		switch o.kind {
		case opCopy:
			start = pos
			if wide := record[src:cap(record)]; o.n <= slack && len(wide) >= slack {
				copySlack(buf[pos:], wide)
			} else {
				copy(buf[pos:], record[src:src+int(o.n)])
			}
			pos += int(o.n)
		case opText:
			clearText(buf[start+int(o.at):][:o.n])
		case opAdd32:
			binary.NativeEndian.PutUint32(buf[start+int(o.at):], binary.NativeEndian.Uint32(record[src:])+uint32(o.add))
		case opHash:
			binary.NativeEndian.PutUint64(buf[start+int(o.at):], c.table.hash(binary.NativeEndian.Uint64(record[src:])))
		case opString, opRelString:
			pos += c.putLocated(buf[pos:], record, src, o.kind == opRelString)
		case opSequence, opRelSequence:
			pos += putSequence(buf[pos:], c.located(record, src, o.kind == opRelSequence), int(o.n))
		default:
			pos += c.rare(o, buf[pos:], record)
		}
	}
	return pos
}

// rare does the steps that few events have.
func (c *Converter) rare(o *op, b, record []byte) int {
	src := int(o.src)
	switch o.kind {
	case opOpenString:
		return putString(b, record[min(src, len(record)):])
	case opOpenSequence:
		return putSequence(b, record[min(src, len(record)):], int(o.n))
	case opStack:
		return putSequence(b, c.stackOf(record, src, src+int(o.at), int(o.n)), int(o.n))
	case opUserStack:
		return putSequence(b, userFrames(record[min(src+int(o.at), len(record)):], int(o.n)), int(o.n))
	case opLocText16:
		s := c.located(record, src, false)
		if i := bytes.IndexByte(s, 0); i >= 0 {
			s = s[:i]
		}
		clear(b[copy(b[:procnameBytes], s):procnameBytes])
		return procnameBytes
	case opTID:
		return copy(b, record[4:8])
	case opGroup:
		tid := int32(binary.NativeEndian.Uint32(record[src:]))
		binary.NativeEndian.PutUint32(b, uint32(c.group(tid, o.flag)))
		return 4
	case opRWBS:
		binary.NativeEndian.PutUint32(b, rwbs(record[src:src+int(o.n)]))
		return 4
	}
	panic("kerneltrace: a plan with an unknown step")
}

// located returns the data that a field tells the place of. What does not lie in
// the record is empty, and counted.
func (c *Converter) located(record []byte, src int, relative bool) []byte {
	data, ok := place(record, src, relative)
	if !ok {
		c.counts.BadRecords++
	}
	return data
}

// place finds the data that a field tells the place of.
func place(record []byte, src int, relative bool) (data []byte, ok bool) {
	where := binary.NativeEndian.Uint32(record[src:])
	from, n := int(where&0xffff), int(where>>16)
	if relative {
		from += src + 4
	}
	if from+n > len(record) {
		return nil, false
	}
	return record[from : from+n], true
}

// putLocated writes the string that a field tells the place of.
func (c *Converter) putLocated(b, record []byte, src int, relative bool) int {
	s := c.located(record, src, relative)
	// Word by word, as most are short. What follows the string in memory may be
	// read, and slack be written.
	if wide := s[:cap(s)]; len(s) <= shortString && len(wide) >= shortString {
		for i := 0; i < len(s); i += 8 {
			v := binary.LittleEndian.Uint64(wide[i:])
			if m := behindZero(v); m != 0 {
				binary.LittleEndian.PutUint64(b[i:], v&^m)
				if n := i + bits.OnesCount64(^m)/8; n < len(s) {
					return n + 1
				}
				break
			}
			binary.LittleEndian.PutUint64(b[i:], v)
		}
		b[len(s)] = 0
		return len(s) + 1
	}
	return putString(b, s)
}

// shortString is the length of strings up to which they are copied in words.
const shortString = 32

// putString writes the bytes up to the first zero, and a zero.
func putString(b, s []byte) int {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	n := copy(b, s)
	b[n] = 0
	return n + 1
}

// putSequence writes the number of whole elements and they.
func putSequence(b, data []byte, size int) int {
	n := min(len(data)/size, 1<<16-1)
	binary.NativeEndian.PutUint16(b, uint16(n))
	return 2 + copy(b[2:], data[:n*size])
}

// stackOf returns the addresses of a stack: their number is in the record, and
// there may be fewer.
func (c *Converter) stackOf(record []byte, size, frames, word int) []byte {
	n := int(int32(binary.NativeEndian.Uint32(record[size:])))
	rest := record[min(frames, len(record)):]
	if n < 0 || n > len(rest)/word {
		c.counts.BadRecords++
		n = len(rest) / word
	}
	return rest[:n*word]
}

// userFrames returns the addresses before the first zero.
func userFrames(data []byte, word int) []byte {
	n := 0
	for n+word <= len(data) && !isZero(data[n:n+word]) {
		n += word
	}
	return data[:n]
}

func isZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// clearText zeroes what is behind the first zero: a name that was there before,
// at best.
func clearText(b []byte) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		clear(b[i:])
	}
}

// text16 clears what is behind the end of a text of 16 bytes that was copied.
func text16(dst, src []byte) {
	low, high := cleaned((*[16]byte)(src))
	binary.LittleEndian.PutUint64(dst, low)
	binary.LittleEndian.PutUint64(dst[8:], high)
}

// cleaned is a text without what is behind its end. It is read where the copy came
// from: what was just written in blocks is slow to read in words.
func cleaned(text *[16]byte) (low, high uint64) {
	low, high = binary.LittleEndian.Uint64(text[:]), binary.LittleEndian.Uint64(text[8:])
	m := behindZero(low)
	return low &^ m, high &^ (behindZero(high) | uint64(int64(m)>>63)) // all of it where low has the end
}

// behindZero has ones for the first byte that is zero and all behind it; 0 when
// none is.
func behindZero(v uint64) uint64 {
	zero := zeros(v)
	return -((zero & -zero) >> 7)
}

// zeros has the top bit of the first byte that is zero as its lowest; what it has
// above is of no use.
func zeros(v uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	return (v - ones) &^ v & tops
}

// Bits of a block device's request, as LTTng has them.
const (
	rwbsWrite    = 1 << 0
	rwbsDiscard  = 1 << 1
	rwbsRead     = 1 << 2
	rwbsAhead    = 1 << 3
	rwbsSync     = 1 << 5
	rwbsMeta     = 1 << 6
	rwbsSecure   = 1 << 7
	rwbsFlush    = 1 << 8
	rwbsFUA      = 1 << 9
	rwbsPreflush = 1 << 10
)

// rwbs reads the kernel's text: F when a flush comes first, the operation, then
// flags.
func rwbs(text []byte) (set uint32) {
	at := func(i int) byte {
		if i < len(text) {
			return text[i]
		}
		return 0
	}
	i := 0
	if at(0) == 'F' && bytes.IndexByte([]byte("WDFRN"), at(1)) >= 0 && at(1) != 0 {
		set, i = rwbsPreflush, 1
	}
	switch at(i) {
	case 'W':
		set |= rwbsWrite
	case 'D':
		set |= rwbsDiscard
		if at(i+1) == 'E' {
			set |= rwbsSecure
			i++
		}
	case 'R':
		set |= rwbsRead
	case 'F':
		set |= rwbsFlush
	}
	for i++; at(i) != 0; i++ {
		switch at(i) {
		case 'F':
			set |= rwbsFUA
		case 'A':
			set |= rwbsAhead
		case 'S':
			set |= rwbsSync
		case 'M':
			set |= rwbsMeta
		}
	}
	return set
}
