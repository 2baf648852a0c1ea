// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

// Expr is an expression that has been read and checked. It is immutable.
type Expr struct {
	text string
	root Node
}

// Root returns the tree, whose nodes must not be changed.
func (e *Expr) Root() Node { return e.root }

// Text returns the expression as it was written.
func (e *Expr) Text() string { return e.text }

// Fields returns the fields that the expression refers to, each once, in the
// order of their first place.
func (e *Expr) Fields() []*Field {
	var fields []*Field
	seen := make(map[string]bool)
	Walk(e.root, func(n Node) bool {
		if f, ok := n.(*Field); ok && !seen[f.String()] {
			seen[f.String()] = true
			fields = append(fields, f)
		}
		return true
	})
	return fields
}

// Node is a part of an expression: *Int, *Float, *Text, *Field, *Unary or
// *Binary.
type Node interface {
	// Offset is where the node begins in the expression; of an operator
	// between two operands, where the operator is.
	Offset() int
	// String returns the node as an expression, with no more parentheses than
	// it needs.
	String() string
}

type offset int

func (o offset) Offset() int { return int(o) }

// Int is an integer literal. Folding also makes negative ones.
type Int struct {
	offset
	Value    uint64 // in two's complement
	Unsigned bool   // was written with U, or does not fit 63 bits
	Base     int    // 8, 10 or 16: how it is printed
}

// NewInt returns a signed integer.
func NewInt(value int64) *Int { return &Int{Value: uint64(value), Base: 10} }

// Float is a floating-point literal.
type Float struct {
	offset
	Value float64
}

// NewFloat returns a floating-point literal.
func NewFloat(value float64) *Float { return &Float{Value: value} }

// Text is a string literal, which is a pattern if it has a star.
type Text struct {
	offset
	Pattern Glob
	// Char is set for a single byte in single quotes: it is an integer where
	// the other side is one. Byte is that integer.
	Char bool
	Byte byte
	// Escaped is set if there is an escape that LTTng lacks.
	Escaped bool
}

// NewText returns a string literal without stars.
func NewText(text string) *Text { return &Text{Pattern: PlainGlob(text)} }

// Root says where the path of a field begins.
type Root uint8

// The roots.
const (
	Bare      Root = iota // name: payload first, then the contexts
	Context               // $ctx.name
	App                   // $app.provider:name
	EventName             // $event.name, which has no path
)

// prefix is the root as it is written.
func (r Root) prefix() string {
	switch r {
	case Context:
		return "$ctx."
	case App:
		return "$app."
	case EventName:
		return "$event.name"
	}
	return ""
}

// Step is one step of the path to a field: a name or an index.
type Step struct {
	Name  string // "" for an index
	Index uint64
}

// Field refers to a field of the event or of its contexts.
type Field struct {
	offset
	Root Root
	Path []Step // begins with a name, except that of EventName, which is empty
}

// Unary is an operator before its operand: Not, BitNot, Negate or Plus.
type Unary struct {
	offset
	Op Op
	X  Node
}

// Binary is an operator between its operands.
type Binary struct {
	offset
	Op   Op
	X, Y Node
	typ  Type // of an arithmetic result; found when it is read
}

// Walk calls visit for n and, where it returns true, for the nodes below, from
// left to right.
func Walk(n Node, visit func(Node) bool) {
	if !visit(n) {
		return
	}
	switch n := n.(type) {
	case *Unary:
		Walk(n.X, visit)
	case *Binary:
		Walk(n.X, visit)
		Walk(n.Y, visit)
	}
}
