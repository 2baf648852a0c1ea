// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// Append appends the metadata stream of a trace: all its fragments, one a line.
// After an error it returns dst as it was, as the other appenders do.
func Append(dst []byte, t *schema.Trace) ([]byte, error) {
	out, err := appendPreamble(dst, t)
	if err == nil {
		out, err = appendTrace(out, t)
	}
	for _, c := range t.Clocks {
		if err == nil {
			out, err = AppendClock(out, c)
		}
	}
	for _, s := range t.Streams {
		if err == nil {
			out, err = AppendStream(out, s)
		}
		for _, e := range s.Events {
			if err == nil {
				out, err = AppendEvent(out, e)
			}
		}
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendStream appends the fragment of a data stream class, without its events.
func AppendStream(dst []byte, s *schema.Stream) ([]byte, error) {
	w := newWriter(dst, &uses{trace: s.Trace, stream: s})
	w.begin(streamType)
	w.uintProperty("id", s.ID)
	w.identity(s.Namespace, s.Name, s.UID)
	if s.Clock != nil {
		w.textProperty("default-clock-class-id", s.Clock.Name)
	}
	w.scopeClass("packet-context-field-class", schema.PacketContext)
	w.scopeClass("event-record-header-field-class", schema.EventHeader)
	w.scopeClass("event-record-common-context-field-class", schema.EventContext)
	w.extra(s.Extra)
	return w.end(dst, fmt.Sprintf("data stream class %d", s.ID))
}

// AppendEvent appends the fragment of an event record class.
func AppendEvent(dst []byte, e *schema.Event) ([]byte, error) {
	w := newWriter(dst, &uses{trace: e.Stream.Trace, stream: e.Stream, event: e})
	w.begin(eventType)
	w.uintProperty("id", e.ID)
	w.uintProperty("data-stream-class-id", e.Stream.ID)
	w.someText("namespace", e.Namespace)
	if e.HasName || e.Name != "" {
		w.textProperty("name", e.Name)
	}
	w.someText("uid", e.UID)
	w.scopeClass("specific-context-field-class", schema.EventSpecific)
	w.scopeClass("payload-field-class", schema.EventPayload)
	w.eventAttributes(e)
	w.extra(schema.Extra{Extensions: e.Extensions})
	return w.end(dst, fmt.Sprintf("event record class %d (%s)", e.ID, quote(e.Name)))
}

// AppendClock appends the fragment of a clock class.
func AppendClock(dst []byte, c *schema.Clock) ([]byte, error) {
	w := newWriter(dst, nil)
	if c.Frequency == 0 {
		w.err = errors.New("its frequency is 0")
	}
	w.begin(clockType)
	w.textProperty("id", c.Name)
	name, uid := c.FullName, c.UID
	if c.UUID != nil { // CTF 1.8
		name, uid = c.Name, c.UUID.String()
	}
	w.identity(c.Namespace, name, uid)
	w.uintProperty("frequency", c.Frequency)
	w.clockOrigin(c)
	w.clockOffset(c)
	if c.HasPrecision || c.Precision > 0 {
		w.uintProperty("precision", c.Precision)
	}
	if c.Accuracy != nil {
		w.uintProperty("accuracy", *c.Accuracy)
	}
	if c.HasDescription || c.Description != "" {
		w.textProperty("description", c.Description)
	}
	w.extra(c.Extra)
	return w.end(dst, "clock class "+quote(c.Name))
}

func appendPreamble(dst []byte, t *schema.Trace) ([]byte, error) {
	w := newWriter(dst, nil)
	w.begin(preambleType)
	w.uintProperty("version", 2)
	if t.UUID != nil {
		w.key("uuid")
		w.open('[')
		for _, b := range t.UUID {
			w.uint(uint64(b))
		}
		w.close(']')
	}
	w.extra(t.Preamble)
	return w.end(dst, "preamble")
}

func appendTrace(dst []byte, t *schema.Trace) ([]byte, error) {
	w := newWriter(dst, &uses{trace: t})
	w.begin(traceType)
	uid := t.UID
	if t.Version == schema.CTF1 && t.UUID != nil {
		uid = t.UUID.String()
	}
	w.identity(t.Namespace, t.Name, uid)
	w.environment(t.Env)
	w.scopeClass("packet-header-field-class", schema.PacketHeader)
	w.extra(t.Extra)
	return w.end(dst, "trace class")
}

// writer writes one fragment. The first error is kept.
type writer struct {
	jsonText
	uses  *uses // nil: the fragment has no fields
	scope schema.Scope
	names map[*schema.Struct][]string // of members, as written
	path  []string                    // of the class being written, for errors
	err   error
}

func newWriter(dst []byte, u *uses) *writer {
	return &writer{jsonText: jsonText{dst}, uses: u, names: make(map[*schema.Struct][]string)}
}

func (w *writer) begin(kind string) {
	w.b = append(w.b, recordSeparator)
	w.open('{')
	w.textProperty("type", kind)
}

// end finishes the fragment; what it declares is part of the error.
func (w *writer) end(dst []byte, what string) ([]byte, error) {
	if w.err != nil {
		return dst, fmt.Errorf("ctf2: write %s: %w", what, w.err)
	}
	w.close('}')
	return append(w.b, '\n'), nil
}

// fail keeps the first error, with the place in the fields.
func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: %w", &schema.Ref{Scope: w.scope, Path: w.path}, err)
	}
}

func (w *writer) identity(namespace, name, uid string) {
	w.someText("namespace", namespace)
	w.someText("name", name)
	w.someText("uid", uid)
}

// extra writes attributes and extensions.
func (w *writer) extra(x schema.Extra) {
	w.object("attributes", x.Attributes)
	w.object("extensions", x.Extensions)
}

// object writes a JSON object that was kept, unless it is empty.
func (w *writer) object(name string, v []byte) {
	if len(v) == 0 {
		return
	}
	if _, err := parseObject(&source{text: v}); err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", name, err))
		return
	}
	w.kept(name, v)
}

// kept writes a property whose value was kept.
func (w *writer) kept(name string, v []byte) {
	w.key(name)
	if err := w.raw(v); err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", name, err))
	}
}

func (w *writer) environment(env []schema.EnvEntry) {
	if len(env) == 0 {
		return
	}
	w.key("environment")
	w.open('{')
	seen := make(map[string]bool)
	for _, e := range env {
		if seen[e.Name] {
			continue
		}
		seen[e.Name] = true
		w.key(e.Name)
		if e.IsInt {
			w.int(e.Int)
		} else {
			w.text(e.String)
		}
	}
	w.close('}')
}

// clockOrigin writes the origin. Clocks of CTF 1.8 that are not absolute share
// one when they have the same uuid.
func (w *writer) clockOrigin(c *schema.Clock) {
	o := c.Origin
	if o == nil && c.UUID != nil {
		o = &schema.Origin{Name: c.Name, UID: c.UUID.String()}
	}
	switch {
	case c.Absolute:
		w.textProperty("origin", unixEpoch)
	case o != nil:
		w.key("origin")
		w.open('{')
		w.someText("namespace", o.Namespace)
		w.textProperty("name", o.Name)
		w.textProperty("uid", o.UID)
		w.close('}')
	}
}

func (w *writer) clockOffset(c *schema.Clock) {
	if c.OffsetSeconds == 0 && c.OffsetCycles == 0 {
		return
	}
	w.key("offset-from-origin")
	w.open('{')
	w.key("seconds")
	w.int(c.OffsetSeconds)
	w.uintProperty("cycles", c.OffsetCycles)
	w.close('}')
}

// scopeClass writes the class of a scope, if there is one.
func (w *writer) scopeClass(name string, scope schema.Scope) {
	s := w.uses.scope(scope)
	if s == nil {
		return
	}
	w.scope = scope
	w.key(name)
	w.class(s)
}
