// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "fmt"

// Dialect says by whose rules an expression is taken.
type Dialect uint8

// The dialects; the package comment compares them.
const (
	View  Dialect = iota // weir's own, for looking at traces
	LTTng                // as LTTng 2.13 filters where it traces
)

// Check reports what the dialect lacks of what the expression uses. [View] has
// all. The error is an [*Error].
func (e *Expr) Check(d Dialect) error {
	if d == View {
		return nil
	}
	var first *Error
	Walk(e.root, func(n Node) bool {
		if got := refusedByLTTng(n); got != "" && (first == nil || n.Offset() < first.Offset) {
			first = &Error{Text: e.text, Offset: n.Offset(), Got: got, Want: "what LTTng has"}
		}
		return true
	})
	if first != nil {
		return first
	}
	return nil
}

// refusedByLTTng returns the phrase of what LTTng lacks, or "".
func refusedByLTTng(n Node) string {
	switch n := n.(type) {
	case *Text:
		if n.Escaped {
			return `an escape other than \\ and \*`
		}
	case *Field:
		if n.Root == EventName {
			return n.String()
		}
	case *Binary:
		if n.Op.Arithmetic() {
			return fmt.Sprintf("arithmetic %q", n.Op)
		}
		if n.Op.Comparison() && charBesideNumber(n) {
			return "a character beside a number"
		}
	}
	return ""
}

// charBesideNumber reports whether one side is a character and the other a
// number whatever the fields are.
func charBesideNumber(n *Binary) bool {
	x, y := TypeOf(n.X), TypeOf(n.Y)
	return x == CharType && y.number() || x.number() && y == CharType
}
