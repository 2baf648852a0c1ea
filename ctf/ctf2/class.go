// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// Types of field classes.
const (
	bitArrayType    = "fixed-length-bit-array"
	bitMapType      = "fixed-length-bit-map"
	booleanType     = "fixed-length-boolean"
	unsignedType    = "fixed-length-unsigned-integer"
	signedType      = "fixed-length-signed-integer"
	floatType       = "fixed-length-floating-point-number"
	varUnsignedType = "variable-length-unsigned-integer"
	varSignedType   = "variable-length-signed-integer"
	stringType      = "null-terminated-string"
	staticTextType  = "static-length-string"
	dynamicTextType = "dynamic-length-string"
	staticBlobType  = "static-length-blob"
	dynamicBlobType = "dynamic-length-blob"
	structType      = "structure"
	staticArrayType = "static-length-array"
	dynamicListType = "dynamic-length-array"
	optionalType    = "optional"
	variantType     = "variant"
)

// Bounds of lengths.
const (
	maxBits   = 64
	maxLength = 1 << 60 // bytes or elements: the bits can still be counted
)

// class reads a field class or the name of one. It returns nil after a failure.
func (r *reader) class(n *node, depth int) schema.Class {
	if n.kind == stringKind {
		alias := r.batch.aliases[n.text]
		if alias == nil {
			r.mismatch(n, "the name of an alias before")
			return nil
		}
		n = alias
	}
	if !r.object(n) {
		return nil
	}
	r.kept++
	switch {
	case depth == MaxClassDepth:
		r.fail(n, "more levels", fmt.Sprintf("at most %d levels of field classes", MaxClassDepth))
	case r.kept > MaxFragmentClasses:
		r.fail(n, "another field class", fmt.Sprintf("at most %d field classes", MaxFragmentClasses))
	}
	kind := r.needText(n, "type")
	if r.err != nil {
		return nil
	}
	c := r.classOf(n, kind, depth+1)
	if r.err != nil {
		return nil
	}
	return c
}

func (r *reader) classOf(n *node, kind string, depth int) schema.Class {
	switch kind {
	case bitArrayType, bitMapType, booleanType:
		return r.bits(n, kind)
	case unsignedType, signedType, varUnsignedType, varSignedType:
		return r.integer(n, kind)
	case floatType:
		return r.float(n)
	case stringType:
		r.only(n, "type", "encoding", "attributes", "extensions")
		return &schema.String{Encoding: r.encoding(n), Extra: r.extra(n)}
	case staticTextType, dynamicTextType:
		return r.textClass(n, kind)
	case staticBlobType, dynamicBlobType:
		return r.blob(n, kind)
	case structType:
		return r.structure(n, depth)
	case staticArrayType, dynamicListType:
		return r.list(n, kind, depth)
	case optionalType:
		return r.optional(n, depth)
	case variantType:
		return r.variant(n, depth)
	default:
		r.mismatch(n.property("type"), "a type of field class")
		return nil
	}
}

// fixed are the properties of all field classes of a fixed number of bits.
func fixed(others ...string) []string {
	return append([]string{"type", "length", "byte-order", "bit-order", "alignment", "attributes", "extensions"}, others...)
}

const (
	littleEndian = "little-endian"
	bigEndian    = "big-endian"
	firstToLast  = "first-to-last"
	lastToFirst  = "last-to-first"
)

func (r *reader) layout(n *node) schema.BitLayout {
	l := schema.BitLayout{
		Size:  uint8(r.needNumber(n, "length", 1, maxBits)),
		Align: uint32(r.alignment(n, "alignment")),
		Order: schema.LittleEndian,
	}
	natural, other := firstToLast, lastToFirst
	r.need(n, "byte-order")
	if r.word(n, "byte-order", littleEndian, bigEndian) == bigEndian {
		l.Order = schema.BigEndian
		natural, other = other, natural
	}
	l.Reversed = r.word(n, "bit-order", natural, other) != natural
	return l
}

func (r *reader) bits(n *node, kind string) schema.Class {
	c := &schema.Bits{Bool: kind == booleanType, BitLayout: r.layout(n), Extra: r.extra(n)}
	if kind != bitMapType {
		r.only(n, fixed()...)
		return c
	}
	r.only(n, fixed("flags")...)
	if v := r.need(n, "flags"); v != nil {
		c.Flags = r.mappings(v, false)
		if len(v.kids) == 0 {
			r.mismatch(v, "one flag or more")
		}
	}
	return c
}

func (r *reader) integer(n *node, kind string) schema.Class {
	c := &schema.Integer{
		Variable: kind == varUnsignedType || kind == varSignedType,
		Signed:   kind == signedType || kind == varSignedType,
		Base:     r.base(n),
		Extra:    r.extra(n),
	}
	allowed := []string{"type", "attributes", "extensions"}
	if c.Variable {
		c.Align = 8
	} else {
		c.BitLayout = r.layout(n)
		allowed = fixed()
	}
	allowed = append(allowed, "preferred-display-base", "mappings")
	if !c.Signed {
		allowed = append(allowed, "roles")
		r.roles(n, c)
	}
	r.only(n, allowed...)
	if !r.absent(n, "mappings") {
		c.Mappings = r.mappings(n.property("mappings"), c.Signed)
	}
	return c
}

func (r *reader) base(n *node) uint8 {
	b := r.number(n, "preferred-display-base", 10, 2, 16)
	switch b {
	case 2, 8, 10, 16:
	default:
		r.mismatch(n.property("preferred-display-base"), "2, 8, 10, 16")
	}
	return uint8(b)
}

// roles keeps the roles of a class until its scope is known.
func (r *reader) roles(n *node, c schema.Class) {
	v := n.property("roles")
	if v == nil || !r.array(v) {
		return
	}
	for _, kid := range v.kids {
		if kid.kind != stringKind {
			r.mismatch(kid, "the name of a role")
		}
	}
	r.pending[c] = &pending{roles: v}
}

func (r *reader) float(n *node) schema.Class {
	r.only(n, fixed()...)
	c := &schema.Float{BitLayout: r.layout(n), Extra: r.extra(n)}
	if c.Size != 32 && c.Size != 64 {
		r.mismatch(n.property("length"), "32 or 64: other sizes are not supported")
	}
	return c
}

// encodings are the names of encodings.
var encodings = map[schema.Encoding]string{
	schema.UTF8:    "utf-8",
	schema.UTF16BE: "utf-16be",
	schema.UTF16LE: "utf-16le",
	schema.UTF32BE: "utf-32be",
	schema.UTF32LE: "utf-32le",
}

func (r *reader) encoding(n *node) schema.Encoding {
	word := r.word(n, "encoding", encodings[schema.UTF8], encodings[schema.UTF16BE],
		encodings[schema.UTF16LE], encodings[schema.UTF32BE], encodings[schema.UTF32LE])
	for e, name := range encodings {
		if name == word {
			return e
		}
	}
	return schema.NoEncoding // after a failure
}

// length reads the static length of a class, or keeps the location of the field
// that holds a dynamic one.
func (r *reader) length(n *node, c schema.Class, static bool) uint64 {
	if static {
		return r.needNumber(n, "length", 0, maxLength)
	}
	if v := r.need(n, "length-field-location"); v != nil {
		r.location(v)
		r.pending[c] = &pending{location: v}
	}
	return 0
}

// lengthProperty is the property that holds a length or its location.
func lengthProperty(static bool) string {
	if static {
		return "length"
	}
	return "length-field-location"
}

func (r *reader) textClass(n *node, kind string) schema.Class {
	static := kind == staticTextType
	r.only(n, "type", "encoding", lengthProperty(static), "attributes", "extensions")
	c := &schema.Text{Encoding: r.encoding(n), Extra: r.extra(n)}
	c.Length = r.length(n, c, static)
	return c
}

func (r *reader) blob(n *node, kind string) schema.Class {
	static := kind == staticBlobType
	allowed := []string{"type", lengthProperty(static), "media-type", "attributes", "extensions"}
	c := &schema.Blob{MediaType: r.text(n, "media-type"), Extra: r.extra(n)}
	c.Length = r.length(n, c, static)
	if static {
		allowed = append(allowed, "roles")
		r.roles(n, c)
	}
	r.only(n, allowed...)
	return c
}
