// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/client/relay"
)

// lossyPort is where the way to the relay's UDP port loses datagrams.
const lossyPort = 7443

// lossy passes datagrams on from one port to another, in one direction, as a bad
// network does.
type lossy struct {
	lost, late, twice float64
	dropped           atomic.Int64
}

// startLossy begins to pass on to the relay's port for data. It stands for the
// kernel's netem, which not every kernel has.
func (m *machine) startLossy(l *lossy) {
	m.Helper()
	in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: lossyPort})
	if err != nil {
		m.Fatal(err)
	}
	out, err := net.Dial("udp4", "127.0.0.1:5343")
	if err != nil {
		m.Fatal(err)
	}
	_ = in.SetReadBuffer(8 << 20)
	m.Cleanup(func() { in.Close(); out.Close() })
	go func() { // ended by the socket's end
		rng := rand.New(rand.NewPCG(1, 1))
		var held []byte
		for b := make([]byte, 64<<10); ; {
			n, err := in.Read(b)
			if err != nil {
				return
			}
			switch x := rng.Float64(); {
			case x < l.lost:
				l.dropped.Add(1)
				continue
			case x < l.lost+l.late && held == nil:
				held = append([]byte(nil), b[:n]...)
				continue
			case x > 1-l.twice:
				_, _ = out.Write(b[:n]) // an error is one more loss
			}
			_, _ = out.Write(b[:n])
			if held != nil && rng.IntN(5) == 0 {
				_, _ = out.Write(held)
				held = nil
			}
		}
	}()
}

// TestKernelUDP records over a network that loses, delays and repeats datagrams:
// nothing is missing in the end.
func TestKernelUDP(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir("--data-udp")
		way := &lossy{lost: 0.01, late: 0.02, twice: 0.02}
		m.startLossy(way)
		w := m.writer("weirudp")
		a.do("create", "far")
		a.do("enable-consumer", "-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1:7443")
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
		if way.dropped.Load() == 0 {
			m.Error("nothing got lost on the way")
		}
		if n := lostOf(doc); n != 0 {
			m.Errorf("%d packets are lost, by the session's account", n)
		}
		a.end()
	})
}

// TestKernelUDPGaps has a window too small for what the network loses: the
// account names as many packets as are missing, and readers find the gaps.
func TestKernelUDPGaps(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir("--data-udp")
		m.startLossy(&lossy{lost: 0.1})
		w := m.writer("weirgaps")
		a.do("create", "far")
		a.do("enable-consumer", "-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1:7443?window=32k&reliable=0")
		if _, errs, code := m.try(m.weir(), "enable-channel", "-k", "big", "--subbuf-size=256k"); code != 4 || !strings.Contains(errs, "at most 32768 bytes") {
			m.Errorf("channel of large packets over UDP: exit code %d, %s", code, errs)
		}
		a.do(append(a.countedRule(w), "-c", "big")...)
		a.do("start")
		m.write(w, 100_000)
		a.do("stop")
		doc := a.session("far")
		a.do("destroy")
		r.stop()
		stored, lost, missing := m.packetNumbers(m.out), lostOf(doc), uint64(0)
		for _, st := range doc.Domains[0].Channels[0].Streams {
			numbers := stored[fmt.Sprintf("big_%d", st.CPU)]
			if st.Packets != uint64(len(numbers))+st.Lost {
				m.Errorf("CPU %d: %d packets are stored, %d lost, want %d together", st.CPU, len(numbers), st.Lost, st.Packets)
			}
			for i, n := range numbers {
				if i > 0 {
					missing += n - numbers[i-1] - 1
				}
			}
		}
		if lost == 0 || missing > lost {
			m.Errorf("%d packets are missing between others, %d are lost", missing, lost)
		}
		_, errs, _ := m.try("babeltrace2", m.out)
		if missing > 0 && !lostPackets.MatchString(errs) {
			m.Errorf("babeltrace2 says nothing of %d missing packets:\n%s", missing, lastLines(errs, 5))
		}
		a.end()
	})
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
