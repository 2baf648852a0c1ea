// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import "math/bits"

// Class is the class of a field: one of [*Integer], [*Bits], [*Float],
// [*String], [*Text], [*Blob], [*Struct], [*Array], [*Variant], [*Optional].
type Class interface {
	// Alignment is what a field of the class is aligned to, in bits: a power
	// of two, at least 1.
	Alignment() uint64
}

// ByteOrder is the order of a field's bytes.
type ByteOrder uint8

// Byte orders.
const (
	LittleEndian ByteOrder = iota + 1
	BigEndian
)

// BitLayout is how a field of 1 to 64 bits lies in the stream of bits.
type BitLayout struct {
	Size  uint8     // bits, 1 to 64
	Align uint32    // bits, a power of two, at least 1
	Order ByteOrder // of bytes

	// Reversed is true when the order of bits is not the natural one of the
	// byte order (CTF 2's bit-order: first-to-last is natural for
	// little-endian, last-to-first for big-endian).
	Reversed bool
}

// Alignment implements [Class].
func (b *BitLayout) Alignment() uint64 { return max(uint64(b.Align), 1) }

// Encoding is the encoding of a text.
type Encoding uint8

// Encodings of text.
const (
	NoEncoding Encoding = iota // an integer that is no character
	UTF8                       // includes ASCII
	UTF16BE
	UTF16LE
	UTF32BE
	UTF32LE
)

// Integer is an integer of a fixed or, in CTF 2, a variable length. With
// mappings it is an enumeration.
type Integer struct {
	BitLayout      // not used when Variable, but Align is 8 then
	Variable  bool // LEB128, CTF 2
	Signed    bool
	Base      uint8     // for display: 2, 8, 10 or 16
	Encoding  Encoding  // a character when it is one
	Mappings  []Mapping // labels, in the order of declaration; nil: no enumeration
	Role      Role      // what the value means to a reader
	Clock     *Clock    // the clock that the value updates; nil: none
	Extra
}

// Mapping gives a label to ranges of an integer's values. In an enumeration of
// CTF 1.8 a label that is declared twice has one mapping with all its ranges,
// at the place of its first declaration.
type Mapping struct {
	Label  string
	Ranges []Range
}

// Range is a range of integers, bounds included. Both are 64-bit patterns,
// two's complement where the integer is signed.
type Range struct{ Low, High uint64 }

// Holds reports whether a value of an integer that is signed or not is within.
func (r Range) Holds(v uint64, signed bool) bool {
	if signed {
		return int64(r.Low) <= int64(v) && int64(v) <= int64(r.High)
	}
	return r.Low <= v && v <= r.High
}

// Bits is a field of bits that is no number, CTF 2 only: a bit array, a boolean
// or a bit map.
type Bits struct {
	BitLayout
	Bool  bool      // any bit set: true
	Flags []Mapping // of a bit map: names of bits, by position from the lowest; nil: none
	Extra
}

// Float is an IEEE 754 number of 32 or 64 bits.
type Float struct {
	BitLayout
	Extra
}

// String is text up to a code unit of zero.
type String struct {
	Encoding Encoding
	Extra
}

// Alignment implements [Class]: 8.
func (*String) Alignment() uint64 { return 8 }

// Text is text of a given length: an array or sequence of characters in CTF
// 1.8, a static- or dynamic-length string in CTF 2. What lies behind a code unit
// of zero is padding, which is decoded and not shown.
type Text struct {
	Encoding  Encoding
	Length    uint64   // bytes; not used when LengthRef is set
	LengthRef *Ref     // of the length in bytes; nil: static
	Unit      *Integer // CTF 1.8: the class of the characters; nil otherwise
	Extra
}

// Alignment implements [Class]: 8, or the characters' where they demand more.
func (t *Text) Alignment() uint64 {
	if t.Unit != nil {
		return max(8, t.Unit.Alignment())
	}
	return 8
}

// Blob is bytes of a given length without meaning, CTF 2 only.
type Blob struct {
	Length    uint64 // bytes; not used when LengthRef is set
	LengthRef *Ref   // of the length in bytes; nil: static
	MediaType string // "": application/octet-stream
	Role      Role   // RoleUUID or none
	Extra
}

// Alignment implements [Class]: 8.
func (*Blob) Alignment() uint64 { return 8 }

// Struct is a sequence of named fields.
type Struct struct {
	Members  []Member
	MinAlign uint64 // bits; 0: none demanded
	Extra
}

// Alignment implements [Class]: the largest of the members' and the minimum.
func (s *Struct) Alignment() uint64 {
	a := max(s.MinAlign, 1)
	for i := range s.Members {
		a = max(a, s.Members[i].Class.Alignment())
	}
	return a
}

// Member returns the first member with a name, or nil.
func (s *Struct) Member(name string) *Member {
	if s == nil {
		return nil
	}
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}

// Member is a named field of a struct.
type Member struct {
	Name    string // as shown: CTF 1.8's spelling less one leading underscore
	Spelled string // as the metadata spells it; "": as Name
	Class   Class
	Extra
}

// SpelledName is the name as the metadata spells it.
func (m *Member) SpelledName() string { return spelled(m.Spelled, m.Name) }

func spelled(s, name string) string {
	if s != "" {
		return s
	}
	return name
}

// Array is a number of fields of one class: an array when LengthRef is nil,
// else a sequence.
type Array struct {
	Element   Class
	Length    uint64 // elements; not used when LengthRef is set
	LengthRef *Ref   // of the number of elements; nil: static
	MinAlign  uint64 // bits; 0: none demanded; CTF 2
	Role      Role   // RoleUUID of an array of 16 bytes, or none
	Extra
}

// Alignment implements [Class]: that of the elements, also of an empty array.
func (a *Array) Alignment() uint64 { return max(a.MinAlign, a.Element.Alignment()) }

// Variant is one of several fields, chosen by the value of another.
type Variant struct {
	Tag       *Ref
	TagSigned bool // the tag's integer is signed
	Options   []Option
	Extra
}

// Alignment implements [Class]: 1, as the option is aligned by itself.
func (*Variant) Alignment() uint64 { return 1 }

// Select returns the index of the first option whose ranges hold a tag, or -1.
func (v *Variant) Select(tag uint64) int {
	for i := range v.Options {
		for _, r := range v.Options[i].Ranges {
			if r.Holds(tag, v.TagSigned) {
				return i
			}
		}
	}
	return -1
}

// Option is one of the fields that a variant can be. In CTF 2 it may have no
// name; then Spelled is an invented one, so that references can lead through it.
type Option struct {
	Name    string // as shown
	Spelled string // as the metadata spells it; "": as Name
	Class   Class
	// Ranges of the tag that choose this option. In CTF 1.8 they are those of
	// the tag's label that is spelled like the option.
	Ranges []Range
	Extra
}

// SpelledName is the name as the metadata spells it.
func (o *Option) SpelledName() string { return spelled(o.Spelled, o.Name) }

// Optional is a field that is there or not, by the value of another; CTF 2.
type Optional struct {
	Class          Class
	Selector       *Ref
	SelectorSigned bool
	Ranges         []Range // of an integer selector; nil: a boolean, true when not 0
	Extra
}

// Alignment implements [Class]: 1, as the field is aligned by itself.
func (*Optional) Alignment() uint64 { return 1 }

// Present reports whether a value of the selector means that the field is there.
func (o *Optional) Present(selector uint64) bool {
	if o.Ranges == nil {
		return selector != 0
	}
	for _, r := range o.Ranges {
		if r.Holds(selector, o.SelectorSigned) {
			return true
		}
	}
	return false
}

// IsPowerOfTwo reports whether n can be an alignment.
func IsPowerOfTwo(n uint64) bool { return bits.OnesCount64(n) == 1 }
