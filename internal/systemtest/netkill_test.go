// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// kills is how many rounds the tests make that kill what brings packets to a relay. It
// is passed on to the bodies of tests.
var kills = flag.Int("kills", 12, "how many `times` to kill agent, consumer and relay of sessions with a relay")

// killSeed chooses who is killed, and when.
const killSeed = 1

// TestNetworkKilledAtRandom kills consumer, relay or daemon at random moments while
// calls are made that are recorded to a relay. What is stored can be read. A relay
// takes nothing with it; with a consumer goes what it had read, and the trace tells so;
// after the daemon no more is there than was made, and nothing stays behind.
func TestNetworkKilledAtRandom(t *testing.T) {
	parts := max(4, *kills/10) // each of which has limited time
	for part := range parts {
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Logf("seed %d, part %d of %d, %d rounds in all", killSeed, part, parts, *kills)
			isolated(t, func(m *machine) {
				k := m.newKilling(part)
				for round := part; round < *kills; round += parts {
					k.play(round)
				}
				k.a.end()
				k.r.stop()
			})
		})
	}
}

// TestKernelOrphan kills the daemon, and then the relay, which takes nothing any more:
// the consumer process, whose words nobody hears, keeps what it has.
func TestKernelOrphan(t *testing.T) {
	isolated(t, func(m *machine) {
		const calls = 5000
		a := m.startAgent()
		r := m.startWeir()
		w := m.writer("weirorphan")
		a.do("create", "orphan", "-U", relayURL)
		a.do("enable-consumer")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, calls)
		a.do("stop") // the relay has it
		a.do("start")
		r.signal(syscall.SIGSTOP)
		m.write(w, calls)
		consumers := m.children(a.p.cmd.Process.Pid)
		a.p.kill()
		r.kill()
		for _, pid := range consumers {
			m.untilGone(pid)
		}
		a = m.startAgent()
		m.wantWrites("at the relay", calls, m.out)
		m.wantWrites("kept", calls, filepath.Join(m.dir, "agent", "spool", "kept"))
		a.end()
	})
}

// killing is a session daemon and a relay, of which one or the other is killed.
type killing struct {
	m      *machine
	way    *wire
	far    *site
	a      *tracer
	r      *process
	w      string
	random *rand.Rand
}

func (m *machine) newKilling(part int) *killing {
	m.Helper()
	k := &killing{m: m, far: m.site("far"), w: m.writer("weirkills"), random: rand.New(rand.NewPCG(killSeed, uint64(part)))}
	k.way = m.wire(nil, k.far)
	k.way.is(good)
	k.a, k.r = m.startAgent(), k.far.startWeir("--data-udp")
	return k
}

// good is the way to the relay as a rule.
var good = trouble{delay: time.Millisecond, jitter: time.Millisecond / 2}

// play is one round: a session with a directory of its own.
func (k *killing) play(round int) {
	k.m.Helper()
	name := fmt.Sprintf("round%d", round)
	k.a.do("create", name)
	data := []string{"tcp://", "udp://"}[k.random.IntN(2)]
	k.a.do("enable-consumer", "-C", "tcp://"+k.way.far+"/"+name, "-D", data+k.way.far)
	k.a.do("enable-channel", "-k", "small", "--subbuf-size=16k", "--num-subbuf=256")
	k.a.do(append(k.a.countedRule(k.w), "-c", "small")...)
	k.a.do("start")
	l := k.load()
	l.awaitBursts(1 + k.random.IntN(30))
	moment := time.NewTimer(time.Duration(k.random.Int64N(int64(20 * time.Millisecond))))
	<-moment.C
	out := filepath.Join(k.m.out, hostName, name)
	victim, cut := []string{"consumer", "relay", "daemon"}[k.random.IntN(3)], k.random.IntN(3) == 0
	was := k.m.Failed()
	if cut {
		k.way.is(trouble{cut: true})
		l.awaitBursts(20)
	}
	switch victim {
	case "consumer":
		k.killConsumer(name)
		k.wantMostOf(l, name, out)
	case "relay":
		k.r.kill()
		k.way.is(good)
		l.awaitBursts(1 + k.random.IntN(10))
		k.r = k.far.startWeir("--data-udp")
		k.a.awaitConsumer(name, agent.ConsumerStreaming)
		k.wantAllOf(l, name, out)
	case "daemon":
		before := l.count()
		k.killDaemon()
		k.wantRecorded(before, l.end(), out)
	}
	if k.m.Failed() && !was {
		k.m.Errorf("round %d: data by %s, way cut %t, the %s was killed", round, data, cut, victim)
	}
}

// burst is how many calls the load makes at a time.
const burst = 200

// bursts are calls that are made all the time.
type bursts struct {
	m  *machine
	on string // a file that lets it go on
	p  *process
}

func (k *killing) load() *bursts {
	k.m.Helper()
	l := &bursts{m: k.m, on: filepath.Join(k.m.dir, "on")}
	if err := os.WriteFile(l.on, nil, 0o600); err != nil {
		k.m.Fatal(err)
	}
	l.p = k.m.start("sh", "-c", fmt.Sprintf("while [ -e %s ]; do %s if=/dev/zero of=/dev/null bs=1 count=%d 2>/dev/null || exit 1; echo; done", l.on, k.w, burst))
	return l
}

// awaitBursts waits until so many more are over.
func (l *bursts) awaitBursts(n int) {
	l.m.Helper()
	before, _ := l.p.output()
	l.p.awaitLines("more calls", func(lines []string) bool { return len(lines) >= len(before)+n })
}

// count is how many calls are over.
func (l *bursts) count() int {
	lines, _ := l.p.output()
	return len(lines) * burst
}

// end returns how many calls there were.
func (l *bursts) end() int {
	l.m.Helper()
	if err := os.Remove(l.on); err != nil {
		l.m.Fatal(err)
	}
	if code := l.p.wait(); code != 0 {
		l.m.Errorf("load: exit code %d\n%s", code, l.p.errors())
	}
	return l.count()
}

// killConsumer kills the consumer process and waits for another one.
func (k *killing) killConsumer(name string) {
	k.m.Helper()
	pids := k.m.children(k.a.p.cmd.Process.Pid)
	if len(pids) != 1 {
		k.m.Fatalf("consumer processes %v, want one", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		k.m.Fatal(err)
	}
	k.way.is(good)
	k.m.until("another consumer process", func() bool {
		now := k.m.children(k.a.p.cmd.Process.Pid)
		return len(now) == 1 && now[0] != pids[0]
	})
	k.a.await(name, "it records", func(doc agent.Session) bool {
		return doc.Consumer.State == agent.ConsumerStreaming && len(doc.Warnings) == 0
	})
}

// stop ends load and session, and returns how many calls there were.
func (k *killing) stop(l *bursts, name string) int {
	k.m.Helper()
	l.awaitBursts(1)
	calls := l.end()
	k.a.do("stop", "-s", name)
	k.a.do("destroy", name)
	return calls
}

// wantAllOf checks that all calls of a session are stored, each once.
func (k *killing) wantAllOf(l *bursts, name, out string) {
	k.m.Helper()
	k.m.wantWrites(name, k.stop(l, name), out)
	k.m.wantConsecutive(out)
}

// wantMostOf checks that what is stored of a session and what is told to be lost are
// all calls. How many there were in packets that are lost, nobody knows: of those
// their numbers tell.
func (k *killing) wantMostOf(l *bursts, name, out string) {
	k.m.Helper()
	l.awaitBursts(1)
	calls := l.end()
	k.a.do("stop", "-s", name)
	lost := int(k.a.session(name).Consumer.Lost)
	k.a.do("destroy", name)
	got := k.m.readTold(out)
	missing, first, twice := k.missing(out)
	k.m.Logf("%s: %d calls, %+v, %d packets missing, %d of them at first, %d lost", name, calls, got, missing, first, lost)
	// Before the first packet that is there, readers miss nothing.
	if all := got.calls + got.events; all > calls || all < calls && missing == 0 || got.packets != missing-first || lost != missing || twice > 0 {
		k.m.Errorf("%s: %d calls, stored and told %+v; %d packets are missing, %d of them at first, %d lost by the session's account, %d there twice", name, calls, got, missing, first, lost, twice)
	}
}

// missing is how many packets are not there of those before each stream's last one,
// how many of them are before its first one, and how many packets are there twice.
func (k *killing) missing(dirs ...string) (n, first, twice int) {
	k.m.Helper()
	for _, numbers := range k.m.packetNumbers(dirs...) {
		if len(numbers) == 0 {
			continue
		}
		once := slices.Compact(slices.Clone(numbers))
		n += int(once[len(once)-1]) + 1 - len(once)
		first += int(once[0])
		twice += len(numbers) - len(once)
	}
	return n, first, twice
}

// told is what babeltrace2 finds of calls in traces, each once, and what it says is
// missing.
type told struct {
	calls, events, packets int
}

// readTold reads each directory by itself: of what is in two of them readers cannot
// make one stream. One that metadata had not reached has no packet either, and is none
// to readers.
func (m *machine) readTold(dirs ...string) (t told) {
	m.Helper()
	calls := make(map[string]bool)
	for _, dir := range dirs {
		if m.size(filepath.Join(dir, "kernel"), "metadata") == 0 {
			if numbers := m.packetNumbers(dir); len(numbers) > 0 {
				m.Errorf("%s: packets %v without metadata", dir, numbers)
			}
			continue
		}
		out, errs, code := m.try("babeltrace2", "--clock-seconds", "--no-delta", dir)
		if code != 0 {
			m.Errorf("babeltrace2 %s: exit code %d\n%s", dir, code, lastLines(errs, 10))
		}
		for line := range strings.Lines(errs) {
			switch event, packet := lostEvents.FindStringSubmatch(line), lostPackets.FindStringSubmatch(line); {
			case event != nil:
				t.events += m.number(event[1])
			case packet != nil:
				t.packets += m.number(packet[1])
			case unknownLoss.MatchString(line): // before the first packet that is there
			case partIndex.MatchString(line): // a packet whose index had not come yet
			default:
				m.Errorf("babeltrace2 %s: %s", dir, line)
			}
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, "syscall_entry_write:") {
				calls[line] = true
			}
		}
	}
	t.calls = len(calls)
	return t
}

var unknownLoss = regexp.MustCompile(`^WARNING: Tracer may have discarded events between `)

// killDaemon kills the daemon, waits for what it leaves and starts another one.
func (k *killing) killDaemon() {
	k.m.Helper()
	consumers := k.m.children(k.a.p.cmd.Process.Pid)
	k.a.p.kill()
	for _, pid := range consumers {
		k.m.untilGone(pid)
	}
	k.way.is(good)
	k.a = k.m.startAgent()
	k.m.wantNoInstance(0)
}

// wantRecorded checks what a killed daemon's session has stored, with what its consumer
// has kept: what was made until then, and no more than at all.
func (k *killing) wantRecorded(before, calls int, out string) {
	k.m.Helper()
	state := "--state-dir=" + filepath.Join(k.m.dir, "agent")
	kept := k.a.do("load", "--spool", state)
	if kept != "No packets are kept\n" {
		k.a.do("load", "--spool", state, "--override-url", k.way.url())
	}
	name := filepath.Base(out)
	k.m.until("the relay has ended the session", func() bool { return !strings.Contains(k.far.active(), `"`+name+`"`) })
	dirs, err := filepath.Glob(out + "-*")
	if err != nil {
		k.m.Fatal(err)
	}
	dirs = append(dirs, out)
	got := k.m.readTold(dirs...)
	k.m.Logf("%s: %d to %d calls, %+v, kept %q", name, before, calls, got, kept)
	missing, _, twice := k.missing(dirs...)
	if all := got.calls + got.events; all < before || all > calls || missing > 0 || twice > 0 {
		k.m.Errorf("%s: %d to %d calls, stored and told %+v; %d packets are missing, %d there twice", name, before, calls, got, missing, twice)
	}
}
