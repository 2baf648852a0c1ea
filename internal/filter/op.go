// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

// Op is an operator.
type Op uint8

// The operators. Plus and Negate are the unary + and -.
const (
	_ Op = iota
	LogicalOr
	LogicalAnd
	Equal
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	BitOr
	BitXor
	BitAnd
	ShiftLeft
	ShiftRight
	Add
	Subtract
	Multiply
	Divide
	Modulo

	Not
	BitNot
	Negate
	Plus
)

// unaryBinding is above the binding power of every binary operator.
const unaryBinding = 11

// operators is the table of spellings and binding powers; a higher power binds
// more tightly, and all binary operators group from the left. Unlike in C, the
// bitwise operators bind more tightly than the comparisons.
var operators = [...]struct {
	text    string
	binding int
}{
	LogicalOr:    {"||", 1},
	LogicalAnd:   {"&&", 2},
	Equal:        {"==", 3},
	NotEqual:     {"!=", 3},
	Less:         {"<", 4},
	LessEqual:    {"<=", 4},
	Greater:      {">", 4},
	GreaterEqual: {">=", 4},
	BitOr:        {"|", 5},
	BitXor:       {"^", 6},
	BitAnd:       {"&", 7},
	ShiftLeft:    {"<<", 8},
	ShiftRight:   {">>", 8},
	Add:          {"+", 9},
	Subtract:     {"-", 9},
	Multiply:     {"*", 10},
	Divide:       {"/", 10},
	Modulo:       {"%", 10},
	Not:          {"!", unaryBinding},
	BitNot:       {"~", unaryBinding},
	Negate:       {"-", unaryBinding},
	Plus:         {"+", unaryBinding},
}

// String returns the operator as it is written.
func (o Op) String() string { return operators[o].text }

// Logical reports whether o is && or ||.
func (o Op) Logical() bool { return o == LogicalOr || o == LogicalAnd }

// Comparison reports whether o is one of == != < <= > >=.
func (o Op) Comparison() bool { return o >= Equal && o <= GreaterEqual }

// Bitwise reports whether o takes integers only and works on their bits.
func (o Op) Bitwise() bool { return o >= BitOr && o <= ShiftRight || o == BitNot }

// Arithmetic reports whether o is one of + - * / % between two operands, which
// LTTng reads and refuses.
func (o Op) Arithmetic() bool { return o >= Add && o <= Modulo }

// mirrored is the comparison that holds for (b, a) where o holds for (a, b).
func (o Op) mirrored() Op {
	switch o {
	case Less:
		return Greater
	case LessEqual:
		return GreaterEqual
	case Greater:
		return Less
	case GreaterEqual:
		return LessEqual
	}
	return o
}
