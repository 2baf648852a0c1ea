// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ports are those that the original listens on by default.
var ports = []string{"5342", "5343", "5344"}

// linkWeir makes weir callable by the original's name.
func (m *machine) linkWeir() string {
	m.Helper()
	path := filepath.Join(m.mkdir("bin"), "lttng-relayd")
	if err := os.Symlink(m.weir(), path); err != nil {
		m.Fatal(err)
	}
	return path
}

// listening reports whether connections are accepted on all ports.
func (m *machine) listening() bool {
	for _, port := range ports {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, patience)
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

// wantListening checks that connections are accepted now.
func (m *machine) wantListening() {
	m.Helper()
	if !m.listening() {
		m.Error("not all ports listen right after the start")
	}
}

// Called by the original's name, with its options, weir goes to the background
// when all ports listen, keeps that name, stores where the original would, and
// ends on SIGTERM.
func TestDropIn(t *testing.T) {
	for _, option := range []string{"-d", "-b", "--daemonize", "--backgr"} {
		t.Run(strings.TrimLeft(option, "-"), func(t *testing.T) {
			isolated(t, func(m *machine) {
				m.startSessiond()
				m.run(m.linkWeir(), option)
				m.wantListening()
				pids := m.processes("lttng-relayd")
				if len(pids) != 1 {
					m.Fatalf("processes called lttng-relayd: %v, want one", pids)
				}
				m.wantName(pids[0])
				m.wantHealthy(pids[0])
				s := m.create("dropped-in", "--set-url=net://localhost")
				s.enable()
				a := m.startApp(1, 20)
				a.emit(1000, 0)
				a.finish()
				s.destroy()
				m.wantEvents("stored", m.readTree(filepath.Join(m.dir, "home", "lttng-traces")), a.all())
				m.wantName(pids[0])
				if err := syscall.Kill(pids[0], syscall.SIGTERM); err != nil {
					m.Fatal(err)
				}
				m.untilGone(pids[0])
				if left := m.files("/run/lttng/relayd", "*"); len(left) > 0 {
					m.Errorf("left in the run directory: %v", left)
				}
			})
		})
	}
}

// wantName checks how a process is called.
func (m *machine) wantName(pid int) {
	m.Helper()
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		m.Fatal(err)
	}
	argv0, _, _ := strings.Cut(string(line), "\x00")
	if !strings.Contains(filepath.Base(argv0), "lttng-relayd") {
		m.Errorf("process %d is called %q", pid, argv0)
	}
}

// wantHealthy asks the health socket, as LTTng's health check does.
func (m *machine) wantHealthy(pid int) {
	m.Helper()
	c, err := net.DialTimeout("unix", "/var/run/lttng/relayd/health-"+strconv.Itoa(pid), patience)
	if err != nil {
		m.Error(err)
		return
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		m.Fatal(err)
	}
	if _, err := c.Write(binary.NativeEndian.AppendUint32(nil, 0)); err != nil {
		m.Error(err)
		return
	}
	reply := make([]byte, 8)
	if _, err := io.ReadFull(c, reply); err != nil {
		m.Errorf("health: %v", err)
		return
	}
	if bad := binary.NativeEndian.Uint64(reply); bad != 0 {
		m.Errorf("health: bad parts %#x", bad)
	}
}

// LTTng's own control program starts a relay where none runs.
func TestStartedByLTTng(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		m.lttng("--relayd-path="+m.linkWeir(), "create", "spawned", "--live="+liveTimer)
		m.until("started relay", m.listening)
		s := &session{m, "spawned"}
		s.enable()
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		a.emit(1000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), a.all())
		m.wantEvents("stored", m.readTree(filepath.Join(m.dir, "home", "lttng-traces")), a.all())
	})
}

// A start that fails says so with status 1, also from the background, and
// leaves nothing behind.
func TestFailedStart(t *testing.T) {
	isolated(t, func(m *machine) {
		relay := m.linkWeir()
		taken, err := net.Listen("tcp", "127.0.0.1:5344")
		if err != nil {
			m.Fatal(err)
		}
		defer taken.Close()
		for _, args := range [][]string{{}, {"-d"}, {"-b"}, {"-o", "relative"}, {"--no-such-option"}, {"-s", "-p"}} {
			_, errs, code := m.try(append([]string{relay}, args...)...)
			if code != 1 || errs == "" {
				m.Errorf("%v: exit code %d, want 1 and an explanation: %q", args, code, errs)
			}
			for _, pid := range m.processes("lttng-relayd") {
				m.Errorf("%v: process %d is left", args, pid)
			}
		}
	})
}

// Producers and viewers may come by IPv6.
func TestIPv6(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir("-C", "tcp6://[::1]", "-D", "tcp6://[::1]")
		s := m.create("six", "--live="+liveTimer, "--set-url=net6://[::1]")
		s.enable()
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		a.emit(1000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), a.all())
		m.wantEvents("stored", m.readTree(m.out), a.all())
		w.stop()
	})
}

// Any ports will do, as the port files tell.
func TestOtherPorts(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir("-C", "tcp://127.0.0.1:0", "-D", "tcp://127.0.0.1:0", "--dynamic-port-allocation", "-L", "tcp://127.0.0.1:7000")
		port := func(name string) string {
			b, err := os.ReadFile(filepath.Join("/var/run/lttng/relayd", name+".port"))
			if err != nil {
				m.Fatal(err)
			}
			return strings.TrimSpace(string(b))
		}
		if got := port("live"); got != "7000" {
			m.Errorf("live port is %s, want 7000", got)
		}
		s := m.create("elsewhere", "--set-url="+relayURL+":"+port("control")+":"+port("data"))
		s.enable()
		a := m.startApp(1, 20)
		a.emit(1000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("stored", m.readTree(m.out), a.all())
		w.stop()
	})
}
