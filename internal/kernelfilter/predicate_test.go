// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"encoding/binary"
	"testing"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// set writes a number to a field of a record.
func set(f *ftrace.Format, record []byte, name string, v uint64) {
	for i := range f.Fields {
		if field := &f.Fields[i]; field.Name == name {
			put(record[field.Offset:field.End()], v)
		}
	}
}

func TestContextsAndAddedFields(t *testing.T) {
	tasks := new(kerneltrace.Tasks)
	tasks.Set(42, kerneltrace.Task{
		PID: 40, PPID: 1, VPID: 2, VTID: 3, VPPID: 4, Name: [16]byte{'b', 'a', 's', 'h'}, Prio: -2, Nice: -5,
		Owner:  &kerneltrace.Owner{UID: kerneltrace.IDs{Real: 1<<32 - 2, Effective: 1, Saved: 2}, VGID: kerneltrace.IDs{Real: 3, Effective: 4, Saved: 5}},
		Spaces: &kerneltrace.Namespaces{Cgroup: 4026531835, UTS: 4026531838},
	}, 0)
	tasks.Set(5, kerneltrace.Task{PID: 4, Name: [16]byte{'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'}}, 0)
	s := Source{CPU: 4, Tasks: tasks, Hostname: "abc"}
	record := func(event string, numbers map[string]uint64) (*ftrace.Format, []byte) {
		f := format(t, event)
		b := make([]byte, 128)
		b[2], b[3] = 0x05, 0x10
		binary.NativeEndian.PutUint32(b[4:], 42)
		for name, v := range numbers {
			set(f, b, name, v)
		}
		return f, b
	}
	for _, tt := range []struct {
		event      string
		numbers    map[string]uint64
		expression string
	}{
		{"sched:sched_switch", nil, `$ctx.pid == 40 && $ctx.ppid == 1 && $ctx.vpid == 2 && $ctx.vtid == 3 && $ctx.vppid == 4 && $ctx.tid == 42`},
		{"sched:sched_switch", nil, `$ctx.procname == "b*h" && $ctx.procname != "bas" && $ctx.cpu_id == 3 && $ctx.hostname == "abc"`},
		{"sched:sched_switch", nil, `$ctx.uid == 4294967294 && $ctx.euid == 1 && $ctx.suid == 2 && $ctx.vgid == 3 && $ctx.vegid == 4 && $ctx.vsgid == 5`},
		{"sched:sched_switch", nil, `$ctx.prio == -2 && $ctx.nice == -5 && $ctx.cgroup_ns == 4026531835 && $ctx.uts_ns == 4026531838 && $ctx.mnt_ns == 0`},
		{"sched:sched_switch", nil, `!$ctx.interruptible && $ctx.preemptible && $ctx.need_reschedule && !$ctx.migratable`},
		{"sched:sched_switch", nil, `common_pid == 42 && common_flags == 5`},
		{"sched:sched_switch", map[string]uint64{"prev_prio": 120, "next_prio": 1 << 31}, `prev_prio == 20 && next_prio == 2147483548`},
		{"sched:sched_process_fork", map[string]uint64{"parent_pid": 5, "child_pid": 6}, `parent_tid == 5 && parent_pid == 4 && child_tid == 6 && child_pid == 6`},
		{"sched:sched_process_fork", map[string]uint64{"parent_pid": 6, "child_pid": 5}, `parent_tid == 6 && parent_pid == -1 && child_tid == 5 && child_pid == 4`},
		{"block:block_rq_issue", map[string]uint64{"rwbs": 'F' | 'W'<<8 | 'S'<<16}, `rwbs == 0x421 && rwbs_text == "FWS" && tid == 42`},
		{"syscalls:sys_enter_openat", map[string]uint64{"dfd": 0xffffff9c, "mode": 1<<32 | 7}, `dfd == -100 && mode == 7 && filename == 0`},
		// A place outside of the record is none.
		{"irq:irq_handler_entry", map[string]uint64{"name": 100<<16 | 100}, `name == ""`},
		{"test:all", map[string]uint64{"seq": 4<<16 | 126}, `!(e | 0) || seq[0] == 0`},
	} {
		f, b := record(tt.event, tt.numbers)
		keep, err := s.Compile(parse(t, tt.expression), f, kerneltrace.LTTng)
		check(t, err)
		if !keep(b) {
			t.Errorf("%s: %s does not keep %x", tt.event, tt.expression, b)
		}
		not, err := s.Compile(parse(t, "!("+tt.expression+")"), f, kerneltrace.LTTng)
		check(t, err)
		if not(b) {
			t.Errorf("%s: the opposite of %s keeps %x", tt.event, tt.expression, b)
		}
	}
}

// A name that was longer must not be seen behind one that is shorter, and a task
// that is not known has none.
func TestNamesOfTasks(t *testing.T) {
	tasks := new(kerneltrace.Tasks)
	tasks.Set(1, kerneltrace.Task{Name: [16]byte{'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'}}, 0)
	tasks.Set(2, kerneltrace.Task{Name: [16]byte{'a'}}, 0)
	keep, err := Source{Tasks: tasks}.Compile(parse(t, `$ctx.procname == "a" || $ctx.procname == "0123456789abcdef" && $ctx.tid == 1 || $ctx.tid == 3 && $ctx.procname == ""`),
		format(t, "sched:sched_switch"), kerneltrace.LTTng)
	check(t, err)
	for range 2 {
		for tid := range uint32(5) {
			record := make([]byte, 64)
			binary.NativeEndian.PutUint32(record[4:], tid)
			if got, want := keep(record), tid >= 1 && tid <= 3; got != want {
				t.Errorf("thread %d: %v, want %v", tid, got, want)
			}
		}
	}
}

// A record that ends before a field that the expression needs is not kept, and
// nothing behind its end is read.
func TestShortRecords(t *testing.T) {
	f := format(t, "test:all")
	expressions := []string{
		`h == 0 || 1`, `raw == "*"`, `str != "x"`, `rel != "x"`, `bytes != "x"`, `arr[2] != 1`, `seq[0] != 1`, `rseq[1] != 1`, `tail[4] != 1`, `$ctx.interruptible != 5`,
	}
	for _, text := range expressions {
		keep, err := Compile(parse(t, text), f, kerneltrace.LTTng)
		check(t, err)
		b := make([]byte, 120)
		for n := range len(b) {
			short := append(make([]byte, 0, n), b[:n]...)
			keep(short[:n:n])
		}
	}
	keep, err := Compile(parse(t, `h != 1`), f, kerneltrace.LTTng)
	check(t, err)
	if keep(make([]byte, 39)) || !keep(make([]byte, 40)) {
		t.Error("a record without a byte of its field is kept, or one with it is not")
	}
}

func FuzzKeep(f *testing.F) {
	for _, event := range []string{"test:all", "block:block_rq_issue", "sched:sched_process_fork", "syscalls:sys_enter_openat"} {
		f.Add(event, `str == "a*" || seq[3] == 7 || rel != "b" && rseq[0] < 5 || tail[2] == 1 || bytes == "x" || raw == "*y"`, make([]byte, 100))
	}
	f.Add("sched:sched_switch", `prev_comm == "a*" && prev_prio < 7 || (next_tid & 3) == 1`, []byte("\x01\x00\x00\x00\x01\x00\x00\x00abcdefghijklmnopqrst"))
	f.Add("sched:sched_process_fork", `parent_comm == "a*" && child_pid != 7`, []byte("\x01\x00\x00\x00\x01\x00\x00\x00\x18\x00\x00\x10\x00\x00\x00\x00\x18\x00\x00\xff\x00\x00\x00\x00abcd"))
	f.Fuzz(func(t *testing.T, event, text string, record []byte) {
		if declarations[event] == "" {
			return
		}
		e, err := filter.Parse(text)
		if err != nil {
			return
		}
		s, err := Source{CPU: 1, Tasks: new(kerneltrace.Tasks), Hostname: "h"}.Split(e, format(t, event), kerneltrace.LTTng)
		if err != nil {
			return
		}
		if len(s.Kernel) > maxFilter {
			t.Errorf("a filter of %d bytes", len(s.Kernel))
		}
		if s.Keep != nil {
			exact := append(make([]byte, 0, len(record)), record...)
			if s.Keep(exact[:len(record):len(record)]) != s.Keep(exact) {
				t.Error("the function says two things of one record")
			}
		}
	})
}

func TestKeepAllocatesNothing(t *testing.T) {
	tasks := new(kerneltrace.Tasks)
	tasks.Set(0, kerneltrace.Task{PID: 7}, 0)
	f := format(t, "test:all")
	keep, err := Source{Tasks: tasks}.Compile(parse(t, `str == "x*y" || seq[1] == 6 || tail[0] == 5 || $ctx.pid == 6 || $ctx.procname == "a*" || (h ^ 5) == 6 || rel == "z"`), f, kerneltrace.LTTng)
	check(t, err)
	record := make([]byte, 120)
	if n := testing.AllocsPerRun(100, func() { keep(record) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKeep(b *testing.B) {
	for _, bm := range []struct{ name, event, expression string }{
		{"number", "sched:sched_switch", `prev_tid == 7`},
		{"text", "sched:sched_switch", `prev_comm == "bash"`},
		{"several", "sched:sched_switch", `prev_tid == 7 || next_tid == 7 || prev_prio < 5 && next_comm == "a*"`},
		{"located", "irq:irq_handler_entry", `name == "*ata*" || irq == 5`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			keep, err := Compile(parse(b, bm.expression), format(b, bm.event), kerneltrace.LTTng)
			check(b, err)
			record := make([]byte, 64)
			binary.NativeEndian.PutUint32(record[12:], 16<<16|16)
			copy(record[16:], "virtio0-input.0\x00")
			b.ReportAllocs()
			for b.Loop() {
				keep(record)
			}
		})
	}
}
