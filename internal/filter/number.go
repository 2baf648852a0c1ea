// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "math"

// operand is a number of an expression.
type operand struct {
	number        // kind is always set, bits if constant
	constant bool // else one of:
	direct   bool // an integer: the word in a slot, masked
	scope    Scope
	slot     uint32
	mask     uint64
	load     loader
}

// loader returns the bits of a number of a row; false if it has none.
type loader func(*Row) (uint64, bool)

// get returns the bits of the operand in a row; false if it has none.
func (v *operand) get(row *Row) (uint64, bool) {
	switch {
	case v.constant:
		return v.bits, true
	case v.load != nil:
		return v.load(row)
	}
	words := row[v.scope&1].Words
	if int(v.slot) >= len(words) {
		return 0, false
	}
	return words[v.slot] & v.mask, true
}

// number returns the value of a node as a number; false if it has none, for
// a reason that is then among the problems.
func (c *compiler) number(n Node) (operand, bool) {
	switch n := n.(type) {
	case *Int, *Float:
		v, _ := constant(n)
		return operand{number: v, constant: true}, true
	case *Field:
		return c.field(n)
	case *Unary:
		if n.Op != Not {
			return c.unary(n)
		}
	case *Binary:
		if !n.Op.Logical() && !n.Op.Comparison() {
			return c.binary(n)
		}
	case *Text: // a constant that stands where a field was
		return operand{}, false
	}
	return truthNumber(c.value(n)), true
}

// truthNumber is a condition as a number.
func truthNumber(t test) operand {
	return operand{
		number: number{kind: Signed},
		load: func(row *Row) (uint64, bool) {
			v := t(row)
			return uint64(v), v != unknown
		},
	}
}

func (c *compiler) field(f *Field) (operand, bool) {
	b := c.bindings[f]
	switch {
	case b == nil:
		return operand{}, false
	case b.Kind == String:
		c.problem(f, Mismatch)
		return operand{}, false
	case b.Kind == Float32:
		return operand{number: number{kind: Float64}, load: loadFloat32(b)}, true
	case len(b.Path) > 0 || b.Kind == Float64:
		return operand{number: number{kind: b.Kind}, load: b.locate}, true
	}
	v := operand{number: number{kind: b.Kind}, direct: true, mask: math.MaxUint64}
	v.scope, v.slot = b.Scope, uint32(b.Slot)
	return v, true
}

func loadFloat32(b *Binding) loader {
	return func(row *Row) (uint64, bool) {
		word, ok := b.locate(row)
		return math.Float64bits(float64(math.Float32frombits(uint32(word)))), ok
	}
}

func (c *compiler) unary(n *Unary) (operand, bool) {
	x, ok := c.number(n.X)
	if !ok {
		return operand{}, false
	}
	if n.Op == BitNot && x.kind == Float64 {
		c.mismatch(n.X)
		return operand{}, false
	}
	if n.Op == Plus {
		return x, true
	}
	op, kind := n.Op, x.kind
	return operand{
		number: number{kind: unaryKind(op, kind)},
		load: func(row *Row) (uint64, bool) {
			bits, ok := x.get(row)
			if !ok {
				return 0, false
			}
			return unaryNumber(op, bits, kind)
		},
	}, true
}

func (c *compiler) binary(n *Binary) (operand, bool) {
	x, xOK := c.number(n.X)
	y, yOK := c.number(n.Y)
	if !xOK || !yOK {
		return operand{}, false
	}
	kind := resultKind(n.Op, x.kind, y.kind)
	f := kernelOf(n.Op, kind)
	if f == nil {
		c.mismatch(n.X)
		c.mismatch(n.Y)
		return operand{}, false
	}
	if n.Op == BitAnd {
		if x.constant {
			x, y = y, x
		}
		if x.direct && y.constant {
			x.mask &= y.bits
			x.kind = kind
			return x, true
		}
	}
	return operand{number: number{kind: kind}, load: compute(f, kind, x, y)}, true
}

// mismatch notes the fields of a node that is a float and must not be.
func (c *compiler) mismatch(n Node) {
	walkValue(n, func(f *Field) {
		if b := c.bindings[f]; b != nil && (b.Kind == Float64 || b.Kind == Float32) {
			c.problem(f, Mismatch)
		}
	})
}

// walkValue calls visit for the fields from which the number of a node is
// computed: a condition is a 1 or a 0 whatever the kinds of its fields are.
func walkValue(n Node, visit func(*Field)) {
	Walk(n, func(n Node) bool {
		switch n := n.(type) {
		case *Field:
			visit(n)
		case *Unary:
			return n.Op != Not
		case *Binary:
			return !n.Op.Logical() && !n.Op.Comparison()
		}
		return true
	})
}

// compute returns the loader of an operation on two numbers.
func compute(f kernel, kind Kind, x, y operand) loader {
	return func(row *Row) (uint64, bool) {
		a, ok := x.get(row)
		if !ok {
			return 0, false
		}
		b, ok := y.get(row)
		if !ok {
			return 0, false
		}
		return f(convert(a, x.kind, kind), convert(b, y.kind, kind))
	}
}

// compareNumbers returns the condition of a comparison of two numbers.
func compareNumbers(op Op, x, y operand) leaf {
	if x.constant {
		x, y, op = y, x, op.mirrored()
	}
	switch {
	case x.constant:
		return constantLeaf(verdictOf(compare(x.bits, x.kind, y.bits, y.kind)&op.holds() != 0))
	case x.direct && y.constant && y.kind != Float64:
		return rangeLeaf(op, x, y.number)
	}
	holds := op.holds()
	return testLeaf(func(row *Row) verdict {
		a, aOK := x.get(row)
		b, bOK := y.get(row)
		if !aOK || !bOK {
			return unknown
		}
		return verdictOf(compare(a, x.kind, b, y.kind)&holds != 0)
	})
}

// rangeLeaf returns the comparison of an integer in a slot with a constant.
func rangeLeaf(op Op, x operand, y number) leaf {
	least, most := uint64(0), uint64(math.MaxUint64)
	if x.kind == Signed {
		least, most = 1<<63, math.MaxInt64
	}
	if x.kind != y.kind && int64(y.bits) < 0 {
		// The constant is outside of what x can be: a signed one below it, an
		// unsigned one above.
		where := below
		if y.kind == Signed {
			where = above
		}
		return x.within(least, most, op.holds()&where == 0)
	}
	switch v := y.bits; op {
	case Equal, NotEqual:
		return x.within(v, v, op == NotEqual)
	case Less, GreaterEqual:
		return x.within(v, most, op == Less)
	default:
		return x.within(least, v, op == Greater)
	}
}

// within returns whether an integer in a slot is from low to high or, if
// negated, is not.
func (v operand) within(low, high uint64, negated bool) leaf {
	o := op{mask: v.mask, low: low, span: high - low, slot: v.slot, scope: v.scope}
	return leaf{op: o, negated: negated}
}
