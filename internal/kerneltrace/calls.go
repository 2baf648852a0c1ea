// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// call is a system call that changes what a thread is.
type call struct {
	name  string
	about about
	// apply has the task be what it is after the call, by its arguments. It reports
	// false where these do not tell all.
	apply func(t *Task, args *[3]uint64) bool
}

// about says what contexts a call is about.
type about uint8

const (
	aboutOwner about = 1 << iota
	aboutPrio
	aboutSpaces
)

// calls are all of them. What is no argument of setns says nothing of which name
// spaces those of a process are, and what is behind a pointer is not recorded.
var calls = []call{
	{"setuid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(users, setOne, args) }},
	{"setgid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(groups, setOne, args) }},
	{"setreuid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(users, setTwo, args) }},
	{"setregid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(groups, setTwo, args) }},
	{"setresuid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(users, setAll, args) }},
	{"setresgid", aboutOwner, func(t *Task, args *[3]uint64) bool { return t.setIDs(groups, setAll, args) }},
	{"setpriority", aboutPrio, (*Task).niced},
	{"sched_setscheduler", aboutPrio, func(*Task, *[3]uint64) bool { return false }},
	{"sched_setparam", aboutPrio, func(*Task, *[3]uint64) bool { return false }},
	{"sched_setattr", aboutPrio, func(*Task, *[3]uint64) bool { return false }},
	{"unshare", aboutOwner | aboutSpaces, func(t *Task, args *[3]uint64) bool { return t.leave(args[0]) }},
	{"setns", aboutOwner | aboutSpaces, func(t *Task, args *[3]uint64) bool {
		flags := args[1]
		if flags == 0 {
			flags = allSpaces
		}
		return t.leave(flags)
	}},
}

// callOf finds the call that an event is the entry or exit of.
func callOf(f *ftrace.Format) (index int, entry, found bool) {
	if f.System != "syscalls" {
		return 0, false, false
	}
	name, entry := strings.CutPrefix(f.Name, "sys_enter_")
	if !entry {
		var exit bool
		if name, exit = strings.CutPrefix(f.Name, "sys_exit_"); !exit {
			return 0, false, false
		}
	}
	index = slices.IndexFunc(calls, func(c call) bool { return c.name == name })
	return index, entry, index >= 0
}

// made is a call that a thread has begun.
type made struct {
	call int
	args [3]uint64
}

// slots are the places of a call's arguments in the record of its entry, each of 8
// bytes, 0 where it has none, and where the last one ends.
func slots(f *ftrace.Format) (at [3]int, end int) {
	i, end := 0, recordHead
	for _, field := range f.Fields {
		if field.Name != "__syscall_nr" && field.Size == 8 && field.Kind == ftrace.Plain && i < len(at) {
			at[i], end = field.Offset, field.End()
			i++
		}
	}
	return at, end
}

func readSlots(record []byte, at *[3]int) (args [3]uint64) {
	for i, offset := range at {
		if offset > 0 {
			args[i] = binary.NativeEndian.Uint64(record[offset:])
		}
	}
	return args
}

// Which of an owner's ids, and how many of them a call sets.
type which uint8

const (
	users which = iota
	groups
)

type setting uint8

const (
	setOne setting = iota
	setTwo
	setAll
)

// setIDs does what setuid, setreuid, setresuid and those for groups do. Their
// arguments are what ids are called in the thread's own user name space: where that
// is not the first one they do not tell the others.
func (t *Task) setIDs(of which, how setting, args *[3]uint64) bool {
	if t.Owner == nil {
		return false
	}
	o := *t.Owner
	inner, outer, root := &o.VUID, &o.UID, o.VUID.Effective == 0
	if of == groups {
		inner, outer = &o.VGID, &o.GID
	}
	same := o.VUID == o.UID && o.VGID == o.GID
	old, ids := *inner, [3]uint32{uint32(args[0]), uint32(args[1]), uint32(args[2])}
	switch how {
	case setOne:
		inner.Effective = ids[0]
		if root || ids[0] != old.Real && ids[0] != old.Saved { // who is not root may be that only
			*inner = IDs{ids[0], ids[0], ids[0]}
		}
	case setTwo:
		keep(&inner.Real, ids[0])
		keep(&inner.Effective, ids[1])
		if ids[0] != noID || ids[1] != noID && ids[1] != old.Real {
			inner.Saved = inner.Effective
		}
	case setAll:
		keep(&inner.Real, ids[0])
		keep(&inner.Effective, ids[1])
		keep(&inner.Saved, ids[2])
	}
	if same {
		*outer = *inner
	} else {
		*outer = unknownIDs
	}
	t.Owner = &o
	return same
}

// keep sets an id unless the argument says that it stays.
func keep(id *uint32, to uint32) {
	if to != noID {
		*id = to
	}
}

// started is whose a thread is after a program's start: what is effective is saved.
func (o *Owner) started() *Owner {
	now := *o
	for _, ids := range []*IDs{&now.UID, &now.GID, &now.VUID, &now.VGID} {
		ids.Saved = ids.Effective
	}
	return &now
}

// niced does what setpriority of a thread does.
func (t *Task) niced(args *[3]uint64) bool {
	t.Nice = min(max(int32(args[2]), -20), 19)
	if t.Prio >= 0 { // realtime stays so
		t.Prio = ordinaryPrio + t.Nice
	}
	return true
}

// target is the thread that a call is about: who makes it, or 0 where that is not
// one thread that is known by its number.
func (m *made) target(tid int32, t *Task) int32 {
	who := int32(0)
	switch calls[m.call].name {
	case "setpriority":
		if m.args[0] != 0 { // PRIO_PROCESS
			return 0
		}
		who = int32(m.args[1])
	case "sched_setscheduler", "sched_setparam", "sched_setattr":
		who = int32(m.args[0])
	}
	switch {
	case who == 0:
		return tid
	case t.VTID != tid: // its numbers are those of another name space
		return 0
	}
	return who
}

// called tells of a call's result, at a time.
func (t *Tasks) called(tid int32, index int, failed bool, time uint64) {
	m, begun := t.finish(tid)
	if begun = begun && m.call == index; !begun { // its entry is not recorded
		m = made{call: index}
	}
	of := tid
	if begun {
		by := t.at(tid, time).task
		of = m.target(tid, &by)
	}
	was := t.at(of, time)
	if failed || !was.known || of == 0 {
		return
	}
	c, now, asked := &calls[index], Task{}, false
	if !begun || !c.apply(&was.task, &m.args) {
		now, asked = t.askOwner(of)
	}
	t.change(of, time, func(task *Task, _ bool) bool {
		if begun {
			c.apply(task, &m.args)
		} else if c.about&aboutSpaces != 0 {
			task.Spaces = nil
		}
		if asked {
			task.Owner, task.Prio, task.Nice = now.Owner, now.Prio, now.Nice
		}
		return true
	})
}
