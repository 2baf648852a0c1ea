// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// Append appends the metadata text of a trace. What CTF 1.8 cannot express
// gives an error of type [*UnsupportedError], and dst as it was.
//
// It is what [AppendTrace], and for each stream class [AppendStream] and
// [AppendEvent] for its events, append.
func Append(dst []byte, t *schema.Trace) ([]byte, error) {
	out, err := AppendTrace(dst, t)
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

// AppendTrace appends the begin of a metadata text: signature, trace block,
// environment and clocks.
func AppendTrace(dst []byte, t *schema.Trace) ([]byte, error) {
	w := newWriter(dst, t)
	w.text(signature + " */\n\ntrace {\n\tmajor = 1;\n\tminor = 8;\n")
	if t.UUID != nil {
		w.attribute("uuid", t.UUID.String())
	}
	w.text("\tbyte_order = " + orderWord(w.order) + ";\n")
	w.scope("packet.header", schema.PacketHeader, t.PacketHeader, nil, nil)
	w.text("};\n")
	w.env(t.Env)
	for _, c := range t.Clocks {
		w.clock(c)
	}
	return w.result(dst)
}

// AppendClock appends the declaration of a clock that comes after the trace's.
func AppendClock(dst []byte, t *schema.Trace, c *schema.Clock) ([]byte, error) {
	w := newWriter(dst, t)
	w.clock(c)
	return w.result(dst)
}

// AppendStream appends the declaration of a stream class, without its events.
func AppendStream(dst []byte, s *schema.Stream) ([]byte, error) {
	w := newWriter(dst, s.Trace)
	w.text("\nstream {\n")
	if w.needsStreamID(s) {
		w.number("id", s.ID)
	}
	w.scope("packet.context", schema.PacketContext, s.PacketContext, s, nil)
	w.scope("event.header", schema.EventHeader, s.EventHeader, s, nil)
	w.scope("event.context", schema.EventContext, s.EventContext, s, nil)
	w.text("};\n")
	return w.result(dst)
}

// AppendEvent appends the declaration of an event class. After an error, which
// says what CTF 1.8 lacks, dst is as it was: the event can be left out.
func AppendEvent(dst []byte, e *schema.Event) ([]byte, error) {
	w := newWriter(dst, e.Stream.Trace)
	w.text("\nevent {\n")
	w.attribute("name", e.Name)
	w.number("id", e.ID)
	if w.needsStreamID(e.Stream) {
		w.number("stream_id", e.Stream.ID)
	}
	if e.LogLevel >= 0 && e.LogLevel <= schema.MaxLogLevel {
		w.number("loglevel", uint64(e.LogLevel))
	}
	if e.EMFURI != "" {
		w.attribute("model.emf.uri", e.EMFURI)
	}
	w.scope("context", schema.EventSpecific, e.Context, e.Stream, e)
	w.scope("fields", schema.EventPayload, e.Payload, e.Stream, e)
	w.text("};\n")
	return w.result(dst)
}

// writer makes one declaration after the other.
type writer struct {
	b     []byte
	trace *schema.Trace
	order schema.ByteOrder // of the trace
	err   error            // the first

	scopeNow schema.Scope
	stream   *schema.Stream
	frames   []writeFrame
	indent   int
}

func newWriter(dst []byte, t *schema.Trace) *writer {
	return &writer{b: dst, trace: t, order: traceOrder(t), indent: 1}
}

func (w *writer) result(dst []byte) ([]byte, error) {
	if w.err != nil {
		return dst, w.err
	}
	return w.b, nil
}

func (w *writer) text(s string) { w.b = append(w.b, s...) }

// attribute writes one with a string.
func (w *writer) attribute(name, value string) {
	w.text("\t" + name + " = ")
	w.b = appendQuoted(w.b, value)
	w.text(";\n")
}

func (w *writer) number(name string, value uint64) {
	w.text("\t" + name + " = ")
	w.b = strconv.AppendUint(w.b, value, 10)
	w.text(";\n")
}

// unsupported notes that CTF 1.8 lacks something outside of fields.
func (w *writer) unsupported(format string, args ...any) {
	if w.err == nil {
		w.err = &UnsupportedError{What: fmt.Sprintf(format, args...)}
	}
}

// traceOrder is the byte order that the trace block names: in CTF 2 a trace has
// none, so that its first integer's is as good as any.
func traceOrder(t *schema.Trace) schema.ByteOrder {
	if t.ByteOrder != 0 {
		return t.ByteOrder
	}
	if t.PacketHeader != nil {
		for _, m := range t.PacketHeader.Members {
			if i, ok := m.Class.(*schema.Integer); ok && i.Order != 0 {
				return i.Order
			}
		}
	}
	return schema.LittleEndian
}

func orderWord(o schema.ByteOrder) string {
	if o == schema.BigEndian {
		return "be"
	}
	return "le"
}

// needsStreamID reports whether a stream is named by its id: not where there
// can be one only.
func (w *writer) needsStreamID(s *schema.Stream) bool {
	if s.ID != 0 || len(w.trace.Streams) > 1 {
		return true
	}
	if w.trace.PacketHeader == nil {
		return false
	}
	for i := range w.trace.PacketHeader.Members {
		m := &w.trace.PacketHeader.Members[i]
		if c, ok := m.Class.(*schema.Integer); ok && c.Role == schema.RoleStreamClassID {
			return true
		}
	}
	return false
}

func (w *writer) env(entries []schema.EnvEntry) {
	if len(entries) == 0 {
		return
	}
	w.text("\nenv {\n")
	for _, e := range entries {
		w.text("\t")
		if isIdentifier(e.Name) {
			w.text(e.Name)
		} else {
			w.b = appendQuoted(w.b, e.Name)
		}
		w.text(" = ")
		if e.IsInt {
			w.b = strconv.AppendInt(w.b, e.Int, 10)
		} else {
			w.b = appendQuoted(w.b, e.String)
		}
		w.text(";\n")
	}
	w.text("};\n")
}

func (w *writer) clock(c *schema.Clock) {
	if c.Frequency == 0 {
		w.unsupported("clock without frequency")
	}
	w.text("\nclock {\n")
	w.attribute("name", w.clockName(c))
	if u := clockUUID(c); u != nil {
		w.attribute("uuid", u.String())
	}
	if c.Description != "" {
		w.attribute("description", c.Description)
	}
	w.number("freq", c.Frequency)
	if c.Precision != 0 {
		w.number("precision", c.Precision)
	}
	if c.OffsetSeconds != 0 {
		w.text("\toffset_s = " + strconv.FormatInt(c.OffsetSeconds, 10) + ";\n")
	}
	if c.OffsetCycles != 0 {
		w.number("offset", c.OffsetCycles)
	}
	if c.Absolute {
		w.text("\tabsolute = true;\n")
	}
	w.text("};\n")
}

// clockUUID is what makes clocks of different traces comparable: in CTF 2 the
// origin's identifier, where it is a UUID.
func clockUUID(c *schema.Clock) *schema.UUID {
	if c.UUID != nil || c.Origin == nil {
		return c.UUID
	}
	if u, ok := parseUUID(c.Origin.UID); ok {
		return &u
	}
	return nil
}

// clockName is the name of a clock: CTF 2 allows any, so that two may become
// equal and get a number.
func (w *writer) clockName(c *schema.Clock) string {
	if w.trace.Version != schema.CTF2 || isIdentifier(c.Name) {
		return c.Name
	}
	taken := make(map[string]bool)
	for _, o := range w.trace.Clocks {
		taken[o.Name] = true
	}
	for _, o := range w.trace.Clocks {
		if isIdentifier(o.Name) {
			continue
		}
		if name := unique(taken, "clock_"+sanitized(o.Name)); o == c {
			return name
		}
	}
	return unique(taken, "clock_"+sanitized(c.Name))
}

// scope writes a scope's struct, if there is one.
func (w *writer) scope(attribute string, scope schema.Scope, s *schema.Struct, stream *schema.Stream, e *schema.Event) {
	if s == nil || w.err != nil {
		return
	}
	if w.trace.Version == schema.CTF2 {
		tr := translator{w: w, scope: scope, stream: stream, event: e}
		if s, w.err = tr.run(s); w.err != nil {
			return
		}
	}
	w.scopeNow, w.stream, w.indent = scope, stream, 1
	w.text("\t" + attribute + " := ")
	w.structClass(s)
	w.text(";\n")
}
