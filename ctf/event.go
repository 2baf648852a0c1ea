// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// Event is one decoded event. A reader reuses it: what it holds is valid until
// the reader's next step.
//
// The frame holds the event's own scopes one behind the other: EventContext,
// EventSpecific, EventPayload; [Event.Start] says where each begins. It is the
// same for all events of a class.
type Event struct {
	Class  *schema.Event
	Packet *Packet // the packet that the event is in
	Frame
	HasTime bool
	Time    int64  // ns from the clock's origin, when HasTime
	Cycles  uint64 // value of the stream's clock, when HasTime

	plan   *eventPlan
	header Frame
	// headerOf decodes the header when it is asked for, nil when header has it.
	headerOf *decoder

	// Where the event was read, for those who copy it.
	from   *decoder
	before uint64 // the stream's clock before it
}

// Start returns the index in Words of the first field of the scope: one of
// EventContext, EventSpecific and EventPayload.
func (e *Event) Start(s schema.Scope) int { return e.plan.start[s] }

// Scope returns a scope of the event or of its packet, and whether the event's
// class has it.
func (e *Event) Scope(s schema.Scope) (Value, bool) {
	st := e.Class.Struct(s)
	if st == nil {
		return Value{}, false
	}
	switch s {
	case schema.PacketHeader, schema.PacketContext:
		return e.Packet.Scope(s)
	case schema.EventHeader:
		if e.headerOf != nil {
			e.headerOf.decodeHeader()
		}
		return Value{&e.header, st, 0}, true
	default:
		return Value{&e.Frame, st, e.plan.start[s]}, true
	}
}

// Field returns the field of a name: of the payload or else of the specific,
// the common or the packet's context.
func (e *Event) Field(name string) (Value, bool) {
	for _, s := range [...]schema.Scope{schema.EventPayload, schema.EventSpecific, schema.EventContext, schema.PacketContext} {
		if scope, ok := e.Scope(s); ok {
			if v, ok := scope.Field(name); ok {
				return v, true
			}
		}
	}
	return Value{}, false
}

// StartOf returns the index in an event's words of the first field of a scope,
// for all events of a class; see [Event].
func StartOf(class *schema.Event, s schema.Scope) int {
	n := 0
	for _, before := range [...]schema.Scope{schema.EventContext, schema.EventSpecific} {
		if st := class.Struct(before); before < s && st != nil {
			n += Width(st)
		}
	}
	return n
}
