// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

// TestNetworkUDP records over a way that loses 1 % of all packets in both directions,
// those of the control connection among them, repeats some and lets others overtake:
// nothing is missing, and no packet was given up.
func TestNetworkUDP(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		way.is(trouble{lost: 0.01, twice: 0.02, delay: 5 * time.Millisecond, jitter: 4 * time.Millisecond})
		a := m.startAgent()
		r := far.startWeir("--data-udp")
		w := m.writer("weirudp")
		a.do("create", "far")
		a.do("enable-consumer", "-C", "tcp://"+way.far, "-D", "udp://"+way.far)
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 100_000)
		a.do("stop")
		a.do("rotate")
		a.do("start")
		m.write(w, 100_000)
		a.do("stop")
		doc := a.session("far")
		a.do("destroy")
		r.stop()
		m.wantWrites("over UDP", 200_000, m.out)
		m.wantConsecutive(m.out)
		if n := lostOf(doc); n != 0 || way.lost.Load() == 0 {
			m.Errorf("%d packets of the session's are lost, by its account, of %d on the wire; want 0, some", n, way.lost.Load())
		}
		a.end()
	})
}

// TestNetworkUDPGaps loses 10 % and nothing is sent again: of each packet that is
// missing weir's own domain and babeltrace2 tell. So they do of the last ones, which
// are all lost, as is the first packet that is to tell of them.
func TestNetworkUDPGaps(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		way.is(trouble{lost: 0.1, delay: 2 * time.Millisecond, jitter: time.Millisecond})
		a := m.startAgent()
		r := far.startWeir("--data-udp")
		w := m.writer("weirholes")
		own := filepath.Join(m.dir, "own")
		a.do("create", "own", "-o", own)
		a.do("enable-event", "-w", "weir:loss")
		a.do("start")
		a.do("create", "losing")
		a.do("enable-consumer", "-C", "tcp://"+way.far, "-D", "udp://"+way.far+"?window=32k&reliable=0")
		if _, errs, code := m.try(m.weir(), "enable-channel", "-k", "big", "--subbuf-size=256k"); code != 4 || !strings.Contains(errs, "at most 32768 bytes") {
			m.Errorf("channel of large packets over UDP: exit code %d, %s", code, errs)
		}
		a.do("enable-channel", "-k", "small", "--subbuf-size=16k", "--num-subbuf=256")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("start")
		m.write(w, 20_000)
		a.do("stop") // all is at the relay, or lost
		way.is(trouble{lostUDP: 1})
		a.do("start")
		m.write(w, 1000)
		a.do("stop")
		known := lostOf(a.session("losing"))
		before := way.lost.Load()
		end := m.start(m.weir(), "destroy", "losing")
		m.until("what is to tell is lost", func() bool { return way.lost.Load() > before })
		way.is(trouble{})
		if code := end.wait(); code != 0 {
			m.Errorf("destroy: exit code %d\n%s", code, end.errors())
		}
		a.do("destroy", "own")
		r.stop()
		missing, first := 0, 0
		for _, numbers := range m.packetNumbers(m.out) {
			missing += int(numbers[len(numbers)-1]) + 1 - len(numbers)
			first += int(numbers[0]) // before which readers cannot miss any
		}
		if n, told := m.toldLost(own); known == 0 || int(known) > missing || told != missing || n != 0 {
			m.Errorf("%d packets are missing, %d by the session's account before its end; events of weir's own tell of %d packets and %d events", missing, known, told, n)
		}
		for _, reader := range [][]string{{"babeltrace2"}, {m.weir(), "view"}} {
			if told := m.gapsToldBy(append(reader, m.out)...); told != missing-first {
				m.Errorf("%d packets are missing, %d of them at first; %s tells of %d", missing, first, reader, told)
			}
		}
		a.end()
	})
}

// toldLost sums up what weir's own domain tells of events and packets that are lost.
func (m *machine) toldLost(dir string) (events, packets int) {
	m.Helper()
	for _, found := range toldLosses.FindAllStringSubmatch(m.run("babeltrace2", dir), -1) {
		events += m.number(found[1])
		packets += m.number(found[2])
	}
	return events, packets
}

var toldLosses = regexp.MustCompile(`weir:loss: .*: (\d+) events discarded, (\d+) packets lost"`)

// gapsToldBy is how many missing packets a reader tells of.
func (m *machine) gapsToldBy(reader ...string) (n int) {
	m.Helper()
	_, errs, code := m.try(reader...)
	for _, found := range lostPackets.FindAllStringSubmatch(errs, -1) {
		n += m.number(found[1])
	}
	if code != 0 {
		m.Errorf("%s: exit code %d\n%s", strings.Join(reader, " "), code, lastLines(errs, 5))
	}
	return n
}

func (m *machine) number(digits string) int {
	m.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil {
		m.Fatal(err)
	}
	return n
}

func lostOf(doc agent.Session) (n uint64) {
	for _, d := range doc.Domains {
		for _, c := range d.Channels {
			for _, st := range c.Streams {
				n += st.Lost
			}
		}
	}
	return n
}

// TestKernelUDPRelayKilled kills the relay while datagrams are on their way.
func TestKernelUDPRelayKilled(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir("--data-udp")
		w := m.writer("weirudpkill")
		a.do("create", "far")
		a.do("enable-consumer", "-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1")
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 20_000)
		r.kill()
		m.write(w, 20_000)
		m.until("the loss is seen", func() bool { return a.session("far").Consumer.State == agent.ConsumerSpooling })
		m.write(w, 20_000)
		r = m.startWeir("--data-udp")
		m.until("the relay is found again", func() bool { return a.session("far").Consumer.State == agent.ConsumerStreaming })
		m.write(w, 20_000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		if found, err := filepath.Glob(filepath.Join(m.out, hostName, "far*")); err != nil || len(found) != 1 {
			m.Errorf("stored in %v, %v: weir's relay goes on in one directory", found, err)
		}
		m.wantWrites("all", 80_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestKernelUDPRefused asks a relay without UDP for it, and over hops.
func TestKernelUDPRefused(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		a.do("create", "none")
		a.refuse(agent.CodeRelayConnect, "relay has no UDP data support", "enable-consumer", "-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1")
		a.refuse(agent.CodeInvalid, "hops", "enable-consumer", "-C", "tcp://127.0.0.1:7000,tcp://127.0.0.1", "-D", "udp://127.0.0.1")
		m.until("the relay has no session", func() bool {
			return !strings.Contains(m.run(m.weir(), "sessions", "--state", "active", "--json"), "none")
		})
		a.do("destroy")
		r.stop()
		a.end()
	})
}

// TestUDPAddresses reaches relays that listen on all addresses by several of
// them: the session's socket has the one that the datagrams are sent to.
func TestUDPAddresses(t *testing.T) {
	isolated(t, func(m *machine) {
		m.run("ip", "address", "add", "10.9.8.7/32", "dev", "lo")
		m.byAddresses("tcp://0.0.0.0", "127.0.0.1", "127.0.0.9", "10.9.8.7")
		m.byAddresses("tcp6://[::]", "[::1]")
	})
}

func (m *machine) byAddresses(listen string, hosts ...string) {
	m.Helper()
	r := m.startWeir("--data-udp", "-C", listen+":5342", "-D", listen+":5343")
	defer r.stop()
	for _, host := range hosts {
		name := "by" + strings.Trim(strings.NewReplacer(".", "-", ":", "-").Replace(host), "[]")
		s, err := relay.Dial(m.Context(), m.relayAt("tcp://"+host), m.relayAt("udp://"+host), relay.Options{Session: name, Hostname: hostName})
		if err != nil {
			m.Errorf("%s: %v", host, err)
			continue
		}
		p := &producer{m: m, session: s}
		p.add(1)
		p.mustSend(0, 0, 100)
		p.close()
		dirs, err := filepath.Glob(filepath.Join(m.out, hostName, name+"-2*"))
		if err != nil {
			m.Fatal(err)
		}
		if numbers := m.packetNumbers(dirs...)["ch_0"]; len(numbers) != 100 || p.data[0].Lost() != 0 {
			m.Errorf("%s: %d packets are stored, %d lost", host, len(numbers), p.data[0].Lost())
		}
	}
}
