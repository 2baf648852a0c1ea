// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"
	"sort"

	"github.com/weir-io/weir/ctf/schema"
)

// Bounds of the look-up tables of an enumeration: metadata whose labels overlap
// more than this are searched label by label, as tables grow with the square of
// the overlap.
const (
	maxLabelUses = 1 << 15
	maxDense     = 1 << 10
)

// labels finds the texts of all labels that an enumeration gives to a value.
// Ranges may overlap, so the values are cut into intervals that have the same
// labels throughout.
type labels struct {
	signed bool
	dense  []string // by value less low, when the intervals span few values
	low    uint64
	spans  []span // else, by value; disjoint

	// When there are too many overlaps for either.
	mappings []schema.Mapping
	join     func([]string) string

	none string // of a value without label
}

// span is an interval of values, bounds included, as keys; see [labels.key].
type span struct {
	low, high uint64
	text      string
}

// newLabels makes the look-up for mappings. join makes the text of the labels
// of a value, which are in the order of declaration.
func newLabels(mappings []schema.Mapping, signed bool, join func([]string) string) *labels {
	l := &labels{signed: signed, join: join, none: join(nil)}
	if !l.cut(mappings) {
		l.spans, l.mappings = nil, mappings
		return l
	}
	if n := len(l.spans); n > 0 && l.spans[n-1].high-l.spans[0].low < maxDense {
		l.low = l.spans[0].low
		l.dense = make([]string, l.spans[n-1].high-l.low+1)
		for i := range l.dense {
			l.dense[i] = l.search(l.low + uint64(i))
		}
	}
	return l
}

// key maps values to unsigned numbers of the same order.
func (l *labels) key(v uint64) uint64 {
	if l.signed {
		return v ^ 1<<63
	}
	return v
}

// cut fills spans; false when the labels overlap too much.
func (l *labels) cut(mappings []schema.Mapping) bool {
	type edge struct {
		at      uint64
		mapping int
		end     bool // the mapping's range ends before at
	}
	var edges []edge
	open := make(map[int]int) // by mapping: its ranges that hold the current value
	for i := range mappings {
		for _, r := range mappings[i].Ranges {
			low, high := l.key(r.Low), l.key(r.High)
			if low > high {
				continue
			}
			edges = append(edges, edge{low, i, false})
			if high+1 != 0 {
				edges = append(edges, edge{high + 1, i, true})
			}
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	uses := 0
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			e := edges[i]
			if !e.end {
				open[e.mapping]++
			} else if open[e.mapping]--; open[e.mapping] == 0 {
				delete(open, e.mapping)
			}
		}
		if len(open) == 0 {
			continue
		}
		if uses += len(open); uses > maxLabelUses {
			return false
		}
		s := span{low: at, high: 1<<64 - 1}
		if i < len(edges) {
			s.high = edges[i].at - 1
		}
		s.text = l.join(labelsOf(mappings, open))
		l.spans = append(l.spans, s)
	}
	return true
}

// labelsOf lists the labels of mappings in the order of declaration.
func labelsOf(mappings []schema.Mapping, set map[int]int) []string {
	order := make([]int, 0, len(set))
	for i := range set {
		order = append(order, i)
	}
	slices.Sort(order)
	names := make([]string, len(order))
	for i, m := range order {
		names[i] = mappings[m].Label
	}
	return names
}

// find returns the text of a value's labels.
func (l *labels) find(v uint64) string {
	k := l.key(v)
	if i := k - l.low; i < uint64(len(l.dense)) {
		return l.dense[i]
	}
	if l.dense != nil {
		return l.none
	}
	if l.mappings != nil {
		return l.scan(v)
	}
	return l.search(k)
}

func (l *labels) search(key uint64) string {
	i := sort.Search(len(l.spans), func(i int) bool { return l.spans[i].high >= key })
	if i < len(l.spans) && l.spans[i].low <= key {
		return l.spans[i].text
	}
	return l.none
}

func (l *labels) scan(v uint64) string {
	var names []string
	for i := range l.mappings {
		m := &l.mappings[i]
		if slices.ContainsFunc(m.Ranges, func(r schema.Range) bool { return r.Holds(v, l.signed) }) {
			names = append(names, m.Label)
		}
	}
	return l.join(names)
}
