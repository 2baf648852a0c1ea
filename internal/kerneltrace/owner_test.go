// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/peer"
)

// Events of the tests of owners, by the kernel's ids.
const (
	evNew = iota + 1
	evExec
	evRename
	evFree
	evSetuid // its exit
	evSetns
	evEntry   // of setresuid
	evExit    // likewise
	evNiced   // entry of setpriority
	evNicedBy // its exit
)

// ownerFormats are their declarations.
func ownerFormats(t testing.TB) []*ftrace.Format {
	t.Helper()
	return []*ftrace.Format{
		format(t, "task", "task_newtask", evNew, "pid_t pid 8 4 1", "char comm[16] 12 16 0", "u64 clone_flags 32 8 0"),
		format(t, "sched", "sched_process_exec", evExec, "__data_loc char[] filename 8 4 0", "pid_t pid 12 4 1", "pid_t old_pid 16 4 1"),
		format(t, "task", "task_rename", evRename, "pid_t pid 8 4 1", "char oldcomm[16] 12 16 0", "char newcomm[16] 28 16 0"),
		format(t, "sched", "sched_process_free", evFree, "__data_loc char[] comm 8 4 0", "pid_t pid 12 4 1"),
		format(t, "syscalls", "sys_exit_setuid", evSetuid, "int __syscall_nr 8 4 1", "long ret 16 8 1"),
		format(t, "syscalls", "sys_exit_setns", evSetns, "int __syscall_nr 8 4 1", "long ret 16 8 1"),
		format(t, "syscalls", "sys_enter_setresuid", evEntry, "int __syscall_nr 8 4 1", "uid_t ruid 16 8 0", "uid_t euid 24 8 0", "uid_t suid 32 8 0"),
		format(t, "syscalls", "sys_exit_setresuid", evExit, "int __syscall_nr 8 4 1", "long ret 16 8 1"),
		format(t, "syscalls", "sys_enter_setpriority", evNiced, "int __syscall_nr 8 4 1", "int which 16 8 0", "int who 24 8 0", "int niceval 32 8 0"),
		format(t, "syscalls", "sys_exit_setpriority", evNicedBy, "int __syscall_nr 8 4 1", "long ret 16 8 1"),
	}
}

// ids are an id in three roles.
func ids(real uint32) IDs { return IDs{real, real + 1, real + 2} }

// fed is a converter whose threads a feeder tells of.
type fed struct {
	t     *testing.T
	table *Table
	tasks *Tasks
	f     *Feeder
	p     packets
	c     *Converter
	at    uint64
	want  []string
}

func newFed(t *testing.T, contexts ...Context) *fed {
	table := intTable(t, Options{StateDump: true, Contexts: contexts})
	h := &fed{t: t, table: table, tasks: new(Tasks), at: 2}
	h.f = NewFeeder(h.tasks, ownerFormats(t))
	h.tasks.SetSource(func() { h.f.Learn(h.at + 1) })
	h.c = NewConverter(table, ConverterOptions{Tasks: h.tasks, CPU: 3}, &h.p)
	return h
}

// tell has a record in the feeder's ring.
func (h *fed) tell(id int, tid int32, payload []byte) {
	h.t.Helper()
	h.at++
	check(h.t, h.f.Page(newPage(h.at).add(h.at, id, 0, 0, tid, payload).bytes(0)))
}

// ask has an event in the trace's ring, whose contexts are to be as they say.
func (h *fed) ask(tid int32, want string) {
	h.t.Helper()
	h.at++
	check(h.t, h.c.Page(newPage(h.at).add(h.at, intEvent, 0, 0, tid, words(1)).bytes(0)))
	h.want = append(h.want, want)
}

func (h *fed) newTask(by, tid int32, flags uint64) {
	h.t.Helper()
	h.tell(evNew, by, words(int(tid), "child\x00..........", 0, flags))
}

// end compares the contexts.
func (h *fed) end() {
	h.t.Helper()
	check(h.t, h.c.Close(h.at, 0))
	var got []string
	for _, line := range lines(h.t, &h.p, h.table) {
		if _, rest, found := strings.Cut(line, "common_preempt_count = 0, "); found && strings.Contains(rest, "{ v = 1 }") {
			values, _, _ := strings.Cut(rest, " }")
			got = append(got, values)
		}
	}
	if !slices.Equal(got, h.want) {
		h.t.Errorf("contexts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(h.want, "\n"))
	}
}

// Owner, priority and name spaces come from the state dump, and change with what
// events tell.
func TestOwners(t *testing.T) {
	h := newFed(t, ContextPrio, ContextNice, ContextUID, ContextSGID, ContextVEUID, ContextMntNS, ContextUserNS, ContextUTSNS)
	asked := 0
	h.tasks.SetAsk(func(tid int32) (Task, bool) {
		if tid == 99 {
			return unknownTask, false
		}
		asked++
		return Task{PID: 9, Prio: 25, Nice: 5, Owner: &Owner{UID: ids(500), VUID: ids(600), GID: ids(700)}}, true
	}, true)
	check(t, h.c.StateDump(1, &StateDump{Time: 1, Threads: []Thread{
		{
			TID: 10, PID: 10, Name: "a", Prio: 20, Owner: Owner{UID: ids(1000), VUID: ids(0), GID: ids(2000)},
			Namespaces: Namespaces{Mnt: 7, User: 8, UTS: 9},
		},
		{TID: 20, PID: 20, VTID: 20, Prio: 20},
		{TID: 21, PID: 21, VTID: 21, Prio: -2},
	}}))
	ask := func(tid int32, values ...any) {
		t.Helper()
		h.ask(tid, fmt.Sprintf("prio = %d, nice = %d, uid = %d, sgid = %d, veuid = %d, mnt_ns = %d, user_ns = %d, uts_ns = %d", values...))
	}
	ask(10, 20, 0, 1000, 2002, 1, 7, 8, 9)
	ask(99, -1, -1<<31, uint32(noID), uint32(noID), uint32(noID), 0, 0, 0)
	ask(0, 20, 0, 0, 0, 0, 0, 0, 0) // the idle thread is root's
	h.newTask(10, 11, 17)
	ask(11, 20, 0, 1000, 2002, 1, 7, 8, 9) // as the parent
	h.newTask(10, 12, 17|cloneNewMnt|cloneNewUTS)
	ask(12, 20, 0, 1000, 2002, 1, 0, 8, 0)
	h.newTask(10, 13, 17|cloneNewUser|cloneNewPID)
	ask(13, 20, 0, 1000, 2002, uint32(noID), 7, 0, 9)
	h.tell(evSetuid, 11, words(0, 0, uint64(1<<64-1)))
	ask(11, 20, 0, 1000, 2002, 1, 7, 8, 9) // refused: nobody is asked
	h.tell(evSetuid, 11, words(0, 0, uint64(0)))
	ask(11, 25, 5, 500, 702, 601, 7, 8, 9) // its entry is missing: the host says
	h.tell(evSetns, 12, words(0, 0, uint64(0)))
	ask(12, 25, 5, 500, 702, 601, 0, 0, 0)
	h.tell(evExec, 10, words(loc(20, 6), 10, 10, "/b/su\x00"))
	ask(10, 20, 0, 500, 702, 601, 7, 8, 9)
	if asked != 3 {
		t.Errorf("the host was asked %d times, want 3", asked)
	}
	// Who is the same inside and outside is what a call's arguments say, also of another.
	h.tell(evEntry, 20, words(0, 0, uint64(100), uint64(noID), uint64(300)))
	h.tell(evEntry, 21, words(0, 0, uint64(1), uint64(2), uint64(3))) // ends without a result
	ask(20, 20, 0, 0, 0, 0, 0, 0, 0)
	h.tell(evExit, 20, words(0, 0, uint64(0)))
	ask(20, 20, 0, 100, 0, 0, 0, 0, 0)
	h.tell(evNiced, 20, words(0, 0, uint64(0), uint64(21), uint64(1<<32-30)))
	h.tell(evNicedBy, 20, words(0, 0, uint64(0)))
	ask(20, 20, 0, 100, 0, 0, 0, 0, 0)
	ask(21, -2, -20, 0, 0, 0, 0, 0, 0)
	h.tell(evNiced, 20, words(0, 0, uint64(0), uint64(0), uint64(5)))
	h.tell(evNicedBy, 20, words(0, 0, uint64(0)))
	ask(20, 25, 5, 100, 0, 0, 0, 0, 0)
	if asked != 3 {
		t.Errorf("the host was asked %d times, want 3 still", asked)
	}
	h.end()
	if n := h.f.Counts(); n.Records != 14 || n.Bad != 0 {
		t.Errorf("counts %+v, want 14 records", n)
	}
}

// Events are converted long after they happened, those of each processor by
// themselves: each has what was so at its time.
func TestContextsOfTheirTime(t *testing.T) {
	h := newFed(t, ContextPID, ContextProcname)
	h.tasks.Set(10, Task{PID: 10, Name: [16]byte{'s', 'h'}}, 1)
	record := func(ring *pageBytes, time uint64, id int, tid int32, payload []byte) {
		ring.add(time, id, 0, 0, tid, payload)
	}
	first, second := newPage(100), newPage(100)
	record(first, 100, evNew, 10, words(11, "sh\x00.............", 0, uint64(17)))
	record(second, 120, evExec, 11, words(loc(20, 7), 11, 11, "/bin/a\x00"))
	record(first, 140, evRename, 11, words(11, "a\x00..............", "b\x00.............."))
	record(second, 160, evFree, 1, words(loc(16, 1), 11, "\x00"))
	record(first, 180, evNew, 10, words(11, "next\x00...........", 0, uint64(17))) // gets the number
	record(second, 500, evFree, 1, words(loc(16, 1), 10, "\x00"))                  // was read too early
	check(t, h.f.Page(second.bytes(0)))
	check(t, h.f.Page(first.bytes(0)))
	h.at = 399
	page := newPage(90)
	for _, e := range []struct {
		time uint64
		tid  int32
		want string
	}{
		{90, 11, `pid = -1, procname = ""`},
		{100, 11, `pid = 11, procname = "sh"`},
		{119, 11, `pid = 11, procname = "sh"`},
		{120, 11, `pid = 11, procname = "a"`},
		{150, 11, `pid = 11, procname = "b"`},
		{150, 10, `pid = 10, procname = "sh"`},
		{170, 11, `pid = -1, procname = ""`},
		{180, 11, `pid = 11, procname = "next"`},
		{390, 10, `pid = 10, procname = "sh"`},
	} {
		page.add(e.time, intEvent, 0, 0, e.tid, words(1))
		h.want = append(h.want, e.want)
	}
	check(t, h.c.Page(page.bytes(0)))
	h.at = 600
	check(t, h.c.Page(newPage(550).add(550, intEvent, 0, 0, 10, words(1)).bytes(0)))
	h.want = append(h.want, `pid = -1, procname = ""`)
	h.end()
	if _, known := h.tasks.Last(10); !known {
		t.Error("who has ended is forgotten at once")
	}
}

// What is told late of an earlier time completes what was told of later ones.
func TestLateTelling(t *testing.T) {
	tasks := new(Tasks)
	tasks.exec(5, []byte("late"), 120)
	tasks.Set(1, Task{PID: 1, VTID: 1, VPID: 1, Prio: 20, Owner: &Owner{UID: ids(3)}, Spaces: &Namespaces{Mnt: 7}}, 0)
	tasks.bear(5, 1, 0, []byte("early"), 90)
	for time, name := range map[uint64]string{90: "early", 119: "early", 120: "late"} {
		task := tasks.at(5, time).task
		if task.PID != 5 || task.PPID < 0 && time < 120 || task.Owner.UID != ids(3) || task.Spaces.Mnt != 7 || string(bytes.TrimRight(task.Name[:], "\x00")) != name {
			t.Errorf("at %d the thread is %+v, want %s", time, task, name)
		}
	}
	for i := range uint64(3 * maxVersions) {
		tasks.rename(5, fmt.Append(nil, i), 200+i)
	}
	if n := len(tasks.lives[5]); n != maxVersions {
		t.Errorf("%d versions are kept, want %d", n, maxVersions)
	}
	for tid := range int32(2 * maxEnded) {
		tasks.bear(tid+100, 1, 0, nil, 300)
		tasks.forget(tid+100, 301)
	}
	if n := tasks.Len(); n != maxEnded+2 {
		t.Errorf("%d threads are known, want the two that live and %d", n, maxEnded)
	}
}

func TestFeeds(t *testing.T) {
	for _, tt := range []struct {
		contexts  []Context
		has, lack string
		owners    bool
	}{
		{[]Context{ContextCPU, ContextTID, ContextHostname}, "", "task:task_newtask", false},
		{[]Context{ContextProcname}, "sched:sched_process_exec", "syscalls:sys_exit_setuid", false},
		{[]Context{ContextVEGID}, "syscalls:sys_enter_setresgid", "syscalls:sys_exit_setpriority", true},
		{[]Context{ContextNice}, "syscalls:sys_exit_setpriority", "syscalls:sys_exit_setns", true},
		{[]Context{ContextNetNS}, "syscalls:sys_exit_setns", "syscalls:sys_exit_setuid", false},
	} {
		got := Feeds(tt.contexts)
		if tt.has != "" && !slices.Contains(got, tt.has) || slices.Contains(got, tt.lack) || (tt.has == "") != (got == nil) || AsksOwners(tt.contexts) != tt.owners {
			t.Errorf("%v: fed by %v, want %s and not %s", tt.contexts, got, tt.has, tt.lack)
		}
	}
}

// feederPage is a page with a record of each kind.
func feederPage(t testing.TB) []byte {
	page := newPage(5)
	for i, f := range ownerFormats(t) {
		page.add(uint64(10+i), int(f.ID), 0, 0, int32(i), words(loc(20, 4), 7, 8, uint64(9), uint64(10), uint64(11)))
	}
	return page.bytes(0)
}

// A page that is cut anywhere is told, and what is whole in it is taken.
func TestFeederCut(t *testing.T) {
	page := feederPage(t)
	whole := NewFeeder(new(Tasks), ownerFormats(t))
	check(t, whole.Page(page))
	data := len(bytes.TrimRight(page, "\x00")) // with what pads it
	for n := range page {
		f := NewFeeder(new(Tasks), ownerFormats(t))
		err := f.Page(page[:n:n])
		f.Learn(100)
		got, all := f.Counts(), whole.Counts().Records
		if n < data && (err == nil || got.Records > all || got.Bad == 0) || err == nil && got.Records != all {
			t.Errorf("cut at %d of %d: %v, counts %+v", n, data, err, got)
		}
	}
	for n := recordHead; n < 60; n++ { // records that are cut
		f := NewFeeder(new(Tasks), ownerFormats(t))
		page := newPage(1)
		for _, format := range ownerFormats(t) {
			page.add(1, int(format.ID), 0, 0, 1, make([]byte, n-recordHead))
		}
		check(t, f.Page(page.bytes(0)))
		f.Learn(2)
	}
}

func FuzzFeeder(f *testing.F) {
	formats := ownerFormats(f)
	f.Add(feederPage(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		tasks := new(Tasks)
		feeder := NewFeeder(tasks, formats)
		_ = feeder.Page(b)
		feeder.Learn(math.MaxUint64)
		for tid := range int32(20) {
			v := tasks.at(tid, 1<<40)
			if !v.known && v.task != unknownTask {
				t.Errorf("thread %d, which is not known, is %+v", tid, v.task)
			}
		}
	})
}

// TestOwnersAsTheKernel makes calls that change a thread's users and groups, and
// compares what their arguments tell with what the kernel says.
func TestOwnersAsTheKernel(t *testing.T) {
	peer.Root(t, "to become another user")
	numbers := map[string]uintptr{
		"setuid": unix.SYS_SETUID, "setgid": unix.SYS_SETGID, "setreuid": unix.SYS_SETREUID, "setregid": unix.SYS_SETREGID,
		"setresuid": unix.SYS_SETRESUID, "setresgid": unix.SYS_SETRESGID,
	}
	random := rand.New(rand.NewPCG(1, 2))
	some := []uint32{0, 1, 1000, 65534, noID}
	for range 300 {
		failed := make(chan string, 1)
		go func() { // failed waits
			runtime.LockOSThread() // not unlocked: the thread, which is somebody else now, ends
			task := &Task{Owner: new(Owner)}
			var done []string
			for range 8 {
				c := calls[random.IntN(len(numbers))]
				args := [3]uint64{}
				for i := range args {
					args[i] = uint64(some[random.IntN(len(some))])
				}
				_, _, errno := unix.RawSyscall(numbers[c.name], uintptr(args[0]), uintptr(args[1]), uintptr(args[2]))
				if errno != 0 {
					continue
				}
				done = append(done, fmt.Sprint(c.name, args))
				if !c.apply(task, &args) {
					failed <- fmt.Sprint(done, ": not told")
					return
				}
				var user, group [3]int
				user[0], user[1], user[2] = unix.Getresuid()
				group[0], group[1], group[2] = unix.Getresgid()
				if o := task.Owner; o.UID != idsOf(user) || o.GID != idsOf(group) || o.VUID != o.UID || o.VGID != o.GID {
					failed <- fmt.Sprintf("%v: %+v, want users %v, groups %v", done, o, user, group)
					return
				}
			}
			failed <- ""
		}()
		if text := <-failed; text != "" {
			t.Fatal(text)
		}
	}
}

func idsOf(n [3]int) IDs { return IDs{uint32(n[0]), uint32(n[1]), uint32(n[2])} }
