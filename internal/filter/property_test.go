// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// propertyRow has a field of every kind.
const propertyRow = `i=-5 j=7 z=0 min=-9223372036854775808 u=5u big=18446744073709551615u f=1.5 g=-0.25f nan=NaN ` +
	`t="abc" s="ab" a=[1,-2,3] b=["abc",""] q=[{x:1,y:"abc"},{x:2u,y:"b"}] ` +
	`e=2@RUN:0-2,DEAD:3,abc:1-2 n=-1@abc:-5--1,ab:0 k=5u@ab:5-18446744073709551615`

var (
	numberFields = []string{"i", "j", "z", "min", "u", "big", "f", "g", "nan", "a[0]", "a[1]", "a[9]", "q[1].x", "missing", "e", "n", "k", "t", "c"}
	textFields   = []string{"t", "s", "b[0]", "b[1]", "b[2]", "q[0].y", "missing", "e", "n", "k", "i", "w"}
	patterns     = []string{`"abc"`, `"a*"`, `"*b*"`, `"*"`, `""`, `'a'`, `'*'`, `"RUN"`}
	integers     = []uint64{0, 1, 2, 5, 63, 64, 255, math.MaxInt64, 1 << 63, math.MaxUint64}
	floats       = []float64{0, 0.5, 1.5, 5, 1e19}
)

// draw makes random expressions, which need not pass the checks.
type draw struct{ *rapid.T }

func (d draw) field(names []string) Node {
	return mustParse(rapid.SampledFrom(names).Draw(d.T, "field")).root
}

func (d draw) number(depth int) Node {
	kind := rapid.IntRange(0, 9).Draw(d.T, "number")
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		v := rapid.SampledFrom(integers).Draw(d.T, "integer")
		return &Int{Value: v, Base: 10, Unsigned: v > math.MaxInt64 || rapid.Bool().Draw(d.T, "unsigned")}
	case 1:
		return NewFloat(rapid.SampledFrom(floats).Draw(d.T, "float"))
	case 2, 3, 4:
		return d.field(numberFields)
	case 5:
		return d.condition(depth - 1)
	case 6:
		return &Unary{Op: rapid.SampledFrom([]Op{BitNot, Negate, Plus}).Draw(d.T, "op"), X: d.number(depth - 1)}
	}
	op := Op(rapid.IntRange(int(BitOr), int(Modulo)).Draw(d.T, "op"))
	return &Binary{Op: op, X: d.number(depth - 1), Y: d.number(depth - 1)}
}

func (d draw) text() Node {
	if rapid.Bool().Draw(d.T, "literal") {
		return mustParse("x == " + rapid.SampledFrom(patterns).Draw(d.T, "pattern")).root.(*Binary).Y
	}
	return d.field(textFields)
}

func (d draw) condition(depth int) Node {
	kind := rapid.IntRange(0, 9).Draw(d.T, "condition")
	if depth == 0 {
		kind %= 3
	}
	switch kind {
	case 0:
		return d.number(max(depth-1, 0))
	case 1:
		op := rapid.SampledFrom([]Op{Equal, NotEqual}).Draw(d.T, "op")
		return &Binary{Op: op, X: d.text(), Y: d.text()}
	case 2, 3, 4:
		op := Op(rapid.IntRange(int(Equal), int(GreaterEqual)).Draw(d.T, "op"))
		return &Binary{Op: op, X: d.number(max(depth-1, 0)), Y: d.number(max(depth-1, 0))}
	case 5:
		return &Unary{Op: Not, X: d.condition(depth - 1)}
	}
	op := rapid.SampledFrom([]Op{LogicalOr, LogicalAnd}).Draw(d.T, "op")
	return &Binary{Op: op, X: d.condition(depth - 1), Y: d.condition(depth - 1)}
}

func mustParse(text string) *Expr {
	e, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return e
}

func propertyLayout() *layout {
	l := newLayout()
	if err := l.declare(EventScope, false, propertyRow); err != nil {
		panic(err)
	}
	if err := l.declare(EventScope, true, `c=7 w="abc"`); err != nil {
		panic(err)
	}
	return l
}

// The compiled program, the folded expression and the printed one must all
// mean what the slow evaluator finds in the random tree.
func TestCompiledMeansReference(t *testing.T) {
	l := propertyLayout()
	rapid.Check(t, func(t *rapid.T) {
		tree := draw{t}.condition(5)
		want := l.truth(tree)
		e, err := Parse(tree.String())
		if err != nil {
			return // fails the checks
		}
		if got := e.String(); got != tree.String() {
			t.Fatalf("%v prints as %v when read", tree, got)
		}
		negated := &Expr{root: &Unary{Op: Not, X: e.root}}
		for _, tt := range []struct {
			e    *Expr
			want bool
		}{{e, want == yes}, {e.Fold(), want == yes}, {negated, want == no}, {negated.Fold(), want == no}} {
			p, err := Compile(tt.e, View, l.resolve)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(&l.row); got != tt.want {
				t.Fatalf("%v: match = %v, reference %v", tt.e, got, want)
			}
		}
	})
}

// What LTTng matches weir matches too, if no integer is beyond 63 bits: the
// dialects differ in what they make of what is missing.
func TestLTTngMatchesLess(t *testing.T) {
	l := newLayout()
	if err := l.declare(EventScope, false, `i=-5 j=7 z=0 u=5u f=1.5 t="abc" s="ab" a=[1,-2,3] missing=[]`); err != nil {
		t.Fatal(err)
	}
	conditions := []string{"i == -5", "u > 5", "z", "t == \"a*\"", "s != t", "a[1] == -2", "a[7] == 0", "j << 64", "i >> z", "missing", "none", "!i"}
	rapid.Check(t, func(t *rapid.T) {
		var tree func(depth int) Node
		tree = func(depth int) Node {
			if depth == 0 || rapid.Bool().Draw(t, "leaf") {
				return mustParse(rapid.SampledFrom(conditions).Draw(t, "condition")).root
			}
			op := rapid.SampledFrom([]Op{LogicalOr, LogicalAnd}).Draw(t, "op")
			return &Binary{Op: op, X: tree(depth - 1), Y: tree(depth - 1)}
		}
		e := &Expr{root: tree(4)}
		match := func(d Dialect) bool {
			p, err := Compile(e, d, l.resolve)
			if err != nil {
				t.Fatal(err)
			}
			return p.Match(&l.row)
		}
		if match(LTTng) && !match(View) {
			t.Fatalf("%v: LTTng matches, View does not", e)
		}
	})
}

func TestGlobMeansReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*\\]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab*\\]{0,10}`).Draw(t, "text")
		g := NewGlob(pattern)
		if got, want := g.Match([]byte(text)), slowMatch(pattern, text); got != want {
			t.Fatalf("NewGlob(%q).Match(%q) = %v, want %v", pattern, text, got, want)
		}
		if again := NewGlob(g.String()); !again.Equal(g) || again.String() != g.String() {
			t.Fatalf("NewGlob(%q) prints as %q, which reads as %q", pattern, g, again)
		}
		short, long := bytes.Join(g.parts, nil), bytes.Join(g.parts, []byte("b"))
		plain, ok := g.Plain()
		if !slowMatch(pattern, string(short)) || !slowMatch(pattern, string(long)) || ok != bytes.Equal(short, long) {
			t.Fatalf("NewGlob(%q).Plain() = %q, %v", pattern, plain, ok)
		}
	})
}
