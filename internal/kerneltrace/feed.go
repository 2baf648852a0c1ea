// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// feed is what an event tells the table of tasks, and where in the record.
type feed struct {
	kind                    feedKind
	tid, parent, name, mode int
}

type feedKind uint8

const (
	feedNothing feedKind = iota
	feedFork             // a thread was made, by whom
	feedNew              // the same; also whether it is a new process
	feedExec             // a program was started
	feedRename
	feedFree
)

// feedOf finds the fields that the table of tasks needs; an event that lacks one
// tells nothing.
func feedOf(f *ftrace.Format) feed {
	complete := true
	at := func(name string, kind ftrace.FieldKind, size int) int {
		for _, field := range f.Fields {
			if field.Name == name && field.Kind == kind && field.Size == size {
				return field.Offset
			}
		}
		complete = false
		return 0
	}
	var fd feed
	switch f.System + ":" + f.Name {
	case "sched:sched_process_fork":
		fd = feed{kind: feedFork, tid: at("child_pid", ftrace.Plain, 4), parent: at("parent_pid", ftrace.Plain, 4), name: at("child_comm", ftrace.DataLoc, 4)}
	case "task:task_newtask":
		fd = feed{kind: feedNew, tid: at("pid", ftrace.Plain, 4), name: at("comm", ftrace.Array, 16), mode: at("clone_flags", ftrace.Plain, 8)}
	case "sched:sched_process_exec":
		fd = feed{kind: feedExec, tid: at("pid", ftrace.Plain, 4), name: at("filename", ftrace.DataLoc, 4)}
	case "task:task_rename":
		fd = feed{kind: feedRename, tid: at("pid", ftrace.Plain, 4), name: at("newcomm", ftrace.Array, 16)}
	case "sched:sched_process_free":
		fd = feed{kind: feedFree, tid: at("pid", ftrace.Plain, 4)}
	}
	if !complete {
		return feed{}
	}
	return fd
}

// cloneThread is the flag of clone that makes a thread of the same process.
const cloneThread = 0x10000

// learn tells the table of tasks what an event says. The record has its fixed
// part.
func (c *Converter) learn(p *plan, record []byte) {
	tasks, fd := c.o.Tasks, &p.feed
	if tasks == nil {
		return
	}
	number := func(at int) int32 { return int32(binary.NativeEndian.Uint32(record[at:])) }
	tid := number(fd.tid)
	var task Task
	switch fd.kind {
	case feedFork:
		// The event that says more comes before it, where it is recorded.
		if c.table.newTasks.Load() {
			if _, known := tasks.Get(tid); known {
				return
			}
		}
		task = child(tasks, number(fd.parent), tid, false)
		task.setName(c.located(record, fd.name, false))
	case feedNew:
		thread := binary.NativeEndian.Uint64(record[fd.mode:])&cloneThread != 0
		task = child(tasks, number(4), tid, thread)
		task.setName(record[fd.name : fd.name+16])
	case feedExec:
		file := c.located(record, fd.name, false)
		if i := bytes.IndexByte(file, 0); i >= 0 {
			file = file[:i]
		}
		task, _ = tasks.Get(tid)
		task.PID = tid
		task.setName(file[bytes.LastIndexByte(file, '/')+1:])
	case feedRename:
		task, _ = tasks.Get(tid)
		task.setName(record[fd.name : fd.name+16])
	case feedFree:
		tasks.Forget(tid)
		return
	}
	tasks.Set(tid, task)
}

// child is what is known of a new thread by who made it.
func child(tasks *Tasks, parent, tid int32, thread bool) Task {
	by, _ := tasks.Get(parent)
	t := unknownTask
	if thread {
		t.PID, t.PPID, t.VPID, t.VPPID = by.PID, by.PPID, by.VPID, by.VPPID
	} else {
		t.PID, t.PPID, t.VPPID = tid, by.PID, by.VPID
	}
	// Where the parent has no other numbers in its own name space, neither has
	// the child, unless it was made in a new one.
	if by.VTID == parent {
		t.VTID = tid
		if !thread {
			t.VPID = tid
		}
	}
	return t
}

// setName sets the name from text up to a zero, and cuts it as the kernel does.
func (t *Task) setName(s []byte) {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	t.Name = [16]byte{}
	copy(t.Name[:15], s)
}
