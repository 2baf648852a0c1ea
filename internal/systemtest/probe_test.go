// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/peer"
)

// hits is a program that calls a function as often as its argument says.
const hits = `#include <stdlib.h>
__attribute__((noinline)) long hit(long n) { __asm__ volatile("" : "+r"(n)); return n; }
int main(int argc, char **argv) {
	long sum = 0;
	for (long i = 0, n = atol(argv[1]); i < n; i++) sum += hit(i);
	return sum < 0;
}
`

// hitter compiles the program, with a name of its own.
func (m *machine) hitter(name string) string {
	m.Helper()
	source, path := filepath.Join(m.dir, name+".c"), filepath.Join(m.dir, name)
	if err := os.WriteFile(source, []byte(hits), 0o600); err != nil {
		m.Fatal(err)
	}
	m.run("gcc", "-O1", "-o", path, source)
	return path
}

// needUprobes ends the test on a kernel without uprobes.
func (m *machine) needUprobes() {
	m.Helper()
	m.needKernel()
	if _, err := os.Stat(filepath.Join(kernelRoot, "uprobe_events")); err != nil {
		peer.Lack(m.T, "uprobes: %v", err)
	}
}

// probesOf lists the probes of the daemons on this machine: those of the groups
// that they have written down.
func (m *machine) probesOf(groups []string) (names []string) {
	m.Helper()
	fs, err := tracefs.Find()
	if err != nil {
		m.Fatal(err)
	}
	defer fs.Close()
	for _, g := range groups {
		found, err := fs.Probes(g)
		if err != nil {
			m.Fatal(err)
		}
		for _, n := range found {
			names = append(names, n.String())
		}
	}
	return names
}

func (m *machine) probeGroups() (groups []string) {
	m.Helper()
	found, err := filepath.Glob("/run/weir/instances/" + tracefs.ProbeGroupPrefix + "*")
	if err != nil {
		m.Fatal(err)
	}
	for _, f := range found {
		groups = append(groups, filepath.Base(f))
	}
	return groups
}

// TestUserspaceProbe counts the calls of a program's function: exactly.
func TestUserspaceProbe(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		m.needUprobes()
		w := m.hitter("weirhits")
		out := filepath.Join(m.dir, "trace")
		place := "elf:" + w + ":hit"
		a.do("create", "probed", "-o", out)
		a.do("enable-event", "-k", "--userspace-probe", place, "hits")
		a.refuse(agent.CodeKernelEventExists, "exists", "enable-event", "-k", "--userspace-probe", place, "hits")
		a.refuse(agent.CodeInvalid, "no such function", "enable-event", "-k", "--userspace-probe", "elf:"+w+":miss", "misses")
		a.refuse(agent.CodeInvalid, "identifier", "enable-event", "-k", "--userspace-probe", place, "not-a-name")
		a.do("start")
		m.run(w, "1234")
		// One more while it is recorded, of the same place.
		a.do("enable-event", "-k", "--userspace-probe", place, "again")
		m.run(w, "321")
		a.do("disable-event", "-k", "hits")
		m.run(w, "11")
		groups := m.probeGroups()
		if got := m.probesOf(groups); len(got) != 2 {
			m.Errorf("probes of %v: %v, want 2", groups, got)
		}
		a.do("stop")
		a.do("destroy")
		if got := m.probesOf(groups); len(got) != 0 {
			m.Errorf("left by the session: %v", got)
		}
		text := m.run("babeltrace2", out)
		for name, want := range map[string]int{" hits: ": 1234 + 321, " again: ": 321 + 11, "ip = 0x": 1234 + 321 + 321 + 11} {
			if n := strings.Count(text, name); n != want {
				m.Errorf("%q is %d times in the trace, want %d", name, n, want)
			}
		}
		a.end()
	})
}

// TestProbesOfAgentKilled kills the daemon: the next one removes its probes, and
// no others.
func TestProbesOfAgentKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		m.needUprobes()
		w := m.hitter("weirlefthits")
		place := tracefs.UserPlace{Path: w, Symbol: "hit"}
		offset, err := place.Offset()
		if err != nil {
			m.Fatal(err)
		}
		fs, err := tracefs.Find()
		if err != nil {
			m.Fatal(err)
		}
		m.Cleanup(func() { fs.Close() }) // after what comes below
		others := tracefs.EventName{System: fmt.Sprintf("weir_others_%x", time.Now().UnixNano()), Name: "hits"}
		if err := fs.AddProbe(tracefs.Probe{Event: others, Path: w, Offset: offset}); err != nil {
			m.Fatal(err)
		}
		m.Cleanup(func() {
			if err := fs.RemoveProbe(others); err != nil {
				m.Errorf("somebody else's probe: %v", err)
			}
		})
		a.do("create", "left", "-o", filepath.Join(m.dir, "trace"))
		a.do("enable-event", "-k", "--userspace-probe", "elf:"+w+":hit", "hits")
		a.do("start")
		consumers := m.children(a.p.cmd.Process.Pid)
		a.p.kill()
		for _, pid := range consumers {
			m.untilGone(pid)
		}
		groups := m.probeGroups()
		if got := m.probesOf(groups); len(got) != 1 {
			m.Errorf("left by a killed daemon: %v of %v, want one", got, groups)
		}
		a = m.startAgent()
		m.wantNoInstance(0)
		if got := m.probesOf(groups); len(got) != 0 {
			m.Errorf("left after the next start: %v", got)
		}
		a.end()
	})
}

// TestKernelProbe makes probes in the kernel, or is told what this one lacks.
func TestKernelProbe(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "trace")
		a.do("create", "probed", "-o", out)
		if _, err := os.Stat(filepath.Join(kernelRoot, "kprobe_events")); err != nil {
			for _, flag := range []string{"--probe", "--function"} {
				a.refuse(agent.CodeNotSupported, "kprobe_events", "enable-event", "-k", flag, "vfs_read+0x0", "reads")
			}
			a.do("destroy")
			a.end()
			return
		}
		w := m.writer("weirkprobe")
		comm := `$ctx.procname == "weirkprobe"`
		a.do("enable-event", "-k", "--probe", "ksys_write", "writes", "-f", comm)
		a.do("enable-event", "-k", "--function", "ksys_write", "call", "-f", comm)
		a.do("start")
		m.write(w, 1000)
		a.do("stop")
		a.do("destroy")
		text := m.run("babeltrace2", out)
		n := strings.Count(text, " writes: ")
		if entries, exits := strings.Count(text, " call_entry: "), strings.Count(text, " call_exit: "); n < 1000 || entries != n || exits != n {
			m.Errorf("%d hits, %d entries, %d exits; want the same, 1000 at least", n, entries, exits)
		}
		a.end()
	})
}
