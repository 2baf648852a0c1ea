// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// origins are the names of the scopes in field locations.
var origins = [schema.NumScopes]string{
	schema.PacketHeader:  "packet-header",
	schema.PacketContext: "packet-context",
	schema.EventHeader:   "event-record-header",
	schema.EventContext:  "event-record-common-context",
	schema.EventSpecific: "event-record-specific-context",
	schema.EventPayload:  "event-record-payload",
}

// location checks the form of a field location; what it means depends on where
// it is used.
func (r *reader) location(n *node) {
	if !r.object(n) {
		return
	}
	r.only(n, "origin", "path")
	r.word(n, "origin", origins[:]...)
	path := r.need(n, "path")
	if path == nil || !r.array(path) {
		return
	}
	if len(path.kids) == 0 {
		r.mismatch(path, "one element or more")
		return
	}
	for _, kid := range path.kids {
		if kid.kind != stringKind && kid.kind != nullKind {
			r.mismatch(kid, "a name or null")
		}
	}
	if last := path.kids[len(path.kids)-1]; last.kind == nullKind {
		r.mismatch(last, "a name at the end")
	}
}

// frame is a compound class around the field that is being walked, and the
// member or option that leads there.
type frame struct {
	class schema.Class
	index int // of the member or option
}

// target is a field that a location leads to.
type target struct {
	class schema.Class
	path  []string // from the scope's struct, through members and options
}

// locator finds the fields that one location leads to.
type locator struct {
	*walker
	at      *node // the location
	targets []target
}

// locate finds what a field location leads to: one field, or one in each option
// of a variant on the way.
func (w *walker) locate(n *node) (*schema.Ref, []target) {
	l := &locator{walker: w, at: n}
	scope, start, names := l.origin()
	if w.err != nil {
		return nil, nil
	}
	if scope == w.scope {
		l.follow(w.stack[start].class, start, names, w.prefix(start))
	} else {
		l.follow(w.uses.scope(scope), -1, names, nil)
	}
	if w.err == nil && len(l.targets) == 0 {
		l.fail(n, l.shown(names), "a field that is decoded before")
	}
	if w.err != nil {
		return nil, nil
	}
	ref := &schema.Ref{Scope: scope, Path: l.targets[0].path}
	for _, t := range l.targets[1:] {
		ref.Others = append(ref.Others, t.path)
	}
	return ref, l.targets
}

func (l *locator) shown(names []string) string { return quote(strings.Join(names, ".")) }

// origin finds the struct that a location starts from: its scope, its place on
// the stack when the scope is the one being walked, and the names that lead on.
func (l *locator) origin() (scope schema.Scope, start int, names []string) {
	scope = l.scope
	if v := l.at.property("origin"); v != nil {
		scope = schema.Scope(slices.Index(origins[:], v.text))
		if scope > l.scope || l.uses.scope(scope) == nil {
			l.fail(v, v.describe(), "a scope that is decoded before")
			return scope, 0, nil
		}
	} else {
		start = l.outer(len(l.stack))
	}
	for _, kid := range l.at.property("path").kids {
		switch {
		case kid.kind != nullKind:
			names = append(names, kid.text)
		case len(names) > 0:
			names = names[:len(names)-1]
		default:
			if start = l.outer(start); start < 0 {
				l.mismatch(kid, "a parent structure")
				return scope, 0, nil
			}
		}
	}
	return scope, start, names
}

// outer is the place on the stack of the innermost struct below another place,
// -1 when there is none.
func (w *walker) outer(place int) int {
	for place--; place >= 0; place-- {
		if _, ok := w.stack[place].class.(*schema.Struct); ok {
			break
		}
	}
	return place
}

// prefix are the names that lead to a place on the stack.
func (w *walker) prefix(place int) []string {
	var names []string
	for _, f := range w.stack[:place] {
		switch c := f.class.(type) {
		case *schema.Struct:
			names = append(names, c.Members[f.index].SpelledName())
		case *schema.Variant:
			names = append(names, c.Options[f.index].SpelledName())
		}
	}
	return names
}

// follow goes through a class towards the names. Its place on the stack is -1
// when the class is not around the field that asks.
func (l *locator) follow(c schema.Class, place int, names, path []string) {
	if l.err != nil {
		return
	}
	switch c := c.(type) {
	case *schema.Struct:
		l.member(c, place, names, path)
	case *schema.Variant:
		for i := range c.Options {
			if place < 0 || i == l.stack[place].index {
				o := &c.Options[i]
				l.inner(o.Class, place, names, with(path, o.SpelledName()))
			}
		}
	case *schema.Optional:
		l.inner(c.Class, place, names, path)
	case *schema.Array:
		if place >= 0 { // else there is no element that is meant
			l.inner(c.Element, place, names, path)
		}
	default:
		if len(names) > 0 {
			return
		}
		if len(l.targets) == MaxTargets {
			l.fail(l.at, "another field", fmt.Sprintf("at most %d fields", MaxTargets))
		}
		l.targets = append(l.targets, target{c, path})
	}
}

func (l *locator) member(c *schema.Struct, place int, names, path []string) {
	if len(names) == 0 {
		return
	}
	i := slices.IndexFunc(c.Members, func(m schema.Member) bool { return m.Name == names[0] })
	if i < 0 {
		return
	}
	path = with(path, names[0])
	if place < 0 || i < l.stack[place].index {
		l.follow(c.Members[i].Class, -1, names[1:], path)
	} else if i == l.stack[place].index {
		l.inner(c.Members[i].Class, place, names[1:], path)
	}
}

// inner goes on to a class within the one at a place on the stack. At the end of
// the stack it is the field that asks, which has no value yet.
func (l *locator) inner(c schema.Class, place int, names, path []string) {
	switch {
	case place < 0:
		l.follow(c, -1, names, path)
	case place+1 < len(l.stack):
		l.follow(c, place+1, names, path)
	}
}

// with is a path with another name, in memory of its own.
func with(path []string, name string) []string {
	return append(slices.Clip(path), name)
}
