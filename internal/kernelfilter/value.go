// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"encoding/binary"
	"strings"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// valueKind says how a value is had.
type valueKind uint8

const (
	integer      valueKind = iota // size bytes at at
	bits                          // whether the byte at at has a bit of mask
	element                       // the index-th element of what the field at at locates
	openElement                   // the same of what is from at up to the record's end
	text                          // size bytes at at, up to a zero
	locatedText                   // what the field at at locates, up to a zero; size: at most, 0: all
	openText                      // from at up to the record's end, or a zero
	requestFlags                  // of the text of size bytes at at
	group                         // process of the thread at at
	cpu                           // from here on, not in the record
	taskNumber
	taskName
	hostname
	userText // that the integer at at points to
)

// value is where the value of a field of an expression is.
type value struct {
	kind     valueKind
	at, size int
	signed   bool
	add      int32 // to an integer, of 4 bytes
	relative bool  // of what is located: counts from the field's end
	index    uint64
	mask     byte // of bits
	none     bool // of bits: whether it has none of them
	self     bool // of group: the thread itself when its process is not known
	context  kerneltrace.Context

	// What the kernel's language calls it; nil: it has no word for it.
	kernel *kernelField
}

// kernelField is a field in the kernel's language.
type kernelField struct {
	name   string
	size   int // of a number: bytes
	signed bool
	whole  bool // a text always ends with a zero, within its room
}

// kind is that of the value in a program.
func (v *value) filterKind() filter.Kind {
	switch v.kind {
	case text, locatedText, openText, taskName, hostname, userText:
		return filter.String
	default:
		return filter.Signed
	}
}

// recordHead is what each record begins with: id, flags, preemption count, thread.
const recordHead = 8

// long is the size of a kernel's long: as package kerneltrace has it.
const long = 8

// lookup finds a value by the path that an expression has for it. AsText says that
// it is compared with a text.
func (b *binding) lookup(f *filter.Field, asText bool) (value, bool) {
	name, index, ok := path(f)
	switch {
	case !ok:
		return value{}, false
	case f.Root == filter.Context && index == nil:
		return b.context(name)
	case f.Root != filter.Bare:
		return value{}, false
	}
	if v, ok := b.payload(name, index, asText); ok {
		return v, true
	}
	if index == nil {
		return b.common(name)
	}
	return value{}, false
}

// path takes a path of a name, perhaps with an index, apart.
func path(f *filter.Field) (name string, index *uint64, ok bool) {
	switch {
	case len(f.Path) == 1:
		return f.Path[0].Name, nil, true
	case len(f.Path) == 2 && f.Path[1].Name == "":
		return f.Path[0].Name, &f.Path[1].Index, true
	}
	return "", nil, false
}

// payload finds a value among those of the event.
func (b *binding) payload(name string, index *uint64, asText bool) (value, bool) {
	if v, ok := b.added(name); ok {
		return v, index == nil
	}
	for i := range b.format.Fields {
		f := &b.format.Fields[i]
		inTrace, add := b.naming.FieldName(b.format.System, b.format.Name, f.Name)
		switch {
		case spell(inTrace) != name:
		case b.naming == kerneltrace.LTTng && f.Name == "__syscall_nr" && b.format.System == "syscalls":
		case b.isRequestText(f):
		case index != nil:
			return indexed(f, *index)
		default:
			return b.field(f, add, asText)
		}
	}
	return value{}, false
}

// spell is a field's name as the metadata have it.
func spell(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// added finds a value that LTTng's naming adds to the event's own.
func (b *binding) added(name string) (value, bool) {
	if b.naming != kerneltrace.LTTng {
		return value{}, false
	}
	if name == "tid" && kerneltrace.IsRequest(b.format) {
		return b.thread(), true
	}
	for i := range b.format.Fields {
		switch f := &b.format.Fields[i]; {
		case !b.isRequestText(f):
		case name == "rwbs":
			return value{kind: requestFlags, at: f.Offset, size: f.Size}, true
		case name == "rwbs_text":
			return b.field(f, 0, true)
		}
	}
	if b.format.System == "sched" && b.format.Name == "sched_process_fork" && (name == "parent_pid" || name == "child_pid") {
		for i := range b.format.Fields {
			if f := &b.format.Fields[i]; f.Name == name && f.Kind == ftrace.Plain && f.Size == 4 {
				return value{kind: group, at: f.Offset, size: 4, self: name == "child_pid"}, true
			}
		}
	}
	return value{}, false
}

// isRequestText reports whether a field is in the trace as two others.
func (b *binding) isRequestText(f *ftrace.Field) bool {
	return b.naming == kerneltrace.LTTng && b.format.System == "block" && f.Name == "rwbs" && f.Kind == ftrace.Array && f.IsText()
}

// field is the value of a field without an index.
func (b *binding) field(f *ftrace.Field, add int32, asText bool) (value, bool) {
	k := &kernelField{name: f.Name}
	switch {
	case f.Kind == ftrace.Plain && asText && isCharPointer(f) && f.Size == long:
		return value{kind: userText, at: f.Offset, kernel: k}, true
	case f.Kind == ftrace.Plain:
		return b.integer(f, add), true
	case !f.IsText():
		return value{}, false // an array as a whole
	case f.Kind == ftrace.Array:
		// The kernel's own names of threads end with a zero; of others it is not
		// known.
		k.size, k.whole = f.Size, f.Size == 16 && strings.HasSuffix(f.Name, "comm")
		return value{kind: text, at: f.Offset, size: f.Size, kernel: k}, true
	case f.Kind == ftrace.Open:
		return value{kind: openText, at: f.Offset}, true
	}
	v := value{kind: locatedText, at: f.Offset, relative: f.Kind == ftrace.RelLoc, kernel: k}
	if k.whole = b.printsText(f); !k.whole {
		v.kernel = nil
	}
	if b.naming == kerneltrace.LTTng && !v.relative && b.format.System == "sched" && b.format.Name == "sched_process_fork" {
		v.size = 16 // names of threads are shorter, so the kernel sees the same
	}
	return v, true
}

// printsText reports whether the kernel prints a field as a text, so that there is
// a zero at its end. It has located characters without one, too.
func (b *binding) printsText(f *ftrace.Field) bool {
	return strings.Contains(b.format.Print, "__get_str("+f.Name+")") || strings.Contains(b.format.Print, "__get_rel_str("+f.Name+")")
}

// isCharPointer reports whether the kernel takes a field for a pointer to a text:
// it compares that with texts only.
func isCharPointer(f *ftrace.Field) bool { return f.Type == "char *" || f.Type == "const char *" }

// integer is the value of a field that is a number.
func (b *binding) integer(f *ftrace.Field, add int32) value {
	v := value{kind: integer, at: f.Offset, size: f.Size, signed: f.Signed}
	switch {
	case f.IsPointer():
		v.signed = false
	case kerneltrace.IsSyscall(b.format) && f.Size == 8:
		v.size, v.signed = kerneltrace.Argument(f.Type)
		if bigEndian() {
			v.at += f.Size - v.size
		}
	}
	if f.Size == 4 {
		v.add = add
	}
	if !isCharPointer(f) {
		v.kernel = &kernelField{name: f.Name, size: f.Size, signed: f.Signed}
	}
	return v
}

func bigEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) != 1 }

// indexed is the value of an element of a field.
func indexed(f *ftrace.Field, index uint64) (value, bool) {
	if f.Kind == ftrace.Plain || f.IsText() {
		return value{}, false
	}
	size := f.ElementSize(long)
	v := value{at: f.Offset, size: size, signed: f.Signed && !f.IsPointer() && f.Type != "cpumask_t", index: index}
	switch f.Kind {
	case ftrace.Array:
		if index >= uint64(f.Len) {
			return value{}, false
		}
		v.at += int(index) * size
		return v, true
	case ftrace.Open:
		v.kind = openElement
	default:
		v.kind, v.relative = element, f.Kind == ftrace.RelLoc
	}
	return v, true
}

// common finds a value that all events have, by the kernel's name.
func (b *binding) common(name string) (value, bool) {
	for i := range b.format.Common {
		if f := &b.format.Common[i]; f.Name == name && f.Kind == ftrace.Plain {
			return b.integer(f, 0), true
		}
	}
	return value{}, false
}

// thread is the value of the thread that recorded the event.
func (b *binding) thread() value {
	return value{kind: integer, at: 4, size: 4, signed: true, kernel: b.special("common_pid", 4, true)}
}

// special is a field that the kernel's language has for all events, nil when the
// event has one of its own by that name.
func (b *binding) special(name string, size int, signed bool) *kernelField {
	for i := range b.format.Fields {
		if b.format.Fields[i].Name == name {
			return nil
		}
	}
	return &kernelField{name: name, size: size, signed: signed, whole: true}
}

// Bits that the kernel records with each event.
const (
	flagsAt, countAt  = 2, 3
	flagInterruptsOff = 0x01
	flagReschedule    = 0x04
	preemptMask       = 0x0f // how often it is off
	migrateMask       = 0xf0 // how often that is off
)

// context finds the value of a context.
func (b *binding) context(name string) (value, bool) {
	c, err := kerneltrace.ParseContext(name)
	if err != nil {
		return value{}, false
	}
	flags := func(at int, mask byte, none bool) (value, bool) {
		name := "common_flags"
		if at == countAt {
			name = "common_preempt_count"
		}
		return value{kind: bits, at: at, mask: mask, none: none, kernel: b.special(name, 1, false)}, true
	}
	switch c {
	case kerneltrace.ContextTID:
		return b.thread(), true
	case kerneltrace.ContextCPU:
		return value{kind: cpu, kernel: b.special("CPU", 4, true)}, true
	case kerneltrace.ContextInterruptible:
		return flags(flagsAt, flagInterruptsOff, true)
	case kerneltrace.ContextPreemptible:
		return flags(countAt, preemptMask, true)
	case kerneltrace.ContextNeedReschedule:
		return flags(flagsAt, flagReschedule, false)
	case kerneltrace.ContextMigratable:
		return flags(countAt, migrateMask, true)
	case kerneltrace.ContextHostname:
		return value{kind: hostname}, true
	case kerneltrace.ContextProcname:
		k := b.special("COMM", 16, false)
		return value{kind: taskName, context: c, kernel: k}, true
	case kerneltrace.ContextCallstackKernel, kerneltrace.ContextCallstackUser:
		return value{}, false
	default:
		return value{kind: taskNumber, context: c}, true
	}
}
