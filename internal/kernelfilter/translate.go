// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"github.com/weir-io/weir/internal/filter"
)

// maxFilter is how long a filter of the kernel's may be.
const maxFilter = 4095

// verdict is what the kernel's language can say of a condition: for which records
// it may be true, and for which it may be false. Where a condition has no value,
// it is neither; so both are at least what they should be.
type verdict struct {
	yes, no *cond
	exact   bool // they are what they should be
}

// unsaid is a condition that the kernel's language cannot say.
var unsaid = verdict{yes: always, no: always}

func decided(c *cond) verdict { return verdict{yes: c, no: c.not(), exact: true} }

// division is an expression in two parts.
type division struct {
	kernel string
	rest   []filter.Node // what the kernel's filter does not decide
}

// divide finds out for each condition that has to be true whether the kernel can
// decide about it.
func (b *binding) divide(e *filter.Expr) division {
	var d division
	for _, n := range conjuncts(nil, e.Root()) {
		v := b.condition(n)
		exact := v.exact || v.yes == never
		text := v.yes.String()
		switch {
		case v.yes == never:
			return division{kernel: neverText}
		case v.yes == always:
		default:
			if v.yes.kind == some {
				text = "(" + text + ")"
			}
			more := d.kernel
			if more != "" {
				more += " && "
			}
			if more += text; len(more) <= maxFilter {
				d.kernel = more
			} else {
				exact = false
			}
		}
		if !exact {
			d.rest = append(d.rest, n)
		}
	}
	return d
}

// conjuncts appends the conditions that are joined by && at the top.
func conjuncts(list []filter.Node, n filter.Node) []filter.Node {
	if b, ok := n.(*filter.Binary); ok && b.Op == filter.LogicalAnd {
		return conjuncts(conjuncts(list, b.X), b.Y)
	}
	return append(list, n)
}

// condition translates a condition.
func (b *binding) condition(n filter.Node) verdict {
	switch n := n.(type) {
	case *filter.Unary:
		if n.Op == filter.Not {
			v := b.condition(n.X)
			return verdict{yes: v.no, no: v.yes, exact: v.exact}
		}
	case *filter.Binary:
		switch {
		case n.Op == filter.LogicalAnd:
			x, y := b.condition(n.X), b.condition(n.Y)
			return verdict{
				yes: and(x.yes, y.yes), no: or(x.no, y.no),
				exact: x.exact && (y.exact || x.yes == never),
			}
		case n.Op == filter.LogicalOr:
			x, y := b.condition(n.X), b.condition(n.Y)
			return verdict{
				yes: or(x.yes, y.yes), no: and(x.no, y.no),
				exact: x.exact && (y.exact || x.yes == always),
			}
		case n.Op.Comparison():
			return b.comparison(n)
		}
	}
	return b.compare(filter.NotEqual, n, 0)
}

// comparison translates a comparison.
func (b *binding) comparison(n *filter.Binary) verdict {
	if v, ok := b.texts(n); ok {
		return v
	}
	if c, ok := constant(n.Y); ok {
		return b.compare(n.Op, n.X, c)
	}
	if c, ok := constant(n.X); ok {
		return b.compare(mirrored(n.Op), n.Y, c)
	}
	return unsaid
}

// mirrored is the comparison that holds for (b, a) where op holds for (a, b).
func mirrored(op filter.Op) filter.Op {
	switch op {
	case filter.Less:
		return filter.Greater
	case filter.LessEqual:
		return filter.GreaterEqual
	case filter.Greater:
		return filter.Less
	case filter.GreaterEqual:
		return filter.LessEqual
	}
	return op
}

// compare translates the comparison of a number with a constant.
func (b *binding) compare(op filter.Op, n filter.Node, c int64) verdict {
	set := satisfying(op, c)
	holds := func(v int64) bool {
		for _, i := range set {
			if i.low <= v && v <= i.high {
				return true
			}
		}
		return false
	}
	if v, ok := constant(n); ok {
		if holds(v) {
			return decided(always)
		}
		return decided(never)
	}
	if v, ok := b.truth(n); ok { // a number that is 0 or 1
		return choose(v, holds(1), holds(0))
	}
	number, ok := b.number(n)
	if !ok {
		return unsaid
	}
	if condition, ok := number.among(set); ok {
		return decided(condition)
	}
	return unsaid
}

// choose is the verdict on a condition as a number, when a comparison holds for
// its 1 or its 0.
func choose(v verdict, one, zero bool) verdict {
	switch {
	case one != zero && one:
		return v
	case one != zero:
		return verdict{yes: v.no, no: v.yes, exact: v.exact}
	case !v.exact: // it may have no value
		return unsaid
	case one:
		return decided(always)
	default:
		return decided(never)
	}
}

// truth translates a node whose number is 0 or 1.
func (b *binding) truth(n filter.Node) (verdict, bool) {
	switch n := n.(type) {
	case *filter.Field:
		v, known := b.values[n]
		if !known || v.kind != bits || v.kernel == nil {
			return verdict{}, false
		}
		c := anyOf(v.kernel, uint64(v.mask))
		if v.none {
			c = c.not()
		}
		return decided(c), true
	case *filter.Unary:
		if n.Op == filter.Not {
			return b.condition(n), true
		}
	case *filter.Binary:
		if n.Op.Logical() || n.Op.Comparison() {
			return b.condition(n), true
		}
	}
	return verdict{}, false
}

// number translates a number that depends on a field.
func (b *binding) number(n filter.Node) (numeral, bool) {
	switch n := n.(type) {
	case *filter.Field:
		v, known := b.values[n]
		if !known {
			return numeral{}, false
		}
		return numeralOf(&v)
	case *filter.Unary:
		if n.Op == filter.Plus {
			return b.number(n.X)
		}
	case *filter.Binary:
		if n.Op != filter.BitAnd {
			break
		}
		for _, sides := range [][2]filter.Node{{n.X, n.Y}, {n.Y, n.X}} {
			mask, isConstant := constant(sides[1])
			if x, ok := b.number(sides[0]); ok && isConstant {
				return x.masked(uint64(mask))
			}
		}
	}
	return numeral{}, false
}

// constant returns the value of a node that depends on no field, as LTTng computes.
func constant(n filter.Node) (int64, bool) {
	switch n := n.(type) {
	case *filter.Int:
		return int64(n.Value), true
	case *filter.Unary:
		x, ok := constant(n.X)
		switch n.Op {
		case filter.Not:
			return int64(truth(x == 0)), ok
		case filter.Negate:
			return -x, ok
		case filter.BitNot:
			return ^x, ok
		}
		return x, ok
	case *filter.Binary:
		x, xOK := constant(n.X)
		y, yOK := constant(n.Y)
		if !xOK || !yOK {
			return 0, false
		}
		return compute(n.Op, x, y)
	}
	return 0, false
}

func compute(op filter.Op, x, y int64) (int64, bool) {
	switch op {
	case filter.BitOr:
		return x | y, true
	case filter.BitXor:
		return x ^ y, true
	case filter.BitAnd:
		return x & y, true
	case filter.ShiftLeft:
		return x << (uint64(y) & 63), uint64(y) < 64
	case filter.ShiftRight:
		return int64(uint64(x) >> (uint64(y) & 63)), uint64(y) < 64
	case filter.LogicalAnd:
		return int64(truth(x != 0 && y != 0)), true
	case filter.LogicalOr:
		return int64(truth(x != 0 || y != 0)), true
	}
	for _, i := range satisfying(op, y) {
		if i.low <= x && x <= i.high {
			return 1, op.Comparison()
		}
	}
	return 0, op.Comparison()
}

// texts translates a comparison with a text; false if there is none.
func (b *binding) texts(n *filter.Binary) (verdict, bool) {
	x, y := n.X, n.Y
	if _, ok := x.(*filter.Text); ok {
		x, y = y, x
	}
	literal, ok := y.(*filter.Text)
	if !ok {
		return verdict{}, false
	}
	var v verdict
	switch x := x.(type) {
	case *filter.Text:
		v = constantTexts(x.Pattern, literal.Pattern)
	case *filter.Field:
		v = b.text(x, literal.Pattern)
	default:
		return unsaid, true
	}
	if n.Op == filter.NotEqual {
		v.yes, v.no = v.no, v.yes
	}
	return v, true
}

// text translates the comparison of a field that is a text.
func (b *binding) text(f *filter.Field, pattern filter.Glob) verdict {
	v, known := b.values[f]
	switch {
	case known && v.kind == hostname && b.source.Hostname != "":
		return constantTexts(filter.PlainGlob(b.source.Hostname), pattern)
	case !known || v.filterKind() != filter.String:
		return unsaid
	}
	return matching(&v, pattern)
}

// constantTexts compares two texts of which one at most is a pattern.
func constantTexts(a, b filter.Glob) verdict {
	text, ok := a.Plain()
	if !ok {
		text, _ = b.Plain()
		b = a
	}
	if b.Match([]byte(text)) {
		return decided(always)
	}
	return decided(never)
}
