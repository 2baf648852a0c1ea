// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import "github.com/weir-io/weir/internal/kerneltrace"

// sieve decides which events of a ring are kept, by everything that has a say,
// and tells those that want to know. It belongs to the drain's goroutine.
//
// An event that nobody asks about is converted the quick way.
type sieve struct {
	conv  *kerneltrace.Converter
	table *kerneltrace.Table

	filters map[uint32]func(record []byte) bool // by event: what rules say
	all     func(record []byte) bool            // of all events; nil: all are kept
	seen    func(record []byte)                 // is told of those that are kept
}

// filter sets what rules say of an event; nil: it is kept.
func (s *sieve) filter(id uint32, keep func(record []byte) bool) {
	if s.filters == nil {
		s.filters = make(map[uint32]func([]byte) bool)
	}
	s.filters[id] = keep
	s.conv.Filter(id, s.of(id))
}

// refresh applies what is for all events to those that there are now.
func (s *sieve) refresh() {
	for id, left := uint32(0), s.table.Len(); left > 0; id++ {
		if _, ok := s.table.Format(id); ok { // the first are weir's own
			left--
			s.conv.Filter(id, s.of(id))
		}
	}
}

// applyTo has another converter of the same events keep the same; nobody is told.
func (s *sieve) applyTo(conv *kerneltrace.Converter) {
	other := *s
	other.conv, other.seen = conv, nil
	other.refresh()
}

// of is the decision about an event, nil where there is none to make.
func (s *sieve) of(id uint32) func(record []byte) bool {
	rule, all, seen := s.filters[id], s.all, s.seen
	switch {
	case seen == nil && all == nil:
		return rule
	case seen == nil && rule == nil:
		return all
	}
	return func(record []byte) bool {
		if rule != nil && !rule(record) || all != nil && !all(record) {
			return false
		}
		if seen != nil {
			seen(record)
		}
		return true
	}
}
