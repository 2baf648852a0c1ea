// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String returns the expression in its canonical form, which reads as the same
// tree.
func (e *Expr) String() string { return e.root.String() }

// String implements [Node].
func (n *Int) String() string { return string(n.append(nil)) }

// String implements [Node].
func (n *Float) String() string {
	s := strconv.FormatFloat(n.Value, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// String implements [Node].
func (n *Text) String() string { return string(n.append(nil)) }

// String implements [Node].
func (n *Field) String() string { return string(n.append(nil)) }

// String implements [Node].
func (n *Unary) String() string { return string(appendNode(nil, n, 0)) }

// String implements [Node].
func (n *Binary) String() string { return string(appendNode(nil, n, 0)) }

// appendNode prints a node in a place that takes operators of at least this
// binding power; weaker ones are put in parentheses.
func appendNode(b []byte, n Node, least int) []byte {
	switch n := n.(type) {
	case *Int:
		return n.append(b)
	case *Text:
		return n.append(b)
	case *Field:
		return n.append(b)
	case *Unary:
		b = append(b, n.Op.String()...)
		return appendNode(b, n.X, unaryBinding)
	case *Binary:
		binding := operators[n.Op].binding
		if binding < least {
			b = append(b, '(')
			return append(appendBinary(b, n, binding), ')')
		}
		return appendBinary(b, n, binding)
	}
	return append(b, n.String()...)
}

// appendBinary prints both sides; the right one of two operators that bind
// alike needs parentheses, for they group from the left.
func appendBinary(b []byte, n *Binary, binding int) []byte {
	b = appendNode(b, n.X, binding)
	b = append(b, ' ')
	b = append(b, n.Op.String()...)
	b = append(b, ' ')
	return appendNode(b, n.Y, binding+1)
}

func (n *Int) append(b []byte) []byte {
	value := n.Value
	if !n.Unsigned && int64(value) < 0 {
		b = append(b, '-')
		value = -value
	}
	switch {
	case n.Base == 16:
		b = append(b, "0x"...)
		b = strconv.AppendUint(b, value, 16)
	case n.Base == 8 && value != 0:
		b = append(b, '0')
		b = strconv.AppendUint(b, value, 8)
	default:
		b = strconv.AppendUint(b, value, 10)
	}
	if n.Unsigned && value <= math.MaxInt64 {
		b = append(b, 'U')
	}
	return b
}

func (n *Text) append(b []byte) []byte {
	if n.Char {
		b = append(b, '\'')
		if n.Byte == '*' && len(n.Pattern.parts) == 2 {
			b = append(b, '*')
		} else {
			b = appendByte(b, n.Byte, '\'')
		}
		return append(b, '\'')
	}
	b = append(b, '"')
	for i, part := range n.Pattern.parts {
		if i > 0 {
			b = append(b, '*')
		}
		for _, c := range part {
			b = appendByte(b, c, '"')
		}
	}
	return append(b, '"')
}

// appendByte prints a byte of a string with the escape that it needs.
func appendByte(b []byte, c, quote byte) []byte {
	switch {
	case c == '\\', c == '*', c == quote:
		return append(b, '\\', c)
	case c < ' ' || c == 0x7f:
		return fmt.Appendf(b, `\%03o`, c)
	}
	return append(b, c)
}

func (n *Field) append(b []byte) []byte {
	b = append(b, n.Root.prefix()...)
	for i, step := range n.Path {
		switch {
		case step.Name == "":
			b = append(b, '[')
			b = strconv.AppendUint(b, step.Index, 10)
			b = append(b, ']')
		case i > 0:
			b = append(b, '.')
			b = append(b, step.Name...)
		default:
			b = append(b, step.Name...)
		}
	}
	return b
}
