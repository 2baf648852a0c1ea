// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// TestKernelHandover watches the daemon's system calls: a consumer process is
// given both sockets to the relay, as descriptors beside a message.
func TestKernelHandover(t *testing.T) {
	peer.Need(t, "strace")
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirpass")
		log := filepath.Join(m.dir, "calls")
		m.start("strace", "-f", "-yy", "-s", "4096", "-e", "trace=sendmsg,execve,clone,clone3,vfork", "-o", log, "-p", strconv.Itoa(a.p.cmd.Process.Pid))
		m.until("the daemon is watched", func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.p.cmd.Process.Pid))
			return err == nil && !strings.Contains(string(status), "TracerPid:\t0\n")
		})
		a.do("create", "passed", "-U", relayURL)
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 1000)
		a.do("destroy")
		a.end()
		r.stop()
		m.wantWrites("on the relay", 1000, m.out)
		text, err := os.ReadFile(log)
		if err != nil {
			m.Fatal(err)
		}
		spawned, passed := false, false
		sockets := regexp.MustCompile(`SCM_RIGHTS, cmsg_data=\[\d+<TCP:\[[^\]]*:5342\]>, \d+<TCP:\[[^\]]*:5343\]>\]`)
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.Contains(line, "execve(") && strings.Contains(line, `"weir"`):
				spawned = true
			case strings.Contains(line, "sendmsg(") && strings.Contains(line, `\"output\"`) && sockets.MatchString(line):
				passed = passed || spawned
			}
		}
		if !spawned || !passed {
			m.Errorf("a process was started: %t, and given two sockets: %t\n%s", spawned, passed, lastLines(string(text), 40))
		}
	})
}

// foreign is a tracing instance of somebody else's.
type foreign struct {
	m   *machine
	dir string
}

// foreignInstance makes an instance in which something is set and recorded.
func (m *machine) foreignInstance() *foreign {
	m.Helper()
	f := &foreign{m, filepath.Join(kernelRoot, "instances", fmt.Sprintf("somebody%07x", rand.Uint32()>>4))}
	if err := os.Mkdir(f.dir, 0o750); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := os.Remove(f.dir); err != nil {
			m.Error(err)
		}
	})
	f.write("buffer_size_kb", "64")
	f.write("set_event_pid", strconv.Itoa(os.Getpid()))
	f.write("set_event_notrace_pid", "1")
	f.write("events/syscalls/sys_enter_getpriority/filter", "who == 77")
	f.write("events/syscalls/sys_enter_getpriority/enable", "1")
	f.write("trace_marker", "kept by somebody")
	return f
}

func (f *foreign) write(file, text string) {
	f.m.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0); err != nil {
		f.m.Fatal(err)
	}
}

// state is all that is set in the instance, and what it has recorded.
func (f *foreign) state() map[string]string {
	f.m.Helper()
	files := []string{
		"tracing_on", "trace_clock", "current_tracer", "buffer_size_kb", "set_event", "set_event_pid", "set_event_notrace_pid", "trace",
		"events/enable", "events/syscalls/sys_enter_getpriority/filter", "events/syscalls/sys_enter_getpriority/trigger",
	}
	options, err := fs.Glob(os.DirFS(f.dir), "options/*")
	if err != nil {
		f.m.Fatal(err)
	}
	all := make(map[string]string)
	for _, file := range append(files, options...) {
		text, err := os.ReadFile(filepath.Join(f.dir, file))
		if err != nil {
			f.m.Fatal(err)
		}
		all[file] = string(text)
	}
	// The names of threads, which may have spaces, are the kernel's for all instances:
	// they may be known later, or be forgotten.
	all["trace"] = regexp.MustCompile(`(?m)^[^#\n].*?-(\d+ +\[\d+\])`).ReplaceAllString(all["trace"], "$1")
	return all
}

// TestKernelForeignInstance leaves what somebody else traces alone, in all that
// sessions do, and in what the next daemon does after one that was killed.
func TestKernelForeignInstance(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		f := m.foreignInstance()
		before := f.state()
		if !strings.Contains(before["trace"], "kept by somebody") {
			m.Fatalf("nothing is recorded: %s", before["trace"])
		}
		untouched := func(when string) {
			m.Helper()
			after := f.state()
			for _, file := range slices.Sorted(maps.Keys(before)) {
				if after[file] != before[file] {
					m.Errorf("%s: %s was %q, is %q", when, file, before[file], after[file])
				}
			}
		}
		w := m.writer("weirapart")
		a.do("create", "mine", "-o", filepath.Join(m.dir, "trace"))
		a.do("enable-event", "-k", "--syscall", "getpriority")
		a.do("enable-event", "-k", "sched_switch")
		a.do(a.countedRule(w)...)
		untouched("session made")
		a.do("start")
		m.write(w, 1000)
		untouched("recording")
		a.do("rotate")
		a.do("clear")
		a.do("disable-event", "-k", "getpriority")
		a.do("stop")
		untouched("stopped")
		a.do("start")
		a.p.kill()
		a = m.startAgent()
		untouched("after a daemon was killed")
		a.end()
		untouched("at the end")
	})
}
