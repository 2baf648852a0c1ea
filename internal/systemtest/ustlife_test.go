// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// life runs the program that does what programs do, with commands in front of it.
func (m *machine) life(mode string, run, count int, prefix ...string) []string {
	return append(prefix, filepath.Join(m.programs, "life"), mode, strconv.Itoa(run), strconv.Itoa(count))
}

// recordTicks begins a session of the traced program's event, with larger rings where
// options say so.
func (t *tracer) recordTicks(out string, options ...string) {
	t.m.Helper()
	t.do("create", "s", "-o", out)
	t.do(append([]string{"enable-channel", "-u", "c"}, options...)...)
	t.do("enable-event", "-u", eventName, "-c", "c")
	t.do("start")
}

// ticks counts the events of each run below a directory.
func (m *machine) ticks(dir string) map[int]int {
	m.Helper()
	got := make(map[int]int)
	text, _, _ := m.try("babeltrace2", dir) // a lost packet is a warning
	for line := range strings.Lines(text) {
		_, run, found := strings.Cut(line, "run = ")
		number, _, _ := strings.Cut(run, ",")
		if n, err := strconv.Atoi(number); found && err == nil {
			got[n]++
		}
	}
	return got
}

// TestUserLives records programs that fork, exec, and load what has their events late.
func TestUserLives(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "lives")
		a.recordTicks(out)
		m.run(m.life("fork", 10, 100, "LD_PRELOAD=liblttng-ust-fork.so.1")...)
		m.run(filepath.Join(m.programs, "late"), filepath.Join(m.programs, "library.so"), "20", "100")
		m.run(m.life("emit", 30, 100)...)
		a.do("destroy")
		a.end()
		got := m.ticks(out)
		for _, run := range []int{10, 11, 12, 20, 30} {
			if got[run] != 100 {
				m.Errorf("%d events of run %d, want 100", got[run], run)
			}
		}
		if _, err := os.Stat(filepath.Join(out, "ust", "uid", "0", "64-bit", "metadata")); err != nil {
			m.Error(err)
		}
	})
}

// TestUserCrowd starts 300 programs at once, each of which emits an event as soon as it is
// registered, and more once all are.
func TestUserCrowd(t *testing.T) {
	isolated(t, func(m *machine) { m.crowd("--subbuf-size", "1M") })
}

// TestUserProcessCrowd does that with programs that have traces of their own.
func TestUserProcessCrowd(t *testing.T) {
	isolated(t, func(m *machine) { m.crowd("--buffers-pid") })
}

// crowd records many programs.
func (m *machine) crowd(options ...string) {
	m.Helper()
	a := m.startAgent()
	out := filepath.Join(m.dir, "crowd")
	a.recordTicks(out, options...)
	const programs, events = 300, 50
	begin := time.Now()
	crowd := make([]*app, programs)
	for i := range crowd {
		crowd[i] = m.startApp(i+1, 16)
	}
	started := time.Now()
	// The program's constructor returns once it is registered.
	for _, p := range crowd {
		p.emit(1, 0)
	}
	m.Logf("%d programs started within %v, all registered after %v", programs, started.Sub(begin).Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	if n := strings.Count(a.do("list", "-u"), "PID: "); n != programs {
		m.Errorf("%d programs are listed, want %d", n, programs)
	}
	for _, p := range crowd {
		p.tell(events-1, 0)
	}
	for _, p := range crowd {
		p.finish()
	}
	a.do("stop")
	if s := a.session("s"); len(s.Warnings) > 0 {
		m.Errorf("warnings: %q", s.Warnings)
	}
	a.do("destroy")
	a.end()
	got := m.ticks(out)
	for run := 1; run <= programs; run++ {
		if got[run] != events {
			m.Errorf("%d events of run %d, want %d", got[run], run, events)
		}
	}
}

// TestUserTracked records one of several programs, by its number or its user's.
func TestUserTracked(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		a := m.startAgent()
		out := filepath.Join(m.dir, "tracked")
		first, second := m.startApp(1, 16), m.startApp(2, 16)
		a.recordTicks(out)
		emit := func(n int) {
			first.emit(n, 0)
			second.emit(n, 0)
			m.run(m.life("emit", 3, n, asNobody...)...)
		}
		emit(1)
		a.do("track", "-u", "--vpid", strconv.Itoa(second.cmd.Process.Pid))
		emit(10)
		a.do("track", "-u", "--vpid", "-a")
		a.do("track", "-u", "--vuid", "65534")
		emit(100)
		a.do("untrack", "-u", "--vuid", "-a")
		emit(1000)
		a.do("track", "-u", "--vuid", "-a")
		emit(10000)
		first.finish()
		second.finish()
		a.do("destroy")
		a.end()
		got := m.ticks(out)
		for run, want := range map[int]int{1: 10001, 2: 10011, 3: 10101} {
			if got[run] != want {
				m.Errorf("%d events of run %d, want %d", got[run], run, want)
			}
		}
	})
}

// TestUserVandals records a program of root's beside one of another user's that dies
// between reserve and commit, writes over its rings, says that they are elsewhere, or
// stops: it is told, and what is recorded of the others is exact.
func TestUserVandals(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		a := m.startAgent()
		out := filepath.Join(m.dir, "vandals")
		a.recordTicks(out, "--subbuf-size", "16k", "--num-subbuf", "8", "--switch-timer", "20ms")
		good := m.startApp(1, 16)
		n := 0
		for i, mode := range []string{"torn", "vandal", "lie", "vandal"} {
			_, errs, code := m.try(m.life(mode, 10+i, 50, asNobody...)...)
			if code != 0 && mode != "torn" && code >= 0 {
				m.Errorf("%s ends with %d: %s", mode, code, errs)
			}
			good.emit(200, 100)
			n += 200
		}
		stopped := m.start(m.life("stop", 20, 50, asNobody...)...)
		stopped.awaitState("T")
		a.do("disable-event", "-u", eventName, "-c", "c") // waits for it, for a time
		a.do("enable-event", "-u", eventName, "-c", "c")
		discarded, bad := uint64(0), uint64(0)
		s := a.session("s")
		for _, st := range s.Domains[0].Channels[0].Streams {
			discarded, bad = discarded+st.Discarded, bad+st.Bad
		}
		if discarded > 1<<32 || bad == 0 {
			m.Errorf("%d events discarded, %d bad sub-buffers; want what can be, and some", discarded, bad)
		}
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], `"life" (process `) {
			m.Errorf("warnings: %q, want that the stopped program is dropped", s.Warnings)
		}
		good.emit(300, 0)
		stopped.kill()
		good.finish()
		a.do("destroy")
		a.end()
		if got := m.ticks(out); got[1] != n+300 || got[10] > 50 {
			m.Errorf("%d events of the good program, want %d; all: %v", got[1], n+300, got)
		}
	})
}

// TestUserTorn has a program die between reserve and commit, twice: others of its user
// are recorded after a stop and a start, and after some time without them.
func TestUserTorn(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "torn")
		a.recordTicks(out, "--subbuf-size", "16k", "--num-subbuf", "4")
		tear := func(run int) {
			if _, _, code := m.try(m.life("torn", run, 10, onFirstCPU...)...); code == 0 {
				m.Errorf("run %d ends in order", run)
			}
		}
		tear(1)
		a.do("stop")
		a.do("start")
		good := m.startApp(2, 16, onFirstCPU...)
		good.emit(20000, 10) // some 70 times the ring
		tear(3)
		lost := func() (n uint64) {
			for _, st := range a.session("s").Domains[0].Channels[0].Streams {
				n += st.Bad
			}
			return n
		}
		earlier := lost()
		m.until("a sub-buffer that is given up", func() bool {
			good.emit(2000, 0) // has no room for all
			return lost() > earlier
		})
		before := a.session("s").Domains[0].Channels[0].Streams
		good.emit(5000, 10)
		after := a.session("s").Domains[0].Channels[0].Streams
		for i, st := range after {
			if st.Discarded != before[i].Discarded {
				m.Errorf("CPU %d: %d events discarded after a while, %d before", st.CPU, st.Discarded, before[i].Discarded)
			}
		}
		good.finish()
		a.do("destroy")
		a.end()
		// A torn sub-buffer takes those of its events with it that are of others.
		if got := m.ticks(out); got[2] < 24500 {
			m.Errorf("events: %v, want 24500 at least of run 2", got)
		}
	})
}

// awaitState waits until a process is in a state as ps shows it.
func (p *process) awaitState(want string) {
	p.m.Helper()
	p.m.until("state "+want, func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		_, rest, found := strings.Cut(string(b), ") ")
		return err == nil && found && strings.HasPrefix(rest, want)
	})
}

// TestUserOrder puts events of an application and of the kernel on one time line.
func TestUserOrder(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "order")
		const rounds = 20000
		program := m.copyOf(filepath.Join(m.programs, "life"), "weirorder")
		a.do("create", "s", "-o", out)
		a.do("enable-channel", "-u", "c", "--subbuf-size", "1M", "--num-subbuf", "8")
		a.do("enable-event", "-u", eventName, "-c", "c")
		a.do("enable-event", "-k", "--syscall", "getppid", "-f", fmt.Sprintf(`$ctx.procname == "%s"`, filepath.Base(program)))
		a.do("start")
		m.run(program, "order", "1", strconv.Itoa(rounds))
		a.do("destroy")
		a.end()
		text := m.run("babeltrace2", out)
		events := regexp.MustCompile(`(syscall_(entry|exit)_getppid|text = "(before|behind)")`).FindAllString(text, -1)
		want := []string{`text = "before"`, "syscall_entry_getppid", "syscall_exit_getppid", `text = "behind"`}
		wrong := 0
		for i, e := range events {
			if e != want[i%4] {
				wrong++
			}
		}
		m.Logf("%d events, %d in another order", len(events), wrong)
		if len(events) != 4*rounds || wrong > len(events)/10000 {
			m.Errorf("%d events, %d in another order; want %d, and one in 10000 at most", len(events), wrong, 4*rounds)
		}
	})
}

// TestUserStatedump has programs tell once more what libraries they have.
func TestUserStatedump(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "dump")
		a.do("create", "s", "-o", out)
		a.do("enable-event", "-u", "lttng_ust_statedump:*")
		a.do("enable-event", "-u", eventName)
		a.do("start")
		first, second := m.startApp(1, 16), m.startApp(2, 16)
		first.emit(1, 0)
		second.emit(1, 0)
		a.do("regenerate", "statedump")
		first.emit(1, 0)
		second.emit(1, 0)
		a.do("regenerate", "statedump", "-s", "s")
		first.finish()
		second.finish()
		a.do("stop")
		if _, _, code := m.try(m.weir(), "regenerate", "statedump", "-s", "s"); code == 0 {
			m.Error("a session that is not active dumps its state")
		}
		a.do("destroy")
		a.end()
		text := m.run("babeltrace2", out)
		for event, want := range map[string]int{"lttng_ust_statedump:start": 6, "lttng_ust_statedump:end": 6} {
			if n := strings.Count(text, event+":"); n != want {
				m.Errorf("%d events %s, want %d", n, event, want)
			}
		}
		parts := strings.Split(text, "lttng_ust_statedump:start:")
		if bins := strings.Count(text, "lttng_ust_statedump:bin_info:"); bins < 6*3 || len(parts) != 7 {
			m.Errorf("%d libraries in %d dumps, want 3 at least in each of 6", bins, len(parts)-1)
		}
	})
}

// TestUserLive shows events of applications to a viewer while they run.
func TestUserLive(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		a.do("create", "s", "--live=100000")
		a.do("enable-event", "-u", eventName)
		a.do("start")
		p := m.startApp(1, 16)
		p.emit(100, 0)
		v := m.view("s@begin") // it comes later than the events where it is slow to start
		v.await(1, 100)
		late := m.startApp(2, 16)
		late.emit(100, 0)
		v.await(2, 100)
		p.emit(50, 0)
		v.await(1, 150)
		p.finish()
		late.finish()
		a.do("destroy")
		v.finishWhole()
		a.end()
		r.stop()
	})
}

// The daemon's own log lines are events that it records, as those of any program: those
// of orders while it records too, and none makes another.
func TestAgentLogEvents(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent("--take-ust-socket", "--log-events")
		dir := filepath.Join(m.dir, "log")
		a.do("create", "s", "-o", dir)
		a.do("enable-event", "-u", "weir:log_*", "--loglevel", "INFO")
		a.do("start")
		a.do("create", "other", "-o", filepath.Join(m.dir, "other"))
		a.do("destroy", "other")
		a.do("destroy", "s")
		a.end()
		text := m.run("babeltrace2", dir)
		if n := strings.Count(text, `weir:log_info: `); n == 0 || n > 20 || !strings.Contains(text, `message = "session destroyed", attributes = "session=other"`) {
			m.Errorf("%d log lines, want few, and the one of the session that was destroyed:\n%s", n, text)
		}
	})
}
