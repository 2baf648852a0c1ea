// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

// statOf is /proc/PID/stat.
func statOf(pid int, name string, state byte, utime, start, rss int) string {
	return fmt.Sprintf("%d (%s) %c 1 2 3 0 -1 0 1 2 3 4 %d 60 7 8 20 -5 5 0 %d 1000 %d 1 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0\n", pid, name, state, utime, start, rss)
}

// pidsOf lists the processes of a message in their order.
func pidsOf(t *testing.T, e *Engine, s *Session, q *Query) (string, map[string]string) {
	t.Helper()
	samples := s.Sample(t.Context(), within(e.model, "proc/tasks"), q)
	defer samples.Release()
	if len(samples.Parts()) != 1 {
		t.Fatalf("parts %v", paths(e, samples))
	}
	var pids []string
	for _, x := range flat(t, e.model, samples.Parts()[0].Tape) {
		if pid, ok := strings.CutPrefix(x.path, "proc/tasks/task["); ok && strings.HasSuffix(pid, "]") {
			pids = append(pids, strings.TrimSuffix(pid, "]"))
		}
	}
	return strings.Join(pids, " "), values(t, e.model, samples.Parts()[0].Tape)
}

func glob(t *testing.T, s string) []xmlsysd.Glob {
	t.Helper()
	g, err := xmlsysd.ParseGlob(s)
	if err != nil {
		t.Fatal(err)
	}
	return []xmlsysd.Glob{g}
}

func TestTasks(t *testing.T) {
	f := files{
		"proc/1/stat": statOf(1, "init", 'S', 10, 1, 9), "proc/20/stat": statOf(20, "a) S 1", 'R', 0, 2, 1), "proc/30/stat": statOf(30, "db", 'S', 500, 3, 100),
		"proc/40/stat": statOf(40, "db2", 'Z', 0, 4, 0), "proc/50/stat": "50 (cut) S 1", "proc/60/comm": "gone", "proc/x/stat": statOf(1, "x", 'R', 1, 1, 1),
		"proc/30/schedstat": "1 77 3\n", "proc/30/cgroup": "1:cpu:/old\n0::/new.slice\n", "proc/30/cmdline": "db\x00--x\x00", "proc/30/io": "rchar: 1\nwchar: 2\nsyscr: 3\nread_bytes: 4\nwrite_bytes: 5\n",
		"host/etc/passwd": "root:x:0:0::/:/bin/sh\nbad\n",
	}
	e := f.engine(t)
	s := newSession(t, e)
	got, v := pidsOf(t, e, s, nil)
	if got != "30 1 20 40" {
		t.Errorf("processes %s", got)
	}
	want(t, v, "proc/tasks", map[string]string{
		"/count/total": "4", "/count/running": "1", "/count/sleeping": "2", "/count/zombie": "1", "/count/threads": "20",
		"/task[20]/name": "a) S 1", "/task[20]/state": "R", "/task[30]/user": "root", "/task[30]/utime": "500", "/task[30]/stime": "60", "/task[30]/ppid": "1",
		"/task[30]/nice": "-5", "/task[30]/threads": "5", "/task[30]/start": "3", "/task[30]/vsize": "1000", "/task[30]/processor": "3",
		"/task[30]/rss": strconv.Itoa(100 * os.Getpagesize()), "/task[30]/wait": "77", "/task[30]/cgroup": "/new.slice",
		"/task[30]/cmdline": "db --x", "/task[30]/io/write_bytes": "5", "/task[1]/wait": "-",
	})
	// Since the last message only 1 has worked, and 30 is another one now.
	later := files{"1/stat": statOf(1, "init", 'S', 40, 1, 9), "30/stat": statOf(30, "new", 'S', 1, 90, 100)}
	for path, text := range later {
		if err := os.WriteFile(e.proc(path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := pidsOf(t, e, s, nil); got != "30 1 20 40" { // 61 ticks since its start, 30
		t.Errorf("processes %s by the time that they took", got)
	}
	if got, _ := pidsOf(t, e, s, &Query{Tasks: xmlsysd.TaskMask{Top: 1}}); got != "1" { // nobody worked: the first
		t.Errorf("processes %s, want one", got)
	}
	for _, tt := range []struct {
		mask xmlsysd.TaskMask
		want string
	}{
		{xmlsysd.TaskMask{Names: glob(t, "d*")}, "40"},
		{xmlsysd.TaskMask{States: "SZ", Sort: xmlsysd.SortRSS}, "30 1 40"},
		{xmlsysd.TaskMask{Sort: xmlsysd.SortStart, Top: 2}, "30 40"},
		{xmlsysd.TaskMask{Users: glob(t, "nobody")}, ""},
		{xmlsysd.TaskMask{Users: glob(t, "root"), Top: 9}, "1 20 30 40"},
	} {
		if got, _ := pidsOf(t, e, newSession(t, e), &Query{Tasks: tt.mask}); !sameWords(got, tt.want, tt.mask.Sort != "") {
			t.Errorf("mask %+v gave %s, want %s", tt.mask, got, tt.want)
		}
	}
}

// sameWords compares lists, with their order where that matters.
func sameWords(a, b string, ordered bool) bool {
	if ordered {
		return a == b
	}
	count := make(map[string]int)
	for _, w := range strings.Fields(a) {
		count[w]++
	}
	for _, w := range strings.Fields(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestTasksHidden(t *testing.T) {
	o := files{"proc/30/stat": statOf(30, "db", 'R', 5, 3, 1), "proc/30/cmdline": "secret\x00", "proc/30/io": "rchar: 1\n"}.options(t)
	o.Expose = Expose{}
	e := newEngine(t, o)
	_, v := pidsOf(t, e, newSession(t, e), &Query{Tasks: xmlsysd.TaskMask{Cmdline: true, IO: true}})
	want(t, v, "proc/tasks/task[30]", map[string]string{"/name": "db", "/cmdline": "-", "/io/rchar": "-"})
}

// A default message has the most active of very many processes.
func TestManyTasks(t *testing.T) {
	f := files{}
	for i := 1; i <= 300; i++ {
		state := byte('S')
		if i%100 == 0 {
			state = 'D'
		}
		f[fmt.Sprintf("proc/%d/stat", i)] = statOf(i, "x", state, i, i, i)
	}
	e := f.engine(t)
	got, v := pidsOf(t, e, newSession(t, e), nil)
	pids := strings.Fields(got)
	if len(pids) != xmlsysd.DefaultTop+3 || pids[0] != "300" || pids[1] != "299" || pids[len(pids)-1] != "100" {
		t.Errorf("processes %s", got)
	}
	want(t, v, "proc/tasks/count", map[string]string{"/total": "300", "/disk": "3"})
}

func TestCmdline(t *testing.T) {
	long := strings.Repeat("x", maxCmdline-1) + "é" + "y"
	for _, tt := range []struct{ in, want string }{
		{"a\x00b c\x00\x00", "a b c"}, {"", ""}, {long, long[:maxCmdline-1]}, {strings.Repeat("\x80", 600), strings.Repeat("\x80", maxCmdline-4)},
	} {
		if got := string(cmdline(nil, []byte(tt.in))); got != tt.want {
			t.Errorf("cmdline(%.20q) = %d bytes %.20q, want %d", tt.in, len(got), got, len(tt.want))
		}
	}
}

// This process as it is.
func TestOwnTask(t *testing.T) {
	e := newEngine(t, Options{MinInterval: -1})
	got, v := pidsOf(t, e, newSession(t, e), &Query{Tasks: xmlsysd.TaskMask{Names: glob(t, "hoststat*")}})
	if got == "" {
		t.Fatal("not found")
	}
	at := fmt.Sprintf("proc/tasks/task[%d]", os.Getpid())
	want(t, v, at, map[string]string{"/ppid": strconv.Itoa(os.Getppid())})
}
