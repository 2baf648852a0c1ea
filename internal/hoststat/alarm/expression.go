// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"fmt"
	"math"
)

// Limits of expressions.
const (
	maxText  = 1024 // bytes
	maxDepth = 64   // operands that wait, and brackets in each other
)

// Error says what is wrong with an expression, and where.
type Error struct {
	Offset int
	Text   string
}

// Error gives the reason and the place, from 1.
func (e *Error) Error() string { return fmt.Sprintf("%s (at column %d)", e.Text, e.Offset+1) }

// Expr is a compiled expression. It may be used from any goroutine.
type Expr struct {
	text  string
	code  []step
	names []int
}

// step is an instruction: push a number or a value, or replace operands by a result.
type step struct {
	op    string // "" pushes value, "v" pushes the value at index
	value float64
	index int
}

// Compile makes an expression of its text. place tells the index of a name, by
// which Eval is given its value.
func Compile(text string, place func(name string) (index int, ok bool)) (*Expr, error) {
	if len(text) > maxText {
		return nil, &Error{maxText, "longer than 1024 bytes"}
	}
	p := parser{lex: lexer{text: text}, place: place, expr: &Expr{text: text}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expression(0, 0); err != nil {
		return nil, err
	}
	if p.now.kind != end {
		return nil, p.fail("an operator")
	}
	return p.expr, nil
}

// String returns the text that the expression was made of.
func (e *Expr) String() string { return e.text }

// Same reports whether two expressions, of which either may be nil, are made of the
// same text.
func (e *Expr) Same(o *Expr) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.text == o.text
}

// Uses returns the indices of the names in the expression.
func (e *Expr) Uses() []int { return e.names }

// Value returns what the expression comes to; math.NaN if that is missing.
// Comparisons come to 0 or 1.
func (e *Expr) Value(values []float64) float64 {
	var stack [maxDepth + 2]float64
	n := 0
	for i := range e.code {
		s := &e.code[i]
		switch s.op {
		case "":
			stack[n] = s.value
			n++
		case "v":
			stack[n] = values[s.index]
			n++
		case "!":
			stack[n-1] = number01(!Truth(stack[n-1]))
		case "neg":
			stack[n-1] = -stack[n-1]
		default:
			n--
			stack[n-1] = apply(s.op, stack[n-1], stack[n])
		}
	}
	return stack[0]
}

// True reports whether the expression holds.
func (e *Expr) True(values []float64) bool { return Truth(e.Value(values)) }

// Truth tells what is true: a number that is there and not 0.
func Truth(v float64) bool { return v != 0 && !math.IsNaN(v) }

func number01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// apply computes an operator of two operands.
func apply(op string, a, b float64) float64 {
	missing := math.IsNaN(a) || math.IsNaN(b)
	switch op {
	case "||":
		return number01(Truth(a) || Truth(b))
	case "&&":
		return number01(Truth(a) && Truth(b))
	case "<":
		return number01(a < b)
	case "<=":
		return number01(a <= b)
	case ">":
		return number01(a > b)
	case ">=":
		return number01(a >= b)
	case "==":
		return number01(a == b)
	case "!=":
		return number01(!missing && a != b)
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	}
	if b == 0 {
		return math.NaN()
	}
	return a / b
}
