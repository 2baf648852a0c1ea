// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Names of what the traced program emits, and of the channel it goes to.
const (
	eventName = "weirtest:tick"
	channel   = "ch"
)

// startSessiond starts LTTng's session daemon, which starts consumers when it
// needs them, and returns when it is ready.
func (m *machine) startSessiond() {
	m.Helper()
	m.until("a session daemon of LTTng's", func() bool {
		_, errs, code := m.try("lttng-sessiond", "-b", "--no-kernel")
		if code != 0 && !strings.Contains(errs, "already running") { // one that was killed may have its sockets yet
			m.Fatalf("lttng-sessiond -b --no-kernel: exit code %d\n%s", code, errs)
		}
		return code == 0
	})
}

// killLTTng ends session daemon, consumers and clients at once. They are known
// by their program files: what has just been forked has a thread's name.
func (m *machine) killLTTng() {
	m.Helper()
	m.until("end of LTTng's daemons", func() bool {
		left := 0
		for pid, exe := range m.programFiles() {
			switch filepath.Base(exe) {
			case "lttng", "lttng-sessiond", "lttng-consumerd":
				left++
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
		return left == 0
	})
}

// lttng runs a command of LTTng's control program.
func (m *machine) lttng(args ...string) string {
	m.Helper()
	return m.run(append([]string{"lttng"}, args...)...)
}

// session makes a session that records the traced program, and starts it.
type session struct {
	m    *machine
	name string
}

// create makes a session; its arguments are those of lttng create.
func (m *machine) create(name string, args ...string) *session {
	m.Helper()
	m.lttng(append([]string{"create", name}, args...)...)
	return &session{m, name}
}

// dir returns the directory of the session below an output directory, or one
// that is not there before the relay has made it.
func (s *session) dir(out string) string {
	s.m.Helper()
	found, err := filepath.Glob(filepath.Join(out, hostName, s.name+"-*"))
	if err != nil || len(found) > 1 {
		s.m.Fatalf("directories of session %s: %v, %v", s.name, found, err)
	}
	if len(found) == 0 {
		return filepath.Join(out, "none yet")
	}
	return found[0]
}

// enable adds the channel, with further options, and the event, and starts
// recording. The channel makes applications wait rather than drop events, so
// that counts are exact at any speed.
func (s *session) enable(options ...string) {
	s.m.Helper()
	args := []string{"enable-channel", "-u", "-s", s.name, "--blocking-timeout=inf"}
	s.m.lttng(append(append(args, options...), channel)...)
	s.event()
	s.start()
}

// event enables the traced program's event in the channel.
func (s *session) event() {
	s.m.Helper()
	s.m.lttng("enable-event", "-u", "-s", s.name, "-c", channel, eventName)
}

func (s *session) start()   { s.m.Helper(); s.m.lttng("start", s.name) }
func (s *session) stop()    { s.m.Helper(); s.m.lttng("stop", s.name) }
func (s *session) rotate()  { s.m.Helper(); s.m.lttng("rotate", s.name) }
func (s *session) clear()   { s.m.Helper(); s.m.lttng("clear", s.name) }
func (s *session) destroy() { s.m.Helper(); s.m.lttng("destroy", s.name) }

// app is a running traced program.
type app struct {
	*process
	run     int // its number in its events
	emitted int // events so far
}

// startApp starts the traced program. run tells its events from others'; text
// is the size of each event's payload in bytes.
func (m *machine) startApp(run, text int, prefix ...string) *app {
	m.Helper()
	args := append(slices.Clip(prefix), filepath.Join(m.programs, "app"), strconv.Itoa(run), strconv.Itoa(text))
	return &app{process: m.start(args...), run: run}
}

// startKinds starts the program that traces fields of every kind.
func (m *machine) startKinds(prefix ...string) *app {
	m.Helper()
	return &app{process: m.start(append(slices.Clip(prefix), filepath.Join(m.programs, "kinds"))...)}
}

// emit lets the program emit events and waits until it has. The pause after
// each event is in microseconds.
func (a *app) emit(count, pause int) {
	a.m.Helper()
	a.tell(count, pause)
	want := strconv.Itoa(a.emitted)
	a.awaitLines(want+" events", func(lines []string) bool {
		return len(lines) > 0 && lines[len(lines)-1] == want
	})
}

// tell lets the program emit events and does not wait.
func (a *app) tell(count, pause int) {
	a.m.Helper()
	a.emitted += count
	if _, err := fmt.Fprintln(a.stdin, count, pause); err != nil {
		a.m.Fatal(err)
	}
}

// finish ends the program in order.
func (a *app) finish() {
	a.m.Helper()
	a.closeInput()
	if code := a.wait(); code != 0 {
		a.m.Errorf("app %d: exit code %d", a.run, code)
	}
}

func (a *app) closeInput() {
	if c, ok := a.stdin.(io.Closer); ok {
		_ = c.Close() // the program may have ended
	}
}
