// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"slices"
	"time"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/tracepoint/internal/stopping"
)

// session is a recording session of the daemon, with what it has in this program. Its
// client's goroutine owns it.
type session struct {
	handle   uint32
	active   bool
	channels []*channel
	enums    map[string]uint64 // that the daemon knows, by name
}

// channel is a group of rings, and the rules that say what goes there.
type channel struct {
	session  *session
	handle   uint32
	object   ring.Channel
	rings    []*ring.Writer
	contexts []contextWriter
	header   uint32 // as the daemon wants it; 0: it does not know the channel yet
	disabled bool
	refused  bool // a context of it is not known, or all of it refused by the daemon: see complete
	rules    []*rule
	events   map[*Event]declared
}

// declared is what the daemon has said of an event.
type declared struct {
	id      uint32
	refused bool
}

// rule selects events.
type rule struct {
	channel *channel
	pattern filter.Glob
	kind    int32
	level   Level
	without []filter.Glob
	filter  *filterCode // or nil
	enabled bool
}

// complete reports whether all rings are there. Without, nothing is recorded; nor where
// a context is not known: events without would not be what the channel's are, and a
// daemon that is told of such refuses the next program that has all contexts.
func (ch *channel) complete() bool { return !ch.refused && len(ch.rings) == int(ch.object.Streams) }

// grace is the time that those have who are writing an event when it is recorded no more.
// One who is later leaves a gap in the trace, where the ring is still read.
const grace = time.Second

// retire has the rings given back, where events are not recorded any more.
func (ch *channel) retire() {
	rings := ch.rings
	ch.rings = nil
	for _, c := range ch.contexts {
		if c.counter != nil {
			c.counter.close()
		}
	}
	if len(rings) == 0 {
		return
	}
	time.AfterFunc(grace, func() {
		for _, w := range rings {
			_ = w.Retire() // what remains goes when the writer does
		}
	})
}

// wants reports whether a rule of the channel selects an event.
func (ch *channel) wants(e *Event) bool {
	return slices.ContainsFunc(ch.rules, func(r *rule) bool { return r.enabled && r.match(e) })
}

// last has recorded what is recorded late, where channels are about to record no more.
// The function that it returns is called when they do not.
func last(channels ...*channel) (over func()) {
	return stopping.Flush(func(event string) bool {
		return slices.ContainsFunc(channels, func(ch *channel) bool { return ch.records(event) })
	})
}

// records reports whether an event of a name is recorded now.
func (ch *channel) records(event string) bool {
	if !ch.session.active || ch.disabled || ch.header == 0 || !ch.complete() {
		return false
	}
	for e, d := range ch.events {
		if e.name == event {
			return !d.refused && ch.wants(e)
		}
	}
	return false
}

// filters are the programs one of which an event has to pass; none where a rule lets
// all pass.
func (ch *channel) filters(e *Event) (all []program) {
	for _, r := range ch.rules {
		if !r.enabled || !r.match(e) {
			continue
		}
		if r.filter == nil {
			return nil
		}
		code, err := r.filter.link(e)
		if err != nil {
			code = nil // as LTTng: a filter of what the event does not have lets none pass
		}
		all = append(all, program{code, e.fields})
	}
	return all
}

func (r *rule) match(e *Event) bool {
	name := []byte(e.name)
	switch {
	case !r.pattern.Match(name):
		return false
	case r.kind == wire.LevelRange && r.level >= 0 && e.level > r.level:
		return false
	case r.kind == wire.LevelSingle && r.level >= 0 && e.level != r.level:
		return false
	}
	return !slices.ContainsFunc(r.without, func(x filter.Glob) bool { return x.Match(name) })
}
