// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// Builder declares a trace in code, in the style of LTTng's: its packet header
// and context, its event headers, field names with a leading underscore. What it
// makes any reader of CTF 1.8 takes.
//
//	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: id, Clock: ctf.RealtimeClock()})
//	stream := b.Stream(ctf.LargeHeader)
//	event, err := stream.Event("app:request", schema.NoLogLevel, ctf.Uint("status", 16), ctf.Str("path"))
type Builder struct {
	trace *schema.Trace
}

// BuilderOptions says what a whole trace has.
type BuilderOptions struct {
	UUID      schema.UUID
	ByteOrder schema.ByteOrder // 0: little-endian
	Clock     *schema.Clock    // nil: [RealtimeClock]
	Env       []schema.EnvEntry
}

// NewBuilder begins the declaration of a trace.
func NewBuilder(o BuilderOptions) *Builder {
	if o.ByteOrder == 0 {
		o.ByteOrder = schema.LittleEndian
	}
	if o.Clock == nil {
		o.Clock = RealtimeClock()
	}
	id := o.UUID
	t := &schema.Trace{
		Version: schema.CTF1, ByteOrder: o.ByteOrder, UUID: &id, Env: o.Env, Clocks: []*schema.Clock{o.Clock},
	}
	b := &Builder{t}
	t.PacketHeader = &schema.Struct{Members: []schema.Member{
		b.role("magic", 32, schema.RolePacketMagic),
		{Name: "uuid", Class: &schema.Array{Element: b.uint(8), Length: 16, Role: schema.RoleUUID}},
		b.role("stream_id", 32, schema.RoleStreamClassID),
		b.role("stream_instance_id", 64, schema.RoleStreamInstanceID),
	}}
	return b
}

// RealtimeClock is a clock of nanoseconds since the Unix epoch: what
// [time.Time.UnixNano] returns.
func RealtimeClock() *schema.Clock {
	return &schema.Clock{Name: "realtime", Description: "Nanoseconds since the Unix epoch", Frequency: nsPerSecond, Absolute: true}
}

// MonotonicClock is a clock of nanoseconds since the host's boot. Offset is the
// time of the clock's zero, in nanoseconds since the Unix epoch; boot identifies
// the boot.
func MonotonicClock(boot schema.UUID, offset int64) *schema.Clock {
	seconds, cycles := offset/nsPerSecond, offset%nsPerSecond
	if cycles < 0 {
		seconds, cycles = seconds-1, cycles+nsPerSecond
	}
	return &schema.Clock{
		Name: "monotonic", UUID: &boot, Description: "Monotonic Clock", Frequency: nsPerSecond,
		OffsetSeconds: seconds, OffsetCycles: uint64(cycles), Absolute: true,
	}
}

// Trace returns the declared trace. It is complete at any time: classes may be
// added later.
func (b *Builder) Trace() *schema.Trace { return b.trace }

func (b *Builder) uint(size uint8) *schema.Integer {
	align := uint32(1)
	if size%8 == 0 {
		align = 8
	}
	return &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: align, Order: b.trace.ByteOrder}, Base: 10}
}

func (b *Builder) role(name string, size uint8, role schema.Role) schema.Member {
	i := b.uint(size)
	i.Role = role
	return schema.Member{Name: name, Class: i}
}

func (b *Builder) time(name string, size uint8, role schema.Role) schema.Member {
	m := b.role(name, size, role)
	m.Class.(*schema.Integer).Clock = b.trace.Clocks[0]
	return m
}

// HeaderStyle is one of LTTng's two event headers.
type HeaderStyle uint8

const (
	// CompactHeader takes 4 bytes for ids below 31 and times at most 0.13 s
	// after the last, else 13.
	CompactHeader HeaderStyle = iota
	// LargeHeader takes 6 bytes for ids below 65535 and times at most 4.2 s
	// after the last, else 14.
	LargeHeader
)

// StreamBuilder declares a stream class and its events.
type StreamBuilder struct {
	b     *Builder
	class *schema.Stream
}

// Stream adds a stream class, with the next id. Context is the fields that all
// of its events have.
func (b *Builder) Stream(h HeaderStyle, context ...Field) (*StreamBuilder, error) {
	s := &schema.Stream{ID: uint64(len(b.trace.Streams)), Trace: b.trace, Clock: b.trace.Clocks[0]}
	s.PacketContext = &schema.Struct{Members: []schema.Member{
		b.time("timestamp_begin", 64, schema.RoleTimestampBegin),
		b.time("timestamp_end", 64, schema.RoleTimestampEnd),
		b.role("content_size", 64, schema.RoleContentSize),
		b.role("packet_size", 64, schema.RolePacketSize),
		b.role("packet_seq_num", 64, schema.RolePacketNumber),
		b.role("events_discarded", 64, schema.RoleEventsDiscarded),
		b.role("cpu_id", 32, schema.RoleNone),
	}}
	if h == CompactHeader {
		s.EventHeader = b.eventHeader(5, 27)
	} else {
		s.EventHeader = b.eventHeader(16, 32)
	}
	if len(context) > 0 {
		var err error
		if s.EventContext, err = b.fields(schema.EventContext, context); err != nil {
			return nil, fmt.Errorf("context of stream class %d: %w", s.ID, err)
		}
	}
	b.trace.Streams = append(b.trace.Streams, s)
	return &StreamBuilder{b, s}, nil
}

// eventHeader is LTTng's: an id and a time of few bits, or an id that means that
// full ones follow.
func (b *Builder) eventHeader(idBits, timeBits uint8) *schema.Struct {
	last := uint64(1)<<idBits - 1
	short := []schema.Range{{Low: 0, High: last - 1}}
	long := []schema.Range{{Low: last, High: last}}
	id := b.role("id", idBits, schema.RoleEventClassID)
	id.Class.(*schema.Integer).Mappings = []schema.Mapping{{Label: "compact", Ranges: short}, {Label: "extended", Ranges: long}}
	return &schema.Struct{MinAlign: 8, Members: []schema.Member{
		id,
		{Name: "v", Class: &schema.Variant{
			Tag: &schema.Ref{Scope: schema.EventHeader, Path: []string{"id"}},
			Options: []schema.Option{
				{Name: "compact", Ranges: short, Class: &schema.Struct{Members: []schema.Member{
					b.time("timestamp", timeBits, schema.RoleTimestamp),
				}}},
				{Name: "extended", Ranges: long, Class: &schema.Struct{Members: []schema.Member{
					b.role("id", 32, schema.RoleEventClassID),
					b.time("timestamp", 64, schema.RoleTimestamp),
				}}},
			},
		}},
	}}
}

// Class returns the declared stream class.
func (s *StreamBuilder) Class() *schema.Stream { return s.class }

// Event adds an event class with the next id.
func (s *StreamBuilder) Event(name string, level schema.LogLevel, payload ...Field) (*schema.Event, error) {
	e := &schema.Event{ID: uint64(len(s.class.Events)), Name: name, HasName: true, LogLevel: level}
	var err error
	if e.Payload, err = s.b.fields(schema.EventPayload, payload); err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	if !s.class.AddEvent(e) {
		return nil, fmt.Errorf("event %s: the stream class has one of id %d", name, e.ID)
	}
	return e, nil
}

// fields makes a scope's struct.
func (b *Builder) fields(scope schema.Scope, fields []Field) (*schema.Struct, error) {
	p := &placer{b: b, scope: scope}
	st := p.structure(fields)
	return st, p.err
}

// spelledField is a field's name in the metadata: with an underscore in front,
// so that it is no keyword, and letters, digits and underscores only.
func spelledField(name string) string {
	return "_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
