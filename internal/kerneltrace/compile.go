// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// compiler makes the payload's declaration and the plan of an event.
type compiler struct {
	t       *Table
	f       *ftrace.Format
	display ftrace.Display
	lttng   bool
	syscall bool // arguments of a system call, in slots

	members []schema.Member
	plan    *plan
	run     op   // copy that may become longer; n 0: none
	fixes   []op // to be done after it
}

// compile makes the plan of an event, without its id.
func (t *Table) compile(f *ftrace.Format) (*plan, *schema.Struct) {
	c := &compiler{
		t: t, f: f, display: f.Display(), lttng: t.opts.Naming == LTTng,
		syscall: f.System == "syscalls" && strings.HasPrefix(f.Name, "sys_enter_"),
		plan:    &plan{minLen: recordHead, room: eventHead + slack + t.context.room, dynamic: t.context.dynamic},
	}
	if c.lttng && f.System == "block" && (strings.HasPrefix(f.Name, "block_rq_") || strings.HasPrefix(f.Name, "block_bio_")) {
		c.declare("tid", t.integer(4, true, 10))
		c.emit(op{kind: opTID}, 4, 0)
	}
	for i := 0; i < len(f.Fields); i++ {
		field := &f.Fields[i]
		if i+1 < len(f.Fields) && c.isStack(field, &f.Fields[i+1]) {
			i++
			continue
		}
		c.field(field)
	}
	c.flush()
	c.plan.feed = feedOf(f)
	c.plan.makeQuick(t.context.ops != nil)
	if c.plan.feed.kind == feedNew {
		t.newTasks.Store(true)
	}
	return c.plan, &schema.Struct{Members: c.members}
}

// stackOf tells whether the event is the record of a stack.
func stackOf(f *ftrace.Format) stackKind {
	switch {
	case f.System != "ftrace":
		return noStack
	case f.Name == "kernel_stack":
		return kernelStack
	case f.Name == "user_stack":
		return userStack
	default:
		return noStack
	}
}

func (c *compiler) declare(name string, class schema.Class) {
	c.members = append(c.members, field(name, class))
}

func (c *compiler) sequence(name string, element schema.Class) {
	c.members = c.t.sequence(c.members, schema.EventPayload, name, element)
}

// needs notes that a record without the field's bytes is none.
func (c *compiler) needs(f *ftrace.Field) { c.plan.minLen = max(c.plan.minLen, f.End()) }

// copy adds n bytes of the record to the payload, in one step with those before
// when they are neighbours. It returns their offset in that step.
func (c *compiler) copy(src, n int) int {
	if c.run.n == 0 || int(c.run.src+c.run.n) != src {
		c.flush()
		c.run = op{kind: opCopy, src: int32(src)}
	}
	at := int(c.run.n)
	c.run.n += int32(n)
	c.plan.room += n
	return at
}

// fix adds a step that works on what was copied, at an offset in that step.
func (c *compiler) fix(o op, at int) {
	o.at, o.src = int16(at), c.run.src+int32(at)
	c.fixes = append(c.fixes, o)
}

// emit adds a step that makes at most room bytes, and dynamic times the record's
// length.
func (c *compiler) emit(o op, room, dynamic int) {
	c.flush()
	c.plan.ops = append(c.plan.ops, o)
	c.plan.room += room
	c.plan.dynamic += dynamic
}

// flush ends a run of copies: to the payload's fixed bytes, or behind a step
// that depends on the record.
func (c *compiler) flush() {
	p, run := c.plan, c.run
	fixes := c.fixes
	c.run, c.fixes = op{}, nil
	if run.n == 0 {
		return
	}
	if len(p.ops) > 0 || slices.ContainsFunc(fixes, func(o op) bool { return o.kind == opHash || o.kind == opText && o.n != 16 }) {
		p.ops = append(append(p.ops, run), fixes...)
		return
	}
	dst := int32(p.fixed)
	p.copies = append(p.copies, span{run.src, dst, run.n})
	p.fixed += int(run.n)
	for _, o := range fixes {
		switch o.kind {
		case opText:
			p.texts = append(p.texts, span{o.src, dst + int32(o.at), o.n})
		case opAdd32:
			p.adds = append(p.adds, span{o.src, dst + int32(o.at), o.add})
		}
	}
}

// field adds a field.
func (c *compiler) field(f *ftrace.Field) {
	if c.lttng && f.Name == "__syscall_nr" && c.f.System == "syscalls" {
		return
	}
	if f.Kind != ftrace.Open {
		c.needs(f)
	}
	name, add := f.Name, int32(0)
	if c.lttng {
		name, add = LTTng.fieldName(c.f.System, c.f.Name, f.Name)
	}
	src := op{src: int32(f.Offset)}
	switch f.Kind {
	case ftrace.Plain:
		c.plain(f, name, add)
	case ftrace.Array:
		c.array(f, name)
	case ftrace.DataLoc, ftrace.RelLoc:
		c.located(f, name)
	case ftrace.Open:
		if f.IsText() && c.f.Name != "raw_data" {
			src.kind = opOpenString
			c.declare(name, &schema.String{Encoding: schema.UTF8})
			c.emit(src, 1, 1)
			return
		}
		src.kind, src.n = opOpenSequence, int32(f.ElementSize(c.t.long()))
		c.sequence(name, c.element(f))
		c.emit(src, 2, 1)
	}
}

// plain adds an integer.
func (c *compiler) plain(f *ftrace.Field, name string, add int32) {
	size, signed, base := f.Size, f.Signed, uint8(10)
	src := f.Offset
	switch {
	case f.IsPointer():
		base, signed = 16, false
	case c.syscall:
		if f.Size == 8 {
			size, signed = argument(f.Type)
			src += lowBytes(f.Size, size)
		}
	case c.display.Base[f.Name] != 0 && c.f.System != "syscalls":
		base = c.display.Base[f.Name]
	}
	class := c.t.integer(size, signed, base)
	if symbols := c.display.Symbols[f.Name]; symbols != nil && add == 0 && !f.IsPointer() {
		class.Mappings = mappings(symbols, size, signed)
	}
	c.declare(name, class)
	at := c.copy(src, size)
	if add != 0 && size == 4 {
		c.fix(op{kind: opAdd32, add: add}, at)
	}
	if c.t.opts.PointerKey != nil && f.IsPointer() && !c.syscall && size == 8 {
		c.fix(op{kind: opHash}, at)
	}
	if c.lttng && c.f.Name == "sched_process_fork" && c.f.System == "sched" {
		c.group(f)
	}
}

// group adds the process that a thread of a fork belongs to.
func (c *compiler) group(f *ftrace.Field) {
	switch f.Name {
	case "parent_pid":
		c.declare("parent_pid", c.t.integer(4, true, 10))
		c.emit(op{kind: opGroup, src: int32(f.Offset)}, 4, 0)
	case "child_pid":
		c.declare("child_pid", c.t.integer(4, true, 10))
		c.emit(op{kind: opGroup, src: int32(f.Offset), flag: true}, 4, 0)
	}
}

// lowBytes is the offset of an integer's n low bytes in a word.
func lowBytes(word, n int) int {
	if nativeOrder() == schema.BigEndian {
		return word - n
	}
	return 0
}

// argument is the size of a system call's argument by the declared type, which
// the kernel keeps in a slot of 8 bytes whatever its size.
func argument(typ string) (size int, signed bool) {
	typ = strings.TrimPrefix(typ, "const ")
	switch typ {
	case "int", "pid_t", "key_t", "clockid_t", "s32", "__s32", "timer_t", "mqd_t", "key_serial_t", "rwf_t", "int32_t", "short", "char":
		return 4, true
	case "unsigned int", "unsigned", "uid_t", "gid_t", "umode_t", "mode_t", "u32", "__u32", "qid_t", "uint32_t", "bool",
		"old_uid_t", "old_gid_t", "unsigned short", "unsigned char", "u16", "__u16", "u8", "__u8", "uint":
		return 4, false
	case "long", "ssize_t", "off_t", "loff_t", "s64", "__s64", "long long", "__kernel_ssize_t", "time_t", "int64_t":
		return 8, true
	default:
		if strings.HasPrefix(typ, "enum ") {
			return 4, false
		}
		return 8, false
	}
}

// mappings makes the names of values those of an enumeration, nil when one of
// the values is none of the integer.
func mappings(symbols []ftrace.Symbol, size int, signed bool) []schema.Mapping {
	var m []schema.Mapping
	index := map[string]int{}
	unused := 64 - 8*size
	for _, s := range symbols {
		v := s.Value
		narrow := v << unused >> unused
		extended := uint64(int64(v<<unused) >> unused)
		if v != narrow && v != extended {
			return nil
		}
		v = narrow
		if signed {
			v = extended
		}
		i, known := index[s.Name]
		if !known {
			i = len(m)
			index[s.Name] = i
			m = append(m, schema.Mapping{Label: s.Name})
		}
		m[i].Ranges = append(m[i].Ranges, schema.Range{Low: v, High: v})
	}
	return m
}

// array adds an array or a text of a fixed length.
func (c *compiler) array(f *ftrace.Field, name string) {
	switch {
	case f.IsText() && c.lttng && c.f.System == "block" && f.Name == "rwbs":
		c.declare(name, c.t.integer(4, false, 16))
		c.emit(op{kind: opRWBS, src: int32(f.Offset), n: int32(f.Size)}, 4, 0)
		c.text(f, "rwbs_text")
	case f.IsText():
		c.text(f, name)
	default:
		c.declare(name, &schema.Array{Element: c.element(f), Length: uint64(f.Len)})
		c.copy(f.Offset, f.Size)
	}
}

func (c *compiler) text(f *ftrace.Field, name string) {
	c.declare(name, c.t.text(f.Size))
	at := c.copy(f.Offset, f.Size)
	c.fix(op{kind: opText, n: int32(f.Size)}, at)
}

// element is the class of an element.
func (c *compiler) element(f *ftrace.Field) schema.Class {
	base := uint8(10)
	if f.IsPointer() || f.Type == "cpumask_t" {
		base = 16
	}
	return c.t.integer(f.ElementSize(c.t.long()), f.Signed && base == 10, base)
}

// located adds a field whose data lie elsewhere in the record.
func (c *compiler) located(f *ftrace.Field, name string) {
	relative := f.Kind == ftrace.RelLoc
	o := op{src: int32(f.Offset), n: int32(f.ElementSize(c.t.long()))}
	switch {
	case f.IsText() && c.lttng && !relative && c.f.System == "sched" && c.f.Name == "sched_process_fork":
		o.kind = opLocText16
		c.declare(name, c.t.text(16))
		c.emit(o, 16, 0)
	case f.IsText():
		o.kind = opString
		if relative {
			o.kind = opRelString
		}
		c.declare(name, &schema.String{Encoding: schema.UTF8})
		c.emit(o, 1, 1)
	default:
		o.kind = opSequence
		if relative {
			o.kind = opRelSequence
		}
		c.sequence(name, c.element(f))
		c.emit(o, 2, 1)
	}
}

// isStack adds the addresses of a stack: the array's length in its declaration is
// not that in the record.
func (c *compiler) isStack(size, caller *ftrace.Field) bool {
	kind := stackOf(c.f)
	if kind == noStack || caller.Name != "caller" || caller.Kind != ftrace.Array || caller.ElementSize(0) != c.t.long() {
		return false
	}
	c.needs(size)
	word := c.t.integer(c.t.long(), false, 16)
	o := op{kind: opStack, src: int32(size.Offset), at: int16(caller.Offset - size.Offset), n: int32(c.t.long())}
	if kind == userStack {
		c.plain(size, size.Name, 0)
		o.kind = opUserStack
	} else if size.Name != "size" || size.Size != 4 {
		return false
	}
	c.sequence(caller.Name, word)
	c.emit(o, 2, 1)
	c.plan.stack, c.plan.frames = kind, o
	return true
}
