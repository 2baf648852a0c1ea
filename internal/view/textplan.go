// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// textPlan prints the events of a class, from behind their times on.
type textPlan struct {
	class  *schema.Event
	head   string   // up to the name and what follows it
	packet *program // of the packet's words; nil: nothing
	event  *program // of the event's words, with the end of the line
}

// textCompiler makes the plans of the event classes of a stream class.
type textCompiler struct {
	*TextOptions
	shown *shownFields
	names bool // of the scope that is being compiled
}

// plan makes the plan of an event class.
func (c *textCompiler) plan(e *schema.Event) *textPlan {
	p := &textPlan{class: e, head: c.header(e)}
	scopes := 0
	for _, s := range [...]schema.Scope{schema.PacketContext, schema.EventContext, schema.EventSpecific, schema.EventPayload} {
		st := e.Struct(s)
		if st == nil || !c.shown.shows(st, s.String()) {
			continue
		}
		var b *builder
		switch {
		case s == schema.PacketContext || p.event == nil:
			b = new(builder)
		default:
			b = p.event.reopen()
		}
		if scopes++; scopes > 1 {
			b.text(", ")
		}
		if c.Names&NameScope != 0 {
			b.text(c.name(c.Palette.header, s.String()))
		}
		c.names = c.Names&NameContext != 0
		if s == schema.EventPayload {
			c.names = c.Names&NamePayload != 0
		}
		if s == schema.PacketContext {
			c.field(b, st, s.String(), packetContextStart(e))
			p.packet = b.done()
			continue
		}
		c.field(b, st, s.String(), ctf.StartOf(e, s))
		p.event = b.done()
	}
	if p.event == nil {
		p.event = new(program)
	}
	p.event.tail += "\n"
	return p
}

// packetContextStart is where the packet context begins in a packet's words.
func packetContextStart(e *schema.Event) int {
	if h := e.Stream.Trace.PacketHeader; h != nil {
		return ctf.Width(h)
	}
	return 0
}

// reopen goes on with a program that was done.
func (p *program) reopen() *builder {
	return &builder{prog: *p, lit: []byte(p.tail)}
}

// name gives a name and the sign that its value follows.
func (c *textCompiler) name(color, name string) string {
	return color + name + c.resetOf(color) + " = "
}

// resetOf ends a colour that is one.
func (c *textCompiler) resetOf(color string) string {
	if color == "" {
		return ""
	}
	return c.Palette.reset
}

// header gives the words before the fields: what is known of the trace and of
// the event's class, and its name. The separators are babeltrace2's, which
// forgets them between words with names when there is no time before them.
func (c *textCompiler) header(e *schema.Event) string {
	var b strings.Builder
	named := c.Names&NameHeader != 0
	comma := ""
	if named && e.Stream.Clock != nil {
		comma = ", "
	}
	any := false
	word := func(enabled Fields, name, value string, ok bool) {
		if c.Fields&enabled == 0 || !ok {
			return
		}
		b.WriteString(comma)
		if named {
			b.WriteString(c.name(c.Palette.header, name))
		} else if any && enabled != FieldHostname {
			b.WriteString(":")
		}
		b.WriteString(value)
		any = true
	}
	t := e.Stream.Trace
	env := func(enabled Fields, entry string) {
		value, ok := t.EnvString(entry)
		word(enabled, "trace:"+entry, value, ok)
	}
	env(FieldHostname, "hostname")
	env(FieldDomain, "domain")
	env(FieldProcname, "procname")
	vpid, ok := t.EnvInt("vpid")
	word(FieldVPID, "trace:vpid", "("+strconv.FormatInt(vpid, 10)+")", ok)
	level := e.LogLevel.String()
	word(FieldLogLevel, "loglevel", level+" ("+strconv.Itoa(int(e.LogLevel))+")", level != "")
	word(FieldEMF, "model.emf.uri", e.EMFURI, e.EMFURI != "")
	if any && !named {
		b.WriteString(" ")
	}
	b.WriteString(comma)
	if named {
		b.WriteString(c.name(c.Palette.header, "name"))
	}
	color, name := c.Palette.event, e.Name
	if !e.HasName {
		color, name = c.Palette.unknown, "<unknown>"
	}
	b.WriteString(color + name + c.resetOf(color))
	if named {
		b.WriteString(", ")
	} else {
		b.WriteString(": ")
	}
	return b.String()
}

// value adds a step whose value has the colour of values.
func (c *textCompiler) value(b *builder, s step) {
	b.text(c.Palette.value)
	b.step(s)
	b.text(c.resetOf(c.Palette.value))
}

// field adds the steps that print a field whose words begin at at.
func (c *textCompiler) field(b *builder, class schema.Class, path string, at int) {
	s := step{at: int32(at), class: class}
	switch f := class.(type) {
	case *schema.Integer:
		c.integer(b, f, s)
	case *schema.Bits:
		c.bits(b, f, s)
	case *schema.Float:
		s.kind = printFloat
		c.value(b, s)
	case *schema.String:
		s.kind = stringKind(printString, f.Encoding)
		s.enc = f.Encoding
		c.value(b, s)
	case *schema.Text:
		s.kind = stringKind(printText, f.Encoding)
		s.enc = f.Encoding
		c.value(b, s)
	case *schema.Blob:
		s.kind = printBlob
		c.value(b, s)
	case *schema.Struct:
		c.members(b, f, path, at)
	case *schema.Array:
		c.array(b, f, path, s)
	case *schema.Variant:
		s.kind = printVariant
		for i := range f.Options {
			o := &f.Options[i]
			s.subs = append(s.subs, c.sub(o.Class, path+"."+o.SpelledName(), "{ ", " }"))
		}
		b.step(s)
	case *schema.Optional:
		s.kind = printOptional
		s.subs = []*program{{tail: "<none>"}, c.sub(f.Class, path, "{ ", " }")}
		b.step(s)
	}
}

// stringKind is the kind of a step for text: one that is not in UTF-8 is
// translated.
func stringKind(utf8 stepKind, e schema.Encoding) stepKind {
	if e > schema.UTF8 {
		return printWide
	}
	return utf8
}

// sub makes the program of a field whose words lie behind the fixed row.
func (c *textCompiler) sub(class schema.Class, path, before, behind string) *program {
	var b builder
	b.text(before)
	c.field(&b, class, path, 0)
	b.text(behind)
	return b.done()
}

func (c *textCompiler) members(b *builder, st *schema.Struct, path string, at int) {
	b.text("{")
	sep := " "
	for i := range st.Members {
		m := &st.Members[i]
		inner := path + "." + m.SpelledName()
		if c.shown.shows(m.Class, inner) {
			b.text(sep)
			if c.names {
				b.text(c.name(c.Palette.field, m.Name))
			}
			c.field(b, m.Class, inner, at)
			sep = ", "
		}
		at += ctf.Width(m.Class)
	}
	b.text(" }")
}

func (c *textCompiler) array(b *builder, a *schema.Array, path string, s step) {
	s.kind = printArray
	s.array = &arrayText{
		width:   ctf.Width(a.Element),
		element: c.sub(a.Element, path, "", ""),
		first:   " ", sep: ", ",
		indexed: c.names,
	}
	b.text("[")
	b.step(s)
	b.text(" ]")
}

func (c *textCompiler) integer(b *builder, f *schema.Integer, s step) {
	if f.Mappings != nil {
		l := s
		l.kind = printLabels
		l.labels = newLabels(f.Mappings, f.Signed, c.joinLabels)
		b.step(l)
		defer b.text(" )")
	}
	size := f.Size
	if f.Variable {
		size = 64
	}
	s.size = size
	switch f.Base {
	case 2:
		s.kind = printBinary
	case 8:
		s.kind = printOctal
		s.mask = signMask(f.Signed, (uint(size)+2)/3*3, size)
	case 16:
		s.kind = printHex
		s.mask = signMask(f.Signed, (uint(size)+3)/4*4, size)
	default:
		s.kind = printUint
		if f.Signed {
			s.kind = printInt
		}
	}
	c.value(b, s)
}

// signMask leaves of a signed number its size rounded up to whole digits.
// babeltrace2 shifts 64 bits out of 64 where those are the rounded size, which
// leaves nothing: numbers of 61 to 63 bits print as 0x0.
func signMask(signed bool, rounded uint, size uint8) uint64 {
	switch {
	case !signed || size >= 64:
		return 1<<64 - 1
	case rounded >= 64:
		return 0
	default:
		return 1<<rounded - 1
	}
}

// joinLabels gives the part of an enumeration's text before its number.
func (c *textCompiler) joinLabels(names []string) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = c.label(n)
	}
	if len(names) == 0 {
		texts = append(texts, c.unknown())
	}
	return "( " + strings.Join(texts, ", ") + " : container = "
}

// label gives a label in quotation marks.
func (c *textCompiler) label(s string) string {
	return c.Palette.value + string(appendQuoted(nil, []byte(s))) + c.resetOf(c.Palette.value)
}

func (c *textCompiler) unknown() string {
	return c.Palette.unknown + "<unknown>" + c.resetOf(c.Palette.unknown)
}

func (c *textCompiler) bits(b *builder, f *schema.Bits, s step) {
	if f.Bool {
		s.kind = printBool
		c.value(b, s)
		return
	}
	if f.Flags != nil {
		l := s
		l.kind = printFlags
		l.flags = newFlagText(f.Flags, ", ", c.unknown(), c.label)
		b.text("( ")
		b.step(l)
		b.text(" : container = ")
		defer b.text(" )")
	}
	s.kind, s.mask = printHex, 1<<64-1
	c.value(b, s)
}
