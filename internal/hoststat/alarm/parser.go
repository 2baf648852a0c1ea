// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package alarm

// powers are how close operators bind their operands.
var powers = map[string]int{
	"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6,
}

// prefixPower is how close ! and - before an operand bind.
const prefixPower = 7

// parser writes the code of an expression while it reads it: operands before
// their operator.
type parser struct {
	lex   lexer
	now   token
	place func(string) (int, bool)
	expr  *Expr
}

func (p *parser) advance() (err error) {
	p.now, err = p.lex.next()
	return err
}

func (p *parser) emit(s step) { p.expr.code = append(p.expr.code, s) }

// expression reads an operand and the operators behind it that bind closer than
// power. depth counts what waits on the stack as well as brackets.
func (p *parser) expression(power, depth int) error {
	if depth > maxDepth {
		return &Error{p.now.at, "nested deeper than 64"}
	}
	if err := p.operand(depth); err != nil {
		return err
	}
	for p.now.kind == operator && powers[p.now.text] > power {
		op := p.now.text
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.expression(powers[op], depth+1); err != nil {
			return err
		}
		p.emit(step{op: op})
	}
	return nil
}

func (p *parser) operand(depth int) error {
	t := p.now
	switch {
	case t.kind == number:
		p.emit(step{value: t.value})
		return p.advance()
	case t.kind == name:
		index, ok := p.place(t.text)
		if !ok {
			return &Error{t.at, "no value " + t.text}
		}
		p.emit(step{op: "v", index: index})
		p.expr.names = append(p.expr.names, index)
		return p.advance()
	case t.text == "!" || t.text == "-":
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.expression(prefixPower, depth+1); err != nil {
			return err
		}
		p.emit(step{op: map[string]string{"!": "!", "-": "neg"}[t.text]})
		return nil
	case t.text == "(":
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.expression(0, depth+1); err != nil {
			return err
		}
		if p.now.text != ")" {
			return p.fail(")")
		}
		return p.advance()
	}
	return p.fail("a value")
}

// fail says what was wanted in place of the token that is there.
func (p *parser) fail(want string) error {
	got := p.lex.text[p.now.at:p.lex.at]
	if p.now.kind == end {
		got = "the end"
	}
	return &Error{p.now.at, "got " + got + ", want " + want}
}
