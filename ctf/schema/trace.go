// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Version is a major version of the Common Trace Format.
type Version uint8

// Versions of the format.
const (
	CTF1 Version = 1 // 1.8, metadata in TSDL
	CTF2 Version = 2 // 2.0, metadata in JSON
)

// UUID identifies a trace, a clock. The zero value is a valid identifier, so
// that absence is a nil pointer.
type UUID [16]byte

// String gives the usual form, 8-4-4-4-12 lower-case hexadecimal digits.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Extra is what CTF 2 lets anybody attach to any object and what a reader
// hands on without understanding it. CTF 1.8 has none.
type Extra struct {
	Attributes json.RawMessage // a JSON object: user attributes by name space
	Extensions json.RawMessage // a JSON object
}

// Trace is everything that the metadata of one trace declares.
type Trace struct {
	Version   Version
	ByteOrder ByteOrder // of integers that name none; CTF 1.8
	UUID      *UUID     // nil: none declared

	// CTF 2 only.
	Namespace, Name, UID string
	Preamble             Extra // of the preamble fragment
	Extra                      // of the trace class fragment

	Env          []EnvEntry // in the order of declaration
	Clocks       []*Clock   // in the order of declaration
	PacketHeader *Struct    // nil: packets have no header
	Streams      []*Stream  // in the order of declaration
}

// Stream returns the stream class with an id, or nil.
func (t *Trace) Stream(id uint64) *Stream {
	for _, s := range t.Streams {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// Clock returns the clock with a name (its id in CTF 2), or nil.
func (t *Trace) Clock(name string) *Clock {
	for _, c := range t.Clocks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// EnvString returns the environment entry of a name when it is a string.
func (t *Trace) EnvString(name string) (string, bool) {
	e, ok := t.env(name)
	return e.String, ok && !e.IsInt
}

// EnvInt returns the environment entry of a name when it is an integer.
func (t *Trace) EnvInt(name string) (int64, bool) {
	e, ok := t.env(name)
	return e.Int, ok && e.IsInt
}

func (t *Trace) env(name string) (EnvEntry, bool) {
	i := slices.IndexFunc(t.Env, func(e EnvEntry) bool { return e.Name == name })
	if i < 0 {
		return EnvEntry{}, false
	}
	return t.Env[i], true
}

// EnvEntry is one entry of the environment: where a trace was made.
type EnvEntry struct {
	Name   string
	IsInt  bool
	Int    int64  // when IsInt
	String string // otherwise
}

// Clock is a clock class: how to turn cycles into time.
type Clock struct {
	Name        string // CTF 2: its id
	UUID        *UUID  // CTF 1.8
	Description string
	Frequency   uint64 // cycles a second, > 0
	Precision   uint64 // cycles

	// Offset of cycle zero from the origin; OffsetCycles < Frequency.
	OffsetSeconds int64
	OffsetCycles  uint64

	// Absolute is true when the origin is the Unix epoch; else clocks are
	// comparable only when they have the same UUID or Origin.
	Absolute bool

	// CTF 2 only.
	Origin                       *Origin // nil: the Unix epoch or unknown
	Namespace, FullName, UID     string  // identity; FullName is its property "name"
	Accuracy                     *uint64
	HasPrecision, HasDescription bool
	Extra
}

// Origin names a clock's custom origin in CTF 2.
type Origin struct{ Namespace, Name, UID string }

// Stream is a data stream class.
type Stream struct {
	ID     uint64
	Trace  *Trace
	Clock  *Clock   // the stream's only clock, or nil
	Events []*Event // in the order of declaration

	PacketContext *Struct // nil: none
	EventHeader   *Struct // nil: none, events have no id and no time
	EventContext  *Struct // common context of all events; nil: none

	// CTF 2 only.
	Namespace, Name, UID string
	Extra

	byID map[uint64]*Event
}

// Event returns the event class with an id, or nil.
func (s *Stream) Event(id uint64) *Event { return s.byID[id] }

// AddEvent adds an event class. It reports false, and does nothing, when the
// stream class has one of the same id.
func (s *Stream) AddEvent(e *Event) bool {
	if s.byID[e.ID] != nil {
		return false
	}
	if s.byID == nil {
		s.byID = make(map[uint64]*Event)
	}
	e.Stream = s
	s.byID[e.ID] = e
	s.Events = append(s.Events, e)
	return true
}

// Event is an event class (an event record class in CTF 2).
type Event struct {
	ID       uint64
	Stream   *Stream
	Name     string
	HasName  bool
	LogLevel LogLevel
	EMFURI   string  // "": none
	Context  *Struct // specific context; nil: none
	Payload  *Struct // nil: none

	// CTF 2 only.
	Namespace, UID string
	Extra
}

// LogLevel is the level of an event class; [NoLogLevel] when it has none.
type LogLevel int8

// NoLogLevel is the level of an event class that declares none. The zero value
// is a level of its own (TRACE_EMERG), so constructors have to set this.
const NoLogLevel LogLevel = -1

// logLevels are the names that babeltrace2 and LTTng use, by number.
var logLevels = [...]string{
	"TRACE_EMERG", "TRACE_ALERT", "TRACE_CRIT", "TRACE_ERR", "TRACE_WARNING",
	"TRACE_NOTICE", "TRACE_INFO", "TRACE_DEBUG_SYSTEM", "TRACE_DEBUG_PROGRAM",
	"TRACE_DEBUG_PROCESS", "TRACE_DEBUG_MODULE", "TRACE_DEBUG_UNIT",
	"TRACE_DEBUG_FUNCTION", "TRACE_DEBUG_LINE", "TRACE_DEBUG",
}

// MaxLogLevel is the highest log level, TRACE_DEBUG.
const MaxLogLevel = LogLevel(len(logLevels) - 1)

// String gives LTTng's name of the level, "" for [NoLogLevel].
func (l LogLevel) String() string {
	if l < 0 || l > MaxLogLevel {
		return ""
	}
	return logLevels[l]
}
