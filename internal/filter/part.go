// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

// Part returns the expression of a condition of e's tree alone, or of several
// that have been joined by operators: what is left of an expression when
// somebody else decides about the rest.
func (e *Expr) Part(condition Node) *Expr { return &Expr{text: e.text, root: condition} }
