// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"
	"math"

	"github.com/weir-io/weir/ctf/schema"
)

// Types of fragments.
const (
	preambleType = "preamble"
	aliasType    = "field-class-alias"
	traceType    = "trace-class"
	clockType    = "clock-class"
	streamType   = "data-stream-class"
	eventType    = "event-record-class"
)

// fragment reads a fragment into the batch.
func (r *reader) fragment(n *node) {
	kind := r.needText(n, "type")
	if r.err != nil {
		return
	}
	if first := !r.batch.hasPreamble; first != (kind == preambleType) {
		want := "a preamble first"
		if !first {
			want = "one preamble"
		}
		r.mismatch(n.property("type"), want)
		return
	}
	switch kind {
	case preambleType:
		r.preamble(n)
	case aliasType:
		r.alias(n)
	case traceType:
		r.traceClass(n)
	case clockType:
		r.clockClass(n)
	case streamType:
		r.streamClass(n)
	case eventType:
		r.eventClass(n)
	default:
		r.mismatch(n.property("type"), "a type of fragment")
	}
}

func (r *reader) preamble(n *node) {
	r.only(n, "type", "version", "uuid", "attributes", "extensions")
	r.needNumber(n, "version", 2, 2)
	b := r.batch
	if v := n.property("uuid"); v != nil {
		b.trace.UUID = r.uuid(v)
	}
	b.trace.Preamble = r.extra(n)
	b.hasPreamble = true
}

func (r *reader) uuid(n *node) *schema.UUID {
	var id schema.UUID
	if n.kind != arrayKind || len(n.kids) != len(id) {
		r.mismatch(n, fmt.Sprintf("an array of %d bytes", len(id)))
		return nil
	}
	for i, kid := range n.kids {
		v, ok := kid.uint()
		if !ok || v > math.MaxUint8 {
			r.mismatch(kid, "an integer from 0 to 255")
		}
		id[i] = byte(v)
	}
	return &id
}

// alias keeps the text of a field class: where it is used decides what its
// field locations and roles mean.
func (r *reader) alias(n *node) {
	r.only(n, "type", "name", "field-class", "attributes", "extensions")
	r.extra(n)
	name := r.needText(n, "name")
	class := r.need(n, "field-class")
	if r.err != nil {
		return
	}
	if r.batch.aliases[name] != nil {
		r.mismatch(n.property("name"), "the name of no other alias")
		return
	}
	r.class(class, 0) // only to check it
	r.kept = 0
	if class.kind == stringKind {
		class = r.batch.aliases[class.text]
	}
	r.batch.aliases[name] = class
}

func (r *reader) traceClass(n *node) {
	r.only(n, "type", "namespace", "name", "uid", "packet-header-field-class", "environment", "attributes", "extensions")
	b := r.batch
	switch {
	case b.hasTrace:
		r.mismatch(n.property("type"), "one trace class")
	case len(b.trace.Streams) > 0:
		r.mismatch(n.property("type"), "the trace class before any data stream class")
	}
	b.hasTrace = true
	b.trace.Namespace, b.trace.Name, b.trace.UID = r.identity(n)
	b.trace.Env = r.environment(n)
	b.trace.Extra = r.extra(n)
	b.trace.PacketHeader = r.scope(n, "packet-header-field-class")
	r.resolve(&uses{trace: &b.trace}, schema.PacketHeader, b.trace.PacketHeader)
}

func (r *reader) identity(n *node) (namespace, name, uid string) {
	return r.text(n, "namespace"), r.text(n, "name"), r.text(n, "uid")
}

func (r *reader) environment(n *node) []schema.EnvEntry {
	if r.absent(n, "environment") {
		return nil
	}
	n = n.property("environment")
	if !r.object(n) {
		return nil
	}
	var env []schema.EnvEntry
	for _, kid := range n.kids {
		e := schema.EnvEntry{Name: kid.name, String: kid.text}
		if kid.kind != stringKind {
			e.IsInt, e.Int, e.String = true, r.signed(kid), ""
		}
		env = append(env, e)
	}
	return env
}

// signed reads an integer of 64 bits with sign.
func (r *reader) signed(n *node) int64 {
	v, ok := n.integer()
	if !ok || !v.negative && v.bits > math.MaxInt64 {
		r.mismatch(n, "an integer of 64 bits with sign")
	}
	return int64(v.bits)
}

func (r *reader) clockClass(n *node) {
	r.only(n, "type", "id", "namespace", "name", "uid", "frequency", "origin", "offset-from-origin",
		"precision", "accuracy", "description", "attributes", "extensions")
	c := &schema.Clock{
		Name:           r.needText(n, "id"),
		Description:    r.text(n, "description"),
		HasDescription: n.property("description") != nil,
		Frequency:      r.needNumber(n, "frequency", 1, math.MaxUint64),
		Precision:      r.number(n, "precision", 0, 0, math.MaxUint64),
		HasPrecision:   n.property("precision") != nil,
		Extra:          r.extra(n),
	}
	c.Namespace, c.FullName, c.UID = r.identity(n)
	if n.property("accuracy") != nil {
		v := r.number(n, "accuracy", 0, 0, math.MaxUint64)
		c.Accuracy = &v
	}
	r.offset(n, c)
	r.origin(n, c)
	if r.err != nil {
		return
	}
	if r.batch.trace.Clock(c.Name) != nil {
		r.mismatch(n.property("id"), "the id of no other clock class")
		return
	}
	r.few(n, len(r.batch.trace.Clocks))
	r.batch.trace.Clocks = append(r.batch.trace.Clocks, c)
}

func (r *reader) offset(n *node, c *schema.Clock) {
	n = n.property("offset-from-origin")
	if n == nil || !r.object(n) {
		return
	}
	r.only(n, "seconds", "cycles")
	if v := n.property("seconds"); v != nil {
		c.OffsetSeconds = r.signed(v)
	}
	c.OffsetCycles = r.number(n, "cycles", 0, 0, max(c.Frequency, 1)-1)
}

func (r *reader) origin(n *node, c *schema.Clock) {
	n = n.property("origin")
	switch {
	case n == nil:
	case n.kind == objectKind:
		r.only(n, "namespace", "name", "uid")
		r.need(n, "name")
		r.need(n, "uid")
		c.Origin = new(schema.Origin)
		c.Origin.Namespace, c.Origin.Name, c.Origin.UID = r.identity(n)
	case n.kind == stringKind && n.text == unixEpoch:
		c.Absolute = true
	default:
		r.mismatch(n, unixEpoch+" or an object")
	}
}

// unixEpoch is the only origin of clocks that has a name of its own.
const unixEpoch = "unix-epoch"

func (r *reader) streamClass(n *node) {
	r.only(n, "type", "id", "namespace", "name", "uid", "default-clock-class-id", "packet-context-field-class",
		"event-record-header-field-class", "event-record-common-context-field-class", "attributes", "extensions")
	b := r.batch
	s := &schema.Stream{
		ID:            r.number(n, "id", 0, 0, math.MaxUint64),
		Trace:         b.owner,
		Extra:         r.extra(n),
		PacketContext: r.scope(n, "packet-context-field-class"),
		EventHeader:   r.scope(n, "event-record-header-field-class"),
		EventContext:  r.scope(n, "event-record-common-context-field-class"),
	}
	s.Namespace, s.Name, s.UID = r.identity(n)
	if v := n.property("default-clock-class-id"); v != nil {
		if s.Clock = b.trace.Clock(r.text(n, v.name)); s.Clock == nil {
			r.mismatch(v, "the id of a clock class")
		}
	}
	if b.trace.Stream(s.ID) != nil {
		r.duplicate(n, "the id of no other data stream class")
	}
	r.few(n, len(b.trace.Streams))
	u := &uses{trace: &b.trace, stream: s}
	r.resolve(u, schema.PacketContext, s.PacketContext)
	r.resolve(u, schema.EventHeader, s.EventHeader)
	r.resolve(u, schema.EventContext, s.EventContext)
	b.trace.Streams = append(b.trace.Streams, s)
}

// few demands that there is room for another class of its kind.
func (r *reader) few(n *node, count int) {
	if count >= MaxStreams {
		r.fail(n, "another class", fmt.Sprintf("at most %d of this type", MaxStreams))
	}
}

// duplicate is the failure of an id, which may be there by default.
func (r *reader) duplicate(n *node, want string) {
	if v := n.property("id"); v != nil {
		r.mismatch(v, want)
		return
	}
	r.fail(n, "id 0 by default", want)
}

func (r *reader) eventClass(n *node) {
	r.only(n, "type", "id", "data-stream-class-id", "namespace", "name", "uid",
		"specific-context-field-class", "payload-field-class", "attributes", "extensions")
	e := &schema.Event{
		ID:       r.number(n, "id", 0, 0, math.MaxUint64),
		HasName:  n.property("name") != nil,
		LogLevel: schema.NoLogLevel,
		Extra:    r.extra(n),
		Context:  r.scope(n, "specific-context-field-class"),
		Payload:  r.scope(n, "payload-field-class"),
	}
	e.Namespace, e.Name, e.UID = r.identity(n)
	r.lttngAttributes(n, e)
	id := r.number(n, "data-stream-class-id", 0, 0, math.MaxUint64)
	e.Stream = r.batch.trace.Stream(id)
	if e.Stream == nil {
		r.fail(n, fmt.Sprintf("an event record class of data stream class %d", id), "the data stream class before")
	}
	if r.err != nil {
		return
	}
	if key := (eventID{id, e.ID}); e.Stream.Event(e.ID) != nil || r.batch.ids[key] {
		r.duplicate(n, "the id of no other event record class of its data stream class")
	} else {
		r.batch.ids[key] = true
	}
	u := &uses{trace: &r.batch.trace, stream: e.Stream, event: e}
	r.resolve(u, schema.EventSpecific, e.Context)
	r.resolve(u, schema.EventPayload, e.Payload)
	r.batch.events = append(r.batch.events, e)
}

// scope reads the field class of one of the six scopes, nil when there is none.
func (r *reader) scope(n *node, name string) *schema.Struct {
	v := n.property(name)
	if v == nil {
		return nil
	}
	s, ok := r.class(v, 0).(*schema.Struct)
	if !ok {
		r.mismatch(v, "a structure field class")
	}
	return s
}
