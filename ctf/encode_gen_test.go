// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
	"pgregory.net/rapid"
)

// generator draws classes of fields, then values of them.
type generator struct {
	t     *rapid.T
	order schema.ByteOrder // of most integers
	ctf2  bool             // draw what only CTF 2 has, too

	scope schema.Scope
	path  []string
	array int
	depth int
	refs  []generated // integers that fields can refer to
	small map[*schema.BitLayout]bool
	count int
}

// generated is an integer with small values.
type generated struct {
	ref  *schema.Ref
	enum bool // it has labels, as a tag of CTF 1.8 must
}

func (g *generator) intn(n int, label string) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

func (g *generator) layout(sizes func() int) schema.BitLayout {
	l := schema.BitLayout{Size: uint8(sizes()), Align: 1, Order: g.order}
	switch g.intn(6, "layout") {
	case 0:
		l.Align = uint32(1) << g.intn(7, "align")
	case 1, 2:
		l.Align = 8
	case 3:
		if l.Size%8 == 0 {
			l.Align = 8
			l.Order = schema.ByteOrder(1 + g.intn(2, "order"))
		}
	case 4:
		l.Reversed = g.ctf2 && g.intn(3, "reversed") == 0
	}
	return l
}

func (g *generator) anySize() int {
	if g.intn(2, "whole") == 0 {
		return 8 << g.intn(4, "bytes")
	}
	return 1 + g.intn(64, "size")
}

func (g *generator) structure(members int) *schema.Struct {
	s := &schema.Struct{}
	if g.intn(8, "min") == 0 {
		s.MinAlign = uint64(1) << g.intn(6, "align")
	}
	mark := len(g.refs)
	for range g.intn(members+1, "members") {
		g.count++
		name := fmt.Sprintf("m%d", g.count)
		g.path = append(g.path, "_"+name)
		c := g.class()
		g.path = g.path[:len(g.path)-1]
		s.Members = append(s.Members, schema.Member{Name: name, Spelled: "_" + name, Class: c})
	}
	if g.array > 0 || g.depth > 0 && g.intn(2, "outside") == 0 {
		g.refs = g.refs[:mark]
	}
	return s
}

func (g *generator) class() schema.Class {
	kinds := 9
	if g.ctf2 {
		kinds = 13
	}
	k := g.intn(kinds, "kind")
	if g.depth > 3 && k >= 4 && k <= 8 {
		k = 0
	}
	g.depth++
	defer func() { g.depth-- }()
	switch k {
	case 0, 1:
		return &schema.Integer{BitLayout: g.layout(g.anySize), Signed: g.intn(2, "signed") == 0, Base: 10}
	case 2:
		return g.smallInteger()
	case 3:
		return &schema.Float{BitLayout: g.layout(func() int { return 32 << g.intn(2, "double") })}
	case 4:
		return &schema.String{Encoding: schema.UTF8}
	case 5:
		return g.structure(3)
	case 6:
		return g.sequence()
	case 7:
		return g.text()
	case 8:
		return g.variant()
	case 9:
		return &schema.Integer{BitLayout: schema.BitLayout{Align: 8}, Variable: true, Signed: g.intn(2, "signed") == 0, Base: 10}
	case 10:
		return g.optional()
	case 11:
		return g.blob()
	default:
		return &schema.Bits{BitLayout: g.layout(g.anySize)}
	}
}

// smallInteger is one that others may refer to.
func (g *generator) smallInteger() schema.Class {
	i := &schema.Integer{BitLayout: g.layout(func() int { return 3 + g.intn(30, "size") }), Base: 10}
	g.small[&i.BitLayout] = true
	if g.array > 0 {
		return i
	}
	ref := generated{ref: &schema.Ref{Scope: g.scope, Path: slices.Clone(g.path)}}
	if g.intn(2, "enum") == 0 {
		i.Mappings = []schema.Mapping{
			{Label: "low", Ranges: []schema.Range{{Low: 0, High: 1}}},
			{Label: "high", Ranges: []schema.Range{{Low: 3, High: 6}, {Low: 2, High: 2}}},
		}
		ref.enum = true
	}
	g.refs = append(g.refs, ref)
	return i
}

func (g *generator) pick(enum bool) *schema.Ref {
	refs := slices.DeleteFunc(slices.Clone(g.refs), func(r generated) bool { return enum && !r.enum })
	if len(refs) == 0 {
		return nil
	}
	return refs[g.intn(len(refs), "ref")].ref
}

func (g *generator) length(most int) (uint64, *schema.Ref) {
	if ref := g.pick(false); ref != nil && g.intn(3, "static") > 0 {
		return 0, ref
	}
	return uint64(g.intn(most, "length")), nil
}

func (g *generator) sequence() schema.Class {
	a := &schema.Array{}
	a.Length, a.LengthRef = g.length(4)
	mark := len(g.refs)
	g.array++
	a.Element = g.class()
	g.array--
	g.refs = g.refs[:mark]
	if i, ok := a.Element.(*schema.Integer); ok && i.Size == 8 && !g.ctf2 {
		i.Encoding = schema.NoEncoding
	}
	return a
}

func (g *generator) text() schema.Class {
	x := &schema.Text{Encoding: schema.UTF8}
	x.Length, x.LengthRef = g.length(9)
	if !g.ctf2 {
		x.Unit = &schema.Integer{BitLayout: schema.BitLayout{Size: 8, Align: 8, Order: g.order}, Base: 10, Encoding: schema.UTF8}
	}
	return x
}

func (g *generator) blob() schema.Class {
	b := &schema.Blob{}
	b.Length, b.LengthRef = g.length(9)
	return b
}

func (g *generator) variant() schema.Class {
	tag := g.pick(true)
	if tag == nil {
		return g.smallInteger()
	}
	v := &schema.Variant{Tag: tag}
	for i, label := range []string{"low", "high"} {
		g.path = append(g.path, label)
		mark := len(g.refs)
		c := g.class()
		g.refs = g.refs[:mark]
		g.path = g.path[:len(g.path)-1]
		ranges := []schema.Range{{Low: 0, High: 1}}
		if i == 1 {
			ranges = []schema.Range{{Low: 3, High: 6}, {Low: 2, High: 2}}
		}
		v.Options = append(v.Options, schema.Option{Name: label, Spelled: label, Class: c, Ranges: ranges})
	}
	return v
}

func (g *generator) optional() schema.Class {
	selector := g.pick(false)
	if selector == nil {
		return g.smallInteger()
	}
	mark := len(g.refs)
	o := &schema.Optional{Selector: selector, Class: g.class()}
	g.refs = g.refs[:mark]
	o.Ranges = []schema.Range{{Low: 2, High: 4}}
	return o
}

// valuer draws values of a class.
type valuer struct {
	t     *rapid.T
	small map[*schema.BitLayout]bool
	refs  map[string]uint64
	scope schema.Scope
}

func (d *valuer) bits(l *schema.BitLayout, signed bool) uint64 {
	if d.small[l] {
		return rapid.Uint64Range(0, 6).Draw(d.t, "small")
	}
	v := rapid.Uint64().Draw(d.t, "bits")
	if signed {
		return uint64(int64(v<<(64-l.Size)) >> (64 - l.Size))
	}
	return v << (64 - l.Size) >> (64 - l.Size)
}

func (d *valuer) length(n uint64, r *schema.Ref) int {
	if r == nil {
		return int(n)
	}
	return int(d.refs[slowKey(r.Scope, r.Path)])
}

func (d *valuer) text(n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.t, "text") }

func (d *valuer) value(class schema.Class, path []string) (v tree) {
	key := slowKey(d.scope, path)
	switch c := class.(type) {
	case *schema.Integer:
		if c.Variable {
			v.word = rapid.Uint64().Draw(d.t, "variable")
		} else {
			v.word = d.bits(&c.BitLayout, c.Signed)
		}
		d.refs[key] = v.word
	case *schema.Bits:
		v.word = d.bits(&c.BitLayout, false)
	case *schema.Float:
		if f := rapid.Float64().Draw(d.t, "float"); c.Size == 64 {
			v.word = floatWord(f, 64)
		} else {
			v.word = floatWord(f, 32)
		}
	case *schema.String:
		v.text = rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 9).Draw(d.t, "string")
	case *schema.Text:
		v.text = d.text(d.length(c.Length, c.LengthRef))
	case *schema.Blob:
		v.text = d.text(d.length(c.Length, c.LengthRef))
	case *schema.Struct:
		for _, m := range c.Members {
			v.kids = append(v.kids, d.value(m.Class, append(path, m.SpelledName())))
		}
	case *schema.Array:
		for range d.length(c.Length, c.LengthRef) {
			v.kids = append(v.kids, d.value(c.Element, append(path, "[]")))
		}
	case *schema.Variant:
		v.option = c.Select(d.refs[slowKey(c.Tag.Scope, c.Tag.Path)])
		o := c.Options[v.option]
		v.kids = []tree{d.value(o.Class, append(path, o.SpelledName()))}
	case *schema.Optional:
		if c.Present(d.refs[slowKey(c.Selector.Scope, c.Selector.Path)]) {
			v.option = 1
			v.kids = []tree{d.value(c.Class, path)}
		}
	}
	return v
}
