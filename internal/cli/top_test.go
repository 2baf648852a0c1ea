// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
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
}

// inTerminal starts a program in a terminal of 100 x 30.
func inTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master, before: *before}
	term.cmd = exec.CommandContext(t.Context(), name, args...)
	term.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
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

func (term *terminal) shows(text string) bool {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.Contains(term.out.String(), text)
}

// restored fails unless the terminal is as it was.
func (term *terminal) restored(t *testing.T) {
	t.Helper()
	now, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *now != term.before {
		t.Errorf("terminal %+v, was %+v", *now, term.before)
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
	for _, step := range []struct{ shows, keys string }{{"load/cpu", "j"}, {"·]0;owned··[2J·", "m"}, {"cached", "\r"}, {"busy by CPU", "\x1bq"}} {
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

func TestTopInPages(t *testing.T) {
	address := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)
	out, err := exec.CommandContext(t.Context(), "wulfstat", "-b", "-d", "0.5", "-c", "1", address).Output()
	if err != nil || !strings.HasPrefix(string(out), "# view=load") {
		t.Errorf("%v:\n%s", err, out)
	}
}
