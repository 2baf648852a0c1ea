// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"encoding/binary"
	"math/bits"
)

// Page is a page of a ring, with what its header says.
type Page struct {
	Time uint64 // that the records' times count from
	Data []byte // records; its capacity is up to the page's end

	// Lost is true when events were lost between the previous page and this one,
	// as happens in overwrite mode only. LostEvents is their number, 0 when the
	// page has no place to say it.
	Lost       bool
	LostEvents uint64

	at        int // offset of Data, for errors
	bigEndian bool
}

// Bits of the length of a page.
const (
	commitMask = 1<<27 - 1
	lostStored = 1 << 30
	lostEvents = 1 << 31
)

// Page reads the header of a page. The page refers to b.
func (l *Layout) Page(b []byte) (Page, error) {
	if len(b) < l.Data {
		return Page{}, &PageError{What: "header", Got: l.Data, Want: len(b)}
	}
	p := Page{at: l.Data, bigEndian: l.BigEndian}
	p.Time = l.uint64(b)
	commit := l.long(b[l.Commit:])
	n := int(commit & commitMask)
	if n > len(b)-l.Data {
		return Page{}, &PageError{Offset: l.Commit, What: "commit", Got: n, Want: len(b) - l.Data}
	}
	p.Data = b[l.Data : l.Data+n]
	p.Lost = commit&lostEvents != 0
	if rest := b[l.Data+n:]; commit&lostStored != 0 && len(rest) >= l.Long {
		p.LostEvents = l.long(rest)
	}
	return p, nil
}

func (l *Layout) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if l.BigEndian {
		v = bits.ReverseBytes64(v)
	}
	return v
}

func (l *Layout) long(b []byte) uint64 {
	if l.Long == 8 {
		return l.uint64(b)
	}
	v := binary.LittleEndian.Uint32(b)
	if l.BigEndian {
		v = bits.ReverseBytes32(v)
	}
	return uint64(v)
}

// Records returns a cursor before the page's first record.
func (p *Page) Records() Cursor {
	return Cursor{Time: p.Time, data: p.Data, at: p.at, bigEndian: p.bigEndian}
}

// Cursor walks the records of a page.
//
//	for c := page.Records(); c.Next(); {
//		use(c.Time, c.Payload())
//	}
type Cursor struct {
	Time uint64 // of the record

	data       []byte
	start, end int // of the record's payload in data
	next       int // offset of the next header in data
	bad        int // bytes that the record there claims; 0: it is fine
	room       int // bytes that there are for it
	at         int
	bigEndian  bool
}

// Kinds of records by type_len; 1 to 28 is the payload's length in words.
const (
	typeLong    = 0
	typePadding = 29
	typeExtend  = 30
	typeStamp   = 31
)

const (
	timeBits  = 27
	timeMask  = 1<<timeBits - 1
	stampHigh = 0xf8 << 56 // bits of a time that an absolute one does not have
)

// Next goes to the next record. It reports false behind the last one and at one
// that does not fit in the page; see [Cursor.Err].
func (c *Cursor) Next() bool {
	for c.next+4 <= len(c.data) {
		typ, delta := c.header(c.next)
		if typ-1 < 28 { // 1 to 28: nearly all
			end := c.next + 4 + int(typ)*4
			if end > len(c.data) {
				return c.fail(end - c.next)
			}
			c.Time += delta
			c.start, c.end, c.next = c.next+4, end, end
			return true
		}
		if typ == typePadding && delta == 0 {
			break
		}
		if c.next+8 > len(c.data) {
			return c.fail(8)
		}
		word := c.word(c.next + 4)
		switch typ {
		case typeLong:
			return c.long(delta, word)
		case typePadding:
			if !c.skip(delta, word) {
				return false
			}
		case typeExtend:
			c.Time += uint64(word)<<timeBits + delta
			c.next += 8
		case typeStamp:
			c.Time = c.Time&stampHigh | (uint64(word)<<timeBits + delta)
			c.next += 8
		}
	}
	c.next = len(c.data)
	return false
}

// long goes to a record whose length is in a word of its own.
func (c *Cursor) long(delta uint64, length uint32) bool {
	if length < 4 || int64(length) > int64(len(c.data)-c.next-4) {
		return c.fail(int(length) + 4)
	}
	c.Time += delta
	c.start, c.end = c.next+8, c.next+4+int(length)
	c.next += 4 + (int(length)+3)&^3
	return true
}

// skip passes over a record that was taken back.
func (c *Cursor) skip(delta uint64, length uint32) bool {
	if length < 4 || length%4 != 0 || int64(length) > int64(len(c.data)-c.next-4) {
		return c.fail(int(length) + 4)
	}
	if delta != 1 {
		c.Time += delta
	}
	c.next += 4 + int(length)
	return true
}

// fail ends the walk at a record that claims n bytes.
func (c *Cursor) fail(n int) bool {
	c.bad, c.room = max(n, 1), len(c.data)-c.next
	c.data = c.data[:c.next]
	return false
}

func (c *Cursor) word(at int) uint32 {
	w := binary.LittleEndian.Uint32(c.data[at:])
	if c.bigEndian {
		w = bits.ReverseBytes32(w)
	}
	return w
}

func (c *Cursor) header(at int) (typ uint32, delta uint64) {
	w := binary.LittleEndian.Uint32(c.data[at:])
	if c.bigEndian {
		w = bits.ReverseBytes32(w)
		return w >> timeBits, uint64(w & timeMask)
	}
	return w & 31, uint64(w >> 5)
}

// Payload is that of the record, which is part of the page.
func (c *Cursor) Payload() []byte { return c.data[c.start:c.end:c.end] }

// Header is the word that a record begins with, of a little-endian kernel. With
// [Cursor.At] and [Cursor.Jump] it is for callers that walk over plain records
// themselves, as they cannot afford a call for each.
type Header uint32

// MaxDelta is the largest time that a header tells.
const MaxDelta = timeMask

// Plain reports whether the record is of the kind that nearly all are of: a header
// and Size bytes of payload.
func (h Header) Plain() bool { return h&31-1 < 28 }

// Size is the length of a plain record's payload in bytes.
func (h Header) Size() uint32 { return uint32(h&31) * 4 }

// Delta is the time from the record before to a plain one.
func (h Header) Delta() uint64 { return uint64(h >> 5) }

// At returns where the next record's header is in the page's data, and the time
// that it counts from.
func (c *Cursor) At() (next int, time uint64) { return c.next, c.Time }

// Jump makes the cursor go on behind plain records that the caller has walked over:
// at the next one's header, from the time of the last.
func (c *Cursor) Jump(next int, time uint64) { c.next, c.Time = next, time }

// Err says why Next reported false before the page's end, nil when it did not.
func (c *Cursor) Err() error {
	if c.bad == 0 {
		return nil
	}
	return &PageError{Offset: c.at + c.next, What: "record", Got: c.bad, Want: c.room}
}
