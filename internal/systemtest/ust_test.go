// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sameAddresses runs a program where it has the same addresses each time.
var sameAddresses = append([]string{"setarch", "-R"}, onFirstCPU...)

// numbersOfRuns are what differs from one run of a program to the next.
var numbersOfRuns = regexp.MustCompile(`^\[[^]]*\] \([^)]*\) |(vpid|vtid|pthread_id) = [0-9A-Fx]+`)

// userEvents are the lines of events as babeltrace2 prints them, without times and
// numbers of processes.
func (m *machine) userEvents(dir string) (lines []string) {
	m.Helper()
	for line := range strings.Lines(m.run("babeltrace2", "--fields=loglevel,emf", dir)) {
		lines = append(lines, numbersOfRuns.ReplaceAllString(strings.TrimSpace(line), "$1"))
	}
	return lines
}

// wantTicks checks which events of a run of the traced program are below directories:
// each once.
func (m *machine) wantTicks(run string, n int, dirs ...string) {
	m.Helper()
	got := 0
	for _, dir := range dirs {
		for line := range strings.Lines(m.run("babeltrace2", dir)) {
			if strings.Contains(line, eventName) && strings.Contains(line, "run = "+run+",") {
				got++
			}
		}
	}
	if got != n {
		m.Errorf("%d events of run %s in %v, want %d", got, run, dirs, n)
	}
}

// TestUserEventsAsSessiond records a program with fields of every kind by LTTng's
// session daemon and by weir's: the text is the same, event by event, the state that
// the program dumps included.
func TestUserEventsAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		contexts := []string{"-t", "vpid", "-t", "vtid", "-t", "procname", "-t", "pthread_id"}
		record := func() {
			k := m.startKinds(sameAddresses...)
			k.emit(600, 0)
			k.finish()
		}
		theirs, ours := filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		m.startSessiond()
		m.lttng("create", "s", "-o", theirs)
		m.lttng("enable-event", "-u", "-a")
		m.lttng(append([]string{"add-context", "-u"}, contexts...)...)
		m.lttng("start")
		record()
		m.lttng("destroy")
		m.killLTTng()

		a := m.startAgent("--take-ust-socket")
		a.do("create", "s", "-o", ours)
		a.do("enable-event", "-u", "-a")
		a.do(append([]string{"add-context", "-u"}, contexts...)...)
		a.do("start")
		record()
		a.do("destroy")
		a.end()

		want, got := m.userEvents(theirs), m.userEvents(ours)
		if len(want) < 600 || !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					m.Fatalf("event %d of %d:\n%s\nof LTTng's %d:\n%s", i, len(got), got[i], len(want), want[i])
				}
			}
			m.Errorf("%d events, want %d, 600 at least", len(got), len(want))
		}
	})
}

// TestUserNestedFields records fields that a program has from a provider written by hand:
// variants as LTTng's session daemon does, and structs in structs, which that one leaves
// out.
func TestUserNestedFields(t *testing.T) {
	isolated(t, func(m *machine) {
		record := func(do func(args ...string), dir string) (events []string) {
			do("create", "s", "-o", dir)
			do("enable-event", "-u", "weirnested:*")
			do("start")
			m.run(filepath.Join(m.programs, "nested"), "6")
			do("destroy")
			for _, line := range m.userEvents(dir) {
				events = append(events, numbersOfCPUs.ReplaceAllString(line, ""))
			}
			return events
		}
		m.startSessiond()
		theirs := record(func(args ...string) { m.lttng(args...) }, filepath.Join(m.dir, "theirs"))
		m.killLTTng()
		a := m.startAgent("--take-ust-socket")
		ours := record(func(args ...string) { a.do(args...) }, filepath.Join(m.dir, "ours"))
		a.end()

		var structs, variants []string
		for _, line := range ours {
			if strings.Contains(line, ":structs:") {
				structs = append(structs, line)
			} else {
				variants = append(variants, line)
			}
		}
		if len(variants) != 6 || !slices.Equal(variants, theirs) {
			m.Errorf("variants:\n%s\nof LTTng's:\n%s", strings.Join(variants, "\n"), strings.Join(theirs, "\n"))
		}
		want := `{ outer = { x = 3, inner = { a = 6, s = "abc" }, y = 4 }, last = -3 }`
		if len(structs) != 6 || !strings.HasSuffix(structs[3], want) {
			m.Errorf("structs, want six, the fourth of them %s:\n%s", want, strings.Join(structs, "\n"))
		}
	})
}

// numbersOfCPUs are where events were recorded.
var numbersOfCPUs = regexp.MustCompile(`cpu_id = \d+`)

// TestUserChoicesAsSessiond chooses events by names, levels and filters, by LTTng's
// session daemon and by weir's, each choice in a session of its own: the same events
// are recorded.
func TestUserChoicesAsSessiond(t *testing.T) {
	choices := [][]string{
		{"weirkinds:*", "-x", "weirkinds:integers,weirkinds:f*"},
		{"*:a*,*s"},
		{"weirkinds:*", "--loglevel", "TRACE_WARNING"},
		{"weirkinds:*", "--loglevel-only", "TRACE_DEBUG_LINE"},
		{"weirkinds:*", "-f", "i32 > 0 && u8 < 200"},
		{"weirkinds:integers", "-f", "i64 < 0 || x16 & 1"},
		{"weirkinds:integers", "-f", "(u16 ^ i8) >> 2 == 33 || !(u32 & 7)"},
		{"weirkinds:integers", "-f", "u64 > -1"},
		{"weirkinds:integers", "-f", "port == 43981 || address < 0x1000000"},
		{"weirkinds:floats", "-f", "twofold > 1.5 && single < 123456790.0"},
		{"weirkinds:floats", "-f", "twofold && !single"},
		{"weirkinds:texts", "-f", `string == "plain*"`},
		{"weirkinds:texts", "-f", `string == "*ue*\\sla*" || varying != "*o*"`},
		{"weirkinds:texts", "-f", `fixed == "a long*"`},
		{"weirkinds:texts", "-f", `string < "r" || "p" > varying`},
		{"weirkinds:texts", "-f", `fixed >= "a long*" && string <= "plain*"`},
		{"weirkinds:arrays", "-f", "fixed[1] < 0 && varying[0] > 5"},
		{"weirkinds:arrays", "-f", "varying[6] != 0"},
		{"weirkinds:enums", "-f", "as_int >= 4 || as_byte == -3"},
		{"weirkinds:more", "-f", "hidden > 1 && hidden_float < 0.0"},
		{"weirkinds:more", "-f", `hidden_text == "*e*" && hidden_level == 3`},
		{"weirkinds:more", "-f", `hidden_array[1] < -500 || hidden_sequence[2] > 3000000`},
		{"weirkinds:more", "-f", `hidden_varying == "p*"`},
		{"weirkinds:more", "-f", "as_long > 4 && (bytes[0] & 1) == 1 && as_unsigned != 2"},
		{"weirkinds:*", "-f", `$ctx.procname == "kin*" && $ctx.vpid > 0`},
		{"weirkinds:*", "-f", `$ctx.procname == "other"`},
		{"weirkinds:*", "-f", `nowhere == 1`},
	}
	isolated(t, func(m *machine) {
		record := func() {
			k := m.startKinds(sameAddresses...)
			k.emit(600, 0)
			k.finish()
		}
		m.startSessiond()
		for i, choice := range choices {
			name := fmt.Sprint("s", i)
			m.lttng("create", name, "-o", filepath.Join(m.dir, "theirs", name))
			m.lttng(append([]string{"enable-event", "-u", "-s", name}, choice...)...)
			m.lttng("start", name)
		}
		record()
		m.lttng("destroy", "-a")
		m.killLTTng()

		a := m.startAgent("--take-ust-socket")
		for i, choice := range choices {
			name := fmt.Sprint("s", i)
			a.do("create", name, "-o", filepath.Join(m.dir, "ours", name))
			a.do(append([]string{"enable-event", "-u", "-s", name}, choice...)...)
			a.do("start", name)
		}
		record()
		a.do("destroy", "-a")
		a.end()

		some := 0
		for i, choice := range choices {
			name := fmt.Sprint("s", i)
			want, got := m.userEvents(filepath.Join(m.dir, "theirs", name)), m.userEvents(filepath.Join(m.dir, "ours", name))
			if !slices.Equal(got, want) {
				m.Errorf("%q: %d events, want %d:\n%s\nwant\n%s", choice, len(got), len(want), strings.Join(got[:min(3, len(got))], "\n"), strings.Join(want[:min(3, len(want))], "\n"))
			}
			m.Logf("%q: %d events", choice, len(want))
			if len(want) > 0 && len(want) < 700 {
				some++
			}
		}
		if some < len(choices)-5 {
			m.Errorf("%d of %d choices choose some events and not all", some, len(choices))
		}
	})
}

// TestUserPrograms records programs that come and go, one of which is killed, through
// rotations, a clear and a stop.
func TestUserPrograms(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "ticks")
		a.do("create", "s", "-o", out)
		before := m.startApp(1, 16)
		before.emit(10, 0) // nobody records yet
		a.do("enable-event", "-u", "weirtest:*")
		a.do("start")
		before.emit(100, 0)
		later := m.startApp(2, 16)
		later.emit(200, 0)
		if text := a.do("list", "-u", "-f"); !strings.Contains(text, eventName) || !strings.Contains(text, "field: run (integer)") {
			m.Errorf("list -u -f:\n%s", text)
		}
		a.do("rotate")
		killed := m.startApp(3, 16)
		killed.emit(300, 0)
		killed.kill()
		before.emit(1000, 0)
		a.do("rotate")
		later.emit(7, 0)
		a.do("clear")
		later.emit(70, 0)
		a.do("stop")
		later.emit(9, 0)
		a.do("start")
		later.emit(30, 0)
		before.finish()
		later.finish()
		a.do("destroy")
		a.end()
		m.wantTicks("1", 1100, out)
		m.wantTicks("2", 300, out)
		m.wantTicks("3", 300, out)
	})
}

// TestUserEventsOverNetwork brings events to a relay, from which they are read.
func TestUserEventsOverNetwork(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		a.do("create", "s")
		a.do("enable-consumer", relayURL)
		a.do("enable-channel", "-u", "large", "--subbuf-size", "1M")
		a.do("enable-event", "-u", eventName, "-c", "large", "--loglevel", "DEBUG")
		a.do("start")
		p := m.startApp(4, 100)
		p.emit(5000, 10)
		p.finish()
		a.do("destroy")
		r.stop()
		a.end()
		m.wantTicks("4", 5000, m.out)
	})
}

// TestUserSnapshots takes the newest events of a ring that is overwritten, twice.
func TestUserSnapshots(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		a.do("create", "s", "--snapshot", "-o", filepath.Join(m.dir, "shots"))
		a.do("enable-channel", "-u", "small", "--subbuf-size", "4k", "--num-subbuf", "4")
		a.do("enable-event", "-u", eventName, "-c", "small")
		a.do("start")
		p := m.startApp(5, 16, onFirstCPU...)
		p.emit(5000, 0)
		var counts []int
		for i := range 2 {
			a.do("snapshot", "record", "-n", []string{"first", "second"}[i])
			found, err := filepath.Glob(filepath.Join(m.dir, "shots", []string{"first", "second"}[i]+"-*"))
			if err != nil || len(found) != 1 {
				m.Fatalf("snapshots: %q, %v", found, err)
			}
			text := m.run("babeltrace2", found[0])
			counts = append(counts, strings.Count(text, eventName))
			if !strings.Contains(text, "n = 4999,") {
				m.Errorf("snapshot %d has not the newest event", i)
			}
		}
		// Of four sub-buffers three at least are full, with about 40 bytes for each event.
		if counts[0] < 3*60 || counts[1] != counts[0] {
			m.Errorf("snapshots of %v events, want the same, %d at least", counts, 3*60)
		}
		p.finish()
		a.do("destroy")
		a.end()
	})
}
