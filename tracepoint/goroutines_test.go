// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/wait"
)

// goroutineLine is what babeltrace2 prints of a goroutine's state.
var goroutineLine = regexp.MustCompile(`go:sched_goroutine_state: .*\{ time = (\d+), goroutine = (\d+), from = \( "(\w+)" : [^)]*\), to = \( "(\w+)" : [^)]*\), reason = "([^"]*)", function = "([^"]*)", proc = -?\d+, thread = -?\d+ \}$`)

// goroutineOf returns the states that a goroutine of a function goes through.
func goroutineOf(r result, function string) (states []string) {
	id := ""
	for _, l := range r.lines {
		m := goroutineLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if m[3] == "NONE" && strings.HasSuffix(m[6], function) {
			id = m[2]
		}
		if id != "" && m[2] == id {
			states = append(states, m[4]+" "+m[5])
		}
	}
	return states
}

// What the runtime traces is recorded while somebody records: the states of a goroutine
// in order, at times in order, and what the collector does.
func TestRecordGoroutines(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.startRole(roleGoroutines)
		dir := m.trace("first")
		m.record(dir, "go:sched_*", "--subbuf-size=1M")
		p.do("on")
		m.destroy()
		p.do("off")

		dir = m.trace("t")
		m.record(dir, "go:sched_*", "--subbuf-size=1M")
		p.do("on")
		p.do("work")
		p.do("end")
		m.destroy()
		r := m.read(dir)
		got := goroutineOf(r, ".waiter")
		for i := 0; i+1 < len(got); i++ { // it may have been preempted
			if got[i] == "RUNNABLE preempted" {
				got = slices.Delete(got, i, i+2)
			}
		}
		want := []string{"RUNNABLE -", "RUNNING -", "WAITING chan receive", "RUNNABLE -", "RUNNING -", "NONE -"}
		if !slices.Equal(got, want) {
			m.Errorf("the goroutine's states: %q, want %q", got, want)
		}
		last := uint64(0)
		for _, l := range r.lines {
			if g := goroutineLine.FindStringSubmatch(l); g != nil {
				now, err := strconv.ParseUint(g[1], 10, 64)
				if err != nil || now < last {
					m.Fatalf("event of time %s behind %d, %v", g[1], last, err)
				}
				last = now
			}
		}
		text := strings.Join(r.lines, "\n")
		for _, want := range []string{
			`go:sched_proc_state: `, `go:sched_range_begin: `, `name = "GC concurrent mark phase", scope = ( "GLOBAL"`, `name = "stop-the-world (`, `go:sched_range_end: `,
		} {
			if !strings.Contains(text, want) {
				m.Errorf("no %s in\n%s", want, text)
			}
		}
		if r.discarded != 0 || strings.Contains(text, "sched_gap") {
			m.Errorf("%d discarded, want 0 and no gap:\n%s", r.discarded, text)
		}
	})
}

// What was traced until a session stops is recorded, though the runtime has not handed it
// out by then. Another session goes on, and is told that there is a gap.
func TestGoroutinesUntilStop(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		p := m.startRole(roleGoroutines)
		other := m.trace("other")
		m.record(other, "go:sched_*", "--subbuf-size=1M")
		p.do("on")
		m.run("lttng", "create", "brief", "--output="+m.trace("brief"))
		m.run("lttng", "enable-channel", "-u", "-s", "brief", "--subbuf-size=1M", "c")
		m.run("lttng", "enable-event", "-u", "-s", "brief", "-c", "c", "go:sched_*")
		m.run("lttng", "start", "brief")
		p.do("work")
		m.run("lttng", "stop", "brief")
		m.run("lttng", "destroy", "brief")
		p.do("on")
		p.do("work")
		m.run("lttng", "destroy", "-a")
		p.do("off")
		for _, dir := range []string{m.trace("brief"), other} {
			r := m.read(dir)
			got := goroutineOf(r, ".waiter")
			if len(got) < 6 || got[len(got)-1] != "NONE -" || r.discarded != 0 {
				m.Errorf("%s: the goroutine's states: %q, %d discarded, want all until it ended", dir, got, r.discarded)
			}
			text := strings.Join(r.lines, "\n")
			if gap := strings.Contains(text, "another session has stopped"); gap != (dir == other) {
				m.Errorf("%s: told of a gap: %v", dir, gap)
			}
		}
	})
}

// lines are what a program logs.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// expect waits for a warning.
func (l lines) expect(m *machine) {
	m.Helper()
	select {
	case line := <-l:
		if !strings.Contains(line, "level=WARN") {
			m.Errorf("the program logs %q, want a warning", line)
		}
	case <-time.After(wait.Patience):
		m.Fatal("the program warns of nothing")
	}
}

// A program that has the runtime's trace for itself keeps it, and that is told.
func TestGoroutinesOfABusyTrace(t *testing.T) {
	namespaced(t, func(m *machine) {
		m.sessiond()
		logged := make(lines, 100)
		m.errors = logged
		p := m.startRole(roleGoroutines)
		p.do("use")
		dir := m.trace("t")
		m.record(dir, "go:sched_*", "--subbuf-size=1M")
		logged.expect(m)
		p.do("free")
		p.do("on")
		p.do("work")
		p.do("free") // what it has not begun
		logged.expect(m)
		p.do("end")
		m.destroy()
		r := m.read(dir)
		var gaps []string
		for _, l := range r.lines {
			if strings.Contains(l, "go:sched_gap") {
				gaps = append(gaps, l)
			}
		}
		if len(gaps) != 2 || !strings.Contains(gaps[0], "is in use") || !strings.Contains(gaps[1], "has stopped it") {
			m.Errorf("gaps: %q, want the trace in use, and stopped", gaps)
		}
		if got := goroutineOf(r, ".waiter"); len(got) < 6 || got[len(got)-1] != "NONE -" {
			m.Errorf("the goroutine's states before the stop: %q", got)
		}
	})
}
