// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"strings"
	"testing"
)

// viewOptions are the sets of options by which "weir view" is held against
// babeltrace2, which has the same ones.
var viewOptions = []string{
	"",
	"--clock-seconds --no-delta",
	"--names all --fields all --clock-gmt --clock-date",
	"--clock-cycles --names none",
	"--stream-intersection",
}

// local makes a session that is recorded to a directory, and returns both.
func (m *machine) local(name string, args ...string) (*session, string) {
	m.Helper()
	dir := m.mkdir("traces/" + name)
	return m.create(name, append(args, "--output="+dir)...), dir
}

// record adds a channel with options and contexts, and events of some kinds.
func (s *session) record(channel string, options []string, events ...string) {
	s.m.Helper()
	args := append([]string{"enable-channel", "-u", "-s", s.name}, options...)
	s.m.lttng(append(args, channel)...)
	for _, e := range events {
		s.m.lttng("enable-event", "-u", "-s", s.name, "-c", channel, e)
	}
}

// wantSameView checks that weir prints traces as babeltrace2 does, standard
// error included, on one processor and on several. It returns what was printed
// last without options.
func (m *machine) wantSameView(dir string, more ...string) (text, warnings string) {
	m.Helper()
	for _, options := range append(viewOptions, more...) {
		args := append(strings.Fields(options), dir)
		want, wantErr, wantCode := m.try(append([]string{"babeltrace2"}, args...)...)
		if options == "" {
			text, warnings = want, wantErr
		}
		for _, jobs := range []string{"1", "4"} {
			got, gotErr, code := m.try(append([]string{filepath.Join(m.programs, "weir"), "view", "--jobs", jobs}, args...)...)
			m.sameText(options+" --jobs "+jobs+", output", got, want)
			m.sameText(options+" --jobs "+jobs+", errors", gotErr, wantErr)
			if code != wantCode {
				m.Errorf("%s --jobs %s: exit code %d, want %d", options, jobs, code, wantCode)
			}
		}
	}
	return text, warnings
}

// sameText reports the first line that differs.
func (m *machine) sameText(what, got, want string) {
	m.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			m.Errorf("%s: %d lines, want %d; line %d:\ngot  %.400q\nwant %.400q", what, len(g), len(w), i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
			return
		}
	}
}

// span of the middle of a text's times, as options for both programs.
func middle(m *machine, text string) []string {
	m.Helper()
	lines := strings.Split(text, "\n")
	if len(lines) < 20 {
		m.Fatalf("%d lines, want more", len(lines))
	}
	at := func(i int) string { return lines[i][1:strings.IndexByte(lines[i], ']')] }
	begin, end := at(len(lines)/3), at(2*len(lines)/3)
	return []string{"--begin " + begin, "--end " + end, "--begin " + begin + " --end " + end, "--timerange " + begin + "," + end}
}

// All kinds of fields, in several channels with contexts, from several
// processes, in a trace of each user.
func TestViewKindsPerUser(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("kinds")
		s.record("one", nil, "weirkinds:*")
		s.record("two", []string{"--subbuf-size=4096"}, "weirkinds:integers", "weirkinds:enums", "weirtest:*")
		m.lttng("add-context", "-u", "-s", s.name, "-c", "one", "-t", "vpid", "-t", "vtid", "-t", "procname", "-t", "pthread_id", "-t", "ip")
		s.start()
		a, b := m.startKinds(), m.startKinds(onFirstCPU...)
		c := m.startApp(3, 20)
		for range 3 {
			a.emit(400, 0)
			b.emit(300, 0)
			c.emit(50, 0)
		}
		a.finish()
		b.finish()
		c.finish()
		s.destroy()
		text, _ := m.wantSameView(dir)
		if n := strings.Count(text, "\n"); n < 2000 {
			m.Errorf("%d lines, want more", n)
		}
		m.wantSameView(dir, middle(m, text)...)
	})
}

// A trace of each process: several traces are merged, each with its own
// environment.
func TestViewKindsPerProcess(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("pids")
		s.record("one", []string{"--buffers-pid"}, "weirkinds:*", "weirtest:*")
		s.start()
		a, b := m.startKinds(), m.startApp(1, 5)
		for range 4 {
			a.emit(100, 0)
			b.emit(100, 0)
		}
		a.finish()
		b.finish()
		s.destroy()
		text, _ := m.wantSameView(dir)
		m.wantSameView(dir, middle(m, text)...)
	})
}

// A rotated session is one trace in several directories.
func TestViewRotated(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("turning")
		s.record("one", []string{"--subbuf-size=4096"}, "weirkinds:*")
		s.start()
		a := m.startKinds()
		for range 3 {
			a.emit(500, 0)
			s.rotate()
		}
		a.emit(200, 0)
		b := m.startApp(2, 5)
		m.lttng("enable-event", "-u", "-s", s.name, "-c", "one", eventName)
		b.emit(50, 0)
		a.finish()
		b.finish()
		s.destroy()
		text, _ := m.wantSameView(dir)
		m.wantSameView(dir, middle(m, text)...)
	})
}

// Files of limited size and number: the oldest packets are gone.
func TestViewTraceFileRing(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("ring")
		s.record("one", []string{"--subbuf-size=4096", "--num-subbuf=8", "--blocking-timeout=inf", "--tracefile-size=8192", "--tracefile-count=3"}, "weirkinds:*")
		s.start()
		a := m.startKinds(onFirstCPU...)
		a.emit(4000, 0)
		a.finish()
		s.destroy()
		text, _ := m.wantSameView(dir)
		m.wantSameView(dir, middle(m, text)...)
	})
}

// Events that found no room are told of.
func TestViewDiscardedEvents(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("lossy")
		s.record("one", []string{"--discard", "--subbuf-size=4096", "--num-subbuf=2"}, "weirkinds:*")
		s.record("two", []string{"--discard", "--subbuf-size=4096", "--num-subbuf=2"}, "weirkinds:enums")
		s.start()
		a := m.startKinds()
		for range 3 {
			a.emit(20000, 0)
			a.emit(50, 1000)
		}
		a.finish()
		s.destroy()
		text, warnings := m.wantSameView(dir)
		if !strings.Contains(warnings, "WARNING: Tracer discarded ") {
			m.Errorf("nothing was lost: %q", warnings)
		}
		m.wantSameView(dir, middle(m, text)...)
	})
}

// Snapshots of buffers that are overwritten overlap and have gaps.
func TestViewSnapshots(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		s, dir := m.local("flight", "--snapshot")
		s.record("one", []string{"--overwrite", "--subbuf-size=4096", "--num-subbuf=4"}, "weirkinds:*")
		s.start()
		a := m.startKinds()
		a.emit(5000, 0)
		m.lttng("snapshot", "record", "-s", s.name)
		a.emit(100, 0)
		m.lttng("snapshot", "record", "-s", s.name)
		a.emit(5000, 0)
		m.lttng("snapshot", "record", "-s", s.name)
		a.finish()
		s.destroy()
		text, warnings := m.wantSameView(dir)
		if !strings.Contains(warnings, "packet") {
			m.Errorf("no packets were lost: %q", warnings)
		}
		m.wantSameView(dir, middle(m, text)...)
	})
}
