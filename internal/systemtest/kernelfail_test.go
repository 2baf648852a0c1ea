// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/peer"
)

// TestKernelConsumerHangs stops the consumer process, as a debugger does: another
// one takes its place and reads what the rings have kept meanwhile.
func TestKernelConsumerHangs(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent("--consumer-timeout=3s")
		w := m.writer("weirhangs")
		out, own := filepath.Join(m.dir, "trace"), filepath.Join(m.dir, "own")
		a.do("create", "hanging", "-o", out)
		a.do(a.countedRule(w)...)
		a.do("start")
		pids := m.children(a.p.cmd.Process.Pid)
		if len(pids) != 1 {
			m.Fatalf("consumer processes %v, want one", pids)
		}
		a.do("create", "own", "-o", own)
		a.do("enable-event", "-w", "weir:error")
		a.do("start")
		const calls = 3000
		m.write(w, calls)
		m.until("they are recorded", func() bool { return a.session("hanging").Consumer.Packets > 0 })
		if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
			m.Fatal(err)
		}
		m.write(w, calls) // they wait in the rings
		m.until("status says so", func() bool { return strings.Contains(a.do("list", "hanging"), "gives no answer") })
		m.untilGone(pids[0])
		m.until("another one records", func() bool {
			doc := a.session("hanging")
			return doc.Consumer.State == agent.ConsumerStreaming && len(doc.Warnings) == 0
		})
		m.write(w, calls)
		for _, name := range []string{"hanging", "own"} {
			a.do("stop", "-s", name)
			a.do("destroy", name)
		}
		n, lost := m.writesOf("hung", out)
		if n+lost != 3*calls || n < 2*calls {
			m.Errorf("%d recorded + %d discarded, want %d, %d recorded at least", n, lost, 3*calls, 2*calls)
		}
		text := m.run("babeltrace2", own)
		for _, want := range []string{"gives no answer", "it is killed", "died: signal: killed"} {
			if !strings.Contains(text, want) {
				m.Errorf("events of weir's own do not tell %q:\n%s", want, lastLines(text, 10))
			}
		}
		a.end()
	})
}

// TestKernelAgentStopsWithoutRelay ends the daemon while the relay is away, or takes
// nothing: within 10 s, and what the relay has not got is kept, or told to be lost.
func TestKernelAgentStopsWithoutRelay(t *testing.T) {
	const calls = 5000
	for name, away := range map[string]func(*process){
		"killed":  (*process).kill,
		"stopped": func(r *process) { r.signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			isolated(t, func(m *machine) {
				a := m.startAgent()
				r := m.startWeir()
				w := m.writer("weirends")
				a.do("create", "ending", "-U", relayURL)
				a.do("enable-consumer")
				a.do(a.countedRule(w)...)
				a.do("start")
				m.write(w, calls)
				a.do("stop") // the relay has it
				a.do("start")
				away(r)
				m.write(w, calls)
				m.endWithin(a, 0)
				kept := filepath.Join(m.dir, "agent", "spool", "kept")
				m.wantWrites("at the relay", calls, m.out)
				m.wantWrites("kept", calls, kept)
				// The relay may have packets that it could not confirm any more.
				m.wantWrites("at both places", 2*calls, m.out, kept)
				if n := strings.Count(m.run(m.weir(), "view", m.out, kept), "syscall_entry_write:"); n != 2*calls {
					m.Errorf("weir reads %d calls at both places, want %d", n, 2*calls)
				}
				if name == "stopped" {
					r.signal(syscall.SIGCONT)
				} else {
					r = m.startWeir()
				}
				state := "--state-dir=" + filepath.Join(m.dir, "agent")
				if out := a.do("load", "--spool", state); !strings.HasPrefix(out, "ending-") || !strings.Contains(out, ", domain kernel: ") {
					m.Errorf("what is kept is not listed: %s", out)
				}
				a.do("load", "--spool", state, "--override-url", relayURL)
				if out := a.do("load", "--spool", state); out != "No packets are kept\n" {
					m.Errorf("what was sent is still kept: %s", out)
				}
				r.stop()
				m.wantWrites("at the relay in the end", 2*calls, m.out)
				m.wantConsecutive(m.out)
			})
		})
	}
	t.Run("crashed", func(t *testing.T) {
		isolated(t, func(m *machine) {
			a := m.startAgent()
			r := m.startWeir()
			w := m.writer("weirends")
			a.do("create", "ending", "-U", relayURL)
			a.do("enable-consumer")
			a.do(a.countedRule(w)...)
			a.do("start")
			m.write(w, calls)
			a.do("stop")
			a.do("start")
			r.kill()
			m.write(w, calls)
			m.until("the relay counts as lost", func() bool { return a.session("ending").Consumer.State == agent.ConsumerSpooling })
			consumers := m.children(a.p.cmd.Process.Pid)
			a.p.kill()
			for _, pid := range consumers {
				m.untilGone(pid)
			}
			a = m.startAgent()
			kept := filepath.Join(m.dir, "agent", "spool", "kept")
			// A few may have been in a page that was being written.
			if n, _ := m.writesOf("kept", kept); n == 0 || n > calls {
				m.Errorf("%d calls are kept, want about %d", n, calls)
			}
			r = m.startWeir()
			a.do("load", "--spool", "--state-dir="+filepath.Join(m.dir, "agent"), "--override-url", relayURL)
			r.stop()
			if n, _ := m.writesOf("sent", m.out); n <= calls || n > 2*calls {
				m.Errorf("%d calls at the relay in the end, want about %d", n, 2*calls)
			}
			a.end()
		})
	})
	t.Run("unkept", func(t *testing.T) {
		isolated(t, func(m *machine) {
			a := m.startAgent("--state-dir=/proc/weir")
			r := m.startWeir()
			w := m.writer("weirends")
			a.do("create", "ending", "-U", relayURL)
			a.do("enable-consumer")
			a.do(a.countedRule(w)...)
			a.do("start")
			m.write(w, calls)
			r.kill()
			m.write(w, calls)
			m.endWithin(a, 1)
			if text := a.p.errors(); !strings.Contains(text, "packets are lost: no relay has confirmed them") {
				m.Errorf("the loss is not told:\n%s", lastLines(text, 5))
			}
		})
	})
}

// endWithin ends the daemon, which must take at most 10 s.
func (m *machine) endWithin(a *tracer, want int) {
	m.Helper()
	begun := time.Now()
	a.p.signal(syscall.SIGTERM)
	code := a.p.wait()
	if took := time.Since(begun); code != want || took > 10*time.Second {
		m.Errorf("weir agent: exit code %d after %v, want %d within 10 s\n%s", code, took, want, lastLines(a.p.errors(), 10))
	}
	m.wantNoInstance(0)
}

// TestKernelNoOutput records to no place: what was recorded is counted.
func TestKernelNoOutput(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirnowhere")
		a.do("create", "nowhere", "--no-output")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 4000)
		a.do("stop")
		n := uint64(0)
		for _, st := range a.session("nowhere").Domains[0].Channels[0].Streams {
			n += st.Events
		}
		// The state of the host, which is dumped, is not counted apart.
		if n < 4000 {
			m.Errorf("%d events, want at least 4000", n)
		}
		a.refuse(agent.CodeRotationUnavailable, "nothing to rotate", "rotate")
		a.refuse(agent.CodeInvalid, "no consumer", "enable-consumer", relayURL)
		a.do("destroy")
		a.end()
	})
}

// TestKernelHops sends control and data over three relays that pass them on.
func TestKernelHops(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirhops")
		chain := ""
		for i := range 3 {
			address := fmt.Sprintf("127.0.0.1:%d", 7000+i)
			m.startNotifying(m.weir(), "relayd", "-o", m.mkdir(fmt.Sprintf("hop%d", i)), "--http=none", "-C", fmt.Sprintf("tcp://127.0.0.1:%d", 7100+i),
				"-D", fmt.Sprintf("tcp://127.0.0.1:%d", 7200+i), "-L", fmt.Sprintf("tcp://127.0.0.1:%d", 7300+i),
				"--hop-listen="+address, "--hop-allow=127.0.0.0/8:*")
			chain += "tcp://" + address + ","
		}
		a.do("create", "far")
		a.do("enable-consumer", "-C", chain+"tcp://127.0.0.1:5342", "-D", chain+"tcp://127.0.0.1:5343")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 10000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("behind three hops", 10000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestKernelRelayStops stops the relay's process for so long that it counts as
// lost, and lets it go on.
func TestKernelRelayStops(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirfrozen")
		a.do("create", "frozen", "-U", relayURL)
		a.do("enable-consumer")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		r.signal(syscall.SIGSTOP)
		m.write(w, 5000)
		m.until("the relay counts as lost", func() bool { return a.session("frozen").Consumer.State == agent.ConsumerSpooling })
		m.write(w, 5000)
		r.signal(syscall.SIGCONT)
		m.until("the relay is found again", func() bool { return a.session("frozen").Consumer.State == agent.ConsumerStreaming })
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("all", 20000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestKernelDisableNow gives up what waits for a relay that takes nothing: it is
// counted, and told in the trace.
func TestKernelDisableNow(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirgiven")
		taskset := peer.Need(t, "taskset")
		cpus := []string{"0"}
		if runtime.NumCPU() > 1 {
			cpus = append(cpus, "1")
		}
		write := func(n int, cpus ...string) {
			for _, cpu := range cpus {
				m.run(taskset, "-c", cpu, w, "if=/dev/zero", "of=/dev/null", "bs=1", "count="+strconv.Itoa(n))
			}
		}
		a.do("create", "given", "-U", relayURL)
		a.do("enable-consumer")
		a.do("enable-channel", "-k", "small", "--subbuf-size=4096", "--num-subbuf=1024")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		write(2000, cpus...)
		m.until("the relay has it", func() bool {
			c := a.session("given").Consumer
			return c.Packets > 0 && c.Confirmed == c.Packets
		})
		r.kill() // none to take more
		m.until("the relay counts as lost", func() bool { return a.session("given").Consumer.State == agent.ConsumerSpooling })
		write(5000, cpus...)
		m.until("packets wait", func() bool { return a.session("given").Consumer.SpoolBytes > 100_000 })
		a.do("disable-consumer", "--now")
		if c := a.session("given").Consumer; c.Lost == 0 || c.SpoolBytes > 100_000 {
			m.Errorf("%d packets lost, %d bytes kept; want some, and few", c.Lost, c.SpoolBytes)
		}
		r = m.startWeir()
		a.do("enable-consumer")
		write(2000, cpus[0]) // nothing follows in the other stream but what ends it
		m.until("the relay is found again", func() bool { return a.session("given").Consumer.State == agent.ConsumerStreaming })
		a.do("stop")
		lost := a.session("given").Consumer.Lost
		a.do("destroy")
		r.stop()
		missing := uint64(0)
		for stream, numbers := range m.packetNumbers(m.out) {
			if whole := uint64(len(numbers)) == numbers[len(numbers)-1]+1; whole {
				m.Errorf("stream %s: nothing is missing", stream)
			}
			missing += numbers[len(numbers)-1] + 1 - uint64(len(numbers))
		}
		if missing != lost {
			m.Errorf("%d packets are missing, %d are said to be lost", missing, lost)
		}
		out, errs, code := m.try("babeltrace2", m.out)
		n := strings.Count(out, "syscall_entry_write:")
		if code != 0 || !strings.Contains(errs, "Tracer discarded") || n < 3000 || n >= 9000*len(cpus) {
			m.Errorf("babeltrace2: exit code %d, %d calls; want a loss told, about those before and after\n%s", code, n, lastLines(errs, 5))
		}
		a.end()
	})
}

// TestKernelDisabledToTheEnd destroys a session whose consumer is disabled: what the
// rings still hold, and what they have lost, the trace tells.
func TestKernelDisabledToTheEnd(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirunread")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "unread", "-o", out)
		a.do("enable-channel", "-k", "small", "--subbuf-size=65536", "--num-subbuf=4")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		m.write(w, 2000)
		a.do("disable-consumer")
		const calls = 30000 // more than the rings hold
		m.write(w, calls)
		a.do("stop")
		a.do("destroy")
		// Of the first ones a few may have been in a page that was being written.
		if n, lost := m.writesOf("unread", out); n == 0 || n > 2000 || n+lost != 2000+calls {
			m.Errorf("%d calls recorded, %d discarded; want 2000 and %d", n, lost, calls)
		}
		m.wantConsecutive(out)
		a.end()
	})
}

// TestKernelLossIsTold has rings lose events, and weir's own domain tell how many.
func TestKernelLossIsTold(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirlosing")
		out, own := filepath.Join(m.dir, "trace"), filepath.Join(m.dir, "own")
		a.do("create", "own", "-o", own)
		a.do("enable-event", "-w", "weir:loss")
		a.do("start")
		a.do("create", "losing", "-o", out)
		a.do("enable-channel", "-k", "small", "--subbuf-size=65536", "--num-subbuf=4")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		for range 3 {
			a.do("disable-consumer")
			m.write(w, 20000)
			a.do("enable-consumer")
		}
		a.do("stop")
		a.do("destroy")
		n, lost := m.writesOf("losing", out)
		if n+lost != 60000 || lost == 0 {
			m.Errorf("%d recorded + %d discarded, want 60000", n, lost)
		}
		a.do("destroy", "own")
		told := 0
		for _, found := range toldEvents.FindAllStringSubmatch(m.run("babeltrace2", own), -1) {
			k, err := strconv.Atoi(found[1])
			if err != nil {
				m.Fatal(err)
			}
			told += k
		}
		if told != lost {
			m.Errorf("events of weir's own tell of %d lost, want %d", told, lost)
		}
		a.end()
	})
}

var toldEvents = regexp.MustCompile(`weir:loss: .* session = "losing", text = "domain kernel, channel small: (\d+) events discarded, 0 packets lost"`)

// TestKernelRefusedData connects where only the control port answers: nothing of
// the attempt stays, at either end.
func TestKernelRefusedData(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir("-D", "tcp://127.0.0.1:7777")
		a.do("create", "half")
		a.refuse(agent.CodeRelayConnect, "control connected, data refused", "enable-consumer", relayURL)
		if doc := a.session("half"); doc.Consumer.State != agent.ConsumerReady {
			m.Errorf("consumer is %s, want the local one, ready", doc.Consumer.State)
		}
		m.until("the relay has no session", func() bool {
			return !strings.Contains(m.run(m.weir(), "sessions", "--state", "active", "--json"), "half")
		})
		a.do("enable-consumer", "net://127.0.0.1:5342:7777")
		a.do("destroy")
		r.stop()
		a.end()
	})
}
