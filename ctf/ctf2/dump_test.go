// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// dumper puts a schema into words, one thing a line.
type dumper struct {
	strings.Builder
	depth int
}

func dump(t *schema.Trace) string {
	d := new(dumper)
	d.line("trace namespace=%q name=%q uid=%q uuid=%v%s", t.Namespace, t.Name, t.UID, t.UUID, extra(t.Extra))
	d.depth++
	for _, e := range t.Env {
		if e.IsInt {
			d.line("env %s = %d", e.Name, e.Int)
		} else {
			d.line("env %s = %q", e.Name, e.String)
		}
	}
	for _, c := range t.Clocks {
		d.clock(c)
	}
	d.scope(schema.PacketHeader, t.PacketHeader)
	for _, s := range t.Streams {
		d.stream(s)
	}
	return d.String()
}

func (d *dumper) line(format string, args ...any) {
	fmt.Fprintf(d, strings.Repeat("  ", d.depth)+format+"\n", args...)
}

func extra(x schema.Extra) string {
	if x.Attributes == nil {
		return ""
	}
	return " attributes=" + string(x.Attributes)
}

func (d *dumper) clock(c *schema.Clock) {
	d.line("clock %s namespace=%q name=%q uid=%q %d Hz, offset %d s + %d, absolute %v%s",
		c.Name, c.Namespace, c.FullName, c.UID, c.Frequency, c.OffsetSeconds, c.OffsetCycles, c.Absolute, extra(c.Extra))
	d.depth++
	if c.Origin != nil {
		d.line("origin %q", *c.Origin)
	}
	if c.HasPrecision {
		d.line("precision %d", c.Precision)
	}
	if c.Accuracy != nil {
		d.line("accuracy %d", *c.Accuracy)
	}
	if c.HasDescription {
		d.line("description %q", c.Description)
	}
	d.depth--
}

func (d *dumper) stream(s *schema.Stream) {
	clock := "none"
	if s.Clock != nil {
		clock = s.Clock.Name
	}
	d.line("stream %d namespace=%q name=%q uid=%q clock %s%s", s.ID, s.Namespace, s.Name, s.UID, clock, extra(s.Extra))
	d.depth++
	d.scope(schema.PacketContext, s.PacketContext)
	d.scope(schema.EventHeader, s.EventHeader)
	d.scope(schema.EventContext, s.EventContext)
	for _, e := range s.Events {
		d.line("event %d name=%q has %v namespace=%q uid=%q level=%s uri=%q%s",
			e.ID, e.Name, e.HasName, e.Namespace, e.UID, e.LogLevel, e.EMFURI, extra(e.Extra))
		d.depth++
		d.scope(schema.EventSpecific, e.Context)
		d.scope(schema.EventPayload, e.Payload)
		d.depth--
	}
	d.depth--
}

func (d *dumper) scope(scope schema.Scope, s *schema.Struct) {
	if s != nil {
		d.class(scope.String(), s)
	}
}

// class puts a class into words. A role is told by its reserved name of CTF 1.8,
// which is unique.
func (d *dumper) class(name string, c schema.Class) {
	at := fmt.Sprintf("%s: align %d", name, c.Alignment())
	switch c := c.(type) {
	case *schema.Struct:
		d.line("%s struct%s", at, extra(c.Extra))
		d.depth++
		for _, m := range c.Members {
			d.class(m.Name+extra(m.Extra), m.Class)
		}
		d.depth--
	case *schema.Integer:
		clock := ""
		if c.Clock != nil {
			clock = " clock " + c.Clock.Name
		}
		d.line("%s integer %s variable %v signed %v base %d role %q%s%s%s", at,
			bits(&c.BitLayout), c.Variable, c.Signed, c.Base, c.Role.ReservedName(), clock, mappings(c.Mappings, c.Signed), extra(c.Extra))
	case *schema.Bits:
		d.line("%s bits %s bool %v%s%s", at, bits(&c.BitLayout), c.Bool, mappings(c.Flags, false), extra(c.Extra))
	case *schema.Float:
		d.line("%s float %s%s", at, bits(&c.BitLayout), extra(c.Extra))
	case *schema.String:
		d.line("%s string %s%s", at, encodings[c.Encoding], extra(c.Extra))
	case *schema.Text:
		d.line("%s text %s %s%s", at, encodings[c.Encoding], length(c.Length, c.LengthRef), extra(c.Extra))
	case *schema.Blob:
		d.line("%s blob %s media %q role %q%s", at, length(c.Length, c.LengthRef), c.MediaType, c.Role.ReservedName(), extra(c.Extra))
	case *schema.Array:
		d.line("%s array %s%s", at, length(c.Length, c.LengthRef), extra(c.Extra))
		d.inner("element", c.Element)
	case *schema.Optional:
		d.line("%s optional if %s in%s%s", at, refs(c.Selector), ranges(c.Ranges, c.SelectorSigned), extra(c.Extra))
		d.inner("field", c.Class)
	case *schema.Variant:
		d.line("%s variant by %s%s", at, refs(c.Tag), extra(c.Extra))
		for _, o := range c.Options {
			d.inner(fmt.Sprintf("%q (%s) if%s%s", o.Name, o.SpelledName(), ranges(o.Ranges, c.TagSigned), extra(o.Extra)), o.Class)
		}
	}
}

func (d *dumper) inner(name string, c schema.Class) {
	d.depth++
	d.class(name, c)
	d.depth--
}

func bits(l *schema.BitLayout) string {
	order := map[schema.ByteOrder]string{schema.LittleEndian: "le", schema.BigEndian: "be"}[l.Order]
	if l.Reversed {
		order += " reversed"
	}
	return fmt.Sprintf("%d %s", l.Size, order)
}

func length(static uint64, ref *schema.Ref) string {
	if ref == nil {
		return fmt.Sprintf("of %d", static)
	}
	return "of " + refs(ref)
}

func refs(r *schema.Ref) string {
	s := r.String()
	for _, path := range r.Others {
		s += " or " + (&schema.Ref{Scope: r.Scope, Path: path}).String()
	}
	return s
}

func mappings(all []schema.Mapping, signed bool) string {
	s := ""
	for _, m := range all {
		s += fmt.Sprintf(" %q%s", m.Label, ranges(m.Ranges, signed))
	}
	return s
}

func ranges(all []schema.Range, signed bool) string {
	s := ""
	for _, r := range all {
		if signed {
			s += fmt.Sprintf(" %d..%d", int64(r.Low), int64(r.High))
		} else {
			s += fmt.Sprintf(" %d..%d", r.Low, r.High)
		}
	}
	return s
}
