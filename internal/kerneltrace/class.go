// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// field declares a field. In the metadata its name has an underscore in front, so
// that it is no keyword.
func field(name string, c schema.Class) schema.Member {
	spelled := spell(name)
	return schema.Member{Name: spelled[1:], Spelled: spelled, Class: c}
}

func spell(name string) string {
	return "_" + strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// integer is the class of integers of a number of bytes.
func (t *Table) integer(bytes int, signed bool, base uint8) *schema.Integer {
	return &schema.Integer{
		BitLayout: schema.BitLayout{Size: uint8(8 * bytes), Align: 8, Order: t.trace.ByteOrder}, Signed: signed, Base: base,
	}
}

// text is the class of texts of a number of bytes, filled up with zeros.
func (t *Table) text(bytes int) schema.Class {
	unit := t.integer(1, false, 10)
	unit.Encoding = schema.UTF8
	return &schema.Text{Encoding: schema.UTF8, Length: uint64(bytes), Unit: unit}
}

// sequence declares a sequence as LTTng does: its length before it, in a field
// of its own.
func (t *Table) sequence(members []schema.Member, scope schema.Scope, name string, element schema.Class) []schema.Member {
	f := field(name, nil)
	length := "_" + f.Spelled + "_length"
	members = append(members, schema.Member{Name: length[1:], Spelled: length, Class: t.integer(2, false, 10)})
	f.Class = &schema.Array{Element: element, LengthRef: &schema.Ref{Scope: scope, Path: []string{length}}}
	return append(members, f)
}
