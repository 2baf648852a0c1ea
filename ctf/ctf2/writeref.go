// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// length writes the length of a class or where it is.
func (w *writer) length(static uint64, ref *schema.Ref) {
	if ref == nil {
		w.uintProperty("length", static)
		return
	}
	w.location("length-field-location", ref)
}

// location writes where a field is: from the start of its scope.
func (w *writer) location(name string, ref *schema.Ref) {
	if ref == nil {
		w.fail(fmt.Errorf("no %s", name))
		return
	}
	path, ok := w.written(ref)
	if !ok {
		w.fail(fmt.Errorf("%s is %s, which is not declared", name, ref))
		return
	}
	w.key(name)
	w.open('{')
	w.textProperty("origin", origins[ref.Scope])
	w.key("path")
	w.open('[')
	for _, step := range path {
		w.text(step)
	}
	w.close(']')
	w.close('}')
}

// written is the path of a reference by the names that are written. It leads
// through options of variants without naming them.
func (w *writer) written(ref *schema.Ref) (path []string, ok bool) {
	s := w.uses.scope(ref.Scope)
	if s == nil {
		return nil, false
	}
	var c schema.Class = s
	for _, name := range ref.Path {
		i := -1
		switch outer := plain(c).(type) {
		case *schema.Struct:
			i = slices.IndexFunc(outer.Members, func(m schema.Member) bool { return m.SpelledName() == name })
			if i >= 0 {
				path = append(path, w.memberNames(outer)[i])
				c = outer.Members[i].Class
			}
		case *schema.Variant:
			i = slices.IndexFunc(outer.Options, func(o schema.Option) bool { return o.SpelledName() == name })
			if i >= 0 {
				c = outer.Options[i].Class
			}
		}
		if i < 0 {
			return nil, false
		}
	}
	return path, len(path) > 0
}

// plain is a class without the arrays and optional classes around it, which
// have no part in a path.
func plain(c schema.Class) schema.Class {
	for {
		switch outer := c.(type) {
		case *schema.Array:
			c = outer.Element
		case *schema.Optional:
			c = outer.Class
		default:
			return c
		}
	}
}

// memberNames are the names of a struct's members as they are written.
func (w *writer) memberNames(c *schema.Struct) []string {
	names, ok := w.names[c]
	if !ok {
		names = distinct(len(c.Members), func(i int) (string, string) {
			return c.Members[i].Name, c.Members[i].SpelledName()
		})
		w.names[c] = names
	}
	return names
}

// optionNames are the names of a variant's options as they are written, "" for
// those that have none.
func optionNames(c *schema.Variant) []string {
	names := distinct(len(c.Options), func(i int) (string, string) {
		return c.Options[i].Name, c.Options[i].SpelledName()
	})
	for i := range c.Options {
		if c.Options[i].Name == "" {
			names[i] = ""
		}
	}
	return names
}

// distinct takes the name of each thing as it is shown; as it is spelled where
// another before has that name; else with a number behind.
func distinct(n int, name func(int) (shown, spelled string)) []string {
	names := make([]string, n)
	taken := make(map[string]bool, n)
	for i := range names {
		shown, spelled := name(i)
		names[i] = shown
		if taken[shown] {
			names[i] = spelled
		}
		for number := 2; taken[names[i]]; number++ {
			names[i] = fmt.Sprintf("%s_%d", spelled, number)
		}
		taken[names[i]] = true
	}
	return names
}
