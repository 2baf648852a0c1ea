// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// CSV prints a line of comma-separated values (RFC 4180) for each event: the
// columns that were chosen. Cells are empty where an event has no such field.
//
// A column is one of time (RFC 3339), ns, delta (ns), host, trace, stream (the
// stream class and the stream: 0/3), cpu, name and loglevel; or a field by its
// name, which is looked for in the payload, the event's own context, the common
// context and the packet's, in this order. A scope may be named (payload.name,
// event_context.name, context.name, packet.name), and members of structs are
// behind a dot. Text stands as it is, enumerations as their labels joined by a
// bar, what is composed as JSON.
type CSV struct {
	out     *Output
	columns []string
	clock   clockText
	last    int64
	hasLast bool
	plans   map[*schema.Event][]csvCell
	shown   map[*schema.Stream]*shownFields
	cell    []byte
	deltas  []int // where deltas belong that are left out, as nothing is known of the event before; nil: not wanted
}

// csvCell is what a column has for the events of a class: a field, a constant
// text, or what is computed by its name.
type csvCell struct {
	field    *program // nil: none
	inPacket bool     // its words are the packet's
	text     string   // when neither
	computed string   // "" or the name of a column
}

// computedColumns are the columns that depend on more than the event's class.
var computedColumns = []string{"time", "ns", "delta", "trace", "stream"}

// NewCSV returns a sink that prints columns to out, after a line of their names.
func NewCSV(out *Output, columns []string) (*CSV, error) {
	if len(columns) == 0 {
		return nil, errors.New("no columns")
	}
	for i, c := range columns {
		if c == "" {
			return nil, errors.New("column without a name")
		}
		if i > 0 {
			out.buf = append(out.buf, ',')
		}
		out.buf = appendCSV(out.buf, []byte(c))
	}
	out.buf = append(out.buf, '\n')
	return newCSV(out, columns), nil
}

func newCSV(out *Output, columns []string) *CSV {
	return &CSV{
		out: out, columns: columns,
		plans: make(map[*schema.Event][]csvCell),
		shown: make(map[*schema.Stream]*shownFields),
	}
}

// Event implements [Sink].
func (c *CSV) Event(s *ctf.Stream, e *ctf.Event) error {
	c.out.buf = c.appendLine(c.out.buf, s, e)
	return c.out.spill()
}

// appendLine appends the line of an event.
func (c *CSV) appendLine(b []byte, s *ctf.Stream, e *ctf.Event) []byte {
	plan := c.plans[e.Class]
	if plan == nil {
		plan = c.compile(e.Class)
		c.plans[e.Class] = plan
	}
	for i := range plan {
		if i > 0 {
			b = append(b, ',')
		}
		cell := &plan[i]
		switch {
		case cell.field != nil && cell.inPacket:
			c.cell = cell.field.run(c.cell[:0], &e.Packet.Frame, 0)
			b = appendCSV(b, c.cell)
		case cell.field != nil:
			c.cell = cell.field.run(c.cell[:0], &e.Frame, 0)
			b = appendCSV(b, c.cell)
		case cell.computed != "":
			b = c.appendComputed(b, cell.computed, s, e)
		default:
			b = append(b, cell.text...)
		}
	}
	if e.HasTime {
		c.last, c.hasLast = e.Time, true
	}
	return append(b, '\n')
}

func (c *CSV) appendComputed(b []byte, name string, s *ctf.Stream, e *ctf.Event) []byte {
	switch {
	case name == "trace":
		return appendCSV(b, []byte(s.Trace.Name))
	case name == "stream":
		b = append(appendUint(b, s.Class.ID), '/')
		return appendUint(b, s.ID)
	case !e.HasTime:
		return b
	case name == "ns":
		return appendInt(b, e.Time)
	case name == "time" && e.Class.Stream.Clock.Absolute:
		return c.clock.append(b, e.Time)
	case name == "delta" && c.hasLast:
		return appendInt(b, e.Time-c.last)
	case name == "delta":
		c.deltas = append(c.deltas, len(b))
		return b
	default:
		return b
	}
}

// compile finds what the columns are in an event class.
func (c *CSV) compile(e *schema.Event) []csvCell {
	shown := c.shown[e.Stream]
	if shown == nil {
		shown = newShownFields(e.Stream)
		c.shown[e.Stream] = shown
	}
	shown.addEvent(e)
	cells := make([]csvCell, len(c.columns))
	for i, name := range c.columns {
		cells[i] = csvColumn(e, name, &jsonCompiler{shown})
	}
	return cells
}

func csvColumn(e *schema.Event, name string, c *jsonCompiler) csvCell {
	constant := func(s string) csvCell { return csvCell{text: string(appendCSV(nil, []byte(s)))} }
	if slices.Contains(computedColumns, name) {
		return csvCell{computed: name}
	}
	switch name {
	case "host":
		host, _ := e.Stream.Trace.EnvString("hostname")
		return constant(host)
	case "name":
		return constant(e.Name)
	case "loglevel":
		return constant(e.LogLevel.String())
	case "cpu":
		name = "packet." + cpuMember
	}
	for _, s := range eventScopes {
		path, ok := strings.CutPrefix(name, s.name+".")
		if !ok {
			continue
		}
		if f, ok := findField(e, s.scope, path); ok {
			return csvCell{field: c.cell(f, s.scope.String()+"."+path), inPacket: s.scope == schema.PacketContext}
		}
	}
	for _, s := range eventScopes {
		if f, ok := findField(e, s.scope, name); ok {
			return csvCell{field: c.cell(f, s.scope.String()+"."+name), inPacket: s.scope == schema.PacketContext}
		}
	}
	return csvCell{}
}

// eventScopes are the scopes that fields are looked for in, with their names.
var eventScopes = []struct {
	scope schema.Scope
	name  string
}{
	{schema.EventPayload, "payload"},
	{schema.EventSpecific, "event_context"},
	{schema.EventContext, "context"},
	{schema.PacketContext, "packet"},
}

// scopeStart is where the words of a scope begin in the frame that has it.
func scopeStart(e *schema.Event, s schema.Scope) int {
	if s == schema.PacketContext {
		return packetContextStart(e)
	}
	return ctf.StartOf(e, s)
}

// findField finds a field of a scope by the names of members, joined by dots.
func findField(e *schema.Event, s schema.Scope, path string) (place, bool) {
	st, at := e.Struct(s), scopeStart(e, s)
	for {
		name, rest, more := strings.Cut(path, ".")
		f, ok := findMember(st, name, at)
		if !ok || !more {
			return f, ok
		}
		if st, ok = f.class.(*schema.Struct); !ok {
			return place{}, false
		}
		at, path = f.at, rest
	}
}

// cell makes the program of a field that stands alone.
func (c *jsonCompiler) cell(f place, path string) *program {
	var b builder
	s := step{at: int32(f.at), class: f.class}
	switch class := f.class.(type) {
	case *schema.String:
		s.kind, s.enc = printRaw, class.Encoding
		b.step(s)
	case *schema.Text:
		s.kind, s.enc = printRaw, class.Encoding
		b.step(s)
	case *schema.Integer:
		if class.Mappings == nil {
			c.field(&b, class, path, f.at)
			break
		}
		s.kind = printLabelOrNumber
		s.labels = newLabels(class.Mappings, class.Signed, func(names []string) string { return strings.Join(names, "|") })
		b.step(s)
	default:
		c.field(&b, class, path, f.at)
	}
	return b.done()
}

// appendCSV appends a cell, in quotation marks where it needs them.
func appendCSV(dst, cell []byte) []byte {
	if !bytes.ContainsAny(cell, ",\"\r\n") {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	for _, c := range cell {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// Loss implements [Sink]: a loss is no line of its own.
func (c *CSV) Loss(*ctf.Stream, *ctf.Loss) error { return nil }

// Flush implements [Sink].
func (c *CSV) Flush() error { return c.out.Flush() }

// Close implements [Sink].
func (c *CSV) Close() error { return c.out.Flush() }
