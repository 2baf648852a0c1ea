// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// startGoApp starts the traced program that is written in Go.
func (m *machine) startGoApp(run, text int, environ ...string) *app {
	m.Helper()
	args := append(slices.Clip(environ), filepath.Join(m.programs, "goapp"), strconv.Itoa(run), strconv.Itoa(text))
	return &app{process: m.start(args...), run: run}
}

// processor is where an event was: of a Go program, that is chance.
var processor = regexp.MustCompile(`\{ cpu_id = \d+ \}`)

// TestGoEventsAsSessiond records a Go program by LTTng's session daemon and by weir's:
// the text is the same, event by event.
func TestGoEventsAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		record := func() {
			p := m.startGoApp(1, 16, "GOMAXPROCS=1")
			p.emit(300, 0)
			p.finish()
		}
		theirs, ours := filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		m.startSessiond()
		m.lttng("create", "s", "-o", theirs)
		m.lttng("enable-event", "-u", "-a")
		m.lttng("add-context", "-u", "-t", "vpid", "-t", "procname")
		m.lttng("start")
		record()
		m.lttng("destroy")
		m.killLTTng()

		a := m.startAgent("--take-ust-socket")
		a.do("create", "s", "-o", ours)
		a.do("enable-event", "-u", "-a")
		a.do("add-context", "-u", "-t", "vpid", "-t", "procname")
		a.do("start")
		record()
		a.do("destroy")
		a.end()

		want, got := m.userEvents(theirs), m.userEvents(ours)
		for i := range min(len(got), len(want)) {
			if g, w := processor.ReplaceAllString(got[i], ""), processor.ReplaceAllString(want[i], ""); g != w {
				m.Fatalf("event %d of %d:\n%s\nof LTTng's %d:\n%s", i, len(got), g, len(want), w)
			}
		}
		if len(want) != 5*300 || len(got) != len(want) {
			m.Errorf("%d events, LTTng's %d, want %d", len(got), len(want), 5*300)
		}
	})
}

// TestGoProgramsBesideC records Go and C programs in the same rings, which are full
// nearly always: each event of any is recorded or counted.
func TestGoProgramsBesideC(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		dir := filepath.Join(m.dir, "t")
		a.do("create", "s", "-o", dir)
		a.do("enable-channel", "-u", "small", "--subbuf-size", "4k", "--num-subbuf", "4")
		a.do("enable-event", "-u", eventName, "-c", "small")
		a.do("add-context", "-u", "-t", "vtid", "-t", "$app.web:user", "-t", "procname") // all declare the same
		a.do("start")
		g, c := m.startGoApp(1, 16), m.startApp(2, 16)
		const each = 200_000
		g.tell(each, 0)
		c.tell(each, 0)
		g.finish()
		c.finish()
		a.do("destroy")
		a.end()
		out, errs, code := m.try("babeltrace2", dir)
		// A C program may deliver a packet late, with a count that is above that of the
		// next: the difference is below 0, and the sum is right again.
		discarded := uint64(0)
		for _, d := range regexp.MustCompile(`discarded (\d+) event`).FindAllStringSubmatch(errs, -1) {
			n, err := strconv.ParseUint(d[1], 10, 64)
			if err != nil {
				m.Fatal(err)
			}
			discarded += n
		}
		first, second := strings.Count(out, "run = 1,"), strings.Count(out, "run = 2,")
		if code != 0 || uint64(first+second)+discarded != 2*each || first == 0 || second == 0 {
			m.Errorf("exit code %d: %d and %d events, %d discarded, want %d in all\n%s", code, first, second, discarded, 2*each, lastLines(errs, 5))
		}
	})
}

// TestGoSnapshots takes the newest events of a Go program. It has declared all that it
// has when it declares the channel: that is to be in the metadata at once.
func TestGoSnapshots(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		dir := filepath.Join(m.dir, "shots")
		a.do("create", "s", "--snapshot", "-o", dir)
		a.do("enable-channel", "-u", "small", "--subbuf-size", "4k", "--num-subbuf", "4")
		a.do("enable-event", "-u", eventName, "-c", "small")
		a.do("start")
		p := m.startGoApp(7, 16, "GOMAXPROCS=1")
		for i, n := range []int{20, 5000} {
			p.emit(n, 0)
			name := strconv.Itoa(i)
			a.do("snapshot", "record", "-n", name)
			found, err := filepath.Glob(filepath.Join(dir, name+"-*"))
			if err != nil || len(found) != 1 {
				m.Fatalf("snapshots: %q, %v", found, err)
			}
			lines := strings.Split(strings.TrimSpace(m.run("babeltrace2", found[0])), "\n")
			if len(lines) < min(n, 3*60) {
				m.Errorf("snapshot %d of %d events", i, len(lines))
			}
			for j, line := range lines {
				if want := "run = 7, n = " + strconv.Itoa(p.emitted-len(lines)+j) + ","; !strings.Contains(line, want) {
					m.Fatalf("snapshot %d, event %d of %d: %s, want %s", i, j, len(lines), line, want)
				}
			}
		}
		p.finish()
		a.do("destroy")
		a.end()
	})
}
