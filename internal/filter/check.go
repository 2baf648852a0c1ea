// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
)

// Type is what is known of a node's value before its fields are bound.
type Type uint8

// The types.
const (
	AnyType     Type = iota // depends on a field
	IntegerType             // also the result of a comparison
	FloatType
	TextType
	CharType // text, or an integer beside a number
)

func (t Type) text() bool   { return t == TextType || t == CharType }
func (t Type) number() bool { return t == IntegerType || t == FloatType }

// TypeOf returns the type of a node of an expression that has been read.
func TypeOf(n Node) Type {
	switch n := n.(type) {
	case *Int:
		return IntegerType
	case *Float:
		return FloatType
	case *Text:
		if n.Char {
			return CharType
		}
		return TextType
	case *Unary:
		if n.Op == Negate || n.Op == Plus {
			return TypeOf(n.X)
		}
		return IntegerType
	case *Binary:
		if n.Op.Arithmetic() {
			return n.typ
		}
		return IntegerType
	}
	return AnyType
}

// arithmeticType is the type of what an arithmetic operator returns.
func arithmeticType(x, y Type) Type {
	switch {
	case x == FloatType || y == FloatType:
		return FloatType
	case x == IntegerType && y == IntegerType:
		return IntegerType
	}
	return AnyType
}

// mismatch is the error of an operand that the operator does not take.
func (p *parser) mismatch(n Node, want string) *Error {
	got := "a floating-point number"
	if TypeOf(n).text() {
		got = "the string " + n.String()
	}
	return p.error(leftmost(n), got, want)
}

// leftmost returns where the text of a node begins.
func leftmost(n Node) int {
	for {
		b, ok := n.(*Binary)
		if !ok {
			return n.Offset()
		}
		n = b.X
	}
}

func (p *parser) checkUnary(n *Unary) error { return p.checkOperand(n.Op, n.X) }

// checkOperand refuses an operand of an operator other than a comparison.
func (p *parser) checkOperand(op Op, n Node) error {
	switch t := TypeOf(n); {
	case t.text():
		return p.mismatch(n, "a number beside "+op.String())
	case t == FloatType && (op.Bitwise() || op == Modulo):
		return p.mismatch(n, "an integer beside "+op.String())
	}
	return nil
}

func (p *parser) checkBinary(n *Binary) error {
	if n.Op.Comparison() {
		return p.checkComparison(n)
	}
	if err := p.checkOperand(n.Op, n.X); err != nil {
		return err
	}
	return p.checkOperand(n.Op, n.Y)
}

func (p *parser) checkComparison(n *Binary) error {
	x, y := TypeOf(n.X), TypeOf(n.Y)
	switch {
	case !x.text() && !y.text(), x == CharType && y.number(), x.number() && y == CharType:
		return nil
	case x.text() && y.number():
		return p.mismatch(n.X, "a number")
	case x.number() && y.text():
		return p.mismatch(n.Y, "a number")
	}
	order := n.Op != Equal && n.Op != NotEqual
	if order && !p.ordered {
		switch {
		case x == TextType || x == CharType && y.text():
			return p.mismatch(n.X, fmt.Sprintf("a number beside %v", n.Op))
		case y == TextType:
			return p.mismatch(n.Y, fmt.Sprintf("a number beside %v", n.Op))
		}
		return nil
	}
	for _, side := range []Node{n.X, n.Y} {
		if order && isPattern(side) && !isPrefix(side) {
			return p.mismatch(side, fmt.Sprintf("a string with no * but at its end beside %v", n.Op))
		}
	}
	if isPattern(n.X) && isPattern(n.Y) {
		return p.error(n.Y.Offset(), "a second pattern", "a string without *")
	}
	return nil
}

// isPattern reports whether a node is a string literal with a star.
func isPattern(n Node) bool {
	t, ok := n.(*Text)
	if !ok {
		return false
	}
	_, plain := t.Pattern.Plain()
	return !plain
}

// isPrefix reports whether a pattern ends in its only star.
func isPrefix(n Node) bool {
	text, ok := strings.CutSuffix(n.(*Text).Pattern.String(), "*")
	_, plain := NewGlob(text).Plain()
	return ok && plain
}
