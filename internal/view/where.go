// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/filter"
)

// Where selects events by an expression. It is compiled anew for each event
// class, by where the fields of that class are. Not safe for concurrent use.
type Where struct {
	expr    *filter.Expr
	classes map[*schema.Event]*whereClass
	last    *whereClass   // that of the event before
	lastOf  *schema.Event // its class
	row     filter.Row
}

// whereClass is the expression compiled for an event class.
type whereClass struct {
	program  *filter.Program
	constant bool
	match    bool       // when constant
	texts    []textWord // that the expression looks at
}

// textWord is the word of a text that may be padded with zeros, which the
// expression must not see.
type textWord struct {
	scope filter.Scope
	slot  int
	class *schema.Text
}

// NewWhere reads an expression in LTTng's filter language; errors are of type
// [*filter.Error].
func NewWhere(text string) (*Where, error) {
	e, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := e.Check(filter.View); err != nil {
		return nil, err
	}
	return &Where{expr: e, classes: make(map[*schema.Event]*whereClass)}, nil
}

// Clone returns a selection of its own by the same expression.
func (w *Where) Clone() *Where {
	return &Where{expr: w.expr, classes: make(map[*schema.Event]*whereClass)}
}

// Keep reports whether the expression is true for an event.
func (w *Where) Keep(e *ctf.Event) bool {
	c := w.last
	if e.Class != w.lastOf {
		if c = w.classes[e.Class]; c == nil {
			c = w.compile(e.Class)
			w.classes[e.Class] = c
		}
		w.last, w.lastOf = c, e.Class
	}
	if c.constant {
		return c.match
	}
	w.row[filter.EventScope] = filter.Frame(e.Frame)
	w.row[filter.PacketScope] = filter.Frame(e.Packet.Frame)
	if len(c.texts) > 0 {
		return c.matchTexts(&w.row)
	}
	return c.program.Match(&w.row)
}

// matchTexts matches with the texts cut at their ends.
func (c *whereClass) matchTexts(row *filter.Row) bool {
	var few [4]uint64
	whole := append(few[:0], make([]uint64, 0, max(0, len(c.texts)-len(few)))...)
	for i := range c.texts {
		t := &c.texts[i]
		f := &row[t.scope]
		word := f.Words[t.slot]
		whole = append(whole, word)
		start, n := ctf.Extent(word)
		n = len(ctf.TextOf(f.Data[start:start+n], t.class))
		f.Words[t.slot] = uint64(start)<<32 | uint64(n)
	}
	match := c.program.Match(row)
	for i := range c.texts {
		row[c.texts[i].scope].Words[c.texts[i].slot] = whole[i]
	}
	return match
}

// Missing returns the fields that the expression names and no event class of
// some traces has. No event matches where one of them is compared.
func (w *Where) Missing(set *ctf.Set) []string {
	var missing []string
	for _, f := range w.expr.Fields() {
		if f.Root != filter.EventName && !hasField(set, f) {
			missing = append(missing, f.String())
		}
	}
	return missing
}

// hasField reports whether an event class has a field; also where there are no
// classes.
func hasField(set *ctf.Set, f *filter.Field) bool {
	none := true
	for _, t := range set.Traces {
		for _, s := range t.Schema.Streams {
			for _, e := range s.Events {
				none = false
				if _, _, ok := (&whereResolver{event: e}).locate(f); ok {
					return true
				}
			}
		}
	}
	return none
}

// WarnMissing tells of the fields that are [Where.Missing].
func (w *Where) WarnMissing(to io.Writer, set *ctf.Set) {
	for _, f := range w.Missing(set) {
		fmt.Fprintf(to, "weir: --where: no event class has a field %s\n", f)
	}
}

func (w *Where) compile(class *schema.Event) *whereClass {
	c := &whereClass{}
	r := whereResolver{event: class, class: c}
	p, err := filter.Compile(w.expr, filter.View, r.resolve)
	if err != nil {
		// The expression has been checked: what is left cannot be true.
		return &whereClass{constant: true}
	}
	c.program = p
	c.match, c.constant = p.Constant()
	return c
}

// whereResolver finds the fields that an expression names in an event class.
type whereResolver struct {
	event *schema.Event
	class *whereClass
}

// Where a bare name is looked up, and one with $ctx before it.
var (
	bareScopes    = []schema.Scope{schema.EventPayload, schema.EventSpecific, schema.EventContext, schema.PacketContext}
	contextScopes = bareScopes[1:]
)

func (r *whereResolver) resolve(f *filter.Field) (filter.Binding, bool) {
	if f.Root == filter.EventName {
		return filter.Binding{Kind: filter.String, Constant: filter.NewText(r.event.Name)}, true
	}
	b, class, ok := r.locate(f)
	if !ok {
		return filter.Binding{}, false
	}
	return r.bind(b, class)
}

// locate finds a field of the event class.
func (r *whereResolver) locate(f *filter.Field) (filter.Binding, schema.Class, bool) {
	scopes := bareScopes
	if f.Root == filter.Context || f.Root == filter.App {
		scopes = contextScopes
	}
	for _, s := range scopes {
		st := r.event.Struct(s)
		if st == nil {
			continue
		}
		b := filter.Binding{Slot: ctf.StartOf(r.event, s)}
		if s == schema.PacketContext {
			b.Scope, b.Slot = filter.PacketScope, packetContextStart(r.event)
		}
		if class, ok := r.find(&b, st, f); ok {
			return b, class, true
		}
	}
	return filter.Binding{}, nil, false
}

// find follows the path of a field from a scope's struct on.
func (r *whereResolver) find(b *filter.Binding, st *schema.Struct, f *filter.Field) (schema.Class, bool) {
	var class schema.Class = st
	for _, step := range f.Path {
		switch c := class.(type) {
		case *schema.Struct:
			name := step.Name
			if f.Root == filter.App && class == schema.Class(st) {
				name = appContext(name)
			}
			m, at := memberAt(c, name)
			if m == nil || step.Name == "" {
				return nil, false
			}
			if n := len(b.Path); n > 0 {
				b.Path[n-1].Offset += uint32(at)
			} else {
				b.Slot += at
			}
			class = m.Class
		case *schema.Array:
			if step.Name != "" || step.Index > 1<<31 {
				return nil, false
			}
			b.Path = append(b.Path, filter.Element{Index: uint32(step.Index), Width: uint32(ctf.Width(c.Element))})
			class = c.Element
		default: // options of variants come and go with each event
			return nil, false
		}
	}
	return class, true
}

// appContext is the name of the field that holds an application's context:
// LTTng replaces what cannot be in a name.
func appContext(name string) string {
	b := []byte("_app_" + name)
	for i, c := range b {
		if c == ':' || c == '.' {
			b[i] = '_'
		}
	}
	return string(b)
}

// memberAt returns a member of a struct and the index of its first word.
func memberAt(st *schema.Struct, name string) (*schema.Member, int) {
	at := 0
	for i := range st.Members {
		if m := &st.Members[i]; m.Name == name {
			return m, at
		}
		at += ctf.Width(st.Members[i].Class)
	}
	return nil, 0
}

// bind says what the word of a field holds.
func (r *whereResolver) bind(b filter.Binding, class schema.Class) (filter.Binding, bool) {
	switch c := class.(type) {
	case *schema.Integer:
		b.Kind = filter.Unsigned
		if c.Signed {
			b.Kind = filter.Signed
		}
		for _, m := range c.Mappings {
			for _, rg := range m.Ranges {
				b.Labels = append(b.Labels, filter.Label{Name: m.Label, Low: rg.Low, High: rg.High})
			}
		}
	case *schema.Bits:
		b.Kind = filter.Unsigned
	case *schema.Float:
		b.Kind = filter.Float64
		if c.Size == 32 {
			b.Kind = filter.Float32
		}
	case *schema.String:
		b.Kind = filter.String
		return b, c.Encoding <= schema.UTF8
	case *schema.Text:
		b.Kind = filter.String
		if len(b.Path) == 0 {
			r.class.texts = append(r.class.texts, textWord{b.Scope, b.Slot, c})
		}
		return b, c.Encoding <= schema.UTF8
	default:
		return b, false
	}
	return b, true
}
