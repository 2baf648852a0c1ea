// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

var (
	// processTrace is the directory of a program's trace.
	processTrace = regexp.MustCompile(`-\d+-\d{8}-\d{6}(/|$)`)
	// envEntry is what a trace tells of where it was made.
	envEntry = regexp.MustCompile(`(?m)^\s*(\w+) = (.*);$`)
	digits   = regexp.MustCompile(`\d+`)
)

// tree lists what is below a directory, programs' traces without numbers and times.
func (m *machine) tree(dir string) (all []string) {
	m.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, rerr := filepath.Rel(dir, path); rerr == nil && err == nil {
			all = append(all, processTrace.ReplaceAllString(rel, "-N$1"))
		}
		return err
	})
	if err != nil {
		m.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// env is the environment of a trace as text, without what differs from run to run.
func (m *machine) env(metadata string) (all []string) {
	m.Helper()
	text, err := os.ReadFile(metadata)
	if err != nil {
		m.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "env {")
	rest, _, _ = strings.Cut(rest, "}")
	for _, e := range envEntry.FindAllStringSubmatch(rest, -1) {
		value := e[2]
		switch e[1] {
		case "vpid", "tracer_buffering_id", "vpid_datetime", "trace_creation_datetime":
			value = digits.ReplaceAllString(value, "N")
		}
		all = append(all, e[1]+" = "+value)
	}
	slices.Sort(all)
	return all
}

// TestUserProcessesAsSessiond records programs with traces of their own by LTTng's session
// daemon and by weir's: files, environment and events are the same.
func TestUserProcessesAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		record := func(do func(...string) string, out string) {
			do("create", "s", "-o", out)
			do("enable-channel", "-u", "--buffers-pid", "c")
			do("enable-event", "-u", "-a", "-c", "c")
			do("add-context", "-u", "-c", "c", "-t", "vpid", "-t", "procname")
			do("start")
			k := m.startKinds(sameAddresses...)
			k.emit(600, 0)
			k.finish()
			m.run(m.life("emit", 1, 100, sameAddresses...)...)
			m.run(m.life("emit", 2, 100, sameAddresses...)...)
			if text := do("list", "s"); !strings.Contains(text, "Buffering scheme: per-process") || !strings.Contains(text, "Sub-buffer size:  16384 bytes") {
				m.Errorf("the session is not listed with rings of processes:\n%s", text)
			}
			do("destroy")
		}
		theirs, ours := filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		m.startSessiond()
		record(m.lttng, theirs)
		m.killLTTng()
		a := m.startAgent("--take-ust-socket")
		record(a.do, ours)
		a.end()

		if got, want := m.tree(ours), m.tree(theirs); !slices.Equal(got, want) {
			m.Errorf("files\n%s\nwant LTTng's\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, name := range []string{"kinds", "life"} {
			one := func(dir string) string {
				found, err := filepath.Glob(filepath.Join(dir, "ust", "pid", name+"-*"))
				if err != nil || len(found) == 0 {
					m.Fatalf("traces of %s in %s: %q, %v", name, dir, found, err)
				}
				return found[0]
			}
			if got, want := m.env(filepath.Join(one(ours), "metadata")), m.env(filepath.Join(one(theirs), "metadata")); !slices.Equal(got, want) {
				m.Errorf("environment\n%s\nwant LTTng's\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		want, got := m.userEvents(theirs), m.userEvents(ours)
		if len(want) < 900 || !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					m.Fatalf("event %d of %d:\n%s\nof LTTng's %d:\n%s", i, len(got), got[i], len(want), want[i])
				}
			}
			m.Errorf("%d events, want %d, 900 at least", len(got), len(want))
		}
		if n := strings.Count(m.run(m.weir(), "view", ours), "\n"); n != len(want) {
			m.Errorf("weir view shows %d lines, want %d events", n, len(want))
		}
	})
}

// awaitRings waits until so many programs have rings: the daemon holds each, the consumer
// of each session that there is has it mapped.
func (m *machine) awaitRings(programs int) {
	m.Helper()
	want := programs * runtime.NumCPU()
	held, mapped := 0, 0
	m.until(fmt.Sprintf("rings of %d programs", programs), func() bool {
		held, mapped = 0, 0
		for pid, exe := range m.programFiles() {
			if exe != m.weir() {
				continue
			}
			dir := filepath.Join("/proc", strconv.Itoa(pid))
			links, _ := filepath.Glob(filepath.Join(dir, "fd", "*"))
			for _, l := range links {
				if to, _ := os.Readlink(l); strings.HasPrefix(to, "/memfd:lttng-ust-ring") {
					held++
				}
			}
			maps, _ := os.ReadFile(filepath.Join(dir, "maps")) // it may have ended
			mapped += strings.Count(string(maps), "/memfd:lttng-ust-ring")
		}
		return held == want && mapped == want
	})
}

// processTraces are the traces of programs in a directory: which runs each has.
func (m *machine) processTraces(dir string) (all []map[int]int) {
	m.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "ust", "pid", "*-*-*-*"))
	if err != nil {
		m.Fatal(err)
	}
	for _, d := range found {
		all = append(all, m.ticks(d))
	}
	return all
}

// TestUserProcesses records programs with traces of their own that come and go, through
// rotations, a clear, a stop, and the death of the consumer: what a program has is freed
// when it ends, and goes along in no later chunk.
func TestUserProcesses(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		out := filepath.Join(m.dir, "out")
		a.do("create", "mixed")
		a.do("enable-channel", "-u", "--buffers-uid", "c")
		a.refuse(agent.CodeBufferType, "other kind", "enable-channel", "-u", "--buffers-pid", "d")
		a.do("destroy")
		a.recordTicks(out, "--buffers-pid")
		stays := m.startApp(1, 16)
		stays.emit(100, 0)
		m.run(m.life("emit", 2, 100)...)
		m.run(m.life("emit", 3, 100)...)
		// The child becomes another program, often in the same second.
		m.run(m.life("fork", 10, 50, "env", "LD_PRELOAD=liblttng-ust-fork.so.1")...)
		m.awaitRings(1)
		if got := m.processTraces(out); len(got) != 6 {
			m.Errorf("traces %v, want one of each run", got)
		}
		a.do("rotate")
		stays.emit(10, 0)
		m.run(m.life("emit", 4, 10)...)
		m.awaitRings(1)
		if got := m.processTraces(out); len(got) != 2 {
			m.Errorf("traces in the chunk %v, want those of runs 1 and 4", got)
		}
		a.do("rotate")
		stays.emit(7, 0)
		m.run(m.life("emit", 5, 7)...)
		a.do("clear")
		a.do("stop")
		m.run(m.life("emit", 6, 7)...)
		a.do("start")
		stays.emit(3, 0)
		consumer := m.children(a.p.cmd.Process.Pid)[0]
		m.run("kill", "-9", strconv.Itoa(consumer))
		m.run(m.life("emit", 7, 20)...)
		m.until("another consumer", func() bool {
			all := m.children(a.p.cmd.Process.Pid)
			return len(all) == 1 && all[0] != consumer
		})
		stays.emit(4, 0)
		m.awaitRings(1)
		stays.finish()
		m.awaitRings(0)
		a.do("stop")
		s := a.session("s")
		if n := s.Consumer.Packets; n == 0 || len(s.Domains[0].Channels[0].Streams) != runtime.NumCPU() {
			m.Errorf("%d packets of %d streams, want some of one a processor, of programs that are gone", n, len(s.Domains[0].Channels[0].Streams))
		}
		a.do("destroy")
		a.end()
		got := m.ticks(out)
		for run, want := range map[int]int{2: 100, 3: 100, 4: 10, 5: 0, 6: 0, 7: 20, 10: 50, 11: 50, 12: 50} {
			if got[run] != want {
				m.Errorf("%d events of run %d, want %d", got[run], run, want)
			}
		}
		if got[1] < 114 || got[1] > 117 { // what the consumer had not written when it was killed
			m.Errorf("%d events of run 1, want 114 to 117", got[1])
		}
	})
}

// TestUserProcessesElsewhere has programs with traces of their own go to a relay, live and
// not, and into snapshots; the session is saved and made again before.
func TestUserProcessesElsewhere(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir("--data-udp")
		a := m.startAgent()
		shots, saved := filepath.Join(m.dir, "shots"), m.mkdir("saved")
		for name, to := range map[string][]string{
			"net": {"-U", relayURL}, "udp": {"-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1"}, "live": {"--live=100000"}, "shot": {"--snapshot", "-o", shots},
		} {
			a.do(append([]string{"create", name}, to...)...)
			a.do("enable-channel", "-u", "c", "--buffers-pid", "-s", name)
			a.do("enable-event", "-u", eventName, "-c", "c", "-s", name)
			a.do("save", name, "-o", saved)
			a.do("destroy", name)
			a.do("load", name, "-i", saved)
			if b := a.session(name).Domains[0].Channels[0].Buffers; b != "pid" {
				m.Errorf("session %s has rings %q after it was loaded", name, b)
			}
			a.do("start", name)
		}
		stays := m.startApp(1, 16, onFirstCPU...)
		stays.emit(100, 0)
		m.until("a session for viewers", func() bool {
			return strings.Contains(m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1"), "/live ")
		})
		v := m.view("live@begin")
		m.run(m.life("emit", 2, 100)...)
		m.run(m.life("emit", 3, 100, "env", "LTTNG_UST_REGISTER_TIMEOUT=-1")...)
		a.do("rotate", "net")
		stays.emit(10, 0)
		m.run(m.life("emit", 4, 10)...)
		m.awaitRings(4) // of one program, in each session
		a.do("snapshot", "record", "-s", "shot")
		v.await(4, 10)
		open := fmt.Sprintf(" %d stream(s)", runtime.NumCPU()+1) // of one program, metadata included
		m.until("the streams of programs that are gone are closed on the relay", func() bool {
			return strings.Count(m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1"), open) == 4
		})
		stays.finish()
		a.do("destroy", "-a")
		shown := countEvents(v.finish())
		a.end()
		r.stop()
		for run, want := range map[int]int{1: 110, 2: 100, 3: 100, 4: 10} {
			if got := m.ticks(filepath.Join(m.out, hostName))[run]; got != 3*want {
				m.Errorf("%d events of run %d on the relay, want %d of each of three sessions", got, run, want)
			}
			if shown[run] != want {
				m.Errorf("%d events of run %d shown, want %d", shown[run], run, want)
			}
		}
		if got := m.ticks(shots); got[1] != 110 || got[2]+got[3]+got[4] != 0 {
			m.Errorf("the snapshot has events %v, want those of the program that runs", got)
		}
	})
}

// TestUserProcessesWait has programs end while nobody reads their rings, as the consumer is
// disabled, and while the relay is away: they are recorded in full, and what they take is
// freed then.
func TestUserProcessesWait(t *testing.T) {
	isolated(t, func(m *machine) {
		r := m.startWeir()
		a := m.startAgent()
		for _, name := range []string{"away", "off"} {
			a.do("create", name, "-U", relayURL)
			a.do("enable-channel", "-u", "c", "--buffers-pid", "-s", name)
			a.do("enable-event", "-u", eventName, "-c", "c", "-s", name)
			a.do("start", name)
		}
		m.run(m.life("emit", 1, 100)...)
		m.awaitRings(0)
		a.do("disable-consumer", "-s", "off")
		m.run(m.life("emit", 2, 100)...)
		m.awaitRings(1) // of the session whose consumer is disabled
		a.do("enable-consumer", "-s", "off")
		m.awaitRings(0)
		r.stop()
		a.awaitConsumer("away", agent.ConsumerSpooling)
		m.run(m.life("emit", 3, 100)...)
		m.run(m.life("emit", 4, 100)...)
		m.awaitRings(0) // the packets are in the spool
		r = m.startWeir()
		for _, name := range []string{"away", "off"} {
			a.awaitConsumer(name, agent.ConsumerStreaming)
		}
		m.run(m.life("emit", 5, 100)...)
		m.awaitRings(0)
		for _, name := range []string{"away", "off"} {
			a.do("stop", name)
			c := a.await(name, "all packets confirmed", func(s agent.Session) bool { return s.Consumer.Packets == s.Consumer.Confirmed }).Consumer
			if c.Packets != 5*2 && c.Packets != 5 || c.Lost != 0 {
				m.Errorf("session %s: %d packets, %d lost; want one or two of each program and none", name, c.Packets, c.Lost)
			}
		}
		a.do("destroy", "-a")
		a.end()
		r.stop()
		got := m.ticks(m.out)
		for run := 1; run <= 5; run++ {
			if got[run] != 200 {
				m.Errorf("%d events of run %d, want 200 of two sessions", got[run], run)
			}
		}
	})
}
