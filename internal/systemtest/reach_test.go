// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/lttng"
)

// replace puts a text in the place of one of the host's files, for this test alone,
// and returns the file in which it can be changed.
func (m *machine) replace(path, text string) (file string) {
	m.Helper()
	file = filepath.Join(m.dir, filepath.Base(path))
	m.rewrite(file, text)
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			m.Error(err)
		}
	})
	return file
}

// rewrite changes a file's text where it is.
func (m *machine) rewrite(file, text string) {
	m.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		m.Fatal(err)
	}
}

// answerNames is a server of names that says of all that they are unknown, but of one
// host's nothing.
func (m *machine) answerNames() {
	m.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53})
	if err != nil {
		m.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for b := make([]byte, 4096); ; {
			n, from, err := c.ReadFromUDP(b)
			if err != nil {
				return
			}
			if n < 12 || bytes.Contains(b[:n], []byte("silent")) {
				continue
			}
			b[2] |= 0x80                // an answer
			b[3] = b[3]&0xf0 | 0x80 | 3 // from who knows that there is no such name
			_, _ = c.WriteToUDP(b[:n], from)
		}
	})
	m.Cleanup(func() {
		c.Close()
		serving.Wait()
	})
}

// TestNetworkNames reaches the relay by a name: one that nobody knows, one that cannot
// be asked for, and one that means another address when the relay is looked for again.
func TestNetworkNames(t *testing.T) {
	isolated(t, func(m *machine) {
		far := m.site("far")
		way := m.wire(nil, far)
		const name, timeout = "relay.example", "?timeout=1500ms"
		hosts := m.replace("/etc/hosts", way.far+" "+name+"\n")
		m.replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")
		m.answerNames()
		a := m.startAgent()
		r := far.startWeir()
		w := m.writer("weirnames")
		a.do("create", "named")
		a.refuse(agent.CodeRelayConnect, "cannot resolve nobody.example: ", "enable-consumer", "net://nobody.example")
		a.refuse(agent.CodeRelayConnect, "cannot resolve silent.example: ", "enable-consumer", "net://silent.example"+timeout)
		a.refuse(agent.CodeRelayConnect, "control connected, cannot resolve nobody.example: ", "enable-consumer", "-C", "tcp://"+name, "-D", "tcp://nobody.example")
		a.refuse(agent.CodeRelayConnect, "cannot resolve nobody.example: ", "enable-consumer", "-C", "tcp://nobody.example:7000,tcp://"+name, "-D", "tcp://"+name)
		a.do("enable-consumer", "net://"+name)
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 5000)
		r.kill()
		m.write(w, 5000)
		a.awaitConsumer("named", agent.ConsumerSpooling)
		m.rewrite(hosts, "")
		a.await("named", "the name is not known", func(doc agent.Session) bool {
			return strings.Contains(doc.Consumer.LastError, "cannot resolve "+name)
		})
		moved := strings.TrimSuffix(way.far, "2") + "3"
		far.run("ip", "address", "del", way.far+"/24", "dev", "wire1")
		far.run("ip", "address", "add", moved+"/24", "dev", "wire1")
		r = far.startWeir()
		m.rewrite(hosts, moved+" "+name+"\n")
		a.awaitConsumer("named", agent.ConsumerStreaming)
		m.write(w, 5000)
		a.do("stop")
		a.do("destroy")
		r.stop()
		m.wantWrites("at both addresses", 15_000, m.out)
		m.wantConsecutive(m.out)
		a.end()
	})
}

// TestNetworkTwoAddresses has control and data at two addresses: of one relay, and of
// two, which a relay of weir's tells apart and one of LTTng's cannot.
func TestNetworkTwoAddresses(t *testing.T) {
	isolated(t, func(m *machine) {
		one, other := m.site("one"), m.site("other")
		ways := []*wire{m.wire(nil, one), m.wire(nil, one), m.wire(nil, other)}
		a := m.startAgent()
		r := one.startWeir()
		stranger := m.startNotifying(other.enter(m.weir(), "relayd", "-o", m.mkdir("other"), "-C", "tcp://0.0.0.0:5342", "-D", "tcp://0.0.0.0:5343")...)
		w := m.writer("weirboth")
		to := func(control, data *wire, more ...string) []string {
			return append([]string{"enable-consumer", "-C", "tcp://" + control.far, "-D", "tcp://" + data.far}, more...)
		}
		record := func(name string, enable []string) {
			m.Helper()
			a.do("create", name)
			a.do(enable...)
			a.do(a.countedRule(w)...)
			a.do("start")
			m.write(w, 5000)
			a.do("stop")
			a.do("destroy")
		}
		a.do("create", "split")
		a.refuse(agent.CodeRelayConnect, "control and data end at different relays", to(ways[0], ways[2])...)
		a.refuse(agent.CodeRelayConnect, "control and data end at different relays", to(ways[0], ways[2], "--allow-split")...)
		m.until("neither has a session", func() bool { return !strings.Contains(one.active()+other.active(), "split") })
		a.do("destroy")
		record("both", to(ways[0], ways[1]))
		stranger.stop()
		r.stop()
		m.wantWrites("at the relay of two addresses", 5000, m.out)
		m.wantConsecutive(m.out)

		o := one.startOriginal()
		a.do("create", "split")
		a.refuse(agent.CodeRelayConnect, "--allow-split", to(ways[0], ways[1])...)
		a.do("destroy")
		record("trusted", to(ways[0], ways[1], "--allow-split"))
		o.stop()
		m.wantWrites("at the original of two addresses", 5000, o.out)
		m.wantConsecutive(o.out)
		a.end()
	})
}

// TestNetworkVersions reaches relays of versions that do not do, and peers that are
// none.
func TestNetworkVersions(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		a.do("create", "strange")
		for words, answer := range map[string][]byte{
			"got 1.4, want 2.1":   versionReply(1, 4),
			"got 3.0, want 2.1":   versionReply(3, 0),
			"got 2.0, want 2.1":   versionReply(2, 0),
			"got 1213486160.":     []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
			"closed by the relay": nil,
		} {
			code := agent.CodeRelayVersion
			if !strings.HasPrefix(words, "got") {
				code = agent.CodeRelayConnect
			}
			stop := m.answer("127.0.0.1:5342", answer)
			a.refuse(code, words, "enable-consumer", relayURL)
			stop()
		}
		if doc := a.session("strange"); doc.Consumer.State != agent.ConsumerReady {
			m.Errorf("consumer is %s, want the local one, ready", doc.Consumer.State)
		}
		a.do("destroy")
		a.end()
	})
}

// versionReply is what a relay of a version answers first.
func versionReply(major, minor uint32) []byte {
	return lttng.Version{Major: major, Minor: minor}.Append(nil)
}

// answer is a peer that reads what somebody says first, answers and hangs up, until
// the function that it returns is called.
func (m *machine) answer(address string, answer []byte) (stop func()) {
	m.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		m.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					m.Error(err)
				}
				return
			}
			if _, err := c.Read(make([]byte, 4096)); err != nil && !errors.Is(err, io.EOF) {
				m.Error(err)
			}
			_, _ = c.Write(answer) // the other end may have gone
			c.Close()
		}
	})
	return func() {
		l.Close()
		serving.Wait()
	}
}
