// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// number reads an integer or a floating-point literal.
func (l *lexer) number() (Node, error) {
	start := l.pos
	hex := strings.HasPrefix(l.text[start:], "0x") || strings.HasPrefix(l.text[start:], "0X")
	for ; l.pos < len(l.text); l.pos++ {
		c := l.text[l.pos]
		if isDigit(c) || c == '.' || c != ':' && isNameStart(c) {
			continue
		}
		if (c == '+' || c == '-') && isExponent(l.text[l.pos-1], hex) {
			continue
		}
		break
	}
	text := l.text[start:l.pos]
	if hex && strings.ContainsAny(text, ".pP") || !hex && strings.ContainsAny(text, ".eE") {
		return l.float(start, text, hex)
	}
	return l.integer(start, text, hex)
}

func isExponent(c byte, hex bool) bool {
	if hex {
		return c == 'p' || c == 'P'
	}
	return c == 'e' || c == 'E'
}

func (l *lexer) integer(start int, text string, hex bool) (Node, error) {
	digits := strings.TrimRight(text, "uUlL")
	suffix := text[len(digits):]
	base := 10
	switch {
	case hex:
		digits, base = digits[2:], 16
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	value, err := strconv.ParseUint(digits, base, 64)
	if err != nil || !validSuffix(suffix) {
		want := "a decimal, octal or hexadecimal integer of 64 bits"
		return nil, l.error(start, fmt.Sprintf("%q", text), want)
	}
	if value == 0 && base == 8 {
		base = 10 // a zero is a zero
	}
	return &Int{
		offset:   offset(start),
		Value:    value,
		Unsigned: value > math.MaxInt64 || strings.ContainsAny(suffix, "uU"),
		Base:     base,
	}, nil
}

// validSuffix reports whether s is an integer suffix of C, in which both
// letters of an ll are of one case.
func validSuffix(s string) bool {
	if strings.Contains(s, "lL") || strings.Contains(s, "Ll") {
		return false
	}
	switch strings.ToLower(s) {
	case "", "u", "l", "ll", "ul", "ull", "lu", "llu":
		return true
	}
	return false
}

func (l *lexer) float(start int, text string, hex bool) (Node, error) {
	digits := text
	exponent := strings.ContainsAny(text, "pP")
	if !hex || exponent {
		digits = strings.TrimRight(text, "fFlL")
	}
	if hex && !exponent {
		digits += "p0"
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Contains(text, "_") || len(text) > len(digits)+1 {
		return nil, l.error(start, fmt.Sprintf("%q", text), "a floating-point number of 64 bits")
	}
	return &Float{offset: offset(start), Value: value}, nil
}

// quoted reads a string in double or single quotes.
func (l *lexer) quoted(quote byte) (Node, error) {
	start := l.pos
	n := &Text{offset: offset(start)}
	var b globBuilder
	for l.pos++; ; {
		switch {
		case l.pos == len(l.text) || l.text[l.pos] == '\n':
			return nil, l.error(start, "a string without an end", fmt.Sprintf("a closing %c", quote))
		case l.text[l.pos] == quote:
			l.pos++
			return l.string(n, b, quote)
		case l.text[l.pos] == '*':
			b.star()
			l.pos++
		case l.text[l.pos] == '\\':
			value, err := l.escape(n)
			if err != nil {
				return nil, err
			}
			b.literal(value...)
		default:
			b.literal(l.text[l.pos])
			l.pos++
		}
	}
}

// string finishes a string that has been read.
func (l *lexer) string(n *Text, b globBuilder, quote byte) (Node, error) {
	n.Pattern = b.glob()
	if quote != '\'' {
		return n, nil
	}
	inside := l.text[n.Offset()+1 : l.pos-1]
	plain, isPlain := n.Pattern.Plain()
	switch {
	case inside == "":
		return nil, l.error(n.Offset(), "an empty character", "one between the quotes")
	case inside == "*":
		n.Char, n.Byte = true, '*'
	case isPlain && len(plain) == 1:
		n.Char, n.Byte = true, plain[0]
	}
	return n, nil
}

// simpleEscapes are the escapes of one character and what they stand for.
const (
	simpleEscapes = `\*"'?abfnrtv`
	simpleValues  = "\\*\"'?\a\b\f\n\r\t\v"
)

// escape reads an escape sequence and returns the bytes that it stands for.
func (l *lexer) escape(n *Text) ([]byte, error) {
	start := l.pos
	l.pos++
	if l.pos == len(l.text) {
		return nil, l.error(n.Offset(), "a string without an end", "a closing quote")
	}
	c := l.text[l.pos]
	n.Escaped = n.Escaped || c != '\\' && c != '*'
	if i := strings.IndexByte(simpleEscapes, c); i >= 0 {
		l.pos++
		return []byte{simpleValues[i]}, nil
	}
	switch c {
	case 'x':
		l.pos++
		return l.code(start, 16, 1, 2, math.MaxUint8)
	case 'u':
		l.pos++
		return l.code(start, 16, 4, 4, utf8.MaxRune)
	case 'U':
		l.pos++
		return l.code(start, 16, 8, 8, utf8.MaxRune)
	}
	return l.code(start, 8, 1, 3, math.MaxUint8)
}

// code reads between least and most digits of the code of a byte or, if the
// digits may say more than that, of a character, which it returns in UTF-8.
func (l *lexer) code(start, base, least, most int, limit uint64) ([]byte, error) {
	end := l.pos
	for end < len(l.text) && end < l.pos+most && digitValue(l.text[end]) < base {
		end++
	}
	value, err := strconv.ParseUint(l.text[l.pos:end], base, 64)
	if err != nil || end < l.pos+least || value > limit || !utf8.ValidRune(rune(value)) {
		end = min(max(end, start+2), len(l.text))
		return nil, l.error(start, fmt.Sprintf("%q", l.text[start:end]), "an escape sequence of C")
	}
	l.pos = end
	if limit == math.MaxUint8 {
		return []byte{byte(value)}, nil
	}
	return utf8.AppendRune(nil, rune(value)), nil
}

// digitValue returns the value of a digit of base 16, or more than any base.
func digitValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return math.MaxInt
}
