// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"math"

	"github.com/weir-io/weir/ctf/schema"
)

// Frame holds decoded fields: a row of 64-bit words, and the bytes that texts
// among them refer to. The classes of the fields say how many words each one
// has ([Width]) and what they mean; see "Decoded form" in the package comment.
// A frame that a decoder hands out is valid until its next step.
type Frame struct {
	Words []uint64
	Data  []byte
}

// Bytes returns what the word of a [schema.String], [schema.Text] or
// [schema.Blob] refers to. A String comes without its terminator; a Text comes
// whole, padding included: see [TextOf].
func (f *Frame) Bytes(word uint64) []byte {
	off, n := Extent(word)
	return f.Data[off : off+n : off+n]
}

// Extent splits the word of a text into offset and length in bytes, that of an
// array into first word and number of elements, that of a variant or optional
// field into first word and option (see "Decoded form").
func Extent(word uint64) (start, n int) { return int(word >> 32), int(uint32(word)) }

// extent is the opposite of [Extent].
func extent(start, n int) uint64 { return uint64(start)<<32 | uint64(uint32(n)) }

// Width returns the number of words of a field of a class, without the words
// that arrays, variants and optional fields keep behind their row.
func Width(c schema.Class) int {
	s, ok := c.(*schema.Struct)
	if !ok {
		return 1
	}
	n := 0
	for i := range s.Members {
		n += Width(s.Members[i].Class)
	}
	return n
}

// Value is a decoded field: a class, and the place of its words in a frame. It
// is valid as long as its frame is.
type Value struct {
	frame *Frame
	class schema.Class
	at    int
}

// MakeValue returns the field of a class whose first word is frame.Words[at].
func MakeValue(f *Frame, c schema.Class, at int) Value { return Value{f, c, at} }

// Class returns the field's class.
func (v Value) Class() schema.Class { return v.class }

// Word returns the field's first word.
func (v Value) Word() uint64 { return v.frame.Words[v.at] }

// Uint returns the value of an integer or of a bit field. That of a signed
// integer is its two's complement.
func (v Value) Uint() uint64 { return v.Word() }

// Int returns the value of a signed integer.
func (v Value) Int() int64 { return int64(v.Word()) }

// Float returns the value of a [schema.Float].
func (v Value) Float() float64 {
	f, ok := v.class.(*schema.Float)
	if !ok {
		return 0
	}
	return FloatOf(v.Word(), f)
}

// FloatOf returns the number whose bits a word holds.
func FloatOf(word uint64, c *schema.Float) float64 {
	if c.Size == 32 {
		return float64(math.Float32frombits(uint32(word)))
	}
	return math.Float64frombits(word)
}

// Bytes returns the bytes of a text or blob; see [Frame.Bytes].
func (v Value) Bytes() []byte { return v.frame.Bytes(v.Word()) }

// Text returns the bytes of a text up to its first code unit of zero, in the
// encoding that its class names.
func (v Value) Text() []byte { return TextOf(v.Bytes(), v.class) }

// TextOf cuts the bytes of a text at its first code unit of zero.
func TextOf(b []byte, c schema.Class) []byte {
	t, ok := c.(*schema.Text)
	if !ok {
		return b
	}
	return b[:textLen(b, t.Encoding)]
}

// Len returns the number of elements of an array, members of a struct or, of a
// text or blob, bytes.
func (v Value) Len() int {
	switch c := v.class.(type) {
	case *schema.Struct:
		return len(c.Members)
	case *schema.Array, *schema.String, *schema.Text, *schema.Blob:
		_, n := Extent(v.Word())
		return n
	default:
		return 0
	}
}

// Index returns the i-th element of an array or member of a struct. It panics
// when i is out of range, as indexing a slice does.
func (v Value) Index(i int) Value {
	switch c := v.class.(type) {
	case *schema.Array:
		start, n := Extent(v.Word())
		if uint(i) >= uint(n) {
			panic("ctf: index out of range")
		}
		return Value{v.frame, c.Element, start + i*Width(c.Element)}
	case *schema.Struct:
		at := v.at
		for j := range i {
			at += Width(c.Members[j].Class)
		}
		return Value{v.frame, c.Members[i].Class, at}
	default:
		panic("ctf: a field of this class has no elements")
	}
}

// Field returns the member of a struct, or the option of a variant, that has a
// name as shown.
func (v Value) Field(name string) (Value, bool) {
	switch c := v.class.(type) {
	case *schema.Struct:
		at := v.at
		for i := range c.Members {
			m := &c.Members[i]
			if m.Name == name {
				return Value{v.frame, m.Class, at}, true
			}
			at += Width(m.Class)
		}
	case *schema.Variant:
		i, o := v.Option()
		if c.Options[i].Name == name {
			return o, true
		}
	}
	return Value{}, false
}

// Option returns which option a variant has and the option's field.
func (v Value) Option() (int, Value) {
	c := v.class.(*schema.Variant)
	start, i := Extent(v.Word())
	return i, Value{v.frame, c.Options[i].Class, start}
}

// Optional returns the field within an optional field, and whether it is there.
func (v Value) Optional() (Value, bool) {
	c := v.class.(*schema.Optional)
	start, n := Extent(v.Word())
	return Value{v.frame, c.Class, start}, n != 0
}
