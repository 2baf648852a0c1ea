// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// root is the top of the source tree.
var root = filepath.Join("..", "..")

// shellBlock finds what README.md tells people to type.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The README's screenful does what it says, pasted line by line: weir up, a
// session, a viewer. What weir up prints is the same.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	isolated(t, func(m *machine) {
		var blocks []string
		for _, found := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			blocks = append(blocks, found[1])
		}
		if len(blocks) < 3 {
			m.Fatalf("README.md has %d blocks of commands, want a start, a recording and a view", len(blocks))
		}
		m.keepGoCaches()
		m.wrapSessiond()
		up, _, _ := strings.Cut(blocks[0], "\n")
		w := m.startShell(root, "exec "+up)
		printed := strings.Join(w.awaitLines("the first steps", func(lines []string) bool {
			return strings.Contains(strings.Join(lines, "\n"), "Ctrl-C stops weir.")
		}), "\n")
		for _, command := range strings.Split(strings.TrimSpace(blocks[1]+blocks[2]), "\n") {
			if !strings.Contains(printed, "  "+command) {
				m.Errorf("weir up does not print %q", command)
			}
		}
		m.run("sh", "-e", "-c", blocks[1])
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := &viewer{m.startShell(".", "exec "+blocks[2])}
		m.until("attached viewer", func() bool { return m.viewers("demo") > 0 })
		from := a.emitted
		a.emit(1000, 0)
		v.await(1, 1000)
		a.finish()
		m.lttng("destroy", "demo")
		got := v.finish()
		m.wantEvents("viewer", got[max(0, len(got)-1000):], span{1, from, a.emitted})
		traces := regexp.MustCompile(`(?m)^  traces\s+(\S+)$`).FindStringSubmatch(printed)
		if traces == nil {
			m.Fatalf("weir up does not tell where traces are:\n%s", printed)
		}
		m.wantEvents("stored", m.readTree(traces[1]), a.all())
		w.interrupt()
	})
}

// startShell starts a line of shell in a directory, in a process group of its
// own, as a terminal does.
func (m *machine) startShell(dir, line string) *process {
	m.Helper()
	cmd := m.command("sh", "-e", "-c", line)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return m.startCommand(cmd)
}

// interrupt does what Ctrl-C does in a terminal and waits for the end. The exit
// code of go run says nothing then.
func (p *process) interrupt() {
	p.m.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		p.m.Fatal(err)
	}
	p.wait()
	if errs := p.errors(); strings.Contains(errs, "weir: ") || strings.Contains(errs, "level=ERROR") {
		p.m.Errorf("%s: after SIGINT:\n%s", p.name, lastLines(errs, 10))
	}
}

// Either signal stops weir up in order, also where it runs without privileges,
// and then its state is below the user's home.
func TestUp(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		const home = "/run/nobody"
		if err := os.Mkdir(home, 0o700); err != nil {
			m.Fatal(err)
		}
		if err := os.Chown(home, 65534, 65534); err != nil {
			m.Fatal(err)
		}
		for user, prefix := range map[string][]string{
			"root":   nil,
			"nobody": append(slices.Clip(asNobody), "env", "-u", "WEIR_HUB_STATE_DIR", "HOME="+home),
		} {
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				w := m.startNotifying(append(slices.Clip(prefix), m.weir(), "up")...)
				m.wantListening()
				w.signal(signal)
				if code := w.wait(); code != 0 {
					m.Errorf("%s, %v: exit code %d, want 0:\n%s", user, signal, code, lastLines(w.errors(), 10))
				}
			}
		}
		if _, err := os.Stat(filepath.Join(home, ".local", "state", "weir")); err != nil {
			m.Errorf("state of a user: %v", err)
		}
	})
}

// keepGoCaches lets go find what it has built and fetched before, although the
// home directory is another.
func (m *machine) keepGoCaches() {
	m.Helper()
	for _, name := range []string{"GOCACHE", "GOPATH", "GOMODCACHE", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			m.Fatal(err)
		}
		m.environ = append(m.environ, name+"="+strings.TrimSpace(string(value)))
	}
}

// wrapSessiond makes the session daemon that lttng starts by itself leave the
// kernel alone, which is not private.
func (m *machine) wrapSessiond() {
	m.Helper()
	path := filepath.Join(m.mkdir("bin"), "lttng-sessiond")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec /usr/bin/lttng-sessiond --no-kernel \"$@\"\n"), 0o755); err != nil {
		m.Fatal(err)
	}
	m.environ = append(m.environ, "LTTNG_SESSIOND_PATH="+path)
}
