// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"strconv"
	"strings"
)

// kind is what a token is.
type kind uint8

const (
	end kind = iota
	number
	name
	operator // text tells which
)

type token struct {
	kind  kind
	text  string
	value float64
	at    int
}

// units are what numbers may be followed by.
var units = map[string]float64{
	"": 1, "%": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "s": 1, "m": 60, "h": 3600,
}

// lexer cuts an expression into tokens.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	from := l.at
	if from == len(l.text) {
		return token{kind: end, at: from}, nil
	}
	switch c := l.text[from]; {
	case digit(c) || c == '.':
		return l.number()
	case letter(c):
		for l.at < len(l.text) && (letter(l.text[l.at]) || digit(l.text[l.at])) {
			l.at++
		}
		return token{kind: name, text: l.text[from:l.at], at: from}, nil
	}
	for _, op := range []string{"||", "&&", "<=", ">=", "==", "!=", "<", ">", "!", "+", "-", "*", "/", "(", ")"} {
		if strings.HasPrefix(l.text[from:], op) {
			l.at += len(op)
			return token{kind: operator, text: op, at: from}, nil
		}
	}
	return token{}, &Error{from, "unexpected " + strconv.Quote(string([]rune(l.text[from:])[:1]))}
}

// number reads digits, a fraction and a unit.
func (l *lexer) number() (token, error) {
	from := l.at
	for l.at < len(l.text) && (digit(l.text[l.at]) || l.text[l.at] == '.') {
		l.at++
	}
	v, err := strconv.ParseFloat(l.text[from:l.at], 64)
	if err != nil {
		return token{}, &Error{from, "no number: " + l.text[from:l.at]}
	}
	unit := l.at
	if l.at < len(l.text) && l.text[l.at] == '%' {
		l.at++
	}
	for l.at < len(l.text) && (letter(l.text[l.at]) || digit(l.text[l.at])) {
		l.at++
	}
	factor, ok := units[l.text[unit:l.at]]
	if !ok {
		return token{}, &Error{unit, "no unit: " + l.text[unit:l.at]}
	}
	return token{kind: number, value: v * factor, at: from}, nil
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
