// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// resolver makes a type the struct of a scope: it looks up the references that
// depend on where the type is used, and gives fields their meanings. Types may
// be used in many places, so it copies what it changes and shares the rest.
type resolver struct {
	b      *batch
	scope  schema.Scope
	stream *schema.Stream // nil in the packet header
	event  *schema.Event  // nil but in the event's scopes
	at     int            // where the scope's type stands

	frames []frame // what encloses the current field, outermost first
	arrays int     // of frames
}

// frame is a class and which of its fields is on the way.
type frame struct {
	class schema.Class
	name  string // as spelled; "" in an array
	index int    // -1 in an array
}

func (r *resolver) run(s *schema.Struct) (*schema.Struct, error) {
	c, err := r.class(s)
	if err != nil {
		return nil, err
	}
	return c.(*schema.Struct), nil
}

func (r *resolver) failf(format string, args ...any) error {
	return r.b.failf(r.at, "%s: "+format, append([]any{r.scope}, args...)...)
}

// class returns a class with references looked up.
func (r *resolver) class(c schema.Class) (schema.Class, error) {
	if len(r.frames) > MaxDepth {
		return nil, r.failf("fields nested deeper than %d", MaxDepth)
	}
	if r.b.fields++; r.b.fields > MaxFields {
		return nil, r.failf("more than %d fields in the trace", MaxFields)
	}
	switch c := c.(type) {
	case *schema.Integer:
		return c, r.useClock(c.Clock)
	case *schema.Struct:
		return r.structClass(c)
	case *schema.Variant:
		return r.variant(c)
	case *schema.Array:
		return r.array(c)
	case *schema.Text:
		return r.text(c)
	default:
		return c, nil
	}
}

func (r *resolver) push(c schema.Class) *frame {
	r.frames = append(r.frames, frame{class: c, index: -1})
	return &r.frames[len(r.frames)-1]
}

func (r *resolver) pop() { r.frames = r.frames[:len(r.frames)-1] }

func (r *resolver) structClass(s *schema.Struct) (schema.Class, error) {
	r.push(s)
	defer r.pop()
	var changed []schema.Member
	for i := range s.Members {
		m := &s.Members[i]
		r.enter(m.SpelledName(), i)
		c, err := r.class(m.Class)
		if err != nil {
			return nil, err
		}
		if c, err = r.meaning(m.Name, c, true); err != nil {
			return nil, err
		}
		if c == m.Class {
			continue
		}
		if changed == nil {
			changed = slices.Clone(s.Members)
		}
		changed[i].Class = c
	}
	if changed == nil {
		return s, nil
	}
	other := *s
	other.Members = changed
	return &other, nil
}

// enter names the field that the innermost frame is at.
func (r *resolver) enter(name string, index int) {
	f := &r.frames[len(r.frames)-1]
	f.name, f.index = name, index
}

func (r *resolver) variant(v *schema.Variant) (schema.Class, error) {
	if v.Tag == nil {
		return nil, r.failf("variant %s has no tag", r.here())
	}
	ref, tag, err := r.resolve(v.Tag)
	if err != nil {
		return nil, err
	}
	if tag == nil || tag.Mappings == nil {
		return nil, r.refError(v.Tag, "not an enumeration")
	}
	other := *v
	other.Tag, other.TagSigned = ref, tag.Signed
	other.Options = slices.Clone(v.Options)
	r.push(v)
	defer r.pop()
	for i := range other.Options {
		o := &other.Options[i]
		r.enter(o.SpelledName(), i)
		if o.Class, err = r.class(o.Class); err != nil {
			return nil, err
		}
		if o.Class, err = r.meaning(o.Name, o.Class, false); err != nil {
			return nil, err
		}
		if o.Ranges = r.b.rangesOf(tag, o.SpelledName()); o.Ranges == nil {
			return nil, r.refError(v.Tag, "it has no label %s for the option", quoteShort(o.SpelledName()))
		}
	}
	return &other, nil
}

// rangesOf gives the ranges of an enumeration's label.
func (b *batch) rangesOf(e *schema.Integer, label string) []schema.Range {
	if len(e.Mappings) <= fewNames {
		i := slices.IndexFunc(e.Mappings, func(m schema.Mapping) bool { return m.Label == label })
		if i < 0 {
			return nil
		}
		return e.Mappings[i].Ranges
	}
	ranges := b.labels[e]
	if ranges == nil {
		ranges = make(map[string][]schema.Range, len(e.Mappings))
		for _, m := range e.Mappings {
			ranges[m.Label] = m.Ranges
		}
		b.labels[e] = ranges
	}
	return ranges[label]
}

func (r *resolver) array(a *schema.Array) (schema.Class, error) {
	other := *a
	if err := r.length(&other.LengthRef); err != nil {
		return nil, err
	}
	r.push(a)
	r.arrays++
	defer func() { r.arrays--; r.pop() }()
	var err error
	if other.Element, err = r.class(a.Element); err != nil {
		return nil, err
	}
	if other.Element == a.Element && other.LengthRef == a.LengthRef {
		return a, nil
	}
	return &other, nil
}

func (r *resolver) text(t *schema.Text) (schema.Class, error) {
	if err := r.useClock(t.Unit.Clock); err != nil || t.LengthRef == nil {
		return t, err
	}
	other := *t
	return &other, r.length(&other.LengthRef)
}

// length looks up the reference of a length, where there is one.
func (r *resolver) length(ref **schema.Ref) error {
	if *ref == nil {
		return nil
	}
	found, target, err := r.resolve(*ref)
	if err != nil {
		return err
	}
	if target == nil || target.Signed {
		return r.refError(*ref, "not an unsigned integer")
	}
	*ref = found
	return nil
}

// here names the current field for an error.
func (r *resolver) here() string {
	var names []string
	for _, f := range r.frames {
		if f.name != "" {
			names = append(names, f.name)
		}
	}
	return quoteShort(strings.Join(names, "."))
}

// refError is an error about a reference, at its place in the metadata.
func (r *resolver) refError(ref *schema.Ref, format string, args ...any) error {
	pos, ok := r.b.refs[ref]
	if !ok {
		pos = r.b.p.refs[ref]
	}
	return &Error{Position: pos, Msg: fmt.Sprintf("%s: field %s refers to %s: %s", r.scope, r.here(),
		quoteShort(strings.Join(ref.Path, ".")), fmt.Sprintf(format, args...))}
}

// resolve looks up a reference. The integer is nil when it leads to another
// class.
func (r *resolver) resolve(ref *schema.Ref) (*schema.Ref, *schema.Integer, error) {
	for s := range schema.Scope(schema.NumScopes) {
		if n := strings.Count(s.String(), ".") + 1; len(ref.Path) > n &&
			strings.Join(ref.Path[:n], ".") == s.String() {
			return r.absolute(ref, s, ref.Path[n:])
		}
	}
	for k := len(r.frames) - 1; k >= 0; k-- {
		f := &r.frames[k]
		if f.index < 0 { // array: its element has been tried
			continue
		}
		first := r.b.fieldIndex(f.class, ref.Path[0])
		if first < 0 || first > f.index {
			continue
		}
		t, ok := r.b.descend(f.class, ref.Path)
		if !ok {
			continue
		}
		return r.found(ref, k, ref.Path, t)
	}
	return nil, nil, r.refError(ref, "no such field before it")
}

func (r *resolver) absolute(ref *schema.Ref, s schema.Scope, path []string) (*schema.Ref, *schema.Integer, error) {
	if s > r.scope {
		return nil, nil, r.refError(ref, "the scope is decoded later")
	}
	if s == r.scope {
		t, ok := r.b.descend(r.frames[0].class, path)
		if !ok {
			return nil, nil, r.refError(ref, "no such field")
		}
		return r.found(ref, 0, path, t)
	}
	root := r.earlier(s)
	if root == nil {
		return nil, nil, r.refError(ref, "the scope is not declared")
	}
	t, ok := r.b.descend(root, path)
	if !ok {
		return nil, nil, r.refError(ref, "no such field")
	}
	if slices.Contains(t.indexes, -1) {
		return nil, nil, r.refError(ref, "it is inside an array")
	}
	i, _ := t.class.(*schema.Integer)
	return &schema.Ref{Scope: s, Path: path}, i, nil
}

// earlier gives the struct of a scope that comes before the current one.
func (r *resolver) earlier(s schema.Scope) *schema.Struct {
	switch {
	case s == schema.PacketHeader:
		return r.b.trace.PacketHeader
	case s == schema.EventSpecific:
		return r.event.Context
	default:
		return r.stream.Struct(s)
	}
}

// target is where a path leads: the fields' indexes on the way, -1 for arrays.
type target struct {
	class   schema.Class
	indexes []int
}

// found checks where a target in the same scope lies: before the field that
// refers to it, and in no array that does not hold both.
func (r *resolver) found(ref *schema.Ref, k int, path []string, t target) (*schema.Ref, *schema.Integer, error) {
	abs := &schema.Ref{Scope: r.scope}
	var indexes []int
	for _, f := range r.frames[:k] {
		indexes = append(indexes, f.index)
		if f.name != "" {
			abs.Path = append(abs.Path, f.name)
		}
	}
	abs.Path = append(abs.Path, path...)
	r.b.fields += len(abs.Path) // they cost memory as fields do
	indexes = append(indexes, t.indexes...)
	i := 0
	for i < min(len(indexes), len(r.frames)) && indexes[i] == r.frames[i].index {
		i++
	}
	switch {
	case i == len(indexes) || i == len(r.frames):
		return nil, nil, r.refError(ref, "it is the field itself or encloses it")
	case indexes[i] > r.frames[i].index:
		return nil, nil, r.refError(ref, "it is decoded later")
	case slices.Contains(indexes[i:], -1):
		return nil, nil, r.refError(ref, "it is inside an array")
	}
	integer, _ := t.class.(*schema.Integer)
	return abs, integer, nil
}

// descend follows spelled names from a class.
func (b *batch) descend(c schema.Class, path []string) (target, bool) {
	t := target{class: c}
	for len(path) > 0 {
		if a, ok := t.class.(*schema.Array); ok {
			t.class, t.indexes = a.Element, append(t.indexes, -1)
			continue
		}
		i := b.fieldIndex(t.class, path[0])
		switch c := t.class.(type) {
		case *schema.Struct:
			if i < 0 {
				return t, false
			}
			t.class = c.Members[i].Class
		case *schema.Variant:
			if i < 0 {
				return t, false
			}
			t.class = c.Options[i].Class
		default:
			return t, false
		}
		t.indexes, path = append(t.indexes, i), path[1:]
	}
	return t, true
}

// fieldIndex finds a member or option by its spelled name; -1: none.
func (b *batch) fieldIndex(c schema.Class, name string) int {
	var n int
	var nameOf func(int) string
	switch c := c.(type) {
	case *schema.Struct:
		n, nameOf = len(c.Members), func(i int) string { return c.Members[i].SpelledName() }
	case *schema.Variant:
		n, nameOf = len(c.Options), func(i int) string { return c.Options[i].SpelledName() }
	default:
		return -1
	}
	if n > fewNames {
		return b.indexed(c, n, nameOf, name)
	}
	for i := range n {
		if nameOf(i) == name {
			return i
		}
	}
	return -1
}

// indexed is fieldIndex for many fields.
func (b *batch) indexed(c schema.Class, n int, nameOf func(int) string, name string) int {
	index := b.index[c]
	if index == nil {
		index = make(map[string]int, n)
		for i := range n {
			index[nameOf(i)] = i
		}
		b.index[c] = index
	}
	if i, ok := index[name]; ok {
		return i
	}
	return -1
}
