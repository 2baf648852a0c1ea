// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "unicode/utf8"

// Bytes that a text or the value of an attribute cannot have as they are.
const (
	escapedText = 1 << iota
	escapedAttr
)

var escaped = func() (table [256]uint8) {
	for b := range table {
		if b < ' ' || b >= utf8.RuneSelf {
			table[b] = escapedText | escapedAttr
		}
	}
	table['\t'], table['\n'] = escapedAttr, escapedAttr
	for _, b := range "&<>" {
		table[b] = escapedText | escapedAttr
	}
	table['"'] = escapedAttr
	return table
}()

// appendText appends a text. What no document can have becomes U+FFFD: names of
// processes, devices and mounts can hold anything.
func appendText(to, s []byte) []byte { return appendEscaped(to, s, escapedText) }

// appendAttr appends the value of an attribute, without its quotes.
func appendAttr(to, s []byte) []byte { return appendEscaped(to, s, escapedAttr) }

func appendEscaped(to, s []byte, where uint8) []byte {
	from := 0
	for at := 0; at < len(s); {
		b := s[at]
		if escaped[b]&where == 0 {
			at++
			continue
		}
		size, sub := 1, substitute(b)
		if b >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRune(s[at:])
			if legalRune(r, size) {
				at += size
				continue
			}
		}
		to = append(to, s[from:at]...)
		to = append(to, sub...)
		at += size
		from = at
	}
	return append(to, s[from:]...)
}

// legalRune tells whether a document may have a rune above ASCII.
func legalRune(r rune, size int) bool {
	return (r != utf8.RuneError || size > 1) && r != 0xFFFE && r != 0xFFFF
}

func substitute(b byte) string {
	switch b {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return "\uFFFD"
}
