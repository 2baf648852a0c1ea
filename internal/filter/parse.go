// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
)

// Limits of an expression.
const (
	MaxLength = 1<<16 - 1 // bytes, as in LTTng
	MaxDepth  = 200       // operators and parentheses around an operand
	MaxNodes  = 1 << 14   // operands and operators
)

// Parse reads an expression and checks what can be checked without the types
// of its fields. The error is an [*Error].
func Parse(text string) (*Expr, error) {
	p := parser{lexer: lexer{text: text}}
	return p.parse()
}

// ParseOrdered is [Parse] for applications, which compare strings by < <= > >= too: byte by
// byte, and as equal to a string that ends in its only star where they begin like it. To a
// [Program] such a comparison is unknown.
func ParseOrdered(text string) (*Expr, error) {
	p := parser{lexer: lexer{text: text}, ordered: true}
	return p.parse()
}

func (p *parser) parse() (*Expr, error) {
	text := p.text
	if len(text) > MaxLength {
		return nil, p.error(MaxLength, "a longer text", fmt.Sprintf("at most %d bytes", MaxLength))
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.expression(1)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected("an operator or the end")
	}
	if TypeOf(root).text() {
		return nil, p.mismatch(root, "a condition")
	}
	return &Expr{text: text, root: root}, nil
}

// parser reads expressions by the binding powers of their operators.
type parser struct {
	lexer
	ordered bool  // strings have an order
	tok     token // the one to read next
	depth   int
	nodes   int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) unexpected(want string) *Error {
	return p.error(p.tok.offset, p.tok.phrase(), want)
}

// enter counts a level of nesting, which leave ends.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return p.error(p.tok.offset, "one more level", fmt.Sprintf("at most %d", MaxDepth))
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// count counts a node.
func (p *parser) count() error {
	if p.nodes++; p.nodes > MaxNodes {
		return p.error(p.tok.offset, "one more operand or operator", fmt.Sprintf("at most %d", MaxNodes))
	}
	return nil
}

// expression reads operators of at least this binding power and their
// operands.
func (p *parser) expression(least int) (Node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		op := binaryOperator(p.tok)
		binding := operators[op].binding
		if op == 0 || binding < least {
			return x, nil
		}
		if x, err = p.binary(op, binding, x); err != nil {
			return nil, err
		}
	}
}

// binary reads an operator and its right operand.
func (p *parser) binary(op Op, binding int, x Node) (Node, error) {
	at := p.tok.offset
	if err := p.count(); err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	y, err := p.expression(binding + 1)
	if err != nil {
		return nil, err
	}
	n := &Binary{offset: offset(at), Op: op, X: x, Y: y, typ: arithmeticType(TypeOf(x), TypeOf(y))}
	return n, p.checkBinary(n)
}

// binaryOperator returns the operator between two operands that t spells, or 0.
func binaryOperator(t token) Op {
	if t.kind == tokenOperator {
		for op := LogicalOr; op <= Modulo; op++ {
			if operators[op].text == t.text {
				return op
			}
		}
	}
	return 0
}

// unaryOperator returns the operator before an operand that t spells, or 0.
func unaryOperator(t token) Op {
	if t.kind == tokenOperator {
		for op := Not; op <= Plus; op++ {
			if operators[op].text == t.text {
				return op
			}
		}
	}
	return 0
}

// unary reads an operand with the operators before it.
func (p *parser) unary() (Node, error) {
	op := unaryOperator(p.tok)
	if op == 0 {
		return p.operand()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	at := p.tok.offset
	if err := p.count(); err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	n := &Unary{offset: offset(at), Op: op, X: x}
	return n, p.checkUnary(n)
}

// operand reads a literal, a field or an expression in parentheses.
func (p *parser) operand() (Node, error) {
	if err := p.count(); err != nil {
		return nil, err
	}
	switch {
	case p.tok.kind == tokenLiteral:
		n := p.tok.literal
		return n, p.advance()
	case p.tok.kind == tokenName:
		return p.path(&Field{offset: offset(p.tok.offset)})
	case p.tok.kind == tokenGlobal:
		return p.global()
	case p.tok.is("("):
		return p.parentheses()
	}
	return nil, p.unexpected("an operand")
}

func (p *parser) parentheses() (Node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression(1)
	if err != nil {
		return nil, err
	}
	return n, p.expect(")")
}

// expect passes a mark.
func (p *parser) expect(mark string) error {
	if !p.tok.is(mark) {
		return p.unexpected(fmt.Sprintf("%q", mark))
	}
	return p.advance()
}

// global reads a field whose root begins with $.
func (p *parser) global() (Node, error) {
	f := &Field{offset: offset(p.tok.offset)}
	switch p.tok.text {
	case "$ctx":
		f.Root = Context
	case "$app":
		f.Root = App
	case "$event":
		f.Root = EventName
	default:
		return nil, p.unexpected("$ctx, $app or $event")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("."); err != nil {
		return nil, err
	}
	switch {
	case p.tok.kind != tokenName:
		return nil, p.unexpected("a name")
	case f.Root == EventName && p.tok.text != "name":
		return nil, p.unexpected(`"name"`)
	case f.Root == EventName:
		return f, p.advance()
	case f.Root == App && !isAppName(p.tok.text):
		return nil, p.unexpected("provider:name")
	}
	return p.path(f)
}

// isAppName reports whether s is provider:name.
func isAppName(s string) bool {
	provider, name, found := strings.Cut(s, ":")
	return found && provider != "" && name != ""
}

// path reads the names and indexes of a field, from its first name.
func (p *parser) path(f *Field) (Node, error) {
	for {
		if p.tok.kind != tokenName {
			return nil, p.unexpected("a name")
		}
		f.Path = append(f.Path, Step{Name: p.tok.text})
		if err := p.advance(); err != nil {
			return nil, err
		}
		if err := p.indexes(f); err != nil {
			return nil, err
		}
		if !p.tok.is(".") && !p.tok.is("->") {
			return f, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// indexes reads what is in brackets after a name.
func (p *parser) indexes(f *Field) error {
	for p.tok.is("[") {
		if err := p.advance(); err != nil {
			return err
		}
		index, ok := p.tok.literal.(*Int)
		if !ok {
			return p.unexpected("an integer")
		}
		f.Path = append(f.Path, Step{Index: index.Value})
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.expect("]"); err != nil {
			return err
		}
	}
	return nil
}
