// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/weir-io/weir/internal/filter"
)

// numeral is a number that the kernel's language can compare: of a field the low
// bits that count, as an integer of 64 bits with sign, of which a mask may take
// some.
type numeral struct {
	field  *kernelField
	width  int // bits of the field that count
	signed bool
	mask   uint64 // of the number's bits
	add    int32  // to what the field has, for the number; without a mask
}

// numeralOf returns the number of a value; false if the kernel has none.
func numeralOf(v *value) (numeral, bool) {
	switch {
	case v.kernel == nil:
		return numeral{}, false
	case v.kind == cpu:
		return numeral{field: v.kernel, width: 32, signed: true, mask: math.MaxUint64}, true
	case v.kind != integer:
		return numeral{}, false
	}
	return numeral{field: v.kernel, width: 8 * v.size, signed: v.signed || v.size == 8, mask: math.MaxUint64, add: v.add}, true
}

// masked returns the number with a mask.
func (n numeral) masked(mask uint64) (numeral, bool) {
	n.mask &= mask
	return n, n.add == 0 && n.field.name != "CPU"
}

// interval is the integers from low to high, both included.
type interval struct{ low, high int64 }

// satisfying returns the integers for which a comparison with a constant is true.
func satisfying(op filter.Op, c int64) []interval {
	below, above := interval{math.MinInt64, c - 1}, interval{c + 1, math.MaxInt64}
	var s []interval
	switch op {
	case filter.Less, filter.LessEqual, filter.NotEqual:
		if c != math.MinInt64 {
			s = append(s, below)
		}
	}
	switch op {
	case filter.Equal, filter.LessEqual, filter.GreaterEqual:
		s = append(s, interval{c, c})
	}
	switch op {
	case filter.Greater, filter.GreaterEqual, filter.NotEqual:
		if c != math.MaxInt64 {
			s = append(s, above)
		}
	}
	return s
}

// span is the patterns of bits from low to high, both included, in the order of
// integers without sign.
type span struct{ low, high uint64 }

// full is the pattern of ones.
func full(width int) uint64 { return math.MaxUint64 >> (64 - width) }

// among returns the condition that the number is in one of the intervals; false
// if the kernel cannot say it.
func (n numeral) among(set []interval) (*cond, bool) {
	width := n.width
	ones, sign := full(width), uint64(1)<<(width-1)
	low := n.mask & ones // of the field's bits
	domain := interval{0, int64(low)}
	if n.signed {
		// Bits from the sign on are all alike: the mask has to take all or, but
		// for the sign itself, none of them.
		upper := ^uint64(0) << (width - 1)
		switch {
		case n.mask&upper == upper:
			domain = interval{-int64(sign), int64(ones >> 1)}
		case n.mask&^ones != 0:
			return nil, false
		}
	}
	var spans []span
	for _, i := range set {
		i.low, i.high = max(i.low, domain.low), min(i.high, domain.high)
		switch {
		case i.low > i.high:
		case i.low < 0 && i.high >= 0:
			spans = append(spans, span{uint64(i.low) & ones, ones}, span{0, uint64(i.high) & ones})
		default:
			spans = append(spans, span{uint64(i.low) & ones, uint64(i.high) & ones})
		}
	}
	if n.add != 0 {
		spans = shifted(spans, -uint64(int64(n.add)), ones)
	}
	if width == 8*n.field.size && low == ones {
		return n.compare(spans, ones, sign), true
	}
	return n.test(spans, low), true
}

// shifted adds a number to the spans, in the arithmetic of ones.
func shifted(spans []span, by, ones uint64) []span {
	var out []span
	for _, s := range spans {
		if s.high-s.low == ones {
			return []span{{0, ones}}
		}
		s.low, s.high = (s.low+by)&ones, (s.high+by)&ones
		if s.low > s.high {
			out = append(out, span{s.low, ones}, span{0, s.high})
			continue
		}
		out = append(out, s)
	}
	return out
}

// merged sorts spans and joins those that touch.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.low, b.low) })
	var out []span
	for _, s := range spans {
		if last := len(out) - 1; last >= 0 && (s.low <= out[last].high || s.low == out[last].high+1) {
			out[last].high = max(out[last].high, s.high)
			continue
		}
		out = append(out, s)
	}
	return out
}

// gaps returns what merged spans leave of 0 to ones.
func gaps(spans []span, ones uint64) []span {
	var out []span
	next := uint64(0)
	for _, s := range spans {
		if s.low > next {
			out = append(out, span{next, s.low - 1})
		}
		if s.high == ones {
			return out
		}
		next = s.high + 1
	}
	return append(out, span{next, ones})
}

// either returns the condition for any of the spans, by what is shorter, they or
// what they leave.
func either(spans []span, ones uint64, one func(span) *cond) *cond {
	spans = merged(spans)
	negated := false
	if rest := gaps(spans, ones); len(rest) < len(spans) {
		spans, negated = rest, true
	}
	kids := make([]*cond, len(spans))
	for i, s := range spans {
		kids[i] = one(s)
	}
	c := or(kids...)
	if negated {
		return c.not()
	}
	return c
}

// compare says by comparisons that the field's pattern is in one of the spans.
func (n numeral) compare(spans []span, ones, sign uint64) *cond {
	if !n.field.signed {
		sign = 0
	}
	// The sign inverted, the order without sign is that of the kernel.
	var ordered []span
	for _, s := range spans {
		if s.low < sign && s.high >= sign {
			ordered = append(ordered, span{s.low ^ sign, ones}, span{0, s.high ^ sign})
			continue
		}
		ordered = append(ordered, span{s.low ^ sign, s.high ^ sign})
	}
	spell := func(v uint64) string {
		v ^= sign
		if sign == 0 {
			return strconv.FormatUint(v, 10)
		}
		unused := 64 - n.width
		return strconv.FormatInt(int64(v<<unused)>>unused, 10)
	}
	compare := func(op, opposite string, v uint64) *cond {
		return newAtom(
			fmt.Sprintf("%s %s %s", n.field.name, op, spell(v)),
			fmt.Sprintf("%s %s %s", n.field.name, opposite, spell(v)))
	}
	return either(ordered, ones, func(s span) *cond {
		switch {
		case s.low == s.high:
			return compare("==", "!=", s.low)
		case s.low == 0 && s.high == ones:
			return always
		case s.low == 0:
			return compare("<=", ">", s.high)
		case s.high == ones:
			return compare(">=", "<", s.low)
		}
		return and(compare(">=", "<", s.low), compare("<=", ">", s.high))
	})
}

// test says by tests of bits that the field's bits in the mask, as a number, are
// in one of the spans.
func (n numeral) test(spans []span, mask uint64) *cond {
	var possible []span // a number is at most the mask
	for _, s := range spans {
		if s.high = min(s.high, mask); s.low <= s.high {
			possible = append(possible, s)
		}
	}
	return either(possible, mask, func(s span) *cond {
		if s.low == s.high {
			return n.exactly(s.low, mask)
		}
		return and(n.atLeast(s.low, mask), n.atMost(s.high, mask))
	})
}

// exactly says that the bits in the mask are those of c.
func (n numeral) exactly(c, mask uint64) *cond {
	if c&^mask != 0 {
		return never
	}
	kids := []*cond{anyOf(n.field, mask&^c).not()}
	for rest := c; rest != 0; rest &= rest - 1 {
		kids = append(kids, anyOf(n.field, rest&-rest))
	}
	return and(kids...)
}

// atLeast says that the bits in the mask are at least c, from the lowest on: a
// bit of c has to be there too, and one that c lacks decides.
func (n numeral) atLeast(c, mask uint64) *cond {
	result := always
	var free uint64 // of the bits since, those that c lacks
	for i := range 64 {
		bit := uint64(1) << i
		switch {
		case c&bit == 0:
			free |= mask & bit
		default:
			result = or(anyOf(n.field, free), result)
			free = 0
			result = and(anyOf(n.field, mask&bit), result)
		}
	}
	return or(anyOf(n.field, free), result)
}

func (n numeral) atMost(c, mask uint64) *cond {
	if c == math.MaxUint64 {
		return always
	}
	return n.atLeast(c+1, mask).not()
}
