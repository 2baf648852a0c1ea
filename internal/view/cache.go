// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"maps"

	"github.com/weir-io/weir/ctf/schema"
)

// cache is what keeps something for each event class that it has met, as sinks
// and filters do. A view of running sessions may see traces come and go for
// weeks: it says which have gone.
type cache interface{ forget(*schema.Trace) }

// forgetEvents drops what is kept for the event classes of a trace.
func forgetEvents[T any](of map[*schema.Event]T, t *schema.Trace) {
	maps.DeleteFunc(of, func(e *schema.Event, _ T) bool { return e.Stream.Trace == t })
}

// forgetStreams drops what is kept for the stream classes of a trace.
func forgetStreams[T any](of map[*schema.Stream]T, t *schema.Trace) {
	maps.DeleteFunc(of, func(s *schema.Stream, _ T) bool { return s.Trace == t })
}

// forget implements cache.
func (t *Text) forget(tr *schema.Trace) {
	forgetStreams(t.streams, tr)
	forgetEvents(t.plans, tr)
	clear(t.recent[:])
}

// forget implements cache.
func (s *TextSink) forget(t *schema.Trace) { s.text.forget(t) }

// forget implements cache.
func (s *Warner) forget(t *schema.Trace) {
	if c, ok := s.Sink.(cache); ok {
		c.forget(t)
	}
}

// forget implements cache.
func (j *JSONLines) forget(t *schema.Trace) {
	for s := range j.streams {
		if s.Trace.Schema == t {
			delete(j.streams, s)
		}
	}
	j.rest.forget(t)
}

// forget implements cache.
func (j *jsonRest) forget(t *schema.Trace) {
	forgetStreams(j.shown, t)
	forgetEvents(j.plans, t)
}

// forget implements cache.
func (c *CSV) forget(t *schema.Trace) {
	forgetStreams(c.shown, t)
	forgetEvents(c.plans, t)
}

// forget implements cache.
func (t *Timeline) forget(tr *schema.Trace) {
	forgetStreams(t.shown, tr)
	forgetEvents(t.plans, tr)
}

// forget implements cache: the numbers stay.
func (s *Summary) forget(t *schema.Trace) {
	for st, tally := range s.streams {
		if st.Trace.Schema == t {
			tally.byID, tally.recent, tally.recentOf = nil, nil, nil
			for _, c := range tally.classes {
				tally.past = append(tally.past, c)
			}
			clear(tally.classes)
			delete(s.streams, st)
		}
	}
	s.last, s.lastOf = nil, nil
}

// forget implements cache.
func (w *Where) forget(t *schema.Trace) {
	forgetEvents(w.classes, t)
	w.last, w.lastOf = nil, nil
}
