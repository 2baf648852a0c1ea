// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

// Program decides whether rows match an expression. It is immutable, so any
// number of goroutines may use it.
type Program struct {
	ops      []op
	start    target
	problems []Problem
}

// target is the index of an operation, or an end of the program.
type target uint16

const (
	accept target = 1<<16 - 1
	reject target = 1<<16 - 2
)

// verdict is the result of a condition.
type verdict uint8

const (
	no verdict = iota
	yes
	unknown // depends on a value that the row lacks
)

func verdictOf(b bool) verdict { return verdict(bit(b)) }

// not negates what is known.
func (v verdict) not() verdict {
	if v == unknown {
		return v
	}
	return v ^ 1
}

// test is a condition that is no range of integers.
type test func(*Row) verdict

// op is a condition and where to go from it. All comparisons of an integer in
// a slot with a constant are one operation: whether the masked word is at most
// span above low, in the arithmetic of 64 bits without sign, for the values
// that satisfy them are a range in that arithmetic, or all but a range.
type op struct {
	test            test // nil: the range
	mask, low, span uint64
	slot            uint32
	scope           Scope
	next            [4]target // by verdict; the last is never used
}

// Match reports whether the row matches. It allocates nothing and keeps
// nothing of the row.
func (p *Program) Match(row *Row) bool {
	at := p.start
	for int(at) < len(p.ops) {
		o := &p.ops[at]
		if o.test != nil {
			at = o.next[o.test(row)&3]
			continue
		}
		words := row[o.scope&1].Words
		switch {
		case int(o.slot) >= len(words):
			at = o.next[unknown]
		case words[o.slot]&o.mask-o.low <= o.span:
			at = o.next[yes]
		default:
			at = o.next[no]
		}
	}
	return at == accept
}

// Constant reports whether all rows get the same answer, and which.
func (p *Program) Constant() (match, ok bool) {
	return p.start == accept, int(p.start) >= len(p.ops)
}

// Problems returns why parts of the expression hold for no row.
func (p *Program) Problems() []Problem { return p.problems }

// check evaluates the condition of an operation alone.
func (o *op) check(row *Row) verdict {
	if o.test != nil {
		return o.test(row)
	}
	words := row[o.scope&1].Words
	if int(o.slot) >= len(words) {
		return unknown
	}
	return verdictOf(words[o.slot]&o.mask-o.low <= o.span)
}
