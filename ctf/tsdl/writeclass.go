// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// writeFrame is a class that encloses what is being written, and which of its
// fields that is.
type writeFrame struct {
	class schema.Class
	index int // -1 in an array
	name  string
}

// lack notes that CTF 1.8 lacks something, at the current field.
func (w *writer) lack(what string) {
	if w.err != nil {
		return
	}
	w.err = &UnsupportedError{Scope: w.scopeNow.String(), Path: strings.Join(w.path(), "."), What: what}
}

func (w *writer) path() []string {
	var names []string
	for _, f := range w.frames {
		if f.index >= 0 {
			names = append(names, f.name)
		}
	}
	return names
}

func (w *writer) tabs() {
	for range w.indent {
		w.b = append(w.b, '\t')
	}
}

func (w *writer) structClass(s *schema.Struct) {
	if len(w.frames) > MaxDepth {
		w.lack("fields nested that deep")
		return
	}
	w.text("struct {\n")
	w.indent++
	w.frames = append(w.frames, writeFrame{class: s})
	for i := range s.Members {
		m := &s.Members[i]
		w.field(i, m.SpelledName(), m.Class)
		w.checkRole(m)
	}
	w.close()
	if s.MinAlign > 0 {
		w.text(" align(" + strconv.FormatUint(s.MinAlign, 10) + ")")
	}
}

// close ends a body.
func (w *writer) close() {
	w.frames = w.frames[:len(w.frames)-1]
	w.indent--
	w.tabs()
	w.text("}")
}

// checkRole refuses a meaning that a reader would not find by the name.
func (w *writer) checkRole(m *schema.Member) {
	i, ok := m.Class.(*schema.Integer)
	if ok && i.Role != schema.RoleNone && i.Role.ReservedName() != shownName(m.SpelledName()) {
		w.lack("other name than " + quoteShort(i.Role.ReservedName()) + " for the meaning of field " +
			quoteShort(m.SpelledName()))
	}
}

// field writes a member or option.
func (w *writer) field(index int, name string, c schema.Class) {
	f := &w.frames[len(w.frames)-1]
	f.index, f.name = index, name
	if !isIdentifier(name) {
		w.lack("field named " + quoteShort(name))
	}
	if w.err != nil {
		return
	}
	w.tabs()
	depth := len(w.frames)
	var lengths []string
	for {
		inner, length, ok := w.arrayOf(c)
		if !ok {
			break
		}
		lengths = append(lengths, length)
		w.frames = append(w.frames, writeFrame{class: c, index: -1})
		if len(w.frames) > 2*MaxDepth {
			w.lack("arrays nested that deep")
			break
		}
		c = inner
	}
	w.class(c)
	w.frames = w.frames[:depth]
	w.text(" " + name)
	for _, l := range lengths {
		w.text("[" + l + "]")
	}
	w.text(";\n")
}

// arrayOf takes an array or text apart: the class of its elements and what
// stands between the brackets.
func (w *writer) arrayOf(c schema.Class) (schema.Class, string, bool) {
	switch c := c.(type) {
	case *schema.Array:
		if i, ok := c.Element.(*schema.Integer); ok && isCharacter(i) && c.Role != schema.RoleUUID {
			w.lack("array of characters that is no text")
		}
		if c.MinAlign > c.Element.Alignment() {
			w.lack("alignment of an array beyond its elements'")
		}
		return c.Element, w.length(c.Length, c.LengthRef), true
	case *schema.Text:
		unit := c.Unit
		if unit == nil {
			unit = character
		}
		if c.Encoding != schema.UTF8 || !isCharacter(unit) {
			w.lack("text that is neither UTF-8 nor ASCII")
		}
		return unit, w.length(c.Length, c.LengthRef), true
	default:
		return nil, "", false
	}
}

// character is the class of texts' bytes where the schema names none.
var character = &schema.Integer{
	BitLayout: schema.BitLayout{Size: 8, Align: 8}, Base: 10, Encoding: schema.UTF8,
}

func (w *writer) length(n uint64, ref *schema.Ref) string {
	if ref == nil {
		return strconv.FormatUint(n, 10)
	}
	return w.reference(ref)
}

// class writes a class that is neither array nor text.
func (w *writer) class(c schema.Class) {
	switch c := c.(type) {
	case *schema.Integer:
		w.integerClass(c)
	case *schema.Float:
		w.floatClass(c)
	case *schema.String:
		if c.Encoding != schema.UTF8 && c.Encoding != schema.NoEncoding {
			w.lack("string that is neither UTF-8 nor ASCII")
		}
		w.text("string")
	case *schema.Struct:
		w.structClass(c)
	case *schema.Variant:
		w.variantClass(c)
	default:
		w.lack(lacking(c))
	}
}

// lacking names the classes of CTF 2 that CTF 1.8 has no counterpart for.
func lacking(c schema.Class) string {
	switch c := c.(type) {
	case *schema.Blob:
		return "blob"
	case *schema.Optional:
		return "optional field"
	case *schema.Bits:
		if c.Flags != nil {
			return "bit map"
		}
		return "bit array"
	default:
		return "such class"
	}
}

// layout writes the attributes that all fields of bits have.
func (w *writer) layout(l *schema.BitLayout) {
	if l.Reversed {
		w.lack("bit order against the byte order")
	}
	w.text(" align = " + itoa(max(l.Align, 1)) + ";")
	if l.Order != w.order && l.Order != 0 {
		w.text(" byte_order = " + orderWord(l.Order) + ";")
	}
}

func (w *writer) integerClass(i *schema.Integer) {
	switch {
	case i.Variable:
		w.lack("integer of variable length")
	case i.Size == 0 || i.Size > 64:
		w.lack("integer of " + itoa(i.Size) + " bits")
	}
	if i.Mappings != nil {
		w.text("enum : ")
	}
	w.text("integer { size = " + itoa(i.Size) + ";")
	w.layout(&i.BitLayout)
	if i.Signed {
		w.text(" signed = true;")
	} else {
		w.text(" signed = false;")
	}
	if i.Base != 10 && i.Base != 0 {
		w.text(" base = " + itoa(i.Base) + ";")
	}
	switch i.Encoding {
	case schema.NoEncoding:
	case schema.UTF8:
		w.text(" encoding = UTF8;")
	default:
		w.lack("character that is neither UTF-8 nor ASCII")
	}
	if c := w.clockOf(i); c != nil {
		w.text(" map = clock.")
		if name := w.clockName(c); isIdentifier(name) {
			w.text(name)
		} else {
			w.b = appendQuoted(w.b, name)
		}
		w.text(".value;")
	}
	w.text(" }")
	if i.Mappings != nil {
		w.enumerators(i)
	}
}

// clockOf is the clock that an integer is mapped to: that of a packet's end is
// the stream's, though reading it does not move the clock.
func (w *writer) clockOf(i *schema.Integer) *schema.Clock {
	if i.Role == schema.RoleTimestampEnd && w.stream != nil {
		return w.stream.Clock
	}
	return i.Clock
}

func (w *writer) enumerators(i *schema.Integer) {
	w.text(" {\n")
	n := 0
	for _, m := range i.Mappings {
		for _, r := range m.Ranges {
			n++
			w.indent++
			w.tabs()
			w.indent--
			w.b = appendQuoted(w.b, m.Label)
			w.text(" = ")
			w.enumValue(r.Low, i.Signed)
			if r.High != r.Low {
				w.text(" ... ")
				w.enumValue(r.High, i.Signed)
			}
			w.text(",\n")
		}
	}
	if n == 0 {
		w.lack("enumeration without labels")
	}
	w.tabs()
	w.text("}")
}

func (w *writer) enumValue(v uint64, signed bool) {
	if signed {
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	} else {
		w.b = strconv.AppendUint(w.b, v, 10)
	}
}

func (w *writer) floatClass(f *schema.Float) {
	switch f.Size {
	case 32:
		w.text("floating_point { exp_dig = 8; mant_dig = 24;")
	case 64:
		w.text("floating_point { exp_dig = 11; mant_dig = 53;")
	default:
		w.lack("floating point number of " + itoa(f.Size) + " bits")
	}
	w.layout(&f.BitLayout)
	w.text(" }")
}

func (w *writer) variantClass(v *schema.Variant) {
	if len(w.frames) > MaxDepth {
		w.lack("fields nested that deep")
		return
	}
	if v.Tag == nil || len(v.Options) == 0 {
		w.lack("variant without tag or options")
		return
	}
	w.text("variant <" + w.reference(v.Tag) + "> {\n")
	w.indent++
	w.frames = append(w.frames, writeFrame{class: v})
	for i := range v.Options {
		w.field(i, v.Options[i].SpelledName(), v.Options[i].Class)
	}
	w.close()
}

// reference gives a reference in the shortest form that leads to its field: most
// readers take no more than one name for the tag of a variant.
func (w *writer) reference(ref *schema.Ref) string {
	if ref.Scope != w.scopeNow {
		return ref.String()
	}
	here := w.path()
	for k := len(w.frames) - 1; k >= 0; k-- {
		if w.frames[k].index < 0 {
			continue
		}
		head := 0 // names from the scope to the frame
		for _, f := range w.frames[:k] {
			if f.index >= 0 {
				head++
			}
		}
		if head >= len(ref.Path) || !slices.Equal(here[:head], ref.Path[:head]) {
			continue
		}
		tail := ref.Path[head:]
		if !startsWithScope(tail[0]) && !w.shadowed(k, tail) {
			return strings.Join(tail, ".")
		}
	}
	return ref.String()
}

// shadowed reports whether a relative reference that is meant for a frame would
// be found in one further in.
func (w *writer) shadowed(k int, path []string) bool {
	var b batch
	b.index = make(map[schema.Class]map[string]int)
	for _, f := range w.frames[k+1:] {
		if f.index < 0 {
			continue
		}
		if i := b.fieldIndex(f.class, path[0]); i >= 0 && i <= f.index {
			if _, found := b.descend(f.class, path); found {
				return true
			}
		}
	}
	return false
}
