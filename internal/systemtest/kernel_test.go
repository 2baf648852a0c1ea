// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestKernelLocal records system calls into files: exactly those made, the same
// for both readers.
func TestKernelLocal(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirlocal")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "local", "-o", out)
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 20000)
		a.do("stop")
		m.write(w, 100) // not recorded
		a.do("start")
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		m.wantWrites("local", 25000, out)
		m.wantConsecutive(out)
		want := m.run("babeltrace2", out)
		if got := m.run(m.weir(), "view", out); got != want {
			m.Errorf("weir view prints %d bytes, babeltrace2 %d, or others", len(got), len(want))
		}
		a.end()
	})
}

// TestKernelSeed gives the commands of the network consumer's proposal, to both
// relays.
func TestKernelSeed(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirseed")
		record := func(out string) {
			a.do("create", "session1")
			a.do("enable-consumer", "net://127.0.0.1")
			a.do(a.countedRule(w)...)
			a.do("start")
			m.write(w, 20000)
			a.do("stop")
			a.do("destroy")
			found, err := filepath.Glob(filepath.Join(out, hostName, "session1-*", "kernel", "metadata"))
			if err != nil || len(found) != 1 {
				m.Errorf("metadata below the host's name: %v, %v", found, err)
			}
			m.wantWrites("stored", 20000, out)
			m.wantConsecutive(out)
		}
		r := m.startWeir()
		record(m.out)
		r.stop()
		o := m.startOriginal()
		record(o.out)
		o.stop()
		a.end()
	})
}

// TestKernelSwitch takes a session from files to a relay and back, ten times,
// while calls are made: each is in one of the two, once.
func TestKernelSwitch(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirswitch")
		dirs := []string{m.out}
		place := func(i int) string {
			dir := filepath.Join(m.dir, fmt.Sprintf("part%d", i))
			dirs = append(dirs, dir)
			return dir
		}
		const rounds, calls = 10, 2000
		a.do("create", "moving", "-o", place(0))
		a.do(a.countedRule(w)...)
		a.do("start")
		for i := range rounds {
			m.write(w, calls)
			if i%2 == 0 {
				a.do("enable-consumer", relayURL)
			} else {
				a.do("enable-consumer", place(i+1))
			}
			m.write(w, calls)
			if i == rounds/2 {
				a.do("rotate")
			}
		}
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("all parts", 2*rounds*calls, dirs...)
		m.wantConsecutive(dirs...)
		a.end()
	})
}

// TestKernelLive shows a live session to babeltrace2 and to weir while it is
// recorded, together with weir's own domain.
func TestKernelLive(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirlive")
		a.do("create", "live", "--live=100000", "-U", relayURL)
		a.do(a.countedRule(w)...)
		a.do("enable-event", "-w", "-a")
		a.do("start")
		url := fmt.Sprintf("%s/host/%s/live", relayURL, hostName)
		bt := m.start("babeltrace2", "--input-format=lttng-live", url)
		own := m.start(m.weir(), "view", url)
		m.write(w, 1) // until both see what happens
		seen := func(lines []string) bool {
			for _, l := range lines {
				if strings.Contains(l, "syscall_entry_write") {
					return true
				}
			}
			return false
		}
		for _, p := range []*process{bt, own} {
			m.until("viewer sees a call", func() bool {
				m.write(w, 1)
				lines, _ := p.output()
				return seen(lines)
			})
		}
		m.write(w, 10000)
		a.do("stop")
		a.do("destroy")
		if bt.wait() != 0 || own.wait() != 0 {
			m.Errorf("viewers: %s\n%s", lastLines(bt.errors(), 5), lastLines(own.errors(), 5))
		}
		for _, p := range []*process{bt, own} {
			lines, _ := p.output()
			n := 0
			for _, l := range lines {
				if strings.Contains(l, "syscall_entry_write") {
					n++
				}
			}
			if n < 10000 {
				m.Errorf("%s shows %d calls, want at least 10000", p.name, n)
			}
		}
		r.stop()
		a.end()
	})
}

// TestKernelSnapshot keeps what happens in memory and stores it twice.
func TestKernelSnapshot(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirsnap")
		out := filepath.Join(m.dir, "snapshots")
		a.do("create", "flight", "--snapshot", "-o", out)
		a.do(a.countedRule(w)...)
		a.refuse(agent.CodeNeverStarted, "never been started", "snapshot", "record")
		a.do("start")
		m.write(w, 1000)
		a.do("snapshot", "record", "-n", "first")
		m.write(w, 500)
		a.do("snapshot", "record", "-n", "second")
		a.do("stop")
		a.do("destroy")
		for name, want := range map[string]int{"first": 1000, "second": 1500} {
			found, err := filepath.Glob(filepath.Join(out, name+"-*"))
			if err != nil || len(found) != 1 {
				m.Fatalf("snapshots %s: %v, %v", name, found, err)
			}
			m.wantWrites(name, want, found[0])
		}
		a.do("create", "plain", "-o", filepath.Join(m.dir, "plain"))
		a.refuse(agent.CodeNotSnapshotSession, "no snapshot session", "snapshot", "record")
		a.do("destroy")
		a.end()
	})
}

// TestKernelRotation rotates by command and by size, clears, and limits files.
func TestKernelRotation(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirrotate")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "turning", "-o", out)
		a.do("enable-channel", "-k", "small", "--subbuf-size=4096", "--num-subbuf=64")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		for range 3 {
			m.write(w, 3000)
			a.do("rotate")
		}
		m.write(w, 3000)
		a.do("stop")
		chunks, err := filepath.Glob(filepath.Join(out, "archives", "*"))
		if err != nil || len(chunks) != 3 {
			m.Errorf("chunks %v, %v; want 3", chunks, err)
		}
		n := 0
		for _, c := range append(chunks, filepath.Join(out, "kernel")) { // each can be read alone
			k, lost := m.writesOf("chunk", c)
			n += k
			if lost != 0 {
				m.Errorf("chunk %s: %d lost", c, lost)
			}
		}
		if n != 12000 {
			m.Errorf("%d calls in all chunks, want 12000", n)
		}
		m.wantConsecutive(out)
		a.do("clear")
		if k, _ := m.writesOf("cleared", filepath.Join(out, "kernel")); k != 0 {
			m.Errorf("after clear: %d calls", k)
		}
		a.do("destroy")

		limited := filepath.Join(m.dir, "limited")
		a.do("create", "limited", "-o", limited)
		a.do("enable-channel", "-k", "small", "--subbuf-size=4096", "--num-subbuf=64", "--tracefile-size=8192", "--tracefile-count=2")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		files, err := filepath.Glob(filepath.Join(limited, "kernel", "small_*"))
		if err != nil || len(files) == 0 {
			m.Fatalf("files %v, %v", files, err)
		}
		perCPU := make(map[string]int)
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil || info.Size() > 8192 {
				m.Errorf("%s: %v, %v; want at most 8192 bytes", f, info.Size(), err)
			}
			perCPU[f[:strings.LastIndex(f, "_")]]++
		}
		for cpu, n := range perCPU {
			if n > 2 {
				m.Errorf("%s: %d files, want at most 2", cpu, n)
			}
		}
		a.end()
	})
}

// TestKernelRotateUnderLoad rotates right after bursts of calls, fifty times, while
// others are made all the time: each chunk can be read alone, and each call is in one
// of them.
func TestKernelRotateUnderLoad(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirbursts")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "bursts", "-o", out)
		a.do("enable-channel", "-k", "large", "--subbuf-size=64k", "--num-subbuf=256")
		a.do(append(a.countedRule(w), "-c", "large")...)
		a.do("start")
		const rounds, calls, steady = 50, 2000, 200
		on := filepath.Join(m.dir, "on")
		if err := os.WriteFile(on, nil, 0o600); err != nil {
			m.Fatal(err)
		}
		load := m.start("sh", "-c", fmt.Sprintf("while [ -e %s ]; do %s if=/dev/zero of=/dev/null bs=1 count=%d 2>/dev/null || exit 1; echo; done", on, w, steady))
		for range rounds {
			m.write(w, calls)
			a.do("rotate")
		}
		if err := os.Remove(on); err != nil {
			m.Fatal(err)
		}
		if code := load.wait(); code != 0 {
			m.Errorf("load: exit code %d\n%s", code, load.errors())
		}
		lines, _ := load.output()
		a.do("stop")
		doc := a.session("bursts")
		a.do("destroy")
		chunks, err := filepath.Glob(filepath.Join(out, "archives", "*"))
		if err != nil || len(chunks) != rounds+1 || doc.Chunks != rounds { // the last one when the session ended
			m.Errorf("%d chunks, %v, status says %d; want %d", len(chunks), err, doc.Chunks, rounds)
		}
		for _, c := range chunks {
			if _, errs, code := m.try("babeltrace2", "--output-format=dummy", c); code != 0 || errs != "" {
				m.Errorf("babeltrace2 %s: exit code %d\n%s", c, code, lastLines(errs, 5))
			}
		}
		m.wantWrites("all chunks", rounds*calls+len(lines)*steady, out)
		m.wantConsecutive(out)
		a.end()
	})
}

// TestKernelRefusals gives commands that cannot be carried out.
func TestKernelRefusals(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		a.refuse(agent.CodeSessionNotFound, "not found", "start", "-s", "nobody")
		a.refuse(agent.CodeBadSessionName, "'/'", "create", "a/b")
		a.do("create", "bad", "-o", filepath.Join(m.dir, "bad"))
		a.refuse(agent.CodeSessionExists, "exists", "create", "bad")
		a.refuse(agent.CodeNoChannel, "no channel", "start")
		a.refuse(agent.CodeInvalid, "sched_switch", "enable-event", "-k", "sched_swich")
		a.refuse(agent.CodeFilter, "", "enable-event", "-k", "sched_switch", "-f", "prev_prio ==")
		a.do("enable-event", "-k", "sched_switch")
		a.refuse(agent.CodeKernelEventExists, "exists", "enable-event", "-k", "sched_switch")
		a.refuse(agent.CodeRelayConnect, "127.0.0.1:5342", "enable-consumer", relayURL)
		a.do("start")
		a.refuse(agent.CodeAlreadyStarted, "already", "start")
		if doc := a.session("bad"); doc.State != agent.Active || doc.Consumer.State != agent.ConsumerStreaming {
			m.Errorf("session is %s, consumer %s: what was refused changed it", doc.State, doc.Consumer.State)
		}
		a.do("stop")
		if _, _, code := m.try(m.weir(), "stop"); code != 4 {
			m.Errorf("stop of a stopped session: exit code %d, want 4", code)
		}
		a.do("destroy")
		if _, errs, code := m.try(m.weir(), "agent"); code == 0 || !strings.Contains(errs, "already running") {
			m.Errorf("second daemon: exit code %d, %s", code, errs)
		}
		a.end()
		if _, _, code := m.try(m.weir(), "list"); code != 3 {
			m.Errorf("without a daemon: exit code %d, want 3", code)
		}
	})
}

// TestUpRecordsHost starts everything and reads the session that is there from the
// start.
func TestUpRecordsHost(t *testing.T) {
	isolated(t, func(m *machine) {
		m.needKernel()
		up := m.startNotifying("WEIR_AGENT_ENABLE=true", m.weir(), "up")
		url := fmt.Sprintf("%s/host/%s/weir", relayURL, hostName)
		v := m.start(m.weir(), "view", url)
		name := m.writer("weirborn")
		m.until("the viewer sees a process", func() bool {
			m.write(name, 1)
			lines, _ := v.output()
			for _, l := range lines {
				if strings.Contains(l, "sched_process_exec:") && strings.Contains(l, name) {
					return true
				}
			}
			return false
		})
		up.stop()
		if v.wait() != 0 {
			m.Errorf("viewer: %s", lastLines(v.errors(), 5))
		}
		stored := filepath.Join(m.dir, "state", "traces", hostName)
		if out := m.run("babeltrace2", stored); !strings.Contains(out, "weir:state:") || !strings.Contains(out, "sched_process_exec:") {
			m.Errorf("stored below %s: %d bytes, without weir's events or the kernel's", stored, len(out))
		}
		m.wantNoInstance(0)
	})
}
