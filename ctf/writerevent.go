// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"math"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// EventWriter takes the values of one event, in the order of its fields: those
// of the common context, then of the specific context, then of the payload. A
// struct is its members; an array begins with [EventWriter.Array], a variant
// with [EventWriter.Option], an optional field with [EventWriter.Present].
//
// The first wrong call is remembered, those behind it do nothing, and
// [EventWriter.End] returns the error: no part of such an event is written.
type EventWriter struct {
	w      *StreamWriter
	plan   *encEvent
	cycles uint64
	frame  Frame

	block  *encBlock // row being filled; encNothing after an error
	kinds  []encKind // of the block
	at     int       // its first word
	next   int       // its next leaf
	left   int       // rows of the block behind this one
	outer  []encRow  // rows around this one
	failed error
}

// encRow is a row that waits for the rows within it.
type encRow struct {
	block          *encBlock
	at, next, left int
}

// begin starts an event.
func (e *EventWriter) begin(p *encEvent, cycles uint64) {
	e.plan, e.cycles = p, cycles
	e.frame.Data = e.frame.Data[:0]
	e.failed = nil
	e.outer = e.outer[:0]
	e.frame.Words = resize(e.frame.Words, p.body.width)
	e.block, e.kinds, e.at, e.next, e.left = &p.body, p.body.kinds, 0, 0, 0
}

// Uint gives the value of an unsigned integer, an enumeration or a bit field.
func (e *EventWriter) Uint(v uint64) {
	if e.next < len(e.kinds) && e.kinds[e.next] == kindUint {
		e.put(v)
		return
	}
	e.refuse(kindUint)
}

// Int gives the value of a signed integer or enumeration.
func (e *EventWriter) Int(v int64) {
	if e.next < len(e.kinds) && e.kinds[e.next] == kindInt {
		e.put(uint64(v))
		return
	}
	e.refuse(kindInt)
}

// Bool gives the value of an unsigned integer or bit field: 1 or 0.
func (e *EventWriter) Bool(v bool) {
	if v {
		e.Uint(1)
	} else {
		e.Uint(0)
	}
}

// Float gives the value of a floating-point number.
func (e *EventWriter) Float(v float64) {
	if e.next < len(e.kinds) {
		switch e.kinds[e.next] {
		case kindFloat64:
			e.put(math.Float64bits(v))
			return
		case kindFloat32:
			e.put(uint64(math.Float32bits(float32(v))))
			return
		}
	}
	e.refuse(kindFloat64)
}

// String gives a text, in the encoding of its class. A text of fixed length may
// be shorter than that: it is filled up with zeros.
func (e *EventWriter) String(s string) {
	if e.next < len(e.kinds) && (e.kinds[e.next] == kindString || e.kinds[e.next] == kindText) {
		off := len(e.frame.Data)
		e.frame.Data = append(e.frame.Data, s...)
		e.putText(off)
		return
	}
	e.refuse(kindString)
}

// Bytes gives a text, as [EventWriter.String] does, or a blob.
func (e *EventWriter) Bytes(b []byte) {
	if e.next < len(e.kinds) && e.kinds[e.next] >= kindString && e.kinds[e.next] <= kindBlob {
		off := len(e.frame.Data)
		e.frame.Data = append(e.frame.Data, b...)
		e.putText(off)
		return
	}
	e.refuse(kindBlob)
}

func (e *EventWriter) putText(off int) {
	n := len(e.frame.Data) - off
	if len(e.frame.Data) > maxEncodedBytes {
		e.fail("", strconv.Itoa(len(e.frame.Data))+" bytes of text", "at most "+strconv.Itoa(maxEncodedBytes), ErrTooLarge)
		return
	}
	e.put(extent(off, n))
}

// Limits of what an event can be made of.
const (
	maxEncodedBytes = 1 << 30
	maxEncodedWords = 1 << 27
)

// Array begins an array or sequence of n elements, whose values come next. The
// field that says the length of a sequence comes before it and has to be n.
func (e *EventWriter) Array(n int) {
	l := e.leaf()
	if l == nil || l.kind != kindArray || n < 0 {
		e.refuse(kindArray)
		return
	}
	width := l.sub.width
	if n > maxEncodedWords || len(e.frame.Words)+n*width > maxEncodedWords {
		e.fail(l.name, strconv.Itoa(n)+" elements", "at most "+strconv.Itoa(maxEncodedWords)+" values", ErrTooLarge)
		return
	}
	e.inner(l.sub, n, uint32(n))
}

// Option chooses the i-th option of a variant, whose value comes next. The
// field that says which comes before it and has to say the same.
func (e *EventWriter) Option(i int) {
	l := e.leaf()
	if l == nil || l.kind != kindVariant || i < 0 || i >= len(l.options) {
		e.refuse(kindVariant)
		return
	}
	e.inner(l.options[i], 1, uint32(i))
}

// Present says whether an optional field is there; if so, its value comes next.
func (e *EventWriter) Present(there bool) {
	l := e.leaf()
	switch {
	case l == nil || l.kind != kindOptional:
		e.refuse(kindOptional)
	case there:
		e.inner(l.sub, 1, 1)
	default:
		e.inner(l.sub, 0, 0)
	}
}

// inner goes on to n rows of a block behind all others; its word says so.
func (e *EventWriter) inner(b *encBlock, n int, second uint32) {
	start := len(e.frame.Words)
	e.frame.Words[e.at+e.next] = extent(start, int(second))
	e.next++
	if n == 0 || b.width == 0 {
		e.settle()
		return
	}
	for range n * b.width {
		e.frame.Words = append(e.frame.Words, 0)
	}
	e.outer = append(e.outer, encRow{e.block, e.at, e.next, e.left})
	e.block, e.kinds, e.at, e.next, e.left = b, b.kinds, start, 0, n-1
}

// leaf is what the next value is for, nil when there is none.
func (e *EventWriter) leaf() *encLeaf {
	if e.next < len(e.kinds) {
		return &e.block.leaves[e.next]
	}
	return nil
}

func (e *EventWriter) put(v uint64) {
	e.frame.Words[e.at+e.next] = v
	e.next++
	if len(e.outer) != 0 {
		e.settle()
	}
}

// settle leaves the rows that are complete.
func (e *EventWriter) settle() {
	for e.next == e.block.width && len(e.outer) > 0 {
		if e.left > 0 {
			e.left--
			e.at += e.block.width
			e.next = 0
			continue
		}
		o := e.outer[len(e.outer)-1]
		e.outer = e.outer[:len(e.outer)-1]
		e.block, e.kinds, e.at, e.next, e.left = o.block, o.block.kinds, o.at, o.next, o.left
	}
}

// refuse remembers that a value of a kind was given where another belongs.
func (e *EventWriter) refuse(got encKind) {
	l := e.leaf()
	switch {
	case e.failed != nil:
	case l == nil:
		e.fail("", "one more value ("+got.String()+")", "the end of the event", ErrFields)
	default:
		e.fail(l.name, got.String(), l.kind.String(), ErrFields)
	}
}

func (e *EventWriter) fail(field, got, want string, err error) {
	var class *schema.Event
	if e.plan != nil {
		class = e.plan.class
	}
	e.failed = e.w.refusal(class, field, got, want, err)
	e.block, e.kinds = encNothing, nil
}

// encNothing has no fields: the block of an event writer that is not within an
// event.
var encNothing = &encBlock{}

// End writes the event. It returns the first error of the event's values, or
// that of writing it.
func (e *EventWriter) End() error {
	if e.failed == nil && (e.next != e.block.width || len(e.outer) > 0) {
		l := e.leaf()
		e.fail(l.name, "the end of the event", l.kind.String(), ErrFields)
	}
	p := e.plan
	e.plan, e.block, e.kinds, e.next, e.at = nil, encNothing, nil, 0, 0
	if e.failed != nil {
		return e.failed
	}
	if p == nil {
		return e.w.refusal(nil, "", "the end of an event", "its begin", ErrFields)
	}
	e.outer = e.outer[:0]
	return e.w.write(p, e.cycles, &e.frame, nil)
}
