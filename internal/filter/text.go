// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"cmp"
	"slices"
)

// bytes returns the text that a word refers to.
func (f *Frame) bytes(word uint64) ([]byte, bool) {
	start, length := word>>32, word&(1<<32-1)
	if start+length > uint64(len(f.Data)) {
		return nil, false
	}
	return f.Data[start : start+length], true
}

// text returns the text of a field.
func (b *Binding) text(row *Row) ([]byte, bool) {
	word, ok := b.locate(row)
	if !ok {
		return nil, false
	}
	return row[b.Scope&1].bytes(word)
}

// compareTexts returns the condition of a comparison of two texts. Two
// literals have been folded unless their operator has no meaning for text.
func (c *compiler) compareTexts(op Op, x, y Node) leaf {
	if op != Equal && op != NotEqual {
		c.note(x, Mismatch)
		c.note(y, Mismatch)
		return constantLeaf(unknown)
	}
	if _, ok := x.(*Text); ok {
		x, y = y, x
	}
	a := c.bindings[x.(*Field)]
	var l leaf
	switch y := y.(type) {
	case *Text:
		l = testLeaf(matchText(a, y.Pattern))
	case *Field:
		l = testLeaf(equalTexts(a, c.bindings[y]))
	}
	l.negated = op == NotEqual
	return l
}

func matchText(b *Binding, pattern Glob) test {
	if plain, ok := pattern.Plain(); ok {
		return func(row *Row) verdict {
			text, ok := b.text(row)
			if !ok {
				return unknown
			}
			return verdictOf(string(text) == plain)
		}
	}
	return func(row *Row) verdict {
		text, ok := b.text(row)
		if !ok {
			return unknown
		}
		return verdictOf(pattern.Match(text))
	}
}

func equalTexts(x, y *Binding) test {
	return func(row *Row) verdict {
		a, aOK := x.text(row)
		b, bOK := y.text(row)
		if !aOK || !bOK {
			return unknown
		}
		return verdictOf(bytes.Equal(a, b))
	}
}

// compareMixed returns the condition of a comparison of what is no text with
// what is: an enumeration with a label, or a number with a character.
func (c *compiler) compareMixed(op Op, x, y Node) leaf {
	literal, isLiteral := y.(*Text)
	if f, ok := x.(*Field); ok && isLiteral {
		b := c.bindings[f]
		if b != nil && len(b.Labels) > 0 && c.dialect == View && (op == Equal || op == NotEqual) {
			return c.compareLabel(op, f, literal.Pattern)
		}
	}
	if isLiteral && literal.Char && c.dialect == View {
		a, ok := c.number(x)
		if !ok {
			return constantLeaf(unknown)
		}
		char := operand{number: number{uint64(literal.Byte), Signed}, constant: true}
		return compareNumbers(op, a, char)
	}
	c.note(x, Mismatch)
	c.note(y, Mismatch)
	return constantLeaf(unknown)
}

// note notes a problem of the fields of a node.
func (c *compiler) note(n Node, r Reason) {
	walkValue(n, func(f *Field) {
		if c.bindings[f] != nil {
			c.problem(f, r)
		}
	})
}

// compareLabel returns whether an enumeration's value has a label that fits
// the pattern.
func (c *compiler) compareLabel(op Op, f *Field, pattern Glob) leaf {
	b := c.bindings[f]
	var ranges []Label
	for _, l := range b.Labels {
		if pattern.Match([]byte(l.Name)) && !l.empty(b.Kind) {
			ranges = append(ranges, l)
		}
	}
	if len(ranges) == 0 {
		c.problem(f, NoLabel)
	}
	ranges = union(ranges, b.Kind)
	v, _ := c.field(f)
	if v.direct && len(ranges) == 1 {
		return v.within(ranges[0].Low, ranges[0].High, op == NotEqual)
	}
	l := testLeaf(func(row *Row) verdict {
		word, ok := v.get(row)
		if !ok {
			return unknown
		}
		return verdictOf(contains(ranges, word))
	})
	l.negated = op == NotEqual
	return l
}

// empty reports whether the label is of no value.
func (l Label) empty(k Kind) bool {
	if k == Signed {
		return int64(l.Low) > int64(l.High)
	}
	return l.Low > l.High
}

// union returns ranges that hold the same values, sorted and apart, in the
// order of integers without sign, in which a range of signed ones from below
// zero to above is two.
func union(ranges []Label, k Kind) []Label {
	var parts []Label
	for _, r := range ranges {
		if k == Signed && int64(r.Low) < 0 && int64(r.High) >= 0 {
			parts = append(parts, Label{Low: r.Low, High: 1<<64 - 1}, Label{Low: 0, High: r.High})
			continue
		}
		parts = append(parts, Label{Low: r.Low, High: r.High})
	}
	slices.SortFunc(parts, func(a, b Label) int { return cmp.Compare(a.Low, b.Low) })
	var out []Label
	for _, r := range parts {
		if last := len(out) - 1; last >= 0 && r.Low <= out[last].High {
			out[last].High = max(out[last].High, r.High)
			continue
		}
		out = append(out, r)
	}
	return out
}

// contains reports whether a value is in one of the ranges of a union.
func contains(ranges []Label, value uint64) bool {
	i, found := slices.BinarySearchFunc(ranges, value, func(r Label, v uint64) int { return cmp.Compare(r.Low, v) })
	return found || i > 0 && value <= ranges[i-1].High
}
