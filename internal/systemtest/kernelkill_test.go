// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestKernelConsumerKilled kills the consumer process: the next one goes on, and
// what was lost is told.
func TestKernelConsumerKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirkilled")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "unlucky", "-o", out)
		a.do(a.countedRule(w)...)
		a.do("start")
		const rounds, calls = 5, 3000
		for range rounds {
			m.write(w, calls)
			pids := m.children(a.p.cmd.Process.Pid)
			if len(pids) != 1 {
				m.Fatalf("consumer processes %v, want one", pids)
			}
			if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
				m.Fatal(err)
			}
			m.until("another consumer process", func() bool {
				now := m.children(a.p.cmd.Process.Pid)
				return len(now) == 1 && now[0] != pids[0]
			})
			m.until("it records", func() bool {
				doc := a.session("unlucky") // as it was, with a warning, while the process is started
				return doc.Consumer.State == agent.ConsumerStreaming && len(doc.Warnings) == 0
			})
		}
		m.write(w, calls)
		a.do("stop")
		a.do("destroy")
		if n, lost := m.writesOf("killed", out); n+lost != (rounds+1)*calls || n == 0 {
			m.Errorf("%d recorded + %d discarded, want %d", n, lost, (rounds+1)*calls)
		}
		a.end()
	})
}

// TestKernelAgentKilled kills the daemon: nothing stays behind after the next
// start, and the trace can be read.
func TestKernelAgentKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		w := m.writer("weirgone")
		for i := range 5 {
			a := m.startAgent()
			out := filepath.Join(m.dir, fmt.Sprintf("trace%d", i))
			a.do("create", "gone", "-o", out)
			a.do(a.countedRule(w)...)
			a.do("start")
			m.write(w, 3000)
			consumers := m.children(a.p.cmd.Process.Pid)
			a.p.kill()
			for _, pid := range consumers {
				m.untilGone(pid)
			}
			// The consumer writes what it has read before it ends.
			if n, lost := m.writesOf("killed", out); n+lost > 3000 || n == 0 {
				m.Errorf("%d recorded, %d discarded", n, lost)
			}
		}
		a := m.startAgent()
		m.wantNoInstance(0)
		a.end()
	})
}

// TestKernelRelayKilled kills weir's relay and starts it again: nothing is lost,
// nothing is there twice.
func TestKernelRelayKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirspool")
		a.do("create", "bridge", "-U", relayURL)
		a.do("enable-consumer")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 20000)
		r.kill()
		m.write(w, 20000)
		m.until("the loss is seen", func() bool { return a.session("bridge").Consumer.State == agent.ConsumerSpooling })
		m.write(w, 20000)
		r = m.startWeir()
		m.until("the relay is found again", func() bool { return a.session("bridge").Consumer.State == agent.ConsumerStreaming })
		m.write(w, 20000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		if found, err := filepath.Glob(filepath.Join(m.out, hostName, "bridge*")); err != nil || len(found) != 1 {
			m.Errorf("stored in %v, %v: weir's relay goes on in one directory", found, err)
		}
		m.wantWrites("all", 80000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestKernelKilledAtRandom kills daemon or consumer at random moments, a hundred
// times in all: what is left behind can be read, and goes with the next start.
func TestKernelKilledAtRandom(t *testing.T) {
	for part := range 4 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			isolated(t, func(m *machine) { m.killAtRandom(25) })
		})
	}
}

func (m *machine) killAtRandom(rounds int) {
	w := m.writer("weirrandom")
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for i := range rounds {
		a := m.startAgent()
		out := filepath.Join(m.dir, fmt.Sprintf("trace%d", i))
		steps := [][]string{{"create", "r", "-o", out}, a.countedRule(w), {"start"}, nil, {"rotate"}, nil, {"stop"}}
		at := r.IntN(len(steps))
		for _, step := range steps[:at] {
			if step == nil {
				m.write(w, 500)
				continue
			}
			a.do(step...)
		}
		consumers := m.children(a.p.cmd.Process.Pid)
		if len(consumers) > 0 && r.IntN(2) == 0 {
			_ = syscall.Kill(consumers[0], syscall.SIGKILL) // it may end by itself
		}
		if step := steps[at]; step != nil { // in the middle of a command
			p := m.start(append([]string{m.weir()}, step...)...)
			a.p.kill()
			p.wait()
		} else {
			a.p.kill()
		}
		for _, pid := range consumers {
			m.untilGone(pid)
		}
		if metadata, err := os.Stat(filepath.Join(out, "kernel", "metadata")); err == nil && metadata.Size() > 0 {
			if n, _ := m.writesOf("killed", filepath.Join(out, "kernel")); n > 1000 {
				m.Errorf("round %d: %d calls recorded of at most 1000", i, n)
			}
		}
	}
	a := m.startAgent()
	m.wantNoInstance(0)
	a.end()
}
