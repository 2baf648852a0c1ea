// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// feed is what an event tells the table of tasks, and where in the record.
type feed struct {
	kind                         feedKind
	minLen                       int // of a record
	tid, parent, name, flags, at int
	call                         int // of calls
	slots                        [3]int
}

type feedKind uint8

const (
	feedNothing feedKind = iota
	feedFork             // a thread was made, by whom
	feedNew              // the same; also whether it is a new process
	feedExec             // a program was started
	feedRename
	feedFree
	feedEntry // a thread makes a call that may change what it is
	feedExit  // it has
)

// Feeds returns the events, as SYSTEM:NAME, that tell what contexts say of threads,
// for a [Feeder].
func Feeds(contexts []Context) []string {
	p := newContextPlan(&Options{Contexts: contexts})
	if !p.tasks {
		return nil
	}
	all := []string{"task:task_newtask", "task:task_rename", "sched:sched_process_exec", "sched:sched_process_free"}
	for _, c := range calls {
		if c.about&p.about != 0 {
			all = append(all, "syscalls:sys_enter_"+c.name, "syscalls:sys_exit_"+c.name)
		}
	}
	return all
}

// AsksOwners reports whether a context is about what may change at any time of a
// thread, as [Tasks.SetAsk] wants to know.
func AsksOwners(contexts []Context) bool {
	return newContextPlan(&Options{Contexts: contexts}).about&(aboutOwner|aboutPrio) != 0
}

// feedOf finds the fields that the table of tasks needs; an event that lacks one
// tells nothing.
func feedOf(f *ftrace.Format) feed {
	complete, end := true, recordHead
	at := func(name string, kind ftrace.FieldKind, size int) int {
		for _, field := range f.Fields {
			if field.Name == name && field.Kind == kind && field.Size == size {
				end = max(end, field.End())
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
		fd = feed{kind: feedNew, tid: at("pid", ftrace.Plain, 4), parent: recordThread, name: at("comm", ftrace.Array, 16), flags: at("clone_flags", ftrace.Plain, 8)}
	case "sched:sched_process_exec":
		fd = feed{kind: feedExec, tid: at("pid", ftrace.Plain, 4), name: at("filename", ftrace.DataLoc, 4)}
	case "task:task_rename":
		fd = feed{kind: feedRename, tid: at("pid", ftrace.Plain, 4), name: at("newcomm", ftrace.Array, 16)}
	case "sched:sched_process_free":
		fd = feed{kind: feedFree, tid: at("pid", ftrace.Plain, 4)}
	default:
		index, entry, found := callOf(f)
		switch {
		case !found:
		case entry:
			fd = feed{kind: feedEntry, tid: recordThread, call: index}
			fd.slots, end = slots(f)
		default:
			fd = feed{kind: feedExit, tid: recordThread, call: index, at: at("ret", ftrace.Plain, 8)}
		}
	}
	if !complete {
		return feed{}
	}
	fd.minLen = end
	return fd
}

// recordThread is where a record has the thread that it is of.
const recordThread = 4

// learn tells the table of tasks what an event of the trace says, of a time, unless
// another source does. The record has its fixed part.
func (c *Converter) learn(p *plan, record []byte, time uint64) {
	tasks := c.o.Tasks
	if tasks == nil || tasks.source.Load() != nil {
		return
	}
	if p.feed.kind == feedFork && c.table.newTasks.Load() && tasks.at(int32(binary.NativeEndian.Uint32(record[p.feed.tid:])), time).known {
		return // the event that says more comes before it
	}
	if !p.feed.apply(tasks, record, time) {
		c.counts.BadRecords++
	}
}

// apply tells the table of tasks what a record says. It reports false for one whose
// text lies outside of it.
func (fd *feed) apply(tasks *Tasks, record []byte, time uint64) bool {
	number := func(at int) int32 { return int32(binary.NativeEndian.Uint32(record[at:])) }
	tid := number(fd.tid)
	switch fd.kind {
	case feedFork:
		name, ok := place(record, fd.name, false)
		tasks.bear(tid, number(fd.parent), 0, name, time)
		return ok
	case feedNew:
		tasks.bear(tid, number(fd.parent), binary.NativeEndian.Uint64(record[fd.flags:]), record[fd.name:fd.name+16], time)
	case feedExec:
		file, ok := place(record, fd.name, false)
		if i := bytes.IndexByte(file, 0); i >= 0 {
			file = file[:i]
		}
		tasks.exec(tid, file[bytes.LastIndexByte(file, '/')+1:], time)
		return ok
	case feedRename:
		tasks.rename(tid, record[fd.name:fd.name+16], time)
	case feedFree:
		tasks.forget(tid, time)
	case feedEntry:
		tasks.begin(tid, made{fd.call, readSlots(record, &fd.slots)})
	case feedExit:
		tasks.called(tid, fd.call, binary.NativeEndian.Uint64(record[fd.at:]) != 0, time)
	}
	return true
}

// Feeder tells a table of tasks what events say that are recorded for that alone, in
// rings of their own, one for each processor. It belongs to one goroutine.
//
// What is learned of a time is complete once all rings were read after it: so an
// event of another ring finds what was so when it happened, however late it is
// converted.
type Feeder struct {
	tasks   *Tasks
	layout  ftrace.Layout
	feeds   map[uint16]feed
	bytes   []byte // of records that wait
	records []waiting
	counts  FeederCounts
}

// FeederCounts says what became of records.
type FeederCounts struct {
	Records uint64
	Bad     uint64 // records and pages that are not as declared
}

// waiting is a record that waits for the others of its time.
type waiting struct {
	time       uint64
	from, size int // in bytes
}

// NewFeeder makes a feeder of events; those that tell nothing are left out.
func NewFeeder(tasks *Tasks, formats []*ftrace.Format) *Feeder {
	f := &Feeder{tasks: tasks, layout: ftrace.Layout64(), feeds: make(map[uint16]feed)}
	f.Extend(formats)
	return f
}

// Extend has it take more events.
func (f *Feeder) Extend(formats []*ftrace.Format) {
	for _, format := range formats {
		if fd := feedOf(format); fd.kind != feedNothing {
			f.feeds[format.ID] = fd
		}
	}
}

// Counts returns what became of the records until now.
func (f *Feeder) Counts() FeederCounts { return f.counts }

// Page takes a page of a ring.
func (f *Feeder) Page(b []byte) error {
	page, err := f.layout.Page(b)
	if err != nil {
		f.counts.Bad++
		return err
	}
	cursor := page.Records()
	for cursor.Next() {
		record := cursor.Payload()
		f.counts.Records++
		if len(record) < recordHead {
			f.counts.Bad++
			continue
		}
		fd, ok := f.feeds[binary.NativeEndian.Uint16(record)]
		switch {
		case !ok:
		case len(record) < fd.minLen || cursor.Time >= maxTime:
			f.counts.Bad++
		default:
			f.records = append(f.records, waiting{cursor.Time, len(f.bytes), len(record)})
			f.bytes = append(f.bytes, record...)
		}
	}
	if err := cursor.Err(); err != nil {
		f.counts.Bad++
		return err
	}
	return nil
}

// Learn tells what was said of earlier times than one after which the pages of all
// rings were taken.
func (f *Feeder) Learn(before uint64) {
	slices.SortStableFunc(f.records, func(a, b waiting) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	n := 0
	for ; n < len(f.records) && f.records[n].time < before; n++ {
		w := f.records[n]
		record := f.bytes[w.from : w.from+w.size]
		fd := f.feeds[binary.NativeEndian.Uint16(record)]
		if !fd.apply(f.tasks, record, w.time) {
			f.counts.Bad++
		}
	}
	f.records = slices.Delete(f.records, 0, n)
	if len(f.records) == 0 {
		f.bytes = f.bytes[:0]
	}
	f.tasks.upTo.Store(before)
}
