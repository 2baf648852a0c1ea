// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// terminal is a program under a pseudo-terminal.
type terminal struct {
	master *os.File
	before unix.Termios
	cmd    *exec.Cmd

	mu  sync.Mutex
	out strings.Builder // guarded by mu

	// Of the test.
	shown *vterm // the screen, after the first bytes of out
	fed   int    // how many
}

// inTerminal starts a program in a terminal of 100 x 30.
func inTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	return inTerminalOf(t, 100, 30, name, args...)
}

func inTerminalOf(t *testing.T, width, height int, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master}
	var number int
	term.control(t, func(fd int) error {
		if number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return err
		}
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)})
	})
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term.before = term.mode(t)
	term.cmd = exec.CommandContext(t.Context(), name, args...)
	term.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME="+t.TempDir())
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the last user of the slave
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			term.mu.Lock()
			term.out.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { master.Close(); reading.Wait() })
	return term
}

// control makes a call on the terminal's own end. The descriptor stays one that
// closing takes from who reads.
func (term *terminal) control(t *testing.T, call func(fd int) error) {
	t.Helper()
	raw, err := term.master.SyscallConn()
	if err == nil {
		var callErr error
		err = raw.Control(func(fd uintptr) { callErr = call(int(fd)) })
		err = errors.Join(err, callErr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mode returns how the terminal is set.
func (term *terminal) mode(t *testing.T) (mode unix.Termios) {
	t.Helper()
	term.control(t, func(fd int) error {
		now, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			mode = *now
		}
		return err
	})
	return mode
}

func (term *terminal) shows(text string) bool {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.Contains(term.out.String(), text)
}

// restored fails unless the terminal is as it was.
func (term *terminal) restored(t *testing.T) {
	t.Helper()
	if now := term.mode(t); now != term.before {
		t.Errorf("terminal %+v, was %+v", now, term.before)
	}
	const leaves, shows = "\x1b[?1049l", "\x1b[?25h"
	wait.Until(t, "the screen of before is back", func() bool { return term.shows(leaves) && term.shows(shows) })
}

// The real program on a real terminal: it draws, takes keys, ends, and leaves the
// terminal as it was. What a host has in its names stays text.
func TestTopInATerminal(t *testing.T) {
	m := polltest.Default("n1")
	m.Tasks = []string{"\x1b]0;owned\x07\x1b[2J\u202e"}
	address := (&polltest.Daemon{Answer: polltest.Steady(m)}).Start(t)
	term := inTerminal(t, "wulfstat", "-d", "0.5", address)
	for _, step := range []struct{ shows, keys string }{{"load/cpu", "j"}, {"·]0;owned··[2J·", "m"}, {"cached", "\r"}, {"now and before", "\x1bq"}} {
		wait.Until(t, "it shows "+step.shows, func() bool { return term.shows(step.shows) })
		if _, err := term.master.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
	}
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
	term.restored(t)
	for _, bad := range []string{"\x1b]0;owned", "\u202e"} {
		if term.shows(bad) {
			t.Errorf("%q has reached the terminal", bad)
		}
	}
}

func TestTopEndsBySignal(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	term := inTerminal(t, "weir", "top", "--no-color", address)
	wait.Until(t, "it draws", func() bool { return term.shows("load/cpu") })
	if err := term.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
	term.restored(t)
	if term.shows("\x1b[38;5;") {
		t.Error("colours that were not wanted")
	}
}

// state is what the kernel says of the program: T is stopped.
func (term *terminal) state(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(term.cmd.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
	return rest[:1]
}

// drawn counts how often something was shown.
func (term *terminal) drawn(text string) int {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.Count(term.out.String(), text)
}

func (term *terminal) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := term.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Stopped by a signal from outside, or by Ctrl-Z, the program gives the terminal
// back; continued, it takes it and draws all anew. It does so as well after SIGSTOP,
// which no program hears of.
func TestTopIsStoppedAndContinued(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	term := inTerminal(t, "weir", "top", address)
	wait.Until(t, "it draws", func() bool { return term.shows("load/cpu") })
	for name, stop := range map[string]func(){
		"SIGTSTP": func() { term.signal(t, syscall.SIGTSTP) },
		"Ctrl-Z": func() {
			if _, err := term.master.WriteString("\x1a"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		stop()
		wait.Until(t, name+": it is stopped", func() bool { return term.state(t) == "T" })
		term.restored(t)
		before := term.drawn("load/cpu")
		term.signal(t, syscall.SIGCONT)
		wait.Until(t, name+": it draws again", func() bool { return term.drawn("load/cpu") > before })
	}
	term.signal(t, syscall.SIGSTOP)
	wait.Until(t, "it is stopped", func() bool { return term.state(t) == "T" })
	term.control(t, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &term.before) }) // as a shell does
	before := term.drawn("load/cpu")
	term.signal(t, syscall.SIGCONT)
	wait.Until(t, "it draws again", func() bool { return term.drawn("load/cpu") > before })
	wait.Until(t, "it has the terminal to itself", func() bool {
		return term.mode(t).Lflag&(unix.ICANON|unix.ECHO) == 0
	})
	if _, err := term.master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
	term.restored(t)
}

// A terminal that is closed takes the program with it.
func TestTopEndsWithItsTerminal(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	term := inTerminal(t, "weir", "top", address)
	wait.Until(t, "it draws", func() bool { return term.shows("load/cpu") })
	term.master.Close()
	_ = term.cmd.Wait() // that it ends is what counts; the test would not otherwise
}

func TestTopInPages(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	out, err := exec.CommandContext(t.Context(), "wulfstat", "-b", "-d", "0.5", "-c", "1", address).Output()
	if err != nil || !strings.HasPrefix(string(out), "# view=load") {
		t.Errorf("%v:\n%s", err, out)
	}
}
