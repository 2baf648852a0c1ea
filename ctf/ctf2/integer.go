// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"cmp"
	"math"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// integer is a JSON integer: from -2^63 to 2^64-1.
type integer struct {
	bits     uint64 // two's complement
	negative bool
}

// less reports whether a is before b.
func (a integer) less(b integer) bool {
	if a.negative != b.negative {
		return a.negative
	}
	return a.bits < b.bits // of negative ones too: two's complement
}

// domain gives the least and the greatest integer of 64 bits.
func domain(signed bool) (low, high integer) {
	if signed {
		return integer{1 << 63, true}, integer{math.MaxInt64, false}
	}
	return integer{0, false}, integer{math.MaxUint64, false}
}

// span is a range of integers, bounds included, before it is known whether they
// have signs.
type span struct{ low, high integer }

// within cuts a span to the integers that a field can have. It reports how much
// is left: nothing, less than there was.
func (s span) within(signed bool) (r schema.Range, some, cut bool) {
	least, most := domain(signed)
	if s.high.less(least) || most.less(s.low) {
		return schema.Range{}, false, true
	}
	low, high := s.low, s.high
	if low.less(least) {
		low, cut = least, true
	}
	if most.less(high) {
		high, cut = most, true
	}
	return schema.Range{Low: low.bits, High: high.bits}, true, cut
}

// order maps 64-bit patterns to integers that compare as the patterns' values.
func order(v uint64, signed bool) uint64 {
	if signed {
		return v ^ 1<<63
	}
	return v
}

// shared returns the place of a set of ranges that shares a value with another
// of the sets, -1 when there is none. The ranges of one set may share values.
func shared(sets [][]schema.Range, signed bool) int {
	type owned struct{ low, high, owner uint64 }
	var all []owned
	for i, set := range sets {
		for _, r := range set {
			all = append(all, owned{order(r.Low, signed), order(r.High, signed), uint64(i)})
		}
	}
	slices.SortFunc(all, func(a, b owned) int { return cmp.Compare(a.low, b.low) })
	var reach owned // what goes furthest so far
	for i, r := range all {
		if i > 0 && r.low <= reach.high && r.owner != reach.owner {
			return int(max(r.owner, reach.owner))
		}
		if i == 0 || r.high > reach.high {
			reach = r
		}
	}
	return -1
}

// without cuts ranges that are taken out of others.
func without(ranges, taken []schema.Range, signed bool) []schema.Range {
	free := slices.Clone(ranges)
	for _, t := range taken {
		low, high := order(t.Low, signed), order(t.High, signed)
		var rest []schema.Range
		for _, r := range free {
			if order(r.High, signed) < low || high < order(r.Low, signed) {
				rest = append(rest, r)
				continue
			}
			if order(r.Low, signed) < low {
				rest = append(rest, schema.Range{Low: r.Low, High: t.Low - 1})
			}
			if high < order(r.High, signed) {
				rest = append(rest, schema.Range{Low: t.High + 1, High: r.High})
			}
		}
		free = rest
	}
	return free
}
