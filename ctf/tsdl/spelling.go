// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strings"
)

// isIdentifier reports whether a name can stand in a text unquoted, as the name
// of a field or clock.
func isIdentifier(s string) bool {
	if s == "" || keywords[s] != tEOF {
		return false
	}
	lx := lexer{src: s}
	t, err := lx.next()
	return err == nil && t.kind == tIdent && t.pos == 0 && t.end == len(s)
}

// sanitized replaces what cannot be in an identifier.
func sanitized(s string) string {
	clean := func(c byte) bool { return byteClass[c]&(letterByte|digitByte) != 0 }
	for i := range len(s) {
		if clean(s[i]) {
			continue
		}
		b := []byte(s)
		for j := i; j < len(b); j++ {
			if !clean(b[j]) {
				b[j] = '_'
			}
		}
		return string(b)
	}
	return s
}

// appendQuoted appends a string with its quotes.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c < ' ' || c == 0x7F:
			dst = fmt.Appendf(dst, `\%03o`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// unique makes a name differ from those taken, and takes it.
func unique(taken map[string]bool, name string) string {
	for n, base := 2, name; taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	taken[name] = true
	return name
}

// startsWithScope reports whether a reference that begins with a word might be
// taken for an absolute one.
func startsWithScope(word string) bool {
	switch word {
	case "trace", "stream", "event", "env":
		return true
	}
	return strings.ContainsAny(word, ".[")
}
