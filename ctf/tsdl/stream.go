// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"math"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

var streamBlock = []string{"id", "packet.context", "event.header", "event.context"}

// stream reads a stream block.
func (b *batch) stream() error {
	start := b.tok.pos
	b.next()
	s := &schema.Stream{Trace: b.p.trace}
	var scopes [schema.NumScopes]entry
	hasID := false
	err := b.entries(block{"stream", streamBlock, newScope(b.root)}, func(e entry) (err error) {
		switch e.name {
		case "id":
			hasID = true
			s.ID, err = b.uintOf(e, 0, math.MaxUint64)
		case "packet.context":
			scopes[schema.PacketContext] = e
		case "event.header":
			scopes[schema.EventHeader] = e
		case "event.context":
			scopes[schema.EventContext] = e
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := b.checkStreamID(start, s, hasID); err != nil {
		return err
	}
	// In the order of decoding: later scopes refer to earlier ones.
	if s.PacketContext, err = b.streamScope(s, schema.PacketContext, scopes); err != nil {
		return err
	}
	if s.EventHeader, err = b.streamScope(s, schema.EventHeader, scopes); err != nil {
		return err
	}
	if s.EventContext, err = b.streamScope(s, schema.EventContext, scopes); err != nil {
		return err
	}
	b.trace.Streams = append(b.trace.Streams, s)
	return nil
}

func (b *batch) streamScope(s *schema.Stream, scope schema.Scope, scopes [schema.NumScopes]entry) (*schema.Struct, error) {
	e := scopes[scope]
	if e.name == "" {
		return nil, nil
	}
	str, err := b.structOf(e)
	if err != nil {
		return nil, err
	}
	r := resolver{b: b, scope: scope, stream: s, at: e.at}
	return r.run(str)
}

// maxStreams bounds a list that is searched from end to end.
const maxStreams = 4096

func (b *batch) checkStreamID(start int, s *schema.Stream, hasID bool) error {
	switch {
	case !hasID && len(b.trace.Streams) > 0:
		return b.failf(start, "stream without attribute %q beside another stream", "id")
	case len(b.trace.Streams) > 0 && b.trace.PacketHeader.Member("stream_id") == nil:
		return b.failf(start, "second stream, but the packet header has no stream_id")
	case b.trace.Stream(s.ID) != nil:
		return b.failf(start, "second stream with id %d", s.ID)
	case len(b.trace.Streams) == maxStreams:
		return b.failf(start, "more than %d streams", maxStreams)
	case hasID && b.trace.PacketHeader.Member("stream_id") == nil:
		b.warnf(start, "stream has an id, but the packet header has no stream_id")
	}
	return nil
}

var eventBlock = []string{
	"name", "id", "stream_id", "context", "fields", "loglevel", "model.emf.uri",
}

// eventEntries are an event block's attributes on their way.
type eventEntries struct {
	event           *schema.Event
	streamID        uint64
	hasID, onStream bool
	context, fields entry
}

// event reads an event block.
func (b *batch) event() error {
	start := b.tok.pos
	b.next()
	ev := eventEntries{event: &schema.Event{LogLevel: schema.NoLogLevel}}
	err := b.entries(block{"event", eventBlock, newScope(b.root)}, func(e entry) error {
		return b.eventEntry(&ev, e)
	})
	if err != nil {
		return err
	}
	if !ev.event.HasName {
		return b.failf(start, "event without attribute %q", "name")
	}
	s, err := b.streamOf(start, &ev)
	if err != nil {
		return err
	}
	if err := b.addEvent(start, s, &ev); err != nil {
		return err
	}
	ev.event.Stream = s
	if ev.event.Context, err = b.eventScope(s, &ev, schema.EventSpecific, ev.context); err != nil {
		return err
	}
	ev.event.Payload, err = b.eventScope(s, &ev, schema.EventPayload, ev.fields)
	return err
}

func (b *batch) eventEntry(ev *eventEntries, e entry) (err error) {
	switch e.name {
	case "name":
		ev.event.HasName = true
		ev.event.Name, err = b.stringOf(e)
		ev.event.Name = b.name(ev.event.Name)
	case "id":
		ev.hasID = true
		ev.event.ID, err = b.uintOf(e, 0, math.MaxUint64)
	case "stream_id":
		ev.onStream = true
		ev.streamID, err = b.uintOf(e, 0, math.MaxUint64)
	case "context":
		ev.context = e
	case "fields":
		ev.fields = e
	case "loglevel":
		err = b.logLevel(ev.event, e)
	case "model.emf.uri":
		ev.event.EMFURI, err = b.stringOf(e)
		if err == nil && ev.event.EMFURI == "" {
			b.warnf(e.at, "empty model.emf.uri is ignored")
		}
		ev.event.EMFURI = strings.Clone(ev.event.EMFURI)
	}
	return err
}

func (b *batch) logLevel(ev *schema.Event, e entry) error {
	level, err := b.uintOf(e, 0, math.MaxUint64)
	if err != nil {
		return err
	}
	if level > uint64(schema.MaxLogLevel) {
		b.warnf(e.at, "log level %d is unknown and ignored", level)
		return nil
	}
	ev.LogLevel = schema.LogLevel(level)
	return nil
}

// streamOf finds the stream of an event; without any there is one implicitly.
func (b *batch) streamOf(start int, ev *eventEntries) (*schema.Stream, error) {
	streams := b.trace.Streams
	switch {
	case ev.onStream:
		if s := b.trace.Stream(ev.streamID); s != nil {
			return s, nil
		}
		return nil, b.failf(start, "event %s: no stream with id %d", quoteShort(ev.event.Name), ev.streamID)
	case len(streams) == 0:
		s := &schema.Stream{Trace: b.p.trace}
		b.trace.Streams = append(streams, s)
		return s, nil
	case len(streams) == 1:
		return streams[0], nil
	default:
		return nil, b.failf(start, "event %s without attribute %q in a trace with several streams",
			quoteShort(ev.event.Name), "stream_id")
	}
}

func (b *batch) addEvent(start int, s *schema.Stream, ev *eventEntries) error {
	key := eventKey{s, ev.event.ID}
	switch {
	case !ev.hasID && (len(s.Events) > 0 || b.hasEvents[s]):
		return b.failf(start, "event %s without attribute %q in a stream with several events",
			quoteShort(ev.event.Name), "id")
	case s.Event(ev.event.ID) != nil || b.ids[key]:
		return b.failf(start, "event %s: second event with id %d in stream %d",
			quoteShort(ev.event.Name), ev.event.ID, s.ID)
	}
	if (len(s.Events) > 0 || b.hasEvents[s]) && s.EventHeader.Member("id") == nil {
		return b.failf(start, "event %s: a second event in stream %d, whose event header has no id",
			quoteShort(ev.event.Name), s.ID)
	}
	b.ids[key], b.hasEvents[s] = true, true
	b.events = append(b.events, pendingEvent{s, ev.event})
	return nil
}

func (b *batch) eventScope(s *schema.Stream, ev *eventEntries, scope schema.Scope, e entry) (*schema.Struct, error) {
	if e.name == "" {
		return nil, nil
	}
	str, err := b.structOf(e)
	if err != nil {
		return nil, err
	}
	r := resolver{b: b, scope: scope, stream: s, event: ev.event, at: e.at}
	return r.run(str)
}
