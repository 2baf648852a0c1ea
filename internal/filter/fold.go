// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "math"

// Fold returns the expression with what depends on no field computed, for
// those who translate it. What has no result, as a division by zero, stays.
func (e *Expr) Fold() *Expr { return &Expr{text: e.text, root: fold(e.root)} }

// fold returns a node with constant parts computed. It shares what it leaves.
func fold(n Node) Node {
	switch n := n.(type) {
	case *Unary:
		return foldUnary(n, fold(n.X))
	case *Binary:
		x := fold(n.X)
		if n.Op.Logical() {
			if v, ok := constant(x); ok && isTrue(v.bits, v.kind) == (n.Op == LogicalOr) {
				return truth(n.offset, n.Op == LogicalOr)
			}
		}
		return foldBinary(n, x, fold(n.Y))
	}
	return n
}

// number is a constant.
type number struct {
	bits uint64
	kind Kind
}

// constant returns the value of a node that is a number.
func constant(n Node) (number, bool) {
	switch n := n.(type) {
	case *Int:
		if n.Unsigned {
			return number{n.Value, Unsigned}, true
		}
		return number{n.Value, Signed}, true
	case *Float:
		return number{math.Float64bits(n.Value), Float64}, true
	}
	return number{}, false
}

// literal returns the node of a constant.
func literal(at offset, v number) Node {
	if v.kind == Float64 {
		return &Float{offset: at, Value: math.Float64frombits(v.bits)}
	}
	return &Int{offset: at, Value: v.bits, Unsigned: v.kind == Unsigned, Base: 10}
}

func truth(at offset, b bool) Node { return literal(at, number{bit(b), Signed}) }

func foldUnary(n *Unary, x Node) Node {
	if v, ok := constant(x); ok {
		if n.Op == Not {
			return truth(n.offset, !isTrue(v.bits, v.kind))
		}
		if bits, ok := unaryNumber(n.Op, v.bits, v.kind); ok {
			return literal(n.offset, number{bits, unaryKind(n.Op, v.kind)})
		}
	}
	if x == n.X {
		return n
	}
	return &Unary{offset: n.offset, Op: n.Op, X: x}
}

func foldBinary(n *Binary, x, y Node) Node {
	if a, ok := constant(x); ok {
		if b, ok := constant(y); ok {
			if folded := foldNumbers(n, a, b); folded != nil {
				return folded
			}
		}
	}
	if folded := foldTexts(n, x, y); folded != nil {
		return folded
	}
	if x == n.X && y == n.Y {
		return n
	}
	return &Binary{offset: n.offset, Op: n.Op, X: x, Y: y, typ: n.typ}
}

// foldNumbers returns the node of the result, or nil if there is none.
func foldNumbers(n *Binary, a, b number) Node {
	switch {
	case n.Op.Logical():
		return truth(n.offset, isTrue(b.bits, b.kind)) // the left side did not decide
	case n.Op.Comparison():
		return truth(n.offset, compare(a.bits, a.kind, b.bits, b.kind)&n.Op.holds() != 0)
	}
	k := resultKind(n.Op, a.kind, b.kind)
	f := kernelOf(n.Op, k)
	if f == nil {
		return nil
	}
	bits, ok := f(convert(a.bits, a.kind, k), convert(b.bits, b.kind, k))
	if v := math.Float64frombits(bits); !ok || k == Float64 && (math.IsNaN(v) || math.IsInf(v, 0)) {
		return nil
	}
	return literal(n.offset, number{bits, k})
}

// foldTexts compares two literals of which one at least is text. It returns
// nil if they are something else.
func foldTexts(n *Binary, x, y Node) Node {
	a, aText := x.(*Text)
	b, bText := y.(*Text)
	if !n.Op.Comparison() {
		return nil
	}
	if aText && bText && (n.Op == Equal || n.Op == NotEqual) {
		return truth(n.offset, matchTexts(a, b) == (n.Op == Equal))
	}
	if aText && a.Char {
		if v, ok := constant(y); ok {
			return foldNumbers(n, number{uint64(a.Byte), Signed}, v)
		}
	}
	if bText && b.Char {
		if v, ok := constant(x); ok {
			return foldNumbers(n, v, number{uint64(b.Byte), Signed})
		}
	}
	return nil
}

// matchTexts compares literals of which one at most is a pattern.
func matchTexts(a, b *Text) bool {
	if text, plain := a.Pattern.Plain(); plain {
		return b.Pattern.Match([]byte(text))
	}
	text, _ := b.Pattern.Plain()
	return a.Pattern.Match([]byte(text))
}
