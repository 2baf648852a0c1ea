// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Kind is what a field is.
type Kind uint32

// Kinds of fields. What a kind is made of are the fields that follow it.
const (
	Integer Kind = 0
	String  Kind = 4
	Float   Kind = 5
	// Contexts of a program's own are made of these, which are otherwise those below.
	OldVariant Kind = 6  // then its choices
	OldStruct  Kind = 7  // then its members
	Enum       Kind = 8  // then its integer
	Array      Kind = 9  // then its element
	Sequence   Kind = 10 // then its element
	Struct     Kind = 11 // then its members
	Variant    Kind = 12 // then its choices
)

// Encodings of characters.
const (
	NoEncoding = 0
	UTF8       = 1
	ASCII      = 2
)

// Sizes.
const (
	FieldLen = 920
	// MaxFields bounds the fields of an event, or of a channel's contexts.
	MaxFields = 4096

	fieldUnion = NameLen + 4
)

// Field is one of the records that describe fields.
type Field struct {
	Name string
	Kind Kind

	Bits     uint32 // Integer
	Signed   bool   // Integer
	Swapped  bool   // Integer, Float: not in the byte order of the host
	Base     uint32 // Integer
	Encoding int32  // Integer, String
	Exponent uint32 // Float: digits
	Mantissa uint32 // Float: digits
	Align    uint32 // all but Enum and String; bits
	Length   uint32 // Array: elements; Struct: members; Variant: choices
	Enum     string // Enum: its name
	EnumID   uint64 // Enum
	// Ref is the field that tells the length of a Sequence, or that chooses of a
	// Variant.
	Ref string
}

// Append appends the record.
func (f *Field) Append(b []byte) []byte {
	start := len(b)
	b = appendText(b, f.Name, NameLen)
	b = le.AppendUint32(b, uint32(f.Kind))
	switch f.Kind {
	case Integer:
		b = appendWords(b, f.Bits, flag(f.Signed), flag(f.Swapped), f.Base, uint32(f.Encoding))
		b = le.AppendUint16(b, uint16(f.Align))
	case String:
		b = appendWords(b, uint32(f.Encoding))
	case Float:
		b = appendWords(b, f.Exponent, f.Mantissa, flag(f.Swapped))
		b = le.AppendUint16(b, uint16(f.Align))
	case Enum:
		b = appendText(b, f.Enum, NameLen)
		b = le.AppendUint64(b, f.EnumID)
	case Array, Struct, OldStruct:
		b = appendWords(b, f.Length, f.Align)
	case Sequence:
		b = appendText(b, f.Ref, NameLen)
		b = appendWords(b, f.Align)
	case Variant, OldVariant:
		b = appendWords(b, f.Length)
		b = appendText(b, f.Ref, NameLen)
		b = appendWords(b, f.Align)
	}
	return appendPad(b, start+FieldLen-len(b))
}

func appendWords(b []byte, words ...uint32) []byte {
	for _, w := range words {
		b = le.AppendUint32(b, w)
	}
	return b
}

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}

// ParseField reads the record.
func ParseField(b []byte) (f Field, err error) {
	const what = "field"
	if len(b) != FieldLen {
		return f, short(what, len(b), FieldLen)
	}
	if f.Name, err = text(what, b, 0, NameLen); err != nil {
		return f, err
	}
	f.Kind = Kind(le.Uint32(b[NameLen:]))
	u := b[fieldUnion:]
	word := func(i int) uint32 { return le.Uint32(u[4*i:]) }
	switch f.Kind {
	case Integer:
		f.Bits, f.Signed, f.Swapped, f.Base, f.Encoding = word(0), word(1) != 0, word(2) != 0, word(3), int32(word(4))
		f.Align = uint32(le.Uint16(u[20:]))
	case String:
		f.Encoding = int32(word(0))
	case Float:
		f.Exponent, f.Mantissa, f.Swapped, f.Align = word(0), word(1), word(2) != 0, uint32(le.Uint16(u[12:]))
	case Enum:
		f.EnumID = le.Uint64(u[NameLen:])
		f.Enum, err = text(what, b, fieldUnion, NameLen)
	case Array, Struct, OldStruct:
		f.Length, f.Align = word(0), word(1)
	case Sequence:
		f.Align = le.Uint32(u[NameLen:])
		f.Ref, err = text(what, b, fieldUnion, NameLen)
	case Variant, OldVariant:
		f.Length, f.Align = word(0), le.Uint32(u[4+NameLen:])
		f.Ref, err = text(what, b, fieldUnion+4, NameLen)
	default:
		err = &Error{what, NameLen, fmt.Sprintf("type %d", uint32(f.Kind)), "a type of ABI 9"}
	}
	return f, err
}

// AppendFields appends records.
func AppendFields(b []byte, fields []Field) []byte {
	for i := range fields {
		b = fields[i].Append(b)
	}
	return b
}

// ParseFields reads records.
func ParseFields(b []byte) (fields []Field, err error) {
	if len(b)%FieldLen != 0 || len(b) > MaxFields*FieldLen {
		return nil, &Error{"fields", 0, len(b), fmt.Sprintf("at most %d records of %d bytes", MaxFields, FieldLen)}
	}
	for ; len(b) > 0; b = b[FieldLen:] {
		f, err := ParseField(b[:FieldLen])
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}
