// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

// datum is a value of the slow evaluator: missing, an integer, a float, the
// text of a field, or a literal.
type datum struct {
	missing  bool
	integer  *big.Int
	unsigned bool
	float    *float64
	text     *string
	pattern  *Text
	labels   []string // of the value; not nil for an enumeration
	all      []Label
}

var missing = datum{missing: true}

// truth decides about a node in the View dialect by walking the tree. It
// shares nothing with the compiler but the layout, and computes integers
// without limits before it cuts them.
func (l *layout) truth(n Node) verdict {
	switch n := n.(type) {
	case *Unary:
		if n.Op == Not {
			return []verdict{yes, no, unknown}[l.truth(n.X)]
		}
	case *Binary:
		if n.Op.Logical() {
			x, y := l.truth(n.X), l.truth(n.Y)
			return kleene(n.Op, x, y)
		}
		if n.Op.Comparison() {
			return compareData(n.Op, l.datum(n.X), l.datum(n.Y))
		}
	}
	switch d := l.datum(n); {
	case d.missing || d.text != nil || d.pattern != nil:
		return unknown
	case d.float != nil:
		return verdictOf(*d.float != 0)
	default:
		return verdictOf(d.integer.Sign() != 0)
	}
}

// kleene is the table of the package comment.
func kleene(op Op, x, y verdict) verdict {
	has := func(v verdict) bool { return x == v || y == v }
	decided, other := no, yes
	if op == LogicalOr {
		decided, other = yes, no
	}
	switch {
	case has(decided):
		return decided
	case has(unknown):
		return unknown
	}
	return other
}

func (l *layout) datum(n Node) datum {
	switch n := n.(type) {
	case *Int:
		return integer(cut(new(big.Int).SetUint64(n.Value), n.Unsigned), n.Unsigned)
	case *Float:
		return datum{float: &n.Value}
	case *Text:
		return datum{pattern: n}
	case *Field:
		return l.fieldDatum(n)
	case *Unary:
		if n.Op != Not {
			return unaryDatum(n.Op, l.datum(n.X))
		}
	case *Binary:
		if !n.Op.Logical() && !n.Op.Comparison() {
			return binaryDatum(n.Op, l.datum(n.X), l.datum(n.Y))
		}
	}
	v := l.truth(n)
	if v == unknown {
		return missing
	}
	return integer(big.NewInt(int64(v)), false)
}

func integer(i *big.Int, unsigned bool) datum { return datum{integer: i, unsigned: unsigned} }

func (l *layout) fieldDatum(f *Field) datum {
	b, ok := l.resolve(f)
	if !ok {
		return missing
	}
	if b.Constant != nil {
		return l.datum(b.Constant)
	}
	words, data := l.row[b.Scope].Words, l.row[b.Scope].Data
	at := b.Slot
	for _, e := range b.Path {
		start, count := words[at]>>32, uint32(words[at])
		if e.Index >= count {
			return missing
		}
		at = int(start) + int(e.Index*e.Width+e.Offset)
	}
	word := words[at]
	var d datum
	switch b.Kind {
	case Signed:
		d = integer(big.NewInt(int64(word)), false)
	case Unsigned:
		d = integer(new(big.Int).SetUint64(word), true)
	case Float64:
		x := math.Float64frombits(word)
		d = datum{float: &x}
	case Float32:
		x := float64(math.Float32frombits(uint32(word)))
		d = datum{float: &x}
	case String:
		s := string(data[word>>32:][:uint32(word)])
		d = datum{text: &s}
	}
	d.all = b.Labels
	for _, label := range b.Labels {
		low, high := cut(new(big.Int).SetUint64(label.Low), d.unsigned), cut(new(big.Int).SetUint64(label.High), d.unsigned)
		if d.integer.Cmp(low) >= 0 && d.integer.Cmp(high) <= 0 {
			d.labels = append(d.labels, label.Name)
		}
	}
	return d
}

// cut brings an integer back into 64 bits.
func cut(i *big.Int, unsigned bool) *big.Int {
	size := new(big.Int).Lsh(big.NewInt(1), 64)
	i = new(big.Int).Mod(i, size)
	if !unsigned && i.Bit(63) == 1 {
		i.Sub(i, size)
	}
	return i
}

func (d datum) number() bool { return !d.missing && (d.integer != nil || d.float != nil) }

func (d datum) asFloat() float64 {
	if d.float != nil {
		return *d.float
	}
	f, _ := new(big.Float).SetInt(d.integer).Float64()
	return f
}

func unaryDatum(op Op, x datum) datum {
	if !x.number() || op == BitNot && x.float != nil {
		return missing
	}
	switch {
	case op == Plus:
		return datum{integer: x.integer, unsigned: x.unsigned, float: x.float}
	case x.float != nil:
		f := -*x.float
		return datum{float: &f}
	case op == Negate:
		return integer(cut(new(big.Int).Neg(x.integer), false), false)
	}
	return integer(cut(new(big.Int).Not(x.integer), x.unsigned), x.unsigned)
}

func binaryDatum(op Op, x, y datum) datum {
	if !x.number() || !y.number() {
		return missing
	}
	if x.float != nil || y.float != nil {
		return floatDatum(op, x.asFloat(), y.asFloat())
	}
	unsigned := x.unsigned || y.unsigned
	a, b := x.integer, y.integer
	if op == ShiftLeft || op == ShiftRight {
		if b.Sign() < 0 || b.Cmp(big.NewInt(63)) > 0 {
			return missing
		}
		n, bits := uint(b.Uint64()), cut(a, true)
		if op == ShiftLeft {
			return integer(cut(bits.Lsh(bits, n), x.unsigned), x.unsigned)
		}
		return integer(cut(bits.Rsh(bits, n), x.unsigned), x.unsigned)
	}
	a, b = cut(a, unsigned), cut(b, unsigned)
	r := new(big.Int)
	switch op {
	case Add:
		r.Add(a, b)
	case Subtract:
		r.Sub(a, b)
	case Multiply:
		r.Mul(a, b)
	case Divide, Modulo:
		if b.Sign() == 0 {
			return missing
		}
		quotient, rest := new(big.Int).QuoRem(a, b, new(big.Int))
		if r = quotient; op == Modulo {
			r = rest
		}
	case BitAnd:
		r.And(a, b)
	case BitOr:
		r.Or(a, b)
	case BitXor:
		r.Xor(a, b)
	}
	return integer(cut(r, unsigned), unsigned)
}

func floatDatum(op Op, a, b float64) datum {
	var r float64
	switch op {
	case Add:
		r = a + b
	case Subtract:
		r = a - b
	case Multiply:
		r = a * b
	case Divide:
		if b == 0 {
			return missing
		}
		r = a / b
	default:
		return missing
	}
	return datum{float: &r}
}

// compareData decides about a comparison.
func compareData(op Op, x, y datum) verdict {
	switch {
	case x.missing || y.missing:
		return unknown
	case x.number() && y.number():
		return compareNumerals(op, x, y)
	case x.number():
		return compareText(op.mirrored(), y, x)
	}
	return compareText(op, x, y)
}

func compareNumerals(op Op, x, y datum) verdict {
	var order int
	if x.float != nil || y.float != nil {
		a, b := x.asFloat(), y.asFloat()
		if math.IsNaN(a) || math.IsNaN(b) {
			return verdictOf(op == NotEqual)
		}
		order = cmp.Compare(a, b)
	} else {
		order = x.integer.Cmp(y.integer)
	}
	return verdictOf(map[Op]bool{
		Equal: order == 0, NotEqual: order != 0, Less: order < 0,
		LessEqual: order <= 0, Greater: order > 0, GreaterEqual: order >= 0,
	}[op])
}

// compareText compares a text with anything.
func compareText(op Op, x, y datum) verdict {
	equality := op == Equal || op == NotEqual
	switch {
	case y.number() && y.all != nil && equality && x.pattern != nil:
		fits := func(label string) bool { return slowMatch(x.pattern.Pattern.String(), label) }
		return verdictOf(slices.ContainsFunc(y.labels, fits) == (op == Equal))
	case y.number() && x.pattern != nil && x.pattern.Char:
		return compareNumerals(op, integer(big.NewInt(int64(x.pattern.Byte)), false), y)
	case y.number() || !equality:
		return unknown
	}
	if x.pattern == nil {
		x, y = y, x
	}
	return verdictOf(textsMatch(x, y) == (op == Equal))
}

// textsMatch compares two texts, the first of which is a pattern if one is.
func textsMatch(x, y datum) bool {
	switch {
	case x.text != nil:
		return *x.text == *y.text
	case y.text != nil:
		return slowMatch(x.pattern.Pattern.String(), *y.text)
	}
	if s, plain := y.pattern.Pattern.Plain(); plain {
		return slowMatch(x.pattern.Pattern.String(), s)
	}
	s, _ := x.pattern.Pattern.Plain()
	return slowMatch(y.pattern.Pattern.String(), s)
}

// slowMatch is the obvious, exponential way to match a pattern.
func slowMatch(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return slowMatch(pattern[1:], text) || text != "" && slowMatch(pattern, text[1:])
	case pattern[0] == '\\' && len(pattern) > 1:
		pattern = pattern[1:]
	}
	return text != "" && text[0] == pattern[0] && slowMatch(pattern[1:], text[1:])
}
