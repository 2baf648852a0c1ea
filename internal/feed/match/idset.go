// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"slices"
	"sort"

	"github.com/weir-io/weir/changelog"
)

// idSet is a set of ids. changelog.Unknown is in it only by name.
type idSet struct {
	ranges  []idRange // in order, apart from each other
	unknown bool
}

// idRange is the ids from lo through hi.
type idRange struct{ lo, hi uint32 }

// newIDSet makes a set of the ranges that are included, without those that are
// excluded.
func newIDSet(include, exclude []idRange, unknown bool) *idSet {
	s := &idSet{unknown: unknown}
	include, exclude = merged(include), merged(exclude)
	for _, in := range include {
		lo := uint64(in.lo)
		for _, out := range exclude {
			if uint64(out.hi) < lo || out.lo > in.hi {
				continue
			}
			if uint64(out.lo) > lo {
				s.ranges = append(s.ranges, idRange{uint32(lo), out.lo - 1})
			}
			lo = uint64(out.hi) + 1
		}
		if lo <= uint64(in.hi) {
			s.ranges = append(s.ranges, idRange{uint32(lo), in.hi})
		}
	}
	return s
}

// merged puts ranges in order and those that overlap together.
func merged(ranges []idRange) []idRange {
	slices.SortFunc(ranges, func(a, b idRange) int {
		if a.lo < b.lo {
			return -1
		}
		if a.lo > b.lo {
			return 1
		}
		return 0
	})
	var out []idRange
	for _, r := range ranges {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

// pass reports whether an id is in the set; a nil set has all.
func (s *idSet) pass(id uint32) bool {
	if s == nil {
		return true
	}
	if id == changelog.Unknown {
		return s.unknown
	}
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].hi >= id })
	return i < len(s.ranges) && s.ranges[i].lo <= id
}
