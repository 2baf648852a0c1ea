// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"maps"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// refTable numbers the values that are kept while others are decoded: first
// those with a role, by role, then those that references lead to. A reference to
// several fields has a value of its own.
type refTable struct {
	index  map[string]uint32   // by reference
	fields map[string][]uint32 // the values that a field becomes
}

func newRefTable() *refTable { return &refTable{map[string]uint32{}, map[string][]uint32{}} }

func (t *refTable) clone() *refTable { return &refTable{maps.Clone(t.index), maps.Clone(t.fields)} }

// number numbers the value of a reference to some fields of a scope.
func (t *refTable) number(s schema.Scope, paths ...[]string) uint32 {
	var key strings.Builder
	for _, path := range paths {
		key.WriteString(refKey(s, path))
	}
	n, ok := t.index[key.String()]
	if ok {
		return n
	}
	n = uint32(t.len())
	t.index[key.String()] = n
	for _, path := range paths {
		field := refKey(s, path)
		t.fields[field] = append(slices.Clip(t.fields[field]), n)
	}
	return n
}

// of numbers the value of a reference.
func (t *refTable) of(r *schema.Ref) uint32 {
	if r.Others == nil {
		return t.number(r.Scope, r.Path)
	}
	return t.number(r.Scope, append([][]string{r.Path}, r.Others...)...)
}

// len is the number of values to keep.
func (t *refTable) len() int { return schema.NumRoles + len(t.index) }

func refKey(s schema.Scope, path []string) string {
	return string(rune('0'+s)) + "\x00" + strings.Join(path, "\x00") + "\x01"
}
