// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// Getter reads the value of a field from an event's record, as the trace has it:
// for filters, which decide before the record is converted.
type Getter struct {
	kind   getterKind
	src    int
	size   int // bytes
	signed bool
	add    int32
	labels []schema.Mapping
}

type getterKind uint8

const (
	getInteger getterKind = iota
	getText               // at its place
	getLocated
	getRelative
	getOpen
	getRWBS
)

// Getter returns the reader of a field, by its name in the trace: of the payload,
// or tid, common_flags or common_preempt_count. It reports false for a field that
// is not there, and for arrays, which are no single value.
func (t *Table) Getter(id uint32, name string) (Getter, bool) {
	f, ok := t.Format(id)
	if !ok {
		return Getter{}, false
	}
	switch name {
	case "tid":
		if !hasField(f, "tid") {
			return Getter{src: 4, size: 4, signed: true}, true
		}
	case "common_flags":
		return Getter{src: 2, size: 1}, true
	case "common_preempt_count":
		return Getter{src: 3, size: 1}, true
	}
	lttng := t.opts.Naming == LTTng
	for i := range f.Fields {
		field := &f.Fields[i]
		inTrace, add := t.opts.Naming.fieldName(f.System, f.Name, field.Name)
		isRWBS := lttng && f.System == "block" && field.Name == "rwbs" && field.IsText()
		switch {
		case isRWBS && name == "rwbs":
			return Getter{kind: getRWBS, src: field.Offset, size: field.Size}, true
		case isRWBS && name == "rwbs_text":
			return Getter{kind: getText, src: field.Offset, size: field.Size}, true
		case inTrace == name && !isRWBS:
			return t.getter(id, f, field, add)
		}
	}
	return Getter{}, false
}

// hasField reports whether the payload has a field whose name in the trace would
// be taken for a context's.
func hasField(f *ftrace.Format, name string) bool {
	for i := range f.Fields {
		if inTrace, _ := LTTng.fieldName(f.System, f.Name, f.Fields[i].Name); inTrace == name {
			return true
		}
	}
	return false
}

func (t *Table) getter(id uint32, f *ftrace.Format, field *ftrace.Field, add int32) (Getter, bool) {
	g := Getter{src: field.Offset, size: field.Size, add: add}
	switch field.Kind {
	case ftrace.Plain:
		g.signed = field.Signed && !field.IsPointer()
		if f.System == "syscalls" && strings.HasPrefix(f.Name, "sys_enter_") && field.Size == 8 && !field.IsPointer() {
			g.size, g.signed = argument(field.Type)
			g.src += lowBytes(field.Size, g.size)
		}
		g.labels = t.labels(id, field.Name)
		return g, true
	case ftrace.Array:
		g.kind = getText
	case ftrace.DataLoc:
		g.kind = getLocated
	case ftrace.RelLoc:
		g.kind = getRelative
	default:
		g.kind = getOpen
	}
	return g, field.IsText()
}

// labels returns the names of a field's values.
func (t *Table) labels(id uint32, name string) []schema.Mapping {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.stream.Event(uint64(id)).Payload.Member(spell(name)[1:]); m != nil {
		if i, ok := m.Class.(*schema.Integer); ok {
			return i.Mappings
		}
	}
	return nil
}

// IsText reports whether the value is a text; else it is an integer.
func (g *Getter) IsText() bool { return g.kind >= getText && g.kind <= getOpen }

// Signed reports whether the integer is signed.
func (g *Getter) Signed() bool { return g.signed }

// Labels returns the names of values of an enumeration, nil for other fields.
func (g *Getter) Labels() []schema.Mapping { return g.labels }

// Integer returns the value, a 64-bit pattern, sign-extended where it is signed.
// It reports false for a record that lacks the field.
func (g *Getter) Integer(record []byte) (v uint64, ok bool) {
	if g.src+g.size > len(record) {
		return 0, false
	}
	b, e := record[g.src:g.src+g.size], binary.NativeEndian
	if g.kind == getRWBS {
		return uint64(rwbs(b)), true
	}
	switch g.size {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(e.Uint16(b))
	case 4:
		v = uint64(e.Uint32(b) + uint32(g.add))
	case 8:
		v = e.Uint64(b)
	default:
		return 0, false
	}
	if unused := 64 - 8*g.size; g.signed {
		v = uint64(int64(v<<unused) >> unused)
	}
	return v, true
}

// Text returns the text up to its first zero, a part of the record. It reports
// false for a record that lacks the field.
func (g *Getter) Text(record []byte) (s []byte, ok bool) {
	switch {
	case g.src+g.size > len(record):
		return nil, false
	case g.kind == getText:
		s = record[g.src : g.src+g.size]
	case g.kind == getOpen:
		s = record[g.src:]
	case g.kind == getLocated || g.kind == getRelative:
		if s, ok = place(record, g.src, g.kind == getRelative); !ok {
			return nil, false
		}
	default:
		return nil, false
	}
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s, true
}
