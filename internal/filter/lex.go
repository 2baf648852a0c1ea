// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
)

// tokenKind says what a token is.
type tokenKind uint8

const (
	tokenEnd      tokenKind = iota
	tokenName               // identifier
	tokenGlobal             // $identifier
	tokenLiteral            // number or string
	tokenOperator           // spelled with the characters of an operator
	tokenMark               // ( ) [ ] . ->
)

// token is a piece of an expression.
type token struct {
	kind    tokenKind
	offset  int
	text    string
	literal Node // of a tokenLiteral
}

// phrase describes the token in an error.
func (t token) phrase() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	text := t.text
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// is reports whether the token is this mark or operator.
func (t token) is(text string) bool {
	return (t.kind == tokenMark || t.kind == tokenOperator) && t.text == text
}

// symbols are the marks and operators, longer ones before their beginnings.
var symbols = []struct {
	text string
	kind tokenKind
}{
	{"->", tokenMark},
	{"||", tokenOperator},
	{"&&", tokenOperator},
	{"==", tokenOperator},
	{"!=", tokenOperator},
	{"<=", tokenOperator},
	{">=", tokenOperator},
	{"<<", tokenOperator},
	{">>", tokenOperator},
	{"(", tokenMark},
	{")", tokenMark},
	{"[", tokenMark},
	{"]", tokenMark},
	{".", tokenMark},
	{"<", tokenOperator},
	{">", tokenOperator},
	{"|", tokenOperator},
	{"^", tokenOperator},
	{"&", tokenOperator},
	{"+", tokenOperator},
	{"-", tokenOperator},
	{"*", tokenOperator},
	{"/", tokenOperator},
	{"%", tokenOperator},
	{"!", tokenOperator},
	{"~", tokenOperator},
}

// lexer cuts an expression into tokens.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) error(offset int, got, want string) *Error {
	return &Error{Text: l.text, Offset: offset, Got: got, Want: want}
}

// next returns the next token; at the end of the text, tokenEnd for ever.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start == len(l.text) {
		return token{kind: tokenEnd, offset: start}, nil
	}
	switch c := l.text[start]; {
	case isDigit(c), c == '.' && start+1 < len(l.text) && isDigit(l.text[start+1]):
		return l.finish(l.number())
	case c == '"' || c == '\'':
		return l.finish(l.quoted(c))
	case isNameStart(c):
		l.name()
		return l.cut(tokenName, start), nil
	case c == '$' && start+1 < len(l.text) && isNameStart(l.text[start+1]):
		l.pos++
		l.name()
		return l.cut(tokenGlobal, start), nil
	}
	for _, s := range symbols {
		if strings.HasPrefix(l.text[start:], s.text) {
			l.pos += len(s.text)
			return l.cut(s.kind, start), nil
		}
	}
	r := []rune(l.text[start:min(start+4, len(l.text))])[0]
	return token{}, l.error(start, fmt.Sprintf("%q", r), "an operand or an operator")
}

// cut returns the token from start to where the lexer is.
func (l *lexer) cut(kind tokenKind, start int) token {
	return token{kind: kind, offset: start, text: l.text[start:l.pos]}
}

// finish makes a token of a literal.
func (l *lexer) finish(n Node, err error) (token, error) {
	if err != nil {
		return token{}, err
	}
	t := l.cut(tokenLiteral, n.Offset())
	t.literal = n
	return t, nil
}

// skip passes white space and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.error(l.pos, "a comment without an end", `"*/"`)
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) name() {
	for l.pos < len(l.text) && (isNameStart(l.text[l.pos]) || isDigit(l.text[l.pos])) {
		l.pos++
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNameStart reports whether a name may begin with c. The colon is part of
// names, for those of application contexts.
func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':'
}
