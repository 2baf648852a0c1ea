// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"slices"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// binding is an expression on the records of a type of events.
type binding struct {
	source Source
	format *ftrace.Format
	naming kerneltrace.Naming

	asText map[*filter.Field]bool // compared with a text
	values map[*filter.Field]value
	slots  map[string]int // of fields, by their text
	loads  []load
	words  int
}

// bind finds the fields of an expression.
func (s Source) bind(e *filter.Expr, f *ftrace.Format, n kerneltrace.Naming) (*binding, *filter.Program, error) {
	b := &binding{
		source: s, format: f, naming: n,
		asText: comparedWithText(e), values: map[*filter.Field]value{}, slots: map[string]int{},
	}
	program, err := filter.Compile(e, filter.LTTng, b.resolve)
	if err != nil {
		return nil, nil, err
	}
	if problems := program.Problems(); len(problems) > 0 {
		return nil, nil, &FieldError{Event: b.event(), Problems: slices.Clone(problems)}
	}
	return b, program, nil
}

func (b *binding) event() string { return b.naming.EventName(b.format.System, b.format.Name) }

// comparedWithText returns the fields that stand beside a text.
func comparedWithText(e *filter.Expr) map[*filter.Field]bool {
	fields := map[*filter.Field]bool{}
	filter.Walk(e.Root(), func(n filter.Node) bool {
		c, ok := n.(*filter.Binary)
		if !ok || !c.Op.Comparison() {
			return true
		}
		for _, sides := range [][2]filter.Node{{c.X, c.Y}, {c.Y, c.X}} {
			f, isField := sides[0].(*filter.Field)
			if _, isText := sides[1].(*filter.Text); isField && isText {
				fields[f] = true
			}
		}
		return true
	})
	return fields
}

// resolve is the [filter.Resolver].
func (b *binding) resolve(f *filter.Field) (filter.Binding, bool) {
	v, ok := b.lookup(f, b.asText[f])
	if !ok {
		return filter.Binding{}, false
	}
	b.values[f] = v
	if v.kind == hostname && b.source.Hostname != "" {
		return filter.Binding{Constant: filter.NewText(b.source.Hostname)}, true
	}
	bound := filter.Binding{Kind: v.filterKind(), Scope: v.scope()}
	key := f.String()
	if v.kind == userText {
		key = "*" + key
	}
	slot, known := b.slots[key]
	if !known {
		slot = b.words
		b.slots[key] = slot
		b.loads = append(b.loads, load{value: v, slot: slot, field: f.String()})
		b.words++
		if v.mayLack() {
			b.words++
		}
	}
	bound.Slot = slot
	if v.mayLack() {
		// The word says that there is one element, the word behind it, or none.
		bound.Path = []filter.Element{{Width: 1}}
	}
	return bound, true
}

// mayLack reports whether a record may be without the value.
func (v *value) mayLack() bool { return v.kind == element || v.kind == openElement }

// scope is the frame in which the value's text is: the record's or another.
func (v *value) scope() filter.Scope {
	if v.kind == taskName {
		return filter.PacketScope
	}
	return filter.EventScope
}
