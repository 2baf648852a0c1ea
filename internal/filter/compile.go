// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"cmp"
	"slices"
)

// Compile translates an expression for rows in which the fields are where
// resolve says. The error is that of [Expr.Check]; whether fields fit is told
// by [Program.Problems].
func Compile(e *Expr, d Dialect, resolve Resolver) (*Program, error) {
	if err := e.Check(d); err != nil {
		return nil, err
	}
	c := compiler{
		dialect:  d,
		resolve:  resolve,
		bindings: make(map[*Field]*Binding),
		noted:    make(map[Problem]int),
	}
	root := fold(c.bind(e.root))
	start := c.condition(root, accept, reject, reject)
	slices.SortStableFunc(c.problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	if d == LTTng && slices.ContainsFunc(c.problems, Problem.fatal) {
		start = reject
	}
	return &Program{ops: c.ops, start: start, problems: c.problems}, nil
}

// fatal reports whether LTTng does not attach a filter that has the problem.
func (p Problem) fatal() bool { return p.Reason != NoLabel }

// compiler emits operations from the last to the first, so that each knows
// where those after it are.
type compiler struct {
	dialect  Dialect
	resolve  Resolver
	bindings map[*Field]*Binding
	ops      []op
	problems []Problem
	noted    map[Problem]int // without their offsets: the index in problems
}

// problem notes a problem of a field, once, where the field stands first.
func (c *compiler) problem(f *Field, r Reason) {
	p := Problem{Reason: r, Field: f.String()}
	if i, ok := c.noted[p]; ok {
		c.problems[i].Offset = min(c.problems[i].Offset, f.Offset())
		return
	}
	c.noted[p] = len(c.problems)
	p.Offset = f.Offset()
	c.problems = append(c.problems, p)
}

// condition emits the operations that go to one of three targets by the truth
// of a node, and returns where they begin.
//
// View's logic has three values, but a condition is only ever asked whether it
// is certainly true, or certainly false: unknown goes where one of the others
// goes. So the right side is emitted once, whatever the left one says. In
// LTTng what has no value ends it all.
func (c *compiler) condition(n Node, ifYes, ifNo, ifUnknown target) target {
	switch n := n.(type) {
	case *Unary:
		if n.Op == Not {
			return c.condition(n.X, ifNo, ifYes, ifUnknown)
		}
	case *Binary:
		if !n.Op.Logical() {
			break
		}
		right := c.condition(n.Y, ifYes, ifNo, ifUnknown)
		decided, leftUnknown := ifNo, ifUnknown
		if n.Op == LogicalOr {
			decided = ifYes
		}
		if c.dialect == View && ifUnknown != decided {
			leftUnknown = right
		}
		if n.Op == LogicalOr {
			return c.condition(n.X, decided, right, leftUnknown)
		}
		return c.condition(n.X, right, decided, leftUnknown)
	}
	return c.emit(c.leaf(n), ifYes, ifNo, ifUnknown)
}

// emit appends an operation and returns where it is; none if what comes of it
// does not matter.
func (c *compiler) emit(l leaf, ifYes, ifNo, ifUnknown target) target {
	if ifYes == ifNo && ifNo == ifUnknown {
		return ifYes
	}
	if l.negated {
		ifYes, ifNo = ifNo, ifYes
	}
	next := [4]target{no: ifNo, yes: ifYes, unknown: ifUnknown}
	if l.constant {
		return next[l.verdict]
	}
	l.op.next = next
	c.ops = append(c.ops, l.op)
	return target(len(c.ops) - 1)
}

// leaf is a condition that is one operation.
type leaf struct {
	op       op
	negated  bool
	constant bool // the verdict is known
	verdict  verdict
}

func constantLeaf(v verdict) leaf { return leaf{constant: true, verdict: v} }

func testLeaf(t test) leaf { return leaf{op: op{test: t}} }

// test returns the leaf as a function, for use in a value.
func (l leaf) test() test {
	o := &l.op
	switch {
	case l.constant && l.negated:
		return func(*Row) verdict { return l.verdict.not() }
	case l.constant:
		return func(*Row) verdict { return l.verdict }
	case l.negated:
		return func(row *Row) verdict { return o.check(row).not() }
	}
	return o.check
}

// leaf returns the condition of a node that is no logical operation.
func (c *compiler) leaf(n Node) leaf {
	if b, ok := n.(*Binary); ok && b.Op.Comparison() {
		return c.comparison(b)
	}
	v, ok := c.number(n)
	if !ok {
		return constantLeaf(unknown)
	}
	zero := operand{number: number{0, Signed}, constant: true}
	return compareNumbers(NotEqual, v, zero)
}

// value returns the truth of a node as a function, for use in a value.
func (c *compiler) value(n Node) test {
	switch n := n.(type) {
	case *Unary:
		if n.Op == Not {
			x := c.value(n.X)
			return func(row *Row) verdict { return x(row).not() }
		}
	case *Binary:
		if n.Op.Logical() {
			return c.logical(n.Op, c.value(n.X), c.value(n.Y))
		}
	}
	return c.leaf(n).test()
}

// logical returns && or || in three values.
func (c *compiler) logical(op Op, x, y test) test {
	decided := verdictOf(op == LogicalOr)
	strict := c.dialect == LTTng
	return func(row *Row) verdict {
		a := x(row)
		if a == decided || a == unknown && strict {
			return a
		}
		b := y(row)
		if b == decided || a != unknown {
			return b
		}
		return unknown
	}
}

// comparison returns the condition of a comparison.
func (c *compiler) comparison(n *Binary) leaf {
	x, y, op := n.X, n.Y, n.Op
	if c.isText(x) && !c.isText(y) {
		x, y, op = y, x, op.mirrored()
	}
	switch {
	case c.isText(x):
		return c.compareTexts(op, x, y)
	case c.isText(y):
		return c.compareMixed(op, x, y)
	}
	a, aOK := c.number(x)
	b, bOK := c.number(y)
	if !aOK || !bOK {
		return constantLeaf(unknown)
	}
	return compareNumbers(op, a, b)
}

// isText reports whether a node's value is text.
func (c *compiler) isText(n Node) bool {
	switch n := n.(type) {
	case *Text:
		return true
	case *Field:
		b := c.bindings[n]
		return b != nil && b.Kind == String
	}
	return false
}
