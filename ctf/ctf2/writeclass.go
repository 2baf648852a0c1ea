// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// class writes a field class.
func (w *writer) class(c schema.Class) {
	if len(w.path) >= MaxClassDepth {
		w.fail(fmt.Errorf("more than %d levels of field classes", MaxClassDepth))
		return
	}
	switch c := c.(type) {
	case *schema.Array:
		if w.isUUID(c) {
			w.class(&schema.Blob{Length: c.Length, Role: schema.RoleUUID, Extra: c.Extra})
			return
		}
	case *schema.Text:
		if c.Unit != nil && (c.Unit.Alignment() > 8 || c.Unit.Size != 8) { // no string is laid out like this
			w.class(&schema.Array{Element: c.Unit, Length: c.Length, LengthRef: c.LengthRef, Extra: c.Extra})
			return
		}
	case nil:
		w.fail(fmt.Errorf("no field class"))
		return
	}
	w.open('{')
	w.textProperty("type", typeOf(c))
	w.content(c)
	w.close('}')
}

// content writes the properties that a class has beside its type.
func (w *writer) content(c schema.Class) {
	switch c := c.(type) {
	case *schema.Bits:
		w.layout(&c.BitLayout)
		w.mappings("flags", c.Flags, false)
		w.extra(c.Extra)
	case *schema.Integer:
		w.integer(c)
	case *schema.Float:
		w.layout(&c.BitLayout)
		w.extra(c.Extra)
	case *schema.String:
		w.encoding(c.Encoding)
		w.extra(c.Extra)
	case *schema.Text:
		w.length(c.Length, c.LengthRef)
		w.encoding(c.Encoding)
		w.extra(c.Extra)
	case *schema.Blob:
		w.blob(c)
	case *schema.Struct:
		w.structure(c)
	case *schema.Array:
		w.minimum(c.MinAlign)
		w.length(c.Length, c.LengthRef)
		w.extra(c.Extra)
		w.nested("element-field-class", "[]", c.Element)
	case *schema.Optional:
		w.location("selector-field-location", c.Selector)
		if c.Ranges != nil {
			w.key("selector-field-ranges")
			w.ranges(c.Ranges, c.SelectorSigned)
		}
		w.extra(c.Extra)
		w.nested("field-class", "?", c.Class)
	case *schema.Variant:
		w.variant(c)
	}
}

// nested writes the class of a member, option or element.
func (w *writer) nested(name, step string, c schema.Class) {
	w.path = append(w.path, step)
	w.key(name)
	w.class(c)
	w.path = w.path[:len(w.path)-1]
}

func (w *writer) layout(l *schema.BitLayout) {
	w.uintProperty("length", uint64(l.Size))
	order, other := littleEndian, lastToFirst
	if l.Order == schema.BigEndian {
		order, other = bigEndian, firstToLast
	}
	w.textProperty("byte-order", order)
	if l.Reversed {
		w.textProperty("bit-order", other)
	}
	if l.Align > 1 {
		w.uintProperty("alignment", uint64(l.Align))
	}
}

func (w *writer) minimum(align uint64) {
	if align > 1 {
		w.uintProperty("minimum-alignment", align)
	}
}

func (w *writer) encoding(e schema.Encoding) {
	if e != schema.NoEncoding && e != schema.UTF8 {
		w.textProperty("encoding", encodings[e])
	}
}

func (w *writer) integer(c *schema.Integer) {
	if !c.Variable {
		w.layout(&c.BitLayout)
	}
	if c.Base != 0 && c.Base != 10 {
		w.uintProperty("preferred-display-base", uint64(c.Base))
	}
	w.mappings("mappings", c.Mappings, c.Signed)
	w.role(w.integerRole(c))
	w.extra(c.Extra)
}

// integerRole is the role of an integer as far as CTF 2 allows it.
func (w *writer) integerRole(c *schema.Integer) schema.Role {
	role := c.Role
	if role == schema.RoleNone && c.Clock != nil { // CTF 1.8: mapped, whatever its name
		switch w.scope {
		case schema.PacketContext:
			role = schema.RoleTimestampBegin
		case schema.EventHeader:
			role = schema.RoleTimestamp
		}
	}
	switch {
	case c.Signed, roleScopes[role] != w.scope, role == schema.RoleUUID:
		return schema.RoleNone
	case clocked(role) && w.uses.stream.Clock == nil:
		return schema.RoleNone
	case role == schema.RolePacketMagic && (c.Variable || c.Size != 32 || !w.isFirst(c)):
		return schema.RoleNone
	default:
		return role
	}
}

// isFirst reports whether a class is that of the first member of the scope.
func (w *writer) isFirst(c schema.Class) bool {
	return len(w.path) == 1 && w.uses.scope(w.scope).Members[0].Class == c
}

func (w *writer) role(r schema.Role) {
	if r == schema.RoleNone {
		return
	}
	w.key("roles")
	w.open('[')
	w.text(r.CTF2Name())
	w.close(']')
}

// isUUID reports whether an array of CTF 1.8 is the uuid of the metadata, and
// laid out like a blob.
func (w *writer) isUUID(c *schema.Array) bool {
	e, ok := c.Element.(*schema.Integer)
	return ok && c.Role == schema.RoleUUID && w.scope == schema.PacketHeader &&
		c.LengthRef == nil && e.Size == 8 && !e.Variable && e.Alignment() == 8 && c.Alignment() == 8
}

func (w *writer) blob(c *schema.Blob) {
	w.length(c.Length, c.LengthRef)
	w.someText("media-type", c.MediaType)
	if c.LengthRef == nil && c.Length == uint64(len(schema.UUID{})) &&
		w.scope == schema.PacketHeader && w.uses.trace.UUID != nil {
		w.role(c.Role)
	}
	w.extra(c.Extra)
}

func (w *writer) structure(c *schema.Struct) {
	w.minimum(c.MinAlign)
	w.extra(c.Extra)
	if len(c.Members) == 0 {
		return
	}
	w.key("member-classes")
	w.open('[')
	for i, name := range w.memberNames(c) {
		m := &c.Members[i]
		w.open('{')
		w.textProperty("name", name)
		w.extra(m.Extra)
		w.nested("field-class", name, m.Class)
		w.close('}')
	}
	w.close(']')
}

// variant writes the options. Those of CTF 1.8 may share values, which the first
// one has; in CTF 2 they may not.
func (w *writer) variant(c *schema.Variant) {
	w.location("selector-field-location", c.Tag)
	w.extra(c.Extra)
	w.key("options")
	w.open('[')
	names, sets := optionNames(c), optionRanges(c)
	for i := range c.Options {
		o := &c.Options[i]
		w.open('{')
		w.someText("name", names[i])
		w.key("selector-field-ranges")
		w.ranges(sets[i], c.TagSigned)
		w.extra(o.Extra)
		w.nested("field-class", names[i], o.Class)
		w.close('}')
	}
	w.close(']')
}

// optionRanges are the ranges of the options, each value in that of the first
// option that has it.
func optionRanges(c *schema.Variant) [][]schema.Range {
	sets := make([][]schema.Range, len(c.Options))
	for i := range c.Options {
		sets[i] = c.Options[i].Ranges
	}
	if shared(sets, c.TagSigned) < 0 {
		return sets
	}
	var taken []schema.Range
	for i := range sets {
		sets[i] = without(sets[i], taken, c.TagSigned)
		taken = append(taken, sets[i]...)
	}
	return sets
}

func (w *writer) mappings(name string, mappings []schema.Mapping, signed bool) {
	if len(mappings) == 0 {
		return
	}
	w.key(name)
	w.open('{')
	for i := range mappings {
		w.key(mappings[i].Label)
		w.ranges(mappings[i].Ranges, signed)
	}
	w.close('}')
}

// ranges writes a set of ranges. A set may not be empty: one that is gets a
// range beyond the integer's values.
func (w *writer) ranges(ranges []schema.Range, signed bool) {
	w.open('[')
	for _, r := range ranges {
		w.open('[')
		if signed {
			w.int(int64(r.Low))
			w.int(int64(r.High))
		} else {
			w.uint(r.Low)
			w.uint(r.High)
		}
		w.close(']')
	}
	if len(ranges) == 0 {
		w.open('[')
		never := func() { w.int(-1) }
		if signed {
			never = func() { w.uint(1 << 63) }
		}
		never()
		never()
		w.close(']')
	}
	w.close(']')
}
