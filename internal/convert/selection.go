// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/filter"
)

// Selection says what is converted. The zero value is everything.
type Selection struct {
	// Window returns the time to keep, both ends included, in ns from the
	// clock's origin; first is when the first packet of all traces begins. nil:
	// all time.
	Window       func(first int64) (begin, end int64, err error)
	Intersection bool // of each trace only the time that all its streams have in common

	Events  []string // globs of event names, one of which has to match; nil: all
	Exclude []string // globs of event names, none of which may match
	Streams []string // globs of channels, or of channels with their CPU; nil: all
	Host    string   // glob of host names; "": all

	// Where makes a test of whether an event is kept; each goroutine makes its
	// own. WhereText tells selections that differ apart. nil: all are.
	Where     func() func(*ctf.Event) bool
	WhereText string

	// Opened is called with the traces before anything is written; nil: not
	// wanted.
	Opened func(*ctf.Set)
}

// choice is a selection that is ready for use. It is safe for concurrent use.
type choice struct {
	Selection
	window  window
	events  globs
	exclude globs
	streams globs
	hosts   globs
}

func newChoice(s Selection, set *ctf.Set) (*choice, error) {
	c := &choice{
		Selection: s, window: always,
		events: newGlobs(s.Events), exclude: newGlobs(s.Exclude), streams: newGlobs(s.Streams),
	}
	if s.Host != "" {
		c.hosts = newGlobs([]string{s.Host})
	}
	if s.Window != nil {
		first, _ := set.Begin() // 0 when nothing says so
		begin, end, err := s.Window(first)
		if err != nil {
			return nil, err
		}
		c.window = window{begin, end}
	}
	return c, nil
}

// text tells apart what two choices keep of a trace.
func (c *choice) text() string {
	return fmt.Sprintf("%d %d %t %q %q %q %q", c.window.begin, c.window.end, c.Intersection, c.Events, c.Exclude, c.Streams, c.WhereText)
}

// everything reports whether all of a trace is kept, but for its host.
func (c *choice) everything() bool {
	return c.window == always && !c.Intersection && c.streams == nil && !c.picksEvents()
}

// picksEvents reports whether events are looked at one by one.
func (c *choice) picksEvents() bool {
	return c.events != nil || c.exclude != nil || c.Where != nil
}

func (c *choice) host(t *ctf.Trace) bool {
	host, _ := t.Schema.EnvString("hostname")
	return c.hosts == nil || c.hosts.match(host)
}

// stream reports whether a stream is kept, by its channel or file.
func (c *choice) stream(file string) bool {
	return c.streams == nil || c.streams.match(file) || c.streams.match(channelOf(file))
}

// channelOf is the channel of a file CHANNEL_CPU.
func channelOf(file string) string {
	if i := strings.LastIndexByte(file, '_'); i > 0 && isNumber(file[i+1:]) {
		return file[:i]
	}
	return file
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// windowOf is the time that is kept of a trace.
func (c *choice) windowOf(t *ctf.Trace) window {
	w := c.window
	if c.Intersection {
		if begin, end, ok := t.Bounds(); ok {
			w.begin, w.end = max(w.begin, begin), min(w.end, end)
		}
	}
	return w
}

// keep returns a test of events by name and filter, nil when all are kept. It
// is for one goroutine.
func (c *choice) keep() func(*ctf.Event) bool {
	if !c.picksEvents() {
		return nil
	}
	var where func(*ctf.Event) bool
	if c.Where != nil {
		where = c.Where()
	}
	named := map[*schema.Event]bool{}
	var last *schema.Event
	var lastNamed bool
	return func(e *ctf.Event) bool {
		if e.Class != last {
			ok, known := named[e.Class]
			if !known {
				ok = c.name(e.Class.Name)
				named[e.Class] = ok
			}
			last, lastNamed = e.Class, ok
		}
		return lastNamed && (where == nil || where(e))
	}
}

func (c *choice) name(event string) bool {
	return (c.events == nil || c.events.match(event)) && !c.exclude.match(event)
}

// globs are patterns one of which has to match.
type globs []filter.Glob

func newGlobs(patterns []string) (g globs) {
	for _, p := range patterns {
		g = append(g, filter.NewGlob(p))
	}
	return g
}

func (g globs) match(s string) bool {
	return slices.ContainsFunc(g, func(p filter.Glob) bool { return p.Match([]byte(s)) })
}

// window is a span of time in ns from the clock's origin, both ends included.
type window struct{ begin, end int64 }

// always is a window without bounds.
var always = window{math.MinInt64, math.MaxInt64}

func (w window) holds(ns int64) bool { return w.begin <= ns && ns <= w.end }

func (w window) overlaps(begin, end int64) bool {
	return w.begin <= w.end && end >= w.begin && begin <= w.end
}

// tells reports whether a loss may have happened within the window.
func (w window) tells(l *ctf.Loss) bool { return !l.HasRange || w.overlaps(l.From, l.To) }
