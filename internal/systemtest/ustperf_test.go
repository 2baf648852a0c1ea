// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	ustwire "github.com/weir-io/weir/internal/ust/wire"
)

var (
	perfValue    = regexp.MustCompile(`(perf_thread_\w+) = (\d+)`)
	threadNumber = regexp.MustCompile(`vtid = \d+`)
	cpuNumber    = regexp.MustCompile(`(cpu_id) = \d+`)
	perfElement  = regexp.MustCompile(`<type>(\d+)</type>\s*<config>(\d+)</config>\s*<name>(\w+)</name>`)
)

// TestUserCountersAsSessiond has a program read counters, by LTTng's session daemon and by
// weir's: contexts are listed and named alike, and the text is the same but for the values.
func TestUserCountersAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		var contexts []string
		for _, name := range []string{"cpu-clock", "task-clock", "page-fault", "cs", "migrations", "minor-faults"} {
			contexts = append(contexts, "-t", "perf:thread:"+name)
		}
		record := func(do func(...string) string, out string) {
			do("create", "s", "-o", out)
			do("enable-event", "-u", eventName)
			do(append([]string{"add-context", "-u", "-t", "vpid"}, contexts...)...)
			do("start")
			m.run(m.life("emit", 1, 100, sameAddresses...)...)
			do("destroy")
		}
		counters := func(list string) (all []string) {
			for name := range strings.FieldsSeq(list) {
				if strings.HasPrefix(name, "perf:thread:") {
					all = append(all, name)
				}
			}
			slices.Sort(all)
			return all
		}
		theirs, ours := filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		m.startSessiond()
		names := counters(m.lttng("add-context", "--list"))
		m.lttng("create", "all", "-o", filepath.Join(m.dir, "all"))
		for _, name := range names {
			m.lttng("add-context", "-u", "-t", name)
		}
		saved := m.mkdir("saved")
		m.lttng("save", "all", "-o", saved)
		m.lttng("destroy", "all")
		record(m.lttng, theirs)
		m.killLTTng()
		a := m.startAgent("--take-ust-socket")
		if got := counters(a.do("add-context", "--list", "-u")); !slices.Equal(got, names) || len(names) < 40 {
			m.Errorf("counters %q, want LTTng's %q", got, names)
		}
		if both := a.do("add-context", "--list"); !strings.Contains(both, "perf:thread:cycles\n") || !strings.Contains(both, "callstack-kernel\n") {
			m.Errorf("contexts of both domains:\n%s", both)
		}
		record(a.do, ours)
		a.do("load", "all", "-i", filepath.Join(saved, "all.lttng"))
		if got := a.session("all").Domains[0].Channels[0].Contexts; len(got) != len(names) {
			m.Errorf("%d contexts of a session of lttng save, want %d: %q", len(got), len(names), got)
		}
		a.do("destroy", "all")
		a.end()

		text, err := os.ReadFile(filepath.Join(saved, "all.lttng"))
		if err != nil {
			m.Fatal(err)
		}
		elements := perfElement.FindAllStringSubmatch(string(text), -1)
		for _, e := range elements {
			c, ok := ustwire.FindPerfContext(e[3])
			if kind, config := strconv.FormatUint(uint64(c.Type), 10), strconv.FormatUint(c.Config, 10); !ok || kind != e[1] || config != e[2] {
				m.Errorf("%s is type %s, config %s; want LTTng's %s, %s", e[3], kind, config, e[1], e[2])
			}
		}
		if len(elements) != len(names) {
			m.Errorf("%d counters were saved, want %d", len(elements), len(names))
		}
		events := func(dir string) (all []string, last map[string]int) {
			last = make(map[string]int)
			for _, line := range m.userEvents(dir) {
				for _, v := range perfValue.FindAllStringSubmatch(line, -1) {
					n, err := strconv.Atoi(v[2])
					if err != nil || n < last[v[1]] {
						m.Errorf("%s goes from %d to %s", v[1], last[v[1]], v[2])
					}
					last[v[1]] = n
				}
				all = append(all, cpuNumber.ReplaceAllString(perfValue.ReplaceAllString(line, "$1"), "$1"))
			}
			return all, last
		}
		want, _ := events(theirs)
		if len(want) == 0 {
			peer.Lack(m.T, "counters of threads (perf_event_open)")
		}
		got, last := events(ours)
		if !slices.Equal(got, want) || len(got) != 100 || len(last) != 6 || last["perf_thread_cpu_clock"] == 0 {
			m.Errorf("%d events with counters %v, want LTTng's %d", len(got), last, len(want))
		}
		text, err = os.ReadFile(filepath.Join(ours, "ust", "uid", "0", "64-bit", "metadata"))
		if err != nil || !strings.Contains(string(text), "perf_thread_minor_faults;") {
			m.Errorf("metadata without counters: %v", err)
		}
	})
}

// TestGoCounters has a Go program and one in C read counters in the same rings, by LTTng's
// session daemon and by weir's: the text is the same but for the values, which never fall.
func TestGoCounters(t *testing.T) {
	isolated(t, func(m *machine) {
		record := func(do func(...string) string, out string) (lines []string) {
			do("create", "s", "-o", out)
			do("enable-event", "-u", eventName)
			do("add-context", "-u", "-t", "vtid", "-t", "perf:thread:task-clock", "-t", "procname", "-t", "perf:thread:major-faults")
			do("start")
			m.run(m.life("emit", 1, 100, sameAddresses...)...)
			p := m.startGoApp(2, 16, "GOMAXPROCS=1")
			p.emit(200, 0)
			p.finish()
			do("destroy")
			last := make(map[string]int) // by threads
			for line := range strings.Lines(m.run("babeltrace2", out)) {
				for _, v := range perfValue.FindAllStringSubmatch(line, -1) {
					of := threadNumber.FindString(line) + v[1]
					n, err := strconv.Atoi(v[2])
					if err != nil || n < last[of] || n == 0 && v[1] == "perf_thread_task_clock" {
						m.Errorf("%s goes from %d to %s", of, last[of], v[2])
					}
					last[of] = n
				}
			}
			if len(last) < 4 { // a Go program may change its thread
				m.Errorf("counters %v, want two of two threads at least", last)
			}
			for _, line := range m.userEvents(out) {
				lines = append(lines, perfValue.ReplaceAllString(cpuNumber.ReplaceAllString(line, "$1"), "$1"))
			}
			return lines
		}
		m.startSessiond()
		want := record(m.lttng, filepath.Join(m.dir, "theirs"))
		m.killLTTng()
		if len(want) == 0 {
			peer.Lack(m.T, "counters of threads (perf_event_open)")
		}
		a := m.startAgent("--take-ust-socket")
		got := record(a.do, filepath.Join(m.dir, "ours"))
		a.end()
		if !slices.Equal(got, want) || len(got) != 300 || !strings.Contains(got[299], "procname = \"goapp\", perf_thread_major_faults }") {
			m.Errorf("%d events, the last one %s, LTTng's %d, %s", len(got), lastOf(got), len(want), lastOf(want))
		}
	})
}

func lastOf(lines []string) string {
	if len(lines) == 0 {
		return "of none"
	}
	return lines[len(lines)-1]
}

// TestUserCounterRefused asks for a counter that no processor has: the events are recorded
// without it, and that is told. (LTTng's session daemon records none of them.)
func TestUserCounterRefused(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "out")
		a.do("create", "s", "-o", out)
		a.do("enable-event", "-u", eventName)
		a.do("add-context", "-u", "-t", "vpid", "-t", "perf:thread:L1-icache-prefetch-misses", "-t", "procname")
		a.do("start")
		m.run(m.life("emit", 1, 100)...)
		m.run(m.life("emit", 2, 100)...)
		w := a.session("s").Warnings
		if len(w) != 1 || !strings.Contains(w[0], `context perf:thread:L1-icache-prefetch-misses is not recorded, as "life`) {
			m.Errorf("warnings %q, want that a context is not recorded", w)
		}
		a.do("destroy")
		a.end()
		if got := m.ticks(out); got[1] != 100 || got[2] != 100 {
			m.Errorf("events %v, want 100 of each run", got)
		}
		if line := m.userEvents(out)[0]; !strings.Contains(line, "{ vpid, procname = ") {
			m.Errorf("contexts of %s, want vpid and procname", line)
		}
	})
}
