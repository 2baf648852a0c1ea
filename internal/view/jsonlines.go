// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// JSONLines prints one JSON object a line for each event and each loss. Their
// shape is in docs/format/view-json.md.
type JSONLines struct {
	out     *Output
	clock   clockText
	last    int64 // time of the event before, when hasLast
	hasLast bool
	late    bool // the next event comes too late for its place
	streams map[*ctf.Stream][]byte
	rest    *jsonRest
}

// NewJSONLines returns a sink that prints to out.
func NewJSONLines(out *Output) *JSONLines {
	return &JSONLines{out: out, streams: make(map[*ctf.Stream][]byte), rest: newJSONRest()}
}

// Event implements [Sink].
func (j *JSONLines) Event(s *ctf.Stream, e *ctf.Event) error {
	b := j.appendHead(j.out.buf, s, MomentOf(e))
	j.out.buf = j.rest.AppendRest(b, e)
	return j.out.spill()
}

// newWriter implements laned.
func (j *JSONLines) newWriter() Writer { return newJSONRest() }

// ordered implements laned.
func (j *JSONLines) ordered(s *ctf.Stream, m Moment, rest []byte) error {
	j.out.buf = append(j.appendHead(j.out.buf, s, m), rest...)
	return j.out.spill()
}

// appendHead appends the part of an object that depends on the event before,
// and what is the same for all events of a stream.
func (j *JSONLines) appendHead(b []byte, s *ctf.Stream, m Moment) []byte {
	b = append(b, '{')
	if m.HasTime {
		b = j.appendTime(b, s.Class.Clock, m.Time)
		if j.hasLast {
			b = appendInt(append(b, `,"delta":`...), m.Time-j.last)
		}
		j.last, j.hasLast = m.Time, true
		b = append(b, ',')
	}
	if j.late {
		b = append(b, `"late":true,`...)
		j.late = false
	}
	return append(b, j.stream(s)...)
}

// markLate implements lateMarker.
func (j *JSONLines) markLate() { j.late = true }

// appendTime appends the members of a time.
func (j *JSONLines) appendTime(b []byte, c *schema.Clock, ns int64) []byte {
	if c != nil && c.Absolute {
		b = append(j.clock.append(append(b, `"time":"`...), ns), `",`...)
	}
	return appendInt(append(b, `"ns":`...), ns)
}

// stream returns the members that are the same for all events of a stream.
func (j *JSONLines) stream(s *ctf.Stream) []byte {
	b := j.streams[s]
	if b != nil {
		return b
	}
	if host, ok := s.Trace.Schema.EnvString("hostname"); ok {
		b = append(append(append(b, `"host":`...), quoteJSON(host)...), ',')
	}
	b = append(append(b, `"trace":`...), quoteJSON(s.Trace.Name)...)
	b = appendUint(append(b, `,"stream":{"class":`...), s.Class.ID)
	b = append(appendUint(append(b, `,"id":`...), s.ID), '}')
	j.streams[s] = b
	return b
}

// jsonRest prints what depends on an event alone.
type jsonRest struct {
	plans map[*schema.Event]*jsonPlan
	shown map[*schema.Stream]*shownFields
}

// jsonPlan prints the events of a class: what follows the stream.
type jsonPlan struct {
	packet *program
	head   string // name and level
	event  *program
}

func newJSONRest() *jsonRest {
	return &jsonRest{make(map[*schema.Event]*jsonPlan), make(map[*schema.Stream]*shownFields)}
}

// AppendRest implements [Writer].
func (j *jsonRest) AppendRest(b []byte, e *ctf.Event) []byte {
	p := j.plan(e.Class)
	b = p.packet.run(b, &e.Packet.Frame, 0)
	b = append(b, p.head...)
	return p.event.run(b, &e.Frame, 0)
}

func (j *jsonRest) plan(e *schema.Event) *jsonPlan {
	p := j.plans[e]
	if p != nil {
		return p
	}
	shown := j.shown[e.Stream]
	if shown == nil {
		shown = newShownFields(e.Stream)
		j.shown[e.Stream] = shown
	}
	shown.addEvent(e)
	c := jsonCompiler{shown}
	p = &jsonPlan{packet: c.packet(e)}
	if e.HasName {
		p.head = `,"name":` + quoteJSON(e.Name)
	}
	if level := e.LogLevel.String(); level != "" {
		p.head += `,"loglevel":` + quoteJSON(level)
	}
	var b builder
	for i := len(eventScopes) - 1; i >= 0; i-- {
		if s := eventScopes[i]; s.scope != schema.PacketContext {
			c.scope(&b, e, s.scope, s.name, "", ctf.StartOf(e, s.scope))
		}
	}
	b.text("}\n")
	p.event = b.done()
	j.plans[e] = p
	return p
}

// cpuMember is the member of the packet context that says which CPU the events
// are of.
const cpuMember = "cpu_id"

// packet makes the program for the packet: its CPU, then what else it has.
func (c *jsonCompiler) packet(e *schema.Event) *program {
	var b builder
	at := packetContextStart(e)
	skip := ""
	if cpu, ok := findMember(e.Stream.PacketContext, cpuMember, at); ok {
		if f, ok := cpu.class.(*schema.Integer); ok && f.Mappings == nil {
			skip = cpuMember
			b.text(`,"cpu":`)
			c.field(&b, f, "", cpu.at)
		}
	}
	c.scope(&b, e, schema.PacketContext, "packet", skip, at)
	return b.done()
}

// place is where a field is: its class, and its first word in the frame.
type place struct {
	class schema.Class
	at    int
}

// findMember finds a member of a struct whose words begin at at.
func findMember(st *schema.Struct, name string, at int) (place, bool) {
	if st == nil {
		return place{}, false
	}
	for i := range st.Members {
		if st.Members[i].Name == name {
			return place{st.Members[i].Class, at}, true
		}
		at += ctf.Width(st.Members[i].Class)
	}
	return place{}, false
}

// Loss implements [Sink].
func (j *JSONLines) Loss(s *ctf.Stream, l *ctf.Loss) error {
	j.out.buf = j.appendLoss(j.out.buf, s, l)
	return j.out.spill()
}

// appendLoss appends the object of a loss.
func (j *JSONLines) appendLoss(b []byte, s *ctf.Stream, l *ctf.Loss) []byte {
	b = append(b, '{')
	b = append(b, j.stream(s)...)
	b = append(b, `,"lost":{"what":"events"`...)
	if l.Packets {
		b = append(b[:len(b)-len(`events"`)], `packets"`...)
	}
	if l.Counted {
		b = appendUint(append(b, `,"count":`...), l.Count)
	}
	if l.HasRange {
		b = appendInt(append(b, `,"from_ns":`...), l.From)
		b = appendInt(append(b, `,"to_ns":`...), l.To)
	}
	return append(b, "}}\n"...)
}

// Flush implements [Sink].
func (j *JSONLines) Flush() error { return j.out.Flush() }

// Close implements [Sink].
func (j *JSONLines) Close() error { return j.out.Flush() }

// clockText prints times from the Unix epoch as RFC 3339 has them, in UTC with
// nanoseconds. The zero value is ready.
type clockText struct {
	second int64
	text   []byte // of the second, up to the point; empty: of none
}

func (c *clockText) append(dst []byte, ns int64) []byte {
	sec := ns / nsPerSecond
	if ns < sec*nsPerSecond { // before the epoch
		sec--
	}
	if sec != c.second || len(c.text) == 0 {
		c.second = sec
		c.text = time.Unix(sec, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	dst = append(dst, c.text...)
	return append(appendNanos(dst, uint32(ns-sec*nsPerSecond)), 'Z')
}
