// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// Set is the traces of one or more trees of directories, to be read merged.
type Set struct {
	Traces []*Trace
	opts   Options
	roots  []string
}

// Open opens all traces at and below some paths. Directories whose metadata
// have the same uuid are one trace, as a rotated session is.
func Open(opts Options, paths ...string) (*Set, error) {
	set := &Set{opts: opts, roots: paths}
	for _, root := range paths {
		if _, err := os.Stat(root); err != nil {
			return nil, err
		}
		dirs, err := Find(root)
		if err != nil {
			return nil, err
		}
		if len(dirs) == 0 && !opts.Growing {
			return nil, fmt.Errorf("%s: %w", root, ErrNoTrace)
		}
		for _, dir := range dirs {
			t, err := openTrace(root, dir, opts)
			if opts.Growing && errors.Is(err, errNoTraceDeclared) {
				continue // not yet
			}
			if err != nil {
				return nil, err
			}
			set.Traces = append(set.Traces, t)
		}
	}
	set.join()
	for _, t := range set.Traces {
		t.forgetPackets()
	}
	return set, set.checkClocks()
}

// join makes one trace of those with the same uuid.
func (s *Set) join() {
	all := s.Traces
	s.Traces = nil
	for _, t := range all {
		if first := s.sameTrace(t.Schema); first != nil {
			first.take(t)
		} else {
			s.Traces = append(s.Traces, t)
		}
	}
}

// sameTrace returns the trace with the uuid of a schema, nil when there is none.
func (s *Set) sameTrace(sch *schema.Trace) *Trace {
	i := slices.IndexFunc(s.Traces, func(o *Trace) bool {
		return o.Schema.UUID != nil && sch.UUID != nil && *o.Schema.UUID == *sch.UUID
	})
	if i < 0 {
		return nil
	}
	return s.Traces[i]
}

// take adds the files of another trace of the same uuid.
func (t *Trace) take(other *Trace) {
	t.adopt(other.Schema)
	t.Dirs = append(t.Dirs, other.Dirs...)
	t.dirs = append(t.dirs, other.dirs...)
	t.Name = traceName(t.Schema, "", "") // of several directories none is in the name
	for _, f := range other.files {
		if f.class != nil {
			f.class = t.Schema.Stream(f.class.ID)
		}
		t.files = append(t.files, f)
	}
	t.group()
}

// adopt adds to the schema what another of the same trace declares beyond it:
// the metadata of a later chunk know more event classes.
func (t *Trace) adopt(other *schema.Trace) {
	if other == t.Schema {
		return
	}
	for _, s := range other.Streams {
		mine := t.Schema.Stream(s.ID)
		if mine == nil {
			s.Trace = t.Schema
			t.Schema.Streams = append(t.Schema.Streams, s)
			continue
		}
		for _, e := range s.Events {
			if mine.Event(e.ID) == nil {
				mine.AddEvent(e)
			}
		}
	}
}

// checkClocks refuses to merge streams whose clocks cannot be compared.
func (s *Set) checkClocks() error {
	if s.opts.ForceCorrelate {
		return nil
	}
	var first *schema.Clock
	var timeless *Stream
	for _, t := range s.Traces {
		for _, st := range t.Streams {
			c := st.Class.Clock
			if st.plan == nil || len(st.Packets) == 0 {
				continue
			}
			if c == nil {
				timeless = st
				continue
			}
			if first == nil {
				first = c
			}
			if !s.comparable(first, c) {
				return fmt.Errorf("trace %s: clock %s cannot be compared with clock %s of the other streams: neither the Unix epoch is their origin nor have they the same uuid", t.where(), c.Name, first.Name)
			}
		}
	}
	if first != nil && timeless != nil {
		return fmt.Errorf("stream %s has no clock, and others have: there is no order among them", timeless.Name)
	}
	return nil
}

func (s *Set) comparable(a, b *schema.Clock) bool {
	switch {
	case a == b || s.opts.ForceEpoch || a.Absolute && b.Absolute:
		return true
	case a.Absolute != b.Absolute:
		return false
	case a.Origin != nil && b.Origin != nil:
		return *a.Origin == *b.Origin
	default:
		return a.UUID != nil && b.UUID != nil && *a.UUID == *b.UUID
	}
}

// Streams returns all data streams of the set.
func (s *Set) Streams() []*Stream {
	var streams []*Stream
	for _, t := range s.Traces {
		streams = append(streams, t.Streams...)
	}
	return streams
}

// Begin returns the time at which the first packet of all traces begins, in ns
// from the clock's origin, and whether one says so.
func (s *Set) Begin() (ns int64, ok bool) {
	for _, st := range s.Streams() {
		if begin, _, timed := st.Bounds(); timed && (!ok || begin < ns) {
			ns, ok = begin, true
		}
	}
	return ns, ok
}

// Cursors returns a cursor for each stream, at its begin.
func (s *Set) Cursors() []*Cursor {
	streams := s.Streams()
	cursors := make([]*Cursor, len(streams))
	for i, st := range streams {
		cursors[i] = NewCursor(st, s.Window(len(streams)))
	}
	return cursors
}

// Window returns the bytes of a packet that each of n streams should hold.
func (s *Set) Window(n int) int {
	if s.opts.Window > 0 {
		return s.opts.Window
	}
	return min(max(windowsTotal/max(n, 1), minWindow), maxWindow)
}

// Sizes of the windows of a set's streams, in bytes.
const (
	windowsTotal = 16 << 20 // all of them together, where that gives each the least
	minWindow    = 16 << 10
	maxWindow    = 256 << 10
)

// Merger returns a reader of all streams of the set, by time.
func (s *Set) Merger() *Merger[*Cursor] { return NewMerger(s.Cursors()) }

// compareTraces orders traces as babeltrace2 does where their messages have the
// same time: those with a uuid first, by uuid, then by name.
func compareTraces(a, b *Trace) int {
	ua, ub := a.Schema.UUID, b.Schema.UUID
	switch {
	case ua != nil && ub != nil:
		if c := bytes.Compare(ua[:], ub[:]); c != 0 {
			return c
		}
	case ua != nil:
		return -1
	case ub != nil:
		return 1
	}
	return cmp.Compare(a.Name, b.Name)
}
