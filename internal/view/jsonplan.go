// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// jsonCompiler makes programs that print fields as JSON.
type jsonCompiler struct {
	shown *shownFields
}

// quoteJSON gives a text as a JSON string.
func quoteJSON(s string) string { return string(appendJSONString(nil, []byte(s), schema.UTF8)) }

// scope adds a member with a scope's struct, when the class has it and any of
// it is shown. skip is the name of a member that is left out.
func (c *jsonCompiler) scope(b *builder, e *schema.Event, s schema.Scope, name, skip string, at int) {
	st := e.Struct(s)
	if st == nil || !c.shown.shows(st, s.String()) {
		return
	}
	if skip != "" && st.Member(skip) != nil && !c.hasOther(st, s.String(), skip) {
		return
	}
	b.text(",", quoteJSON(name), ":")
	c.members(b, st, s.String(), skip, at)
}

// hasOther reports whether a struct shows a member of another name.
func (c *jsonCompiler) hasOther(st *schema.Struct, path, name string) bool {
	for i := range st.Members {
		m := &st.Members[i]
		if m.Name != name && c.shown.shows(m.Class, path+"."+m.SpelledName()) {
			return true
		}
	}
	return false
}

func (c *jsonCompiler) members(b *builder, st *schema.Struct, path, skip string, at int) {
	b.text("{")
	sep := ""
	for i := range st.Members {
		m := &st.Members[i]
		inner := path + "." + m.SpelledName()
		if (skip == "" || m.Name != skip) && c.shown.shows(m.Class, inner) {
			b.text(sep, quoteJSON(m.Name), ":")
			c.field(b, m.Class, inner, at)
			sep = ","
		}
		at += ctf.Width(m.Class)
	}
	b.text("}")
}

// sub makes the program of a field whose words lie behind the fixed row.
func (c *jsonCompiler) sub(class schema.Class, path, before, behind string) *program {
	var b builder
	b.text(before)
	c.field(&b, class, path, 0)
	b.text(behind)
	return b.done()
}

// field adds the steps that print a field whose words begin at at.
func (c *jsonCompiler) field(b *builder, class schema.Class, path string, at int) {
	s := step{at: int32(at), class: class}
	switch f := class.(type) {
	case *schema.Integer:
		c.integer(b, f, s)
	case *schema.Bits:
		c.bits(b, f, s)
	case *schema.Float:
		s.kind = printJSONFloat
		b.step(s)
	case *schema.String:
		s.kind, s.enc = printJSONString, f.Encoding
		b.step(s)
	case *schema.Text:
		s.kind, s.enc = printJSONString, f.Encoding
		b.step(s)
	case *schema.Blob:
		s.kind = printBase64
		b.step(s)
	case *schema.Struct:
		c.members(b, f, path, "", at)
	case *schema.Array:
		s.kind = printArray
		s.array = &arrayText{width: ctf.Width(f.Element), element: c.sub(f.Element, path, "", ""), sep: ","}
		b.text("[")
		b.step(s)
		b.text("]")
	case *schema.Variant:
		s.kind = printVariant
		for i := range f.Options {
			o := &f.Options[i]
			s.subs = append(s.subs, c.sub(o.Class, path+"."+o.SpelledName(), "{"+quoteJSON(o.Name)+":", "}"))
		}
		b.step(s)
	case *schema.Optional:
		s.kind = printOptional
		s.subs = []*program{{tail: "null"}, c.sub(f.Class, path, "", "")}
		b.step(s)
	}
}

func (c *jsonCompiler) integer(b *builder, f *schema.Integer, s step) {
	s.kind = printUint
	if f.Signed {
		s.kind = printInt
	}
	if f.Mappings == nil {
		b.step(s)
		return
	}
	b.text(`{"value":`)
	b.step(s)
	b.text(`,"labels":[`)
	s.kind, s.labels = printLabels, newLabels(f.Mappings, f.Signed, joinJSON)
	b.step(s)
	b.text("]}")
}

func joinJSON(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteJSON(n)
	}
	return strings.Join(quoted, ",")
}

func (c *jsonCompiler) bits(b *builder, f *schema.Bits, s step) {
	switch {
	case f.Bool:
		s.kind = printBool
		b.step(s)
	case f.Flags == nil:
		b.step(s)
	default:
		b.text(`{"value":`)
		b.step(s)
		b.text(`,"flags":[`)
		s.kind = printFlags
		s.flags = newFlagText(f.Flags, ",", "", quoteJSON)
		b.step(s)
		b.text("]}")
	}
}
