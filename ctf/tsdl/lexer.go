// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// lexer cuts a text into tokens. It is a value, so that a copy is a place to go
// back to.
type lexer struct {
	src string
	pos int
}

// lexError is a text that is no token, at an offset.
type lexError struct {
	pos       int
	msg       string
	got, want string
}

// Classes of bytes.
const (
	spaceByte = 1 << iota
	letterByte
	digitByte
	hexByte
)

var byteClass = func() (t [256]uint8) {
	for _, c := range " \t\r\n" {
		t[c] |= spaceByte
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= letterByte
		t[c-'a'+'A'] |= letterByte
	}
	t['_'] |= letterByte
	for c := '0'; c <= '9'; c++ {
		t[c] |= digitByte | hexByte
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= hexByte
		t[c-'a'+'A'] |= hexByte
	}
	return t
}()

// next returns the token that follows; at the end one of kind tEOF, again and
// again.
func (l *lexer) next() (token, *lexError) {
	if err := l.skipSpace(); err != nil {
		return token{tEOF, l.pos, l.pos}, err
	}
	start := l.pos
	if start == len(l.src) {
		return token{tEOF, start, start}, nil
	}
	switch c := l.src[start]; {
	case byteClass[c]&letterByte != 0 || c == '\\':
		return l.word()
	case byteClass[c]&digitByte != 0:
		return l.integer()
	case c == '"':
		return l.quoted(tString)
	case c == '\'':
		return l.quoted(tChar)
	default:
		return l.punctuation()
	}
}

// skipSpace skips white space and comments.
func (l *lexer) skipSpace() *lexError {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if byteClass[c]&spaceByte != 0 {
			l.pos++
			continue
		}
		if c != '/' || l.pos+1 == len(l.src) {
			return nil
		}
		switch l.src[l.pos+1] {
		case '*':
			n := strings.Index(l.src[l.pos+2:], "*/")
			if n < 0 {
				return &lexError{pos: l.pos, msg: "comment without end"}
			}
			l.pos += n + 4
		case '/':
			n := strings.IndexByte(l.src[l.pos:], '\n')
			if n < 0 {
				n = len(l.src) - l.pos
			}
			l.pos += n
		default:
			return nil
		}
	}
	return nil
}

// word reads an identifier or a keyword.
func (l *lexer) word() (token, *lexError) {
	start := l.pos
	if c := l.src[start]; c == 'L' && start+1 < len(l.src) && (l.src[start+1] == '"' || l.src[start+1] == '\'') {
		return token{}, &lexError{pos: start, msg: "wide string", got: `"L"`, want: "a string of bytes"}
	}
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if byteClass[c]&(letterByte|digitByte) != 0 {
			l.pos++
			continue
		}
		if c != '\\' {
			break
		}
		n := universalName(l.src[l.pos:])
		if n == 0 {
			return token{}, &lexError{pos: l.pos, msg: "escape in an identifier", want: `\uXXXX or \UXXXXXXXX`}
		}
		l.pos += n
	}
	t := token{tIdent, start, l.pos}
	if k, ok := keywords[l.src[start:l.pos]]; ok {
		t.kind = k
	}
	return t, nil
}

// universalName returns the length of the \uXXXX or \UXXXXXXXX that s begins
// with, 0 if it does not.
func universalName(s string) int {
	n := 0
	switch {
	case strings.HasPrefix(s, `\u`):
		n = 6
	case strings.HasPrefix(s, `\U`):
		n = 10
	}
	if n == 0 || len(s) < n {
		return 0
	}
	for i := 2; i < n; i++ {
		if byteClass[s[i]]&hexByte == 0 {
			return 0
		}
	}
	return n
}

// integer reads an integer with its suffix.
func (l *lexer) integer() (token, *lexError) {
	start := l.pos
	for l.pos < len(l.src) && byteClass[l.src[l.pos]]&(letterByte|digitByte) != 0 {
		l.pos++
	}
	text := l.src[start:l.pos]
	if _, err := parseInteger(text); err != nil {
		if len(text) > maxDescribed {
			text = text[:maxDescribed] + "…"
		}
		return token{}, &lexError{start, "integer", strconv.Quote(text), err.Error()}
	}
	return token{tInteger, start, l.pos}, nil
}

// integerError is what was wanted instead of a malformed integer.
type integerError string

func (e integerError) Error() string { return string(e) }

// suffixes of integers that C has, in lower case, without those of one l.
var suffixes = map[string]bool{
	"": true, "u": true, "l": true, "ll": true, "ul": true, "lu": true,
	"ull": true, "llu": true,
}

// parseInteger gives the value of an integer as the lexer found it.
func parseInteger(s string) (uint64, error) {
	if len(s) < 10 && s[0] != '0' { // most are short
		if n, err := strconv.Atoi(s); err == nil {
			return uint64(n), nil
		}
	}
	digits := strings.TrimRight(s, "uUlL")
	if suffix := s[len(digits):]; len(suffix) > 3 || strings.Contains(suffix, "lL") ||
		strings.Contains(suffix, "Ll") || !suffixes[strings.ToLower(suffix)] {
		return 0, integerError("a suffix of u, l, ll or none")
	}
	base, body := 10, digits
	switch {
	case len(digits) > 1 && (digits[1] == 'x' || digits[1] == 'X'):
		base, body = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base, body = 8, digits[1:]
	}
	if strings.IndexByte(body, '_') >= 0 { // strconv would know what to do with it
		return 0, integerError(fmt.Sprintf("digits of base %d", base))
	}
	v, err := strconv.ParseUint(body, base, 64)
	switch {
	case err == nil:
		return v, nil
	case v == math.MaxUint64:
		return 0, integerError("at most 18446744073709551615")
	default:
		return 0, integerError(fmt.Sprintf("digits of base %d", base))
	}
}

// quoted reads a string or character constant, escapes included.
func (l *lexer) quoted(k kind) (token, *lexError) {
	start, delim := l.pos, l.src[l.pos]
	for i := start + 1; i < len(l.src); {
		switch c := l.src[i]; c {
		case delim:
			l.pos = i + 1
			return token{k, start, l.pos}, nil
		case '\\':
			_, n := unescape(l.src[i:])
			if n == 0 {
				return token{}, &lexError{i, "string", escapeText(l.src[i:]), "an escape of C"}
			}
			i += n
		case 0:
			return token{}, &lexError{pos: i, msg: "string", got: "a byte of zero"}
		default:
			i++
		}
	}
	return token{}, &lexError{start, "string without end", "end of text", string(delim)}
}

// escapeText shows a bad escape.
func escapeText(s string) string {
	return strconv.Quote(s[:min(2, len(s))])
}

// simpleEscapes are those of one letter.
var simpleEscapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '\'': '\'', '"': '"', '?': '?',
}

// unescape decodes the escape that s begins with and returns its length, 0 when
// it is none.
func unescape(s string) (byte, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if c, ok := simpleEscapes[s[1]]; ok {
		return c, 2
	}
	start, end, base := 1, 4, 8
	if s[1] == 'x' {
		start, base = 2, 16
	}
	n, v := start, 0
	for n < min(end, len(s)) {
		d := hexValue(s[n])
		if d >= base {
			break
		}
		v = v*base + d
		n++
	}
	if n == start {
		return 0, 0
	}
	return byte(v), n
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return math.MaxInt
	}
}

// unquote gives the bytes of a string or character constant.
func unquote(s string) string {
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		if s[0] != '\\' {
			b = append(b, s[0])
			s = s[1:]
			continue
		}
		c, n := unescape(s)
		b = append(b, c)
		s = s[n:]
	}
	return string(b)
}

var shortPunctuation = func() (t [256]kind) {
	for k, s := range punctuation {
		if len(s) == 1 {
			t[s[0]] = kind(k)
		}
	}
	return t
}()

func (l *lexer) punctuation() (token, *lexError) {
	start, rest := l.pos, l.src[l.pos:]
	k, n := shortPunctuation[rest[0]], 1
	switch {
	case k == tColon && strings.HasPrefix(rest, ":="):
		k, n = tAssign, 2
	case k == tMinus && strings.HasPrefix(rest, "->"):
		k, n = tArrow, 2
	case k == tDot && strings.HasPrefix(rest, "..."):
		k, n = tEllipsis, 3
	case k == tEOF:
		return token{}, &lexError{pos: start, got: fmt.Sprintf("byte %#02x", rest[0]), want: "a token"}
	}
	l.pos += n
	return token{k, start, l.pos}, nil
}
