// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// statField finds a number among the fields of an event's line.
func statField(m *machine, line, field string) float64 {
	m.Helper()
	found := regexp.MustCompile(`[{ ]` + field + ` = ([-0-9.e+]+)`).FindStringSubmatch(line)
	if found == nil {
		m.Fatalf("no field %s in %s", field, line)
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		m.Fatal(err)
	}
	return v
}

// procNumbers reads what the test compares with events, as the kernel has it now.
// Names are the event's, with its key, and the field's.
func (m *machine) procNumbers() map[string]float64 {
	m.Helper()
	all := make(map[string]float64)
	lines := func(path string) (lines [][]string) {
		text, err := os.ReadFile(path)
		if err != nil {
			m.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.Fields(strings.Replace(line, ":", " ", 1)))
		}
		return lines
	}
	put := func(name, text string) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			m.Fatal(err)
		}
		all[name] = v
	}
	for _, w := range lines("/proc/stat") {
		switch {
		case w[0] == "ctxt" || w[0] == "processes" || w[0] == "btime":
			put("proc/stat "+w[0], w[1])
		case w[0] == "cpu":
			put("proc/stat cpu_total_user", w[1])
		case strings.HasPrefix(w[0], "cpu"):
			put("proc/stat/cpu "+w[0][3:]+" user", w[1])
			put("proc/stat/cpu "+w[0][3:]+" sys", w[3])
		}
	}
	for _, w := range lines("/proc/net/dev")[2:] {
		put(`proc/net/dev/interface "`+w[0]+`" receive_bytes`, w[1])
		put(`proc/net/dev/interface "`+w[0]+`" transmit_packets`, w[10])
	}
	for _, w := range lines("/proc/vmstat") {
		if w[0] == "pgfault" || w[0] == "pgalloc_normal" {
			put("proc/vmstat "+w[0], w[1])
		}
	}
	for _, w := range lines("/proc/diskstats") {
		put(`proc/diskstats/disk "`+w[2]+`" reads_completed`, w[3])
		put(`proc/diskstats/disk "`+w[2]+`" major`, w[0])
	}
	for _, w := range lines("/proc/uptime") {
		put("proc/uptime up_s", w[0])
	}
	for _, w := range lines("/proc/meminfo") {
		if w[0] == "MemTotal" || w[0] == "SwapTotal" {
			put("proc/meminfo detail_"+w[0]+"_bytes", w[1])
			all["proc/meminfo detail_"+w[0]+"_bytes"] *= 1024
		}
	}
	return all
}

// statLines are the lines of what a tool has printed that are of an event.
func statLines(text, event string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, " "+event+": ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// wantBetween checks that an event's field is never less than it was before and
// never more than after, in what was printed, and that it does not go back.
func (m *machine) wantBetween(text, name string, before, after float64) {
	m.Helper()
	words := strings.Fields(name)
	event, field := words[0], words[len(words)-1]
	key := ""
	switch {
	case len(words) < 3:
	case strings.HasPrefix(words[1], `"`) && event == "proc/net/dev/interface":
		key = "name = " + words[1] + ","
	default:
		key = "{ id = " + words[1] + ","
	}
	n, last := 0, before
	for _, line := range statLines(text, event) {
		if !strings.Contains(line, key) {
			continue
		}
		n++
		v := statField(m, line, field)
		// babeltrace2 prints six digits of a number with a fraction.
		if slack := v * 1e-5; strings.HasSuffix(field, "up_s") && (v < last-slack || v > after+slack) {
			m.Errorf("%s: %v, want %v to %v", name, v, last, after)
		} else if !strings.HasSuffix(field, "up_s") && (v < last || v > after) {
			m.Errorf("%s: %v, want %v to %v", name, v, last, after)
		}
		last = v
	}
	if n == 0 && after > 0 {
		m.Errorf("%s: there is no event %s %s", name, event, key)
	}
}

// TestStatBesideKernel streams the kernel's events and samples of the host's
// statistics to a relay: both readers print the same, the samples are what the
// kernel told before and after, and both domains stand on one time line.
func TestStatBesideKernel(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		program := m.copyOf(m.weir(), "weirstat")
		a := m.startAgentOf(program)
		a.do("create", "vital", "--trace-self")
		a.do("enable-consumer", "net://127.0.0.1")
		a.do("enable-event", "-k", "sched_process_fork,sched_process_exit")
		a.do("enable-event", "-k", "--syscall", "pread64", "-f", fmt.Sprintf("$ctx.procname == %q", filepath.Base(program)))
		a.do("enable-event", "--stat", "stat", "vmstat", "diskstats", "meminfo", "net/dev", "uptime", "loadavg", "--period", "50ms")
		before := m.procNumbers()
		a.do("start")
		for range 5 { // something to count
			m.run("cat", "/proc/version")
		}
		m.until("some samples are recorded", func() bool {
			for _, d := range a.session("vital").Domains {
				if d.Name == "stat" && d.Channels[0].Streams[0].Events > 200 {
					return true
				}
			}
			return false
		})
		a.do("stop")
		after := m.procNumbers()
		a.do("destroy")
		r.stop()
		a.end()

		text, warnings := m.wantSameView(m.out)
		if warnings != "" {
			m.Errorf("readers warn:\n%s", lastLines(warnings, 10))
		}
		for name, least := range before {
			most := after[name]
			if strings.HasPrefix(name, "proc/diskstats/disk \"loop") || strings.HasPrefix(name, "proc/diskstats/disk \"ram") {
				continue // left out while nobody uses it
			}
			m.wantBetween(text, name, least, most)
		}
		if n := len(statLines(text, "sched_process_fork")); n < 5 {
			m.Errorf("%d events of the kernel's, want 5", n)
		}
		m.wantOneTimeLine(text)
		for _, domain := range []string{"kernel", "stat"} {
			found, err := filepath.Glob(filepath.Join(m.out, hostName, "vital-*", domain))
			if err != nil || len(found) != 1 {
				m.Fatalf("traces of domain %s: %v, %v", domain, found, err)
			}
			m.wantConsecutive(found[0])
		}
	})
}

// wantOneTimeLine checks that each sample is followed by the system call that read
// it, before the next one: events of both domains have the same clock, to the
// microsecond.
func (m *machine) wantOneTimeLine(text string) {
	m.Helper()
	sample := "" // whose reading was not seen yet
	n := 0
	for line := range strings.Lines(text) {
		switch {
		case strings.Contains(line, "syscall_entry_pread64: "):
			sample = ""
		case strings.Contains(line, " proc/loadavg: ") || strings.Contains(line, " proc/uptime: "):
			if sample != "" {
				m.Errorf("no file was read between the samples\n%s%s", sample, line)
			}
			sample, n = line, n+1
		}
	}
	if n < 10 {
		m.Errorf("%d samples, want more", n)
	}
}

// TestStatLive shows samples to viewers while they are taken: both see all of it,
// in the same lines.
func TestStatLive(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		a.do("create", "pulse", "--live=100000", "-U", relayURL)
		a.do("enable-event", "--stat", "loadavg", "uptime", "interface[devtype=lo]", "--period", "20ms")
		a.do("enable-event", "--stat", "filesystems,users")
		a.do("start")
		theirs, ours := m.view("pulse@begin"), m.viewWeir(liveURL("pulse"), "pulse", "--from-beginning")
		for _, v := range []*viewer{theirs, ours} {
			v.awaitLines("fifty samples", func(lines []string) bool {
				return len(statLines(strings.Join(lines, "\n")+"\n", "proc/loadavg")) > 50
			})
		}
		a.do("stop")
		a.do("destroy")
		theirs.finish()
		ours.finish()
		got, _ := ours.output()
		want, _ := theirs.output()
		if !slices.Equal(got, want) {
			m.Errorf("weir view printed %d lines, babeltrace2 %d; the first that differs is %d", len(got), len(want), firstDifference(got, want))
		}
		for _, event := range []string{"proc/uptime", "system/users", "proc/net/dev/interface"} {
			if len(statLines(strings.Join(got, "\n")+"\n", event)) == 0 {
				m.Errorf("no event %s was shown", event)
			}
		}
		if stored := m.run("babeltrace2", m.out); strings.Count(stored, "\n") != len(got) {
			m.Errorf("%d events are stored, %d were shown", strings.Count(stored, "\n"), len(got))
		}
		r.stop()
		a.end()
	})
}

// TestStatSnapshot keeps samples in memory and stores them twice, and once more
// after a clear.
func TestStatSnapshot(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "snapshots")
		a.do("create", "flight", "--snapshot", "-o", out)
		a.do("enable-event", "--stat", "loadavg", "--period", "10ms")
		a.do("start")
		recorded := func() uint64 { return a.session("flight").Domains[0].Channels[0].Streams[0].Events }
		record := func(name string) []string {
			m.Helper()
			more := recorded() + 20
			m.until("there is more", func() bool { return recorded() > more })
			a.do("snapshot", "record", "-n", name)
			found, err := filepath.Glob(filepath.Join(out, name+"-*"))
			if err != nil || len(found) != 1 {
				m.Fatalf("snapshots %s: %v, %v", name, found, err)
			}
			return strings.SplitAfter(m.run("babeltrace2", "--no-delta", found[0]), "\n")
		}
		first, second := record("first"), record("second")
		first, second = first[:len(first)-1], second[:len(second)-1]
		if len(first) < 20 || len(second) < len(first)+20 || !slices.Equal(first, second[:len(first)]) {
			m.Errorf("snapshots of %d and %d events, want the second to begin with the first", len(first), len(second))
		}
		a.do("clear")
		if third := record("third"); len(third) < 20 || third[0] <= second[len(second)-1] {
			m.Errorf("snapshot after a clear of %d events, from %s", len(third), third[0])
		}
		a.do("stop")
		a.do("destroy")
		a.end()
	})
}

// TestStatMoves takes a session from files to a relay and back and rotates it while
// samples are taken: each packet is in one place, once, and no event is lost.
func TestStatMoves(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		dirs := []string{m.out}
		place := func(i int) string {
			dir := filepath.Join(m.dir, fmt.Sprintf("part%d", i))
			dirs = append(dirs, dir)
			return dir
		}
		a.do("create", "moving", "-o", place(0))
		a.do("enable-event", "--stat", "stat", "--period", "10ms")
		a.do("start")
		events := func() uint64 { return a.session("moving").Domains[0].Channels[0].Streams[0].Events }
		for i := range 4 {
			more := events() + 100
			m.until("there is more", func() bool { return events() > more })
			if i%2 == 0 {
				a.do("enable-consumer", relayURL)
			} else {
				a.do("enable-consumer", place(i+1))
			}
			a.do("rotate")
		}
		a.do("stop")
		n := events()
		a.do("destroy")
		r.stop()
		m.wantConsecutive(dirs...)
		text := m.run(append([]string{"babeltrace2"}, dirs...)...)
		if got := strings.Count(text, "\n"); uint64(got) != n {
			m.Errorf("%d events are stored, %d were recorded", got, n)
		}
		a.end()
	})
}

// TestStatConsumerPaused lets samples find no room: what was lost is told, to the
// event.
func TestStatConsumerPaused(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "trace")
		a.do("create", "paused", "-o", out)
		a.do("enable-channel", "--stat", "small", "--subbuf-size=4096", "--num-subbuf=2")
		a.do("enable-event", "--stat", "interrupts", "net/*", "vmstat", "--period", "10ms", "-c", "small")
		a.do("start")
		stream := func() agent.ChannelStream { return a.session("paused").Domains[0].Channels[0].Streams[0] }
		m.until("there are events", func() bool { return stream().Events > 1000 })
		pids := m.children(a.p.cmd.Process.Pid)
		if len(pids) != 1 {
			m.Fatalf("consumer processes %v, want one", pids)
		}
		log := func() string { return a.p.errors() }
		if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
			m.Fatal(err)
		}
		m.until("the consumer takes nothing", func() bool { return strings.Contains(log(), "events are lost") })
		if err := syscall.Kill(pids[0], syscall.SIGCONT); err != nil {
			m.Fatal(err)
		}
		m.until("it takes packets again", func() bool { return strings.Contains(log(), "takes packets again") })
		a.do("stop")
		told := stream()
		a.do("destroy")
		stdout, stderr, code := m.try("babeltrace2", out)
		lost := uint64(0)
		for line := range strings.Lines(stderr) {
			found := lostEvents.FindStringSubmatch(line)
			if found == nil {
				continue // of packets, whose numbers have a hole
			}
			n, err := strconv.ParseUint(found[1], 10, 64)
			if err != nil {
				m.Fatal(err)
			}
			lost += n
		}
		if got := uint64(strings.Count(stdout, "\n")); code != 0 || lost == 0 || lost != told.Discarded || got != told.Events {
			m.Errorf("babeltrace2: exit code %d, %d events and %d discarded; status tells of %d and %d", code, got, lost, told.Events, told.Discarded)
		}
		a.end()
	})
}

// TestStatConsumerKilled has another consumer go on where one was killed.
func TestStatConsumerKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "trace")
		a.do("create", "unlucky", "-o", out)
		a.do("enable-event", "--stat", "loadavg", "--period", "10ms")
		a.do("start")
		for range 3 {
			m.until("it records", func() bool {
				doc := a.session("unlucky")
				return doc.Consumer.State == agent.ConsumerStreaming && len(doc.Domains[0].Channels[0].Streams) > 0 &&
					doc.Domains[0].Channels[0].Streams[0].Packets > 0
			})
			pids := m.children(a.p.cmd.Process.Pid)
			if len(pids) != 1 {
				m.Fatalf("consumer processes %v, want one", pids)
			}
			if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
				m.Fatal(err)
			}
			m.until("another consumer process", func() bool {
				now := m.children(a.p.cmd.Process.Pid)
				return len(now) == 1 && now[0] != pids[0]
			})
		}
		a.do("stop")
		a.do("destroy")
		m.wantSameView(out)
		a.end()
	})
}

// TestStatUnprivileged lets a user record the host with a daemon of their own, and
// what is not exposed is refused.
func TestStatUnprivileged(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		const home, run = "/run/home", "/run/user"
		for _, dir := range []string{home, run} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				m.Fatal(err)
			}
			if err := os.Chown(dir, nobody, nobody); err != nil {
				m.Fatal(err)
			}
		}
		as := append(slices.Clone(asNobody), "env", "HOME="+home, "XDG_RUNTIME_DIR="+run, m.weir())
		p := m.startNotifying(append(as, "agent")...)
		do := func(args ...string) string { return m.run(append(as, args...)...) }
		do("create", "mine")
		if _, errs, code := m.try(append(as, "enable-event", "--stat", "cgroups")...); code != 1 || !strings.Contains(errs, "--xmlsysd-expose") {
			m.Errorf("control groups, which are not exposed: exit code %d, %s", code, errs)
		}
		if text := do("list", "--stat", "-f"); !strings.Contains(text, "        field: detail_MemTotal_bytes (unsigned integer)\n") {
			m.Errorf("list --stat -f:\n%s", lastLines(text, 20))
		}
		do("enable-event", "--stat", "-a")
		do("enable-event", "--stat", "tasks")
		do("start")
		do("stop")
		do("destroy")
		text, _ := m.wantSameView(filepath.Join(home, "weir-traces"))
		for _, event := range []string{"proc/stat/cpu", "proc/meminfo", "proc/tasks", "system/host", "proc/interrupts/irq"} {
			if len(statLines(text, event)) == 0 {
				m.Errorf("no event %s is recorded", event)
			}
		}
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			m.Errorf("agent: exit code %d\n%s", code, lastLines(p.errors(), 10))
		}
	})
}
