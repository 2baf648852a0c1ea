// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"math"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

// drawing draws the schema of a stream: all classes, in all scopes, with
// references to whatever a reference can lead to.
type drawing struct {
	t     *rapid.T
	clock *schema.Clock
	order schema.ByteOrder // of most fields

	scope schema.Scope
	path  []string
	names int
	depth int
	array int
	refs  []drawnRef
}

// drawnRef leads to an integer that others can refer to, of few values.
type drawnRef struct {
	ref    *schema.Ref
	signed bool
}

func (g *drawing) intn(n int) int      { return rapid.IntRange(0, n-1).Draw(g.t, "n") }
func (g *drawing) oneIn(n int) bool    { return g.intn(n) == n-1 }
func (g *drawing) align(most int) uint { return 1 << g.intn(most+1) }

func (g *drawing) layout(size uint8) schema.BitLayout {
	l := schema.BitLayout{Size: size, Align: 1, Order: g.order}
	switch g.intn(8) {
	case 0, 1, 2:
		l.Align = 8
	case 3:
		l.Align = uint32(g.align(6))
	case 4:
		l.Align, l.Order = 8, schema.ByteOrder(1+g.intn(2))
	case 5:
		l.Order, l.Reversed = schema.ByteOrder(1+g.intn(2)), g.oneIn(2)
	}
	return l
}

func (g *drawing) size() uint8 {
	if g.oneIn(3) {
		return uint8(1 + g.intn(64))
	}
	return 8 << g.intn(4)
}

func (g *drawing) scopeStruct(s schema.Scope) *schema.Struct {
	g.scope, g.path = s, nil
	if g.oneIn(5) {
		return nil
	}
	return g.structure(4)
}

// member draws a member, at the path below which it is.
func (g *drawing) member(class func() schema.Class) schema.Member {
	g.names++
	m := schema.Member{Name: fmt.Sprint("m", g.names), Spelled: fmt.Sprint("_m", g.names)}
	if g.oneIn(4) {
		m.Spelled = ""
	}
	g.path = append(g.path, m.SpelledName())
	m.Class = class()
	g.path = g.path[:len(g.path)-1]
	return m
}

func (g *drawing) structure(most int) *schema.Struct {
	s := &schema.Struct{}
	if g.oneIn(6) {
		s.MinAlign = uint64(g.align(8))
	}
	for range g.intn(most + 1) {
		s.Members = append(s.Members, g.member(g.class))
	}
	return s
}

// inside draws a class whose fields nothing outside can refer to.
func (g *drawing) inside(class func() schema.Class) schema.Class {
	n := len(g.refs)
	c := class()
	g.refs = g.refs[:n]
	return c
}

func (g *drawing) class() schema.Class {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 5 {
		return g.number()
	}
	switch g.intn(14) {
	case 0, 1:
		return g.small()
	case 2:
		return g.structure(3)
	case 3, 4:
		return g.elements()
	case 5:
		return g.variant()
	case 6:
		return g.optional()
	case 7:
		x := &schema.Text{}
		if x.Length, x.LengthRef = g.length(6); g.oneIn(2) {
			x.Unit = &schema.Integer{BitLayout: schema.BitLayout{Size: 8, Align: uint32(8 << g.intn(3)), Order: g.order}}
		}
		return x
	case 8:
		b := &schema.Blob{}
		b.Length, b.LengthRef = g.length(6)
		return b
	default:
		return g.number()
	}
}

func (g *drawing) number() schema.Class {
	switch g.intn(6) {
	case 0:
		return &schema.Bits{BitLayout: g.layout(g.size())}
	case 1:
		return &schema.Float{BitLayout: g.layout(uint8(32 << g.intn(2)))}
	case 2:
		return &schema.String{Encoding: schema.Encoding(g.intn(6))}
	case 3:
		return &schema.Integer{BitLayout: schema.BitLayout{Align: 8}, Variable: true, Signed: g.oneIn(2), Clock: g.mapped()}
	default:
		return &schema.Integer{BitLayout: g.layout(g.size()), Signed: g.oneIn(2), Clock: g.mapped()}
	}
}

func (g *drawing) mapped() *schema.Clock {
	if g.oneIn(8) {
		return g.clock
	}
	return nil
}

// small draws an integer of few values.
func (g *drawing) small() schema.Class {
	i := &schema.Integer{BitLayout: g.layout(uint8(1 + g.intn(4))), Signed: g.oneIn(4)}
	if g.array == 0 {
		g.refs = append(g.refs, drawnRef{&schema.Ref{Scope: g.scope, Path: slices.Clone(g.path)}, i.Signed})
	}
	return i
}

func (g *drawing) pick(signed bool) (drawnRef, bool) {
	refs := slices.DeleteFunc(slices.Clone(g.refs), func(r drawnRef) bool { return r.signed && !signed })
	if len(refs) == 0 {
		return drawnRef{}, false
	}
	return refs[g.intn(len(refs))], true
}

func (g *drawing) length(most int) (uint64, *schema.Ref) {
	if r, ok := g.pick(false); ok && !g.oneIn(3) {
		return 0, r.ref
	}
	return uint64(g.intn(most)), nil
}

func (g *drawing) elements() schema.Class {
	a := &schema.Array{}
	if g.oneIn(6) {
		a.MinAlign = uint64(g.align(6))
	}
	a.Length, a.LengthRef = g.length(4)
	g.array++
	a.Element = g.inside(g.class)
	g.array--
	return a
}

// ranges draws which values of a tag choose each of some options; a few choose
// none.
func (g *drawing) ranges(i, n int, signed bool) []schema.Range {
	if signed {
		if i == 0 {
			return []schema.Range{{Low: math.MaxUint64 - 9, High: 0}}
		}
		return []schema.Range{{Low: uint64(i), High: uint64(i)}, {Low: uint64(3 * i), High: 20}}
	}
	if i == n-1 {
		return []schema.Range{{Low: uint64(i), High: uint64(14 + g.intn(2))}}
	}
	return []schema.Range{{Low: uint64(i), High: uint64(i)}}
}

func (g *drawing) variant() schema.Class {
	tag, ok := g.pick(true)
	if !ok {
		return g.small()
	}
	v := &schema.Variant{Tag: tag.ref, TagSigned: tag.signed}
	n := 1 + g.intn(3)
	shared := &schema.Ref{Scope: g.scope}
	for i := range n {
		o := schema.Option{Name: fmt.Sprint("o", i), Ranges: g.ranges(i, n, tag.signed)}
		g.path = append(g.path, o.Name)
		o.Class = g.inside(func() schema.Class {
			s := &schema.Struct{Members: []schema.Member{{Name: "len", Class: &schema.Integer{BitLayout: g.layout(uint8(1 + g.intn(3)))}}}}
			path := append(slices.Clone(g.path), "len")
			if i == 0 {
				shared.Path = path
			} else {
				shared.Others = append(shared.Others, path)
			}
			s.Members = append(s.Members, g.structure(2).Members...)
			return s
		})
		g.path = g.path[:len(g.path)-1]
		v.Options = append(v.Options, o)
	}
	if g.array == 0 {
		g.refs = append(g.refs, drawnRef{shared, false})
	}
	return v
}

func (g *drawing) optional() schema.Class {
	r, ok := g.pick(false)
	if !ok {
		return g.small()
	}
	o := &schema.Optional{Selector: r.ref, Class: g.inside(g.class)}
	if g.oneIn(2) {
		o.Ranges = []schema.Range{{Low: 1, High: 3}, {Low: 6, High: 6}}
	}
	return o
}

// header draws an event header that has an id of few values, at first.
func (g *drawing) header() *schema.Struct {
	g.scope, g.path = schema.EventHeader, nil
	h := g.structure(2)
	id := &schema.Integer{BitLayout: g.layout(uint8(1 + g.intn(8))), Role: schema.RoleEventClassID}
	at := g.intn(len(h.Members) + 1)
	h.Members = slices.Insert(h.Members, at, schema.Member{Name: "id", Class: id})
	return h
}

// stream draws a stream class.
func (g *drawing) stream() *schema.Stream {
	s := &schema.Stream{Trace: &schema.Trace{}, Clock: g.clock}
	s.Trace.Streams = []*schema.Stream{s}
	s.Trace.PacketHeader = g.scopeStruct(schema.PacketHeader)
	s.PacketContext = g.scopeStruct(schema.PacketContext)
	s.EventHeader = g.header()
	s.EventContext = g.scopeStruct(schema.EventContext)
	common := len(g.refs)
	for id := range 1 + g.intn(3) {
		e := &schema.Event{ID: uint64(id), Name: fmt.Sprint("e", id)}
		g.refs = g.refs[:common]
		e.Context = g.scopeStruct(schema.EventSpecific)
		e.Payload = g.scopeStruct(schema.EventPayload)
		s.AddEvent(e)
	}
	// Larger ids have the last class's fields.
	last := s.Events[len(s.Events)-1]
	for id := len(s.Events); id < 200; id++ {
		s.AddEvent(&schema.Event{ID: uint64(id), Name: last.Name, Context: last.Context, Payload: last.Payload})
	}
	return s
}

func drawStream(t *rapid.T) *schema.Stream {
	g := &drawing{t: t, clock: &schema.Clock{Name: "c", Frequency: nsPerSecond}, order: schema.ByteOrder(1 + rapid.IntRange(0, 1).Draw(t, "order"))}
	return g.stream()
}
