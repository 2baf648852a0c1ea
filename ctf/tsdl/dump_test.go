// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// dump shows a schema as goldens have it, in another language than the writer's.
func dump(t *schema.Trace) string {
	var d dumper
	d.line(0, "trace %s uuid %v", orderWord(t.ByteOrder), t.UUID)
	for _, e := range t.Env {
		if e.IsInt {
			d.line(0, "env %s %d", e.Name, e.Int)
		} else {
			d.line(0, "env %s %q", e.Name, e.String)
		}
	}
	for _, c := range t.Clocks {
		d.line(0, "clock %q %d Hz, offset %d s %d cycles, precision %d, absolute %v, uuid %v, %q",
			c.Name, c.Frequency, c.OffsetSeconds, c.OffsetCycles, c.Precision, c.Absolute, c.UUID, c.Description)
	}
	d.scope(0, schema.PacketHeader, t.PacketHeader)
	for _, s := range t.Streams {
		d.line(0, "stream %d%s", s.ID, clockNote(s.Clock))
		for scope := schema.PacketContext; scope <= schema.EventContext; scope++ {
			d.scope(1, scope, s.Struct(scope))
		}
		for _, e := range s.Events {
			d.event(e)
		}
	}
	return d.String()
}

type dumper struct{ strings.Builder }

func (d *dumper) line(depth int, format string, args ...any) {
	d.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(d, format, args...)
	d.WriteString("\n")
}

func (d *dumper) event(e *schema.Event) {
	text := fmt.Sprintf("event %d %q", e.ID, e.Name)
	if e.LogLevel != schema.NoLogLevel {
		text += " " + e.LogLevel.String()
	}
	if e.EMFURI != "" {
		text += " " + e.EMFURI
	}
	d.line(1, "%s", text)
	d.scope(2, schema.EventSpecific, e.Context)
	d.scope(2, schema.EventPayload, e.Payload)
}

func (d *dumper) scope(depth int, scope schema.Scope, s *schema.Struct) {
	if s != nil {
		d.class(depth, scope.String(), s)
	}
}

func (d *dumper) class(depth int, name string, c schema.Class) {
	switch c := c.(type) {
	case *schema.Struct:
		d.line(depth, "%s: struct align %d", name, c.Alignment())
		for i := range c.Members {
			m := &c.Members[i]
			d.class(depth+1, fieldNote(m.Name, m.Spelled), m.Class)
		}
	case *schema.Variant:
		d.line(depth, "%s: variant by %v signed %v", name, c.Tag, c.TagSigned)
		for i := range c.Options {
			o := &c.Options[i]
			d.class(depth+1, fieldNote(o.Name, o.Spelled)+rangesNote(o.Ranges, c.TagSigned), o.Class)
		}
	case *schema.Array:
		note := ""
		if c.Role != schema.RoleNone {
			note = " role " + c.Role.CTF2Name()
		}
		d.line(depth, "%s: array of %s%s", name, lengthNote(c.Length, c.LengthRef), note)
		d.class(depth+1, "-", c.Element)
	case *schema.Text:
		d.line(depth, "%s: text of %s", name, lengthNote(c.Length, c.LengthRef))
		d.class(depth+1, "-", c.Unit)
	case *schema.Integer:
		d.integer(depth, name, c)
	case *schema.Float:
		d.line(depth, "%s: float%d %s align %d", name, c.Size, orderWord(c.Order), c.Align)
	case *schema.String:
		d.line(depth, "%s: string", name)
	default:
		d.line(depth, "%s: %T", name, c)
	}
}

func (d *dumper) integer(depth int, name string, i *schema.Integer) {
	sign := "u"
	if i.Signed {
		sign = "s"
	}
	text := fmt.Sprintf("%s: %s%d %s align %d base %d", name, sign, i.Size, orderWord(i.Order), i.Align, i.Base)
	if i.Encoding != schema.NoEncoding {
		text += " character"
	}
	if i.Role != schema.RoleNone {
		text += " role " + i.Role.CTF2Name()
	}
	d.line(depth, "%s%s", text, clockNote(i.Clock))
	for _, m := range i.Mappings {
		d.line(depth+1, "%q%s", m.Label, rangesNote(m.Ranges, i.Signed))
	}
}

func clockNote(c *schema.Clock) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" clock %q", c.Name)
}

func fieldNote(name, spelled string) string {
	if spelled == "" {
		return name
	}
	return name + " (" + spelled + ")"
}

func lengthNote(n uint64, ref *schema.Ref) string {
	if ref != nil {
		return ref.String()
	}
	return fmt.Sprint(n)
}

func rangesNote(ranges []schema.Range, signed bool) string {
	var b strings.Builder
	for _, r := range ranges {
		if signed {
			fmt.Fprintf(&b, " [%d, %d]", int64(r.Low), int64(r.High))
		} else {
			fmt.Fprintf(&b, " [%d, %d]", r.Low, r.High)
		}
	}
	return b.String()
}
