// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/kernel/ftrace"
)

func TestContextNames(t *testing.T) {
	for c := range numContexts {
		if got, err := ParseContext(c.String()); err != nil || got != c {
			t.Errorf("ParseContext(%s) = %v, %v", c, got, err)
		}
	}
	for _, name := range []string{"", "perf:cpu-cycles", "ip", "context 99"} {
		if _, err := ParseContext(name); err == nil {
			t.Errorf("ParseContext(%q) has no error", name)
		}
	}
	for _, o := range []Options{{Contexts: []Context{numContexts}}, {Contexts: []Context{ContextPID, ContextPID}}, {Naming: 2}, {StreamID: 1 << 32}} {
		if _, err := NewTable(o); err == nil {
			t.Errorf("NewTable(%+v) has no error", o)
		}
	}
}

// lines returns the contexts and payloads that babeltrace2 prints.
func lines(t *testing.T, p *packets, table *Table) []string {
	t.Helper()
	var all []string
	for _, line := range p.text(t, table) {
		_, rest, _ := strings.Cut(line, " }, ")
		all = append(all, rest)
	}
	return all
}

func TestExactContexts(t *testing.T) {
	table := intTable(t, Options{
		Hostname: "web1",
		Contexts: []Context{ContextTID, ContextCPU, ContextInterruptible, ContextPreemptible, ContextNeedReschedule, ContextMigratable, ContextHostname},
	})
	var p packets
	c := NewConverter(table, ConverterOptions{CPU: 3}, &p)
	page := newPage(1)
	for _, f := range [][2]int{{0, 0}, {flagInterruptsOff, 1}, {flagReschedule, 0x10}} {
		page.add(1, intEvent, f[0], f[1], 42, words(5))
	}
	check(t, c.Page(page.bytes(0)))
	check(t, c.Close(1, 0))
	want := []string{
		`{ tid = 42, common_flags = 0x0, common_preempt_count = 0, cpu_id = 3, interruptible = 1, preemptible = 1, need_reschedule = 0, migratable = 1, hostname = "web1" }, { v = 5 }`,
		`{ tid = 42, common_flags = 0x1, common_preempt_count = 1, cpu_id = 3, interruptible = 0, preemptible = 0, need_reschedule = 0, migratable = 1, hostname = "web1" }, { v = 5 }`,
		`{ tid = 42, common_flags = 0x4, common_preempt_count = 16, cpu_id = 3, interruptible = 1, preemptible = 1, need_reschedule = 1, migratable = 0, hostname = "web1" }, { v = 5 }`,
	}
	if got := lines(t, &p, table); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The table of tasks knows what the state dump, forks, programs and names tell.
func TestContextsFromTasks(t *testing.T) {
	const fork, newTask, exec, rename, free = 1, 2, 3, 4, 5
	table := intTable(t, Options{StateDump: true, Contexts: []Context{ContextPID, ContextPPID, ContextVPID, ContextVTID, ContextVPPID, ContextProcname}})
	forkFormat := format(t, "sched", "sched_process_fork", fork, "__data_loc char[] parent_comm 8 4 0", "pid_t parent_pid 12 4 1", "__data_loc char[] child_comm 16 4 0", "pid_t child_pid 20 4 1")
	newFormat := format(t, "task", "task_newtask", newTask, "pid_t pid 8 4 1", "char comm[16] 12 16 0", "u64 clone_flags 32 8 0")
	execFormat := format(t, "sched", "sched_process_exec", exec, "__data_loc char[] filename 8 4 0", "pid_t pid 12 4 1", "pid_t old_pid 16 4 1")
	renameFormat := format(t, "task", "task_rename", rename, "pid_t pid 8 4 1", "char oldcomm[16] 12 16 0", "char newcomm[16] 28 16 0")
	freeFormat := format(t, "sched", "sched_process_free", free, "__data_loc char[] comm 8 4 0", "pid_t pid 12 4 1")
	_, err := table.Declare(forkFormat)
	check(t, err)
	var p packets
	tasks := new(Tasks)
	c := NewConverter(table, ConverterOptions{Tasks: tasks}, &p)
	check(t, c.StateDump(1, &StateDump{Threads: []Thread{{TID: 10, PID: 10, PPID: 1, VTID: 10, VPID: 10, VPPID: 1, Name: "shell"}}}))
	check(t, c.Close(1, 0))
	p = packets{}
	at := uint64(2)
	run := func(id int, tid int32, payload []byte) {
		check(t, c.Page(newPage(at).add(at, id, 0, 0, tid, payload).bytes(0)))
	}
	ask := func(tid int32) { run(intEvent, tid, words(1)) }
	want := []string{}
	expect := func(s string) { want = append(want, s+" }") }

	ask(10)
	expect(`pid = 10, ppid = 1, vpid = 10, vtid = 10, vppid = 1, procname = "shell"`)
	ask(99)
	expect(`pid = -1, ppid = -1, vpid = -1, vtid = -1, vppid = -1, procname = ""`)
	// The fork alone: a process, as far as it tells.
	run(fork, 10, words(loc(24, 6), 10, loc(24, 6), 11, "shell\x00"))
	want = append(want, `child_tid = 11, child_pid = 11 }`)
	ask(11)
	expect(`pid = 11, ppid = 10, vpid = 11, vtid = 11, vppid = 10, procname = "shell"`)
	for _, f := range []*ftrace.Format{newFormat, execFormat, renameFormat, freeFormat} {
		_, err = table.Declare(f)
		check(t, err)
	}
	run(exec, 11, words(loc(20, 12), 11, 11, "/bin/program\x00"))
	want = append(want, "")
	ask(11)
	expect(`pid = 11, ppid = 10, vpid = 11, vtid = 11, vppid = 10, procname = "program"`)
	// A thread of it.
	run(newTask, 11, words(12, "program\x00garbage!", 0, uint64(cloneThread)))
	want = append(want, "")
	run(fork, 11, words(loc(24, 2), 11, loc(24, 2), 12, "p\x00"))
	want = append(want, `child_tid = 12, child_pid = 11 }`)
	ask(12)
	expect(`pid = 11, ppid = 10, vpid = 11, vtid = 12, vppid = 10, procname = "program"`)
	run(rename, 12, words(12, "program\x00........", "worker\x00.........."))
	want = append(want, "")
	ask(12)
	expect(`pid = 11, ppid = 10, vpid = 11, vtid = 12, vppid = 10, procname = "worker"`)
	run(free, 1, words(loc(16, 1), 12, "\x00"))
	want = append(want, "")
	ask(12)
	expect(`pid = -1, ppid = -1, vpid = -1, vtid = -1, vppid = -1, procname = ""`)

	check(t, c.Close(3, 0))
	got := lines(t, &p, table)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("event %d: %s, want %s", i, got[i], want[i])
		}
	}
	if tasks.Len() != 3 {
		t.Errorf("%d tasks are known, want 3, of which one has ended", tasks.Len())
	}
}

// Stacks are part of the event before them, over the end of pages too.
func TestCallstacks(t *testing.T) {
	const kernel, user = 4, 13
	table := intTable(t, Options{Contexts: []Context{ContextCallstackKernel, ContextCallstackUser}})
	for _, f := range []struct {
		name, first string
		id          int
	}{{"kernel_stack", "int size 8 4 1", kernel}, {"user_stack", "unsigned int tgid 8 4 0", user}} {
		_, err := table.Declare(format(t, "ftrace", f.name, f.id, f.first, "unsigned long caller[8] 16 64 0"))
		check(t, err)
	}
	var p packets
	c := NewConverter(table, ConverterOptions{}, &p)
	check(t, c.Page(newPage(1).
		add(1, kernel, 0, 0, 1, words(1, 0, uint64(9))). // of an event that is not there
		add(1, intEvent, 0, 0, 1, words(1)).
		add(1, kernel, 0, 0, 1, words(2, 0, uint64(1), uint64(2))).
		add(1, user, 0, 0, 1, words(1, 0, uint64(3), uint64(0))).
		add(1, intEvent, 0, 0, 1, words(2)).
		add(1, kernel, 0, 0, 2, words(1, 0, uint64(8))). // of another thread
		add(1, intEvent, 0, 0, 1, words(3)).
		add(1, kernel, 0, 0, 1, words(1, 0, uint64(4))).bytes(0)))
	if !c.Pending() {
		t.Error("nothing is pending behind a page")
	}
	check(t, c.Page(newPage(1).
		add(1, user, 0, 0, 1, words(1, 0, uint64(5))).
		add(1, intEvent, 0, 0, 1, words(4)).bytes(0)))
	check(t, c.Close(1, 0))
	const none = "_callstack_kernel_length = 0, callstack_kernel = [ ], _callstack_user_length = 0, callstack_user = [ ] }, "
	want := []string{
		none + "{ _caller_length = 1, caller = [ [0] = 0x9 ] }",
		"_callstack_kernel_length = 2, callstack_kernel = [ [0] = 0x1, [1] = 0x2 ], _callstack_user_length = 1, callstack_user = [ [0] = 0x3 ] }, { v = 1 }",
		none + "{ v = 2 }",
		none + "{ _caller_length = 1, caller = [ [0] = 0x8 ] }",
		"_callstack_kernel_length = 1, callstack_kernel = [ [0] = 0x4 ], _callstack_user_length = 1, callstack_user = [ [0] = 0x5 ] }, { v = 3 }",
		none + "{ v = 4 }",
	}
	got := lines(t, &p, table)
	for i := range got {
		_, got[i], _ = strings.Cut(got[i], "common_preempt_count = 0, ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := c.Counts(); n.OrphanStacks != 2 || n.Events != 6 {
		t.Errorf("counts %+v, want 2 orphans of 6 events", n)
	}
}
