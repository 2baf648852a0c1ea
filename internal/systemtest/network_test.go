// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/peer"
)

// TestNetworkSlow records over a way of 100 ms there and back that loses 5 % of the
// packets in each direction and lets some overtake others: it takes longer, no more.
func TestNetworkSlow(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		way.is(trouble{lost: 0.05, delay: 50 * time.Millisecond, jitter: 10 * time.Millisecond})
		a := m.startAgent()
		r := far.startWeir()
		w := m.writer("weirslow")
		a.do("create", "slow")
		a.do("enable-consumer", way.url())
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 20_000)
		a.do("rotate")
		m.write(w, 20_000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("over a slow way", 40_000, m.out)
		m.wantConsecutive(m.out)
		if way.lost.Load() == 0 {
			m.Error("no packet got lost on the way")
		}
		a.end()
	})
}

// TestNetworkPartition cuts the way to the relay while calls are made, so shortly that
// the connections live through it, and for so long that they do not: neither end is
// told, the relay still has the old ones open when the producer comes back.
func TestNetworkPartition(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		a := m.startAgent()
		r := far.startWeir()
		w := m.writer("weircut")
		a.do("create", "cut")
		a.do("enable-consumer", way.url())
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		way.is(trouble{cut: true})
		m.write(w, 5000)
		a.await("cut", "packets wait", func(doc agent.Session) bool { return doc.Consumer.SpoolBytes > 0 })
		way.is(trouble{})
		doc := a.await("cut", "the relay has them", func(doc agent.Session) bool { return doc.Consumer.SpoolBytes == 0 })
		if doc.Consumer.State != agent.ConsumerStreaming {
			m.Errorf("after a short cut the consumer is %s, want %s", doc.Consumer.State, agent.ConsumerStreaming)
		}
		way.is(trouble{cut: true})
		m.write(w, 5000)
		doc = a.awaitConsumer("cut", agent.ConsumerSpooling)
		if !strings.Contains(doc.Consumer.LastError, way.far) {
			m.Errorf("the relay is lost by %q, want its address %s there", doc.Consumer.LastError, way.far)
		}
		m.write(w, 5000)
		way.is(trouble{})
		a.awaitConsumer("cut", agent.ConsumerStreaming)
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("over a way that was cut twice", 25_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestNetworkCutForGood cuts the way, and destroys one session and ends the daemon
// with another one: what the relay has not got is kept, said to be, and sent later.
func TestNetworkCutForGood(t *testing.T) {
	isolated(t, func(m *machine) {
		const calls = 5000
		far := m.site("far")
		way := m.wire(nil, far)
		a := m.startAgent()
		r := far.startWeir()
		w := m.writer("weirgood")
		for _, name := range []string{"destroyed", "ended"} {
			a.do("create", name)
			a.do("enable-consumer", way.url())
			a.do(a.countedRule(w)...)
			a.do("start")
		}
		m.write(w, calls)
		for _, name := range []string{"destroyed", "ended"} {
			a.do("stop", "-s", name) // the relay has it
			a.do("start", "-s", name)
		}
		way.is(trouble{cut: true})
		m.write(w, calls)
		kept := filepath.Join(m.dir, "agent", "spool", "kept")
		out, errs, code := m.try(m.weir(), "destroy", "destroyed")
		if code != 4 || !strings.Contains(errs, "packets that no relay has got are kept in "+kept) {
			m.Errorf("destroy: exit code %d, want 4 and where packets are kept\n%s%s", code, out, errs)
		}
		m.wantWrites("of the destroyed session, kept", calls, kept)
		m.endWithin(a, 0)
		m.wantWrites("of both, kept", 2*calls, kept)
		m.wantWrites("at the relay", 2*calls, m.out)
		way.is(trouble{})
		a.do("load", "--spool", "--state-dir="+filepath.Join(m.dir, "agent"), "--override-url", way.url())
		r.stop()
		m.wantWrites("at the relay in the end", 4*calls, m.out)
	})
}

// TestNetworkRotateWaits rotates while the way to the relay is cut, kills that, and has
// it come back: the rotation that waits is carried out then.
func TestNetworkRotateWaits(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		a := m.startAgent()
		r := far.startWeir()
		w := m.writer("weirwaits")
		a.do("create", "waiting")
		a.do("enable-consumer", way.url())
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		way.is(trouble{cut: true})
		m.write(w, 5000)
		rotation := m.start(m.weir(), "rotate")
		a.await("waiting", "it is being rotated", func(doc agent.Session) bool {
			return strings.Contains(strings.Join(doc.Warnings, " "), "a command is being carried out")
		})
		r.kill()
		way.is(trouble{})
		m.write(w, 5000)
		r = far.startWeir()
		if code := rotation.wait(); code != 0 {
			m.Errorf("rotate: exit code %d\n%s", code, rotation.errors())
		}
		m.write(w, 5000)
		a.do("stop")
		if doc := a.session("waiting"); doc.Chunks != 1 || doc.Consumer.State != agent.ConsumerReady {
			m.Errorf("%d chunks are closed, the consumer is %s; want 1, %s", doc.Chunks, doc.Consumer.State, agent.ConsumerReady)
		}
		a.do("destroy")
		r.stop()
		chunks, err := filepath.Glob(filepath.Join(m.out, hostName, "waiting-*", "archives", "*"))
		if err != nil || len(chunks) != 2 {
			m.Errorf("chunks %q, %v; want 2", chunks, err)
		}
		m.wantWrites("in both chunks", 20_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestNetworkDataRefused has a firewall before the data port only, of every kind:
// nothing of the attempt stays, whoever the relay is. A session that is streaming
// meets it as well, and goes on when it is gone.
func TestNetworkDataRefused(t *testing.T) {
	peer.Need(t, "nft")
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		a := m.startAgent()
		a.do("create", "half")
		refused := func(sessions func() string) {
			m.Helper()
			for verdict, words := range map[string]string{
				"reject with tcp reset":              "connection refused",
				"reject with icmpx admin-prohibited": "no route to host",
				"drop":                               "timeout",
			} {
				allow := far.refuse(5343, verdict)
				told := a.refuse(agent.CodeRelayConnect, "control connected, data refused by "+way.far+":5343: ", "enable-consumer", way.url()+"?timeout=1500ms")
				if !strings.Contains(told, words) {
					m.Errorf("%s: told %q, want %q", verdict, told, words)
				}
				allow()
			}
			if doc := a.session("half"); doc.Consumer.State != agent.ConsumerReady {
				m.Errorf("consumer is %s, want the local one, ready", doc.Consumer.State)
			}
			m.until("the relay has no session", func() bool { return !strings.Contains(sessions(), "half") })
		}
		o := far.startOriginal()
		refused(func() string { return far.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1") })
		o.stop()
		r := far.startWeir()
		refused(far.active)

		w := m.writer("weirhalf")
		a.do("enable-consumer", way.url())
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		allow := far.refuse(5343, "reject with tcp reset")
		m.write(w, 5000)
		a.awaitConsumer("half", agent.ConsumerSpooling)
		m.write(w, 5000)
		a.await("half", "it tells that only data is refused", func(doc agent.Session) bool {
			return strings.Contains(doc.Consumer.LastError, "control connected, data refused by "+way.far)
		})
		m.until("nothing of the attempts stays", func() bool { return strings.Count(far.active(), `"half"`) <= 1 })
		allow()
		a.awaitConsumer("half", agent.ConsumerStreaming)
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("all", 20_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestNetworkOriginal loses LTTng's relay daemon twice: its data port is closed for a
// while, and it is killed. Each time the session goes on in a directory of its own, with
// the next packet numbers: none is missing in all of them together, none there twice.
func TestNetworkOriginal(t *testing.T) {
	peer.Need(t, "nft")
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		a := m.startAgent()
		o := far.startOriginal()
		w := m.writer("weirother")
		a.do("create", "other")
		a.do("enable-consumer", way.url())
		a.do(a.countedRule(w)...)
		a.do("start")
		// What it has and has not been asked for is sent once more.
		m.write(w, 5000)
		a.await("other", "the relay has it", func(doc agent.Session) bool {
			return doc.Consumer.Packets > 0 && doc.Consumer.SpoolBytes == 0
		})
		allow := far.refuse(5343, "reject with tcp reset")
		m.write(w, 5000)
		a.awaitConsumer("other", agent.ConsumerSpooling)
		m.write(w, 5000)
		allow()
		a.awaitConsumer("other", agent.ConsumerStreaming)
		a.do("stop")
		a.do("start")
		if err := syscall.Kill(o.pid, syscall.SIGKILL); err != nil {
			m.Fatal(err)
		}
		m.untilGone(o.pid)
		m.write(w, 5000)
		a.awaitConsumer("other", agent.ConsumerSpooling)
		o = far.startOriginal()
		a.awaitConsumer("other", agent.ConsumerStreaming)
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		o.stop()
		found, err := filepath.Glob(filepath.Join(o.out, hostName, "other-*"))
		if err != nil || len(found) != 3 || !strings.HasSuffix(found[1], "-r1") || !strings.HasSuffix(found[2], "-r2") {
			m.Errorf("directories %q, %v; want one, and others with -r1 and -r2", found, err)
		}
		m.wantWrites("in all directories", 25_000, o.out)
		m.wantConsecutive(o.out)
		a.end()
	})
}

// TestNetworkHops reaches the relay over three ways that join hosts which know their
// neighbours only, one of them bad, and loses a hop and the last way on the way.
func TestNetworkHops(t *testing.T) {
	isolated(t, func(m *machine) {
		first, second, far := m.site("first"), m.site("second"), m.site("far")
		ways := []*wire{m.wire(nil, first), m.wire(first, second), m.wire(second, far)}
		ways[1].is(trouble{lost: 0.02, delay: 10 * time.Millisecond, jitter: 5 * time.Millisecond})
		a := m.startAgent()
		first.startHop()
		hop := second.startHop()
		r := far.startWeir()
		w := m.writer("weirthree")
		chain := fmt.Sprintf("tcp://%s:7000,tcp://%s:7000,", ways[0].far, ways[1].far)
		to := []string{"enable-consumer", "-C", chain + "tcp://" + ways[2].far, "-D", chain + "tcp://" + ways[2].far}
		a.do("create", "far")
		a.refuse(agent.CodeRelayConnect, ways[2].far+":5342", "enable-consumer", "net://"+ways[2].far)
		a.do(to...)
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		hop.kill()
		m.write(w, 5000)
		a.awaitConsumer("far", agent.ConsumerSpooling)
		a.await("far", "it tells where it ends", func(doc agent.Session) bool {
			return strings.Contains(doc.Consumer.LastError, "hop "+ways[0].far+":7000: ")
		})
		second.startHop()
		a.awaitConsumer("far", agent.ConsumerStreaming)
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("behind three ways", 15_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}
