// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// Scope is one of the six structs that packets and events are made of, in
// their order in a packet.
type Scope uint8

// Scopes.
const (
	PacketHeader Scope = iota
	PacketContext
	EventHeader
	EventContext  // common context: that of the stream class
	EventSpecific // specific context: that of the event class
	EventPayload

	NumScopes = 6
)

// scopeNames are the names that CTF 1.8's references and babeltrace2's output use.
var scopeNames = [NumScopes]string{
	"trace.packet.header", "stream.packet.context", "stream.event.header",
	"stream.event.context", "event.context", "event.fields",
}

// String gives CTF 1.8's name of the scope, such as "stream.event.context".
func (s Scope) String() string {
	if s < NumScopes {
		return scopeNames[s]
	}
	return "unknown scope"
}

// Struct returns the scope's struct in an event class, nil where there is none.
func (e *Event) Struct(s Scope) *Struct {
	switch s {
	case EventSpecific:
		return e.Context
	case EventPayload:
		return e.Payload
	default:
		return e.Stream.Struct(s)
	}
}

// Struct returns the scope's struct in a stream class, nil where there is none
// or the scope is the event class's.
func (s *Stream) Struct(scope Scope) *Struct {
	switch scope {
	case PacketHeader:
		return s.Trace.PacketHeader
	case PacketContext:
		return s.PacketContext
	case EventHeader:
		return s.EventHeader
	case EventContext:
		return s.EventContext
	default:
		return nil
	}
}

// Ref names the field that another field needs to be decoded: the length of a
// sequence, the tag of a variant, the selector of an optional field. The path
// leads from the scope's struct through members and options; each name is as
// the metadata spells it. An array on the way has no name of its own: what
// follows its name is a member of its elements. Only an array that holds both
// fields can be on the way. The field referred to lies before the one that
// refers to it; of a field that is decoded several times (within an array) the
// last value counts.
//
// In CTF 2 a reference that goes through a variant leads to a field in each of
// its options. Others are the paths to the further ones: of all these fields
// the value that was decoded last counts.
type Ref struct {
	Scope  Scope
	Path   []string
	Others [][]string // nil: Path alone
}

// String gives the reference as CTF 1.8 writes it: "event.fields.a.b".
func (r *Ref) String() string {
	return r.Scope.String() + "." + strings.Join(r.Path, ".")
}
