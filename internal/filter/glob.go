// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"slices"
	"strings"
)

// Glob is a pattern in which * stands for any bytes, also none. There are no
// other wildcards, as in LTTng. The zero Glob matches the empty text only.
type Glob struct {
	// parts are the literal texts around the stars: one more than there are
	// stars. Those in the middle are not empty, for two stars are one.
	parts [][]byte
}

// NewGlob reads a pattern. A backslash makes the byte after it literal; at the
// end of the pattern it stands for itself. Every text is a pattern.
func NewGlob(pattern string) Glob {
	var b globBuilder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*':
			b.star()
		case c == '\\' && i+1 < len(pattern):
			i++
			b.literal(pattern[i])
		default:
			b.literal(c)
		}
	}
	return b.glob()
}

// PlainGlob returns the pattern that matches text and nothing else.
func PlainGlob(text string) Glob { return Glob{parts: [][]byte{[]byte(text)}} }

// Match reports whether all of text fits the pattern. It takes time linear in
// the text and allocates nothing.
func (g Glob) Match(text []byte) bool {
	switch len(g.parts) {
	case 0:
		return len(text) == 0
	case 1:
		return bytes.Equal(text, g.parts[0])
	}
	last := len(g.parts) - 1
	head, tail := g.parts[0], g.parts[last]
	if len(text) < len(head)+len(tail) || !bytes.HasPrefix(text, head) || !bytes.HasSuffix(text, tail) {
		return false
	}
	text = text[len(head) : len(text)-len(tail)]
	// The first place of each part is the best one: it leaves most to the rest.
	for _, part := range g.parts[1:last] {
		i := bytes.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// Plain returns the only text that the pattern matches, if it has no star.
func (g Glob) Plain() (text string, ok bool) {
	switch len(g.parts) {
	case 0:
		return "", true
	case 1:
		return string(g.parts[0]), true
	}
	return "", false
}

// String returns a pattern that NewGlob reads as an equal one.
func (g Glob) String() string {
	var b strings.Builder
	for i, part := range g.parts {
		if i > 0 {
			b.WriteByte('*')
		}
		for _, c := range part {
			if c == '*' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Equal reports whether two patterns match the same texts.
func (g Glob) Equal(h Glob) bool {
	return slices.EqualFunc(g.normal(), h.normal(), bytes.Equal)
}

// normal is the parts without the second spelling of the empty pattern.
func (g Glob) normal() [][]byte {
	if len(g.parts) == 1 && len(g.parts[0]) == 0 {
		return nil
	}
	return g.parts
}

// globBuilder collects a pattern from left to right.
type globBuilder struct {
	parts [][]byte
	part  []byte
}

func (b *globBuilder) literal(c ...byte) { b.part = append(b.part, c...) }

func (b *globBuilder) star() {
	if len(b.parts) > 0 && len(b.part) == 0 {
		return // the star before is enough
	}
	b.parts = append(b.parts, b.part)
	b.part = nil
}

func (b *globBuilder) glob() Glob { return Glob{parts: append(b.parts, b.part)} }
