// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// Field is a field to be declared by a [Builder]. A field that others need, the
// length of a sequence or the tag of a variant, is a field before them.
type Field struct {
	name  string
	place func(p *placer) schema.Class
}

// placer makes the classes of fields at a place in a scope.
type placer struct {
	b     *Builder
	scope schema.Scope
	path  []string
	seen  [][]schema.Member // members before, of each struct around
	err   error
}

func (p *placer) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *placer) structure(fields []Field) *schema.Struct {
	st := &schema.Struct{}
	p.seen = append(p.seen, nil)
	for _, f := range fields {
		spelled := spelledField(f.name)
		p.path = append(p.path, spelled)
		c := f.place(p)
		p.path = p.path[:len(p.path)-1]
		if slices.ContainsFunc(st.Members, func(m schema.Member) bool { return m.Spelled == spelled }) {
			p.fail("field %s: there are two of the name", f.name)
		}
		st.Members = append(st.Members, schema.Member{Name: spelled[1:], Spelled: spelled, Class: c})
		p.seen[len(p.seen)-1] = st.Members
	}
	p.seen = p.seen[:len(p.seen)-1]
	return st
}

// ref is the reference to an integer before the field being placed, in the same
// struct.
func (p *placer) ref(name string) (*schema.Ref, *schema.Integer) {
	spelled := spelledField(name)
	for _, m := range p.seen[len(p.seen)-1] {
		if i, ok := m.Class.(*schema.Integer); ok && m.Spelled == spelled {
			path := slices.Clone(p.path)
			path[len(path)-1] = spelled
			return &schema.Ref{Scope: p.scope, Path: path}, i
		}
	}
	p.fail("field %s: no integer %s before it in the same struct", p.path[len(p.path)-1][1:], name)
	return &schema.Ref{Scope: p.scope, Path: []string{spelled}}, &schema.Integer{}
}

func (p *placer) integer(bits uint8, signed bool, base uint8) *schema.Integer {
	if bits < 1 || bits > 64 {
		p.fail("field %s: an integer of %d bits", p.path[len(p.path)-1][1:], bits)
	}
	i := p.b.uint(bits)
	i.Signed, i.Base = signed, base
	return i
}

// Uint is an unsigned integer of 1 to 64 bits. It is aligned to bytes when it is
// made of whole ones.
func Uint(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class { return p.integer(bits, false, 10) }}
}

// Hex is an unsigned integer that is shown in base 16.
func Hex(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class { return p.integer(bits, false, 16) }}
}

// Octal is an unsigned integer that is shown in base 8.
func Octal(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class { return p.integer(bits, false, 8) }}
}

// Int is a signed integer of 1 to 64 bits.
func Int(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class { return p.integer(bits, true, 10) }}
}

// Network is an unsigned integer in network byte order, of whole bytes.
func Network(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class {
		i := p.integer(bits, false, 10)
		i.Order = schema.BigEndian
		return i
	}}
}

// Enum is an unsigned integer whose values have labels.
func Enum(name string, bits uint8, labels ...schema.Mapping) Field {
	return Field{name, func(p *placer) schema.Class {
		i := p.integer(bits, false, 10)
		i.Mappings = labels
		return i
	}}
}

// Label gives one value of an [Enum] a name.
func Label(label string, value uint64) schema.Mapping {
	return schema.Mapping{Label: label, Ranges: []schema.Range{{Low: value, High: value}}}
}

// Float is an IEEE 754 number of 32 or 64 bits.
func Float(name string, bits uint8) Field {
	return Field{name, func(p *placer) schema.Class {
		if bits != 32 && bits != 64 {
			p.fail("field %s: a floating-point number of %d bits", name, bits)
		}
		return &schema.Float{BitLayout: schema.BitLayout{Size: bits, Align: 8, Order: p.b.trace.ByteOrder}}
	}}
}

// Str is text in UTF-8, of any length, without zero bytes.
func Str(name string) Field {
	return Field{name, func(*placer) schema.Class { return &schema.String{Encoding: schema.UTF8} }}
}

// Text is text of at most a number of bytes, filled up with zeros.
func Text(name string, bytes uint64) Field {
	return Field{name, func(p *placer) schema.Class {
		return &schema.Text{Encoding: schema.UTF8, Length: bytes, Unit: p.character()}
	}}
}

// TextSequence is text whose length in bytes is the value of an earlier field.
func TextSequence(name, length string) Field {
	return Field{name, func(p *placer) schema.Class {
		ref, _ := p.ref(length)
		return &schema.Text{Encoding: schema.UTF8, LengthRef: ref, Unit: p.character()}
	}}
}

func (p *placer) character() *schema.Integer {
	i := p.integer(8, false, 10)
	i.Encoding = schema.UTF8
	return i
}

// Array is a fixed number of fields of one class; the name of the element does
// not matter.
func Array(name string, length uint64, element Field) Field {
	return Field{name, func(p *placer) schema.Class {
		return &schema.Array{Element: element.place(p), Length: length}
	}}
}

// Sequence is as many fields of one class as the value of an earlier field.
func Sequence(name, length string, element Field) Field {
	return Field{name, func(p *placer) schema.Class {
		ref, _ := p.ref(length)
		return &schema.Array{Element: element.place(p), LengthRef: ref}
	}}
}

// Struct is a struct of fields.
func Struct(name string, members ...Field) Field {
	return Field{name, func(p *placer) schema.Class { return p.structure(members) }}
}

// Variant is one of several fields: that whose name is the label of an earlier
// [Enum]'s value.
func Variant(name, tag string, options ...Field) Field {
	return Field{name, func(p *placer) schema.Class {
		ref, enum := p.ref(tag)
		v := &schema.Variant{Tag: ref, TagSigned: enum.Signed}
		for _, o := range options {
			i := slices.IndexFunc(enum.Mappings, func(m schema.Mapping) bool { return m.Label == o.name })
			if i < 0 {
				p.fail("field %s: option %s is no label of %s", name, o.name, tag)
				continue
			}
			p.path = append(p.path, o.name)
			c := o.place(p)
			p.path = p.path[:len(p.path)-1]
			v.Options = append(v.Options, schema.Option{Name: o.name, Spelled: o.name, Class: c, Ranges: enum.Mappings[i].Ranges})
		}
		return v
	}}
}
