// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"fmt"
	"math"
	"slices"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/xmlsysd"
)

// Limits of what a channel declares. What is above them is counted as discarded.
const (
	maxShapes  = 64  // of one event
	maxClasses = 512 // of a channel
)

// shape is a set of fields that an event comes with, and its class.
type shape struct {
	sig    []xmlsysd.NodeID
	class  *schema.Event
	number int  // of the declaration in the trace, from 1
	ready  bool // it is published
	held   bool // it was not when an event of the present sample came
}

// shapeList are the shapes of one event.
type shapeList struct {
	all  []*shape
	last int // that was found last
}

// shapes are those of a channel. They belong to whoever has channel.mu.
type shapes struct {
	plan  *plan
	lists []shapeList // by node
	count int
}

// find returns the shape of an event; nil if there is none yet. It does not allocate
// once it has seen an event of a kind.
func (s *shapes) find(ev *event) *shape {
	for int(ev.node) >= len(s.lists) {
		s.lists = append(s.lists, shapeList{})
	}
	l := &s.lists[ev.node]
	if l.last < len(l.all) && slices.Equal(l.all[l.last].sig, ev.sig) {
		return l.all[l.last]
	}
	for i, sh := range l.all {
		if slices.Equal(sh.sig, ev.sig) {
			l.last = i
			return sh
		}
	}
	return nil
}

// add adds the shape of an event that has none.
func (s *shapes) add(ev *event, declare func(name string, fields []ctf.Field) (*schema.Event, int, error)) (*shape, error) {
	name := s.plan.of(ev.node).Path
	l := &s.lists[ev.node]
	if len(l.all) >= maxShapes || s.count >= maxClasses {
		return nil, fmt.Errorf("event %s: %d sets of fields, %d in all: no more are declared", name, len(l.all), s.count)
	}
	class, number, err := declare(name, s.fields(ev))
	if err != nil {
		return nil, err
	}
	sh := &shape{sig: slices.Clone(ev.sig), class: class, number: number}
	l.last = len(l.all)
	l.all = append(l.all, sh)
	s.count++
	return sh, nil
}

// publish takes note that all declarations up to a number are published.
func (s *shapes) publish(number int) {
	for i := range s.lists {
		for _, sh := range s.lists[i].all {
			sh.ready = sh.ready || sh.number <= number
		}
	}
}

// release takes note that a sample is over.
func (s *shapes) release() {
	for i := range s.lists {
		for _, sh := range s.lists[i].all {
			sh.held = false
		}
	}
}

// fields declares the fields of an event.
func (s *shapes) fields(ev *event) []ctf.Field {
	var fields []ctf.Field
	for sig := ev.sig; len(sig) > 0; {
		var more []ctf.Field
		if sig[0] >= firstKey {
			fields = append(fields, keyField(s.plan.of(ev.node), int(sig[0]-firstKey)))
			sig = sig[1:]
			continue
		}
		more, sig = s.next(sig)
		fields = append(fields, more...)
	}
	return fields
}

// next declares what a signature begins with: a value, or a sequence with its
// length.
func (s *shapes) next(sig []xmlsysd.NodeID) (fields []ctf.Field, rest []xmlsysd.NodeID) {
	n := s.plan.of(sig[0])
	if n.role != list {
		return []ctf.Field{valueField(n)}, sig[1:]
	}
	var elements []ctf.Field
	for place, k := range keyNames {
		if n.Attrs&k.attr != 0 {
			elements = append(elements, keyField(n, place))
		}
	}
	for sig = sig[1:]; sig[0] != endOfList; sig = sig[1:] {
		elements = append(elements, valueField(s.plan.of(sig[0])))
	}
	length := n.field + "_length"
	return []ctf.Field{ctf.Uint(length, 32), ctf.Sequence(n.field, length, ctf.Struct("", elements...))}, sig[1:]
}

// keyField declares an attribute that tells elements apart.
func keyField(n *nodeInfo, place int) ctf.Field {
	return field(keyNames[place].name, keyKind(n, keyNames[place].attr))
}

// valueField declares a leaf.
func valueField(n *nodeInfo) ctf.Field { return field(n.field, n.Kind) }

func field(name string, kind xmlsysd.Kind) ctf.Field {
	switch kind {
	case xmlsysd.Count:
		return ctf.Uint(name, 64)
	case xmlsysd.Integer:
		return ctf.Int(name, 64)
	case xmlsysd.Decimal:
		return ctf.Float(name, 64)
	default:
		return ctf.Str(name)
	}
}

// write gives the values of an event.
func (ev *event) write(w *ctf.EventWriter) error {
	for i := range ev.tokens {
		t := &ev.tokens[i]
		switch {
		case t.seq:
			w.Uint(t.n)
			w.Array(int(t.n))
		case t.kind == xmlsysd.Count:
			w.Uint(t.n)
		case t.kind == xmlsysd.Integer:
			w.Int(int64(t.n))
		case t.kind == xmlsysd.Decimal:
			w.Float(math.Float64frombits(t.n))
		default:
			w.Bytes(t.text)
		}
	}
	return w.End()
}
