// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// viewWeir starts "weir view" on a session and waits until weir counts it among
// the session's viewers.
func (m *machine) viewWeir(url, session string, options ...string) *viewer {
	m.Helper()
	before := m.viewers(session)
	v := &viewer{m.start(append([]string{m.weir(), "view", url}, options...)...)}
	m.until("attached viewer", func() bool { return m.viewers(session) > before })
	return v
}

// weir view prints the lines of babeltrace2 on the same session, of two
// applications that come one after the other.
func TestLiveViewIsBabeltraces(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("seen")
		a := m.startApp(1, 17)
		a.emit(1, 0)
		m.view(s.name+"@begin").await(1, 1)
		theirs, ours := m.view(s.name), m.viewWeir(liveURL(s.name), s.name)
		a.emit(5000, 50)
		b := m.startApp(2, 30)
		b.emit(5000, 50)
		a.finish()
		b.finish()
		s.destroy()
		m.wantEvents("weir view", ours.finish(), span{1, 1, a.emitted}, b.all())
		theirs.finish()
		got, _ := ours.output()
		want, _ := theirs.output()
		if !slices.Equal(got, want) {
			m.Errorf("weir view printed %d lines, babeltrace2 %d; the first that differs is %d",
				len(got), len(want), firstDifference(got, want))
		}
		w.stop()
	})
}

func firstDifference(a, b []string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// weir view reads lttng-relayd as well, from the beginning or not.
func TestLiveViewOfOriginal(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		o := m.startOriginal()
		s := m.createLive("original")
		a := m.startApp(1, 17)
		a.emit(3000, 0)
		v := m.viewWeir(liveURL(s.name), s.name, "--from-beginning")
		v.await(1, 3000)
		a.emit(3000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("weir view", v.finish(), a.all())
		o.stop()
	})
}

// A viewer whose connection is cut again and again prints every event once.
func TestLiveViewOverLostConnections(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("cut", "--subbuf-size=4096", "--num-subbuf=8")
		a := m.startApp(1, 17)
		a.emit(1, 0)
		p := m.startProxy("127.0.0.1:5344")
		url := strings.Replace(liveURL(s.name), "127.0.0.1", p.address(), 1)
		v := m.viewWeir(url, s.name, "--from-beginning")
		for range 5 {
			a.emit(2000, 0)
			v.await(1, a.emitted)
			p.cut()
			a.emit(2000, 0)
		}
		a.finish()
		v.await(1, a.emitted)
		s.destroy()
		m.wantEvents("weir view", v.finish(), a.all())
		if n := strings.Count(v.errors(), "connection lost"); n < 5 {
			m.Errorf("weir view told of %d lost connections, want 5 or more:\n%s", n, v.errors())
		}
		if strings.Contains(v.errors(), "discarded") {
			m.Errorf("weir view told of losses:\n%s", v.errors())
		}
		w.stop()
	})
}

// A viewer that follows goes on when the relay was killed, has been started
// again, and the session is there once more.
func TestLiveViewOverRelayRestart(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("again")
		a := m.startApp(1, 17)
		a.emit(1, 0)
		v := m.viewWeir(liveURL(s.name), s.name, "--from-beginning", "--follow")
		a.emit(3000, 0)
		v.await(1, a.emitted)
		a.finish()
		w.kill()
		m.killLTTng() // it does not come back to a relay that it lost
		w = m.startWeir()
		m.startSessiond()
		s = m.createLive("again")
		b := m.startApp(2, 17)
		b.emit(3000, 0)
		v.await(2, b.emitted)
		b.finish()
		s.destroy()
		v.stop()
		lines, _ := v.output()
		m.wantEvents("weir view", parseEvents(lines), a.all(), b.all())
		w.stop()
	})
}

// proxy forwards connections to an address, until they are cut.
type proxy struct {
	m      *machine
	listen net.Listener
	to     string

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (m *machine) startProxy(to string) *proxy {
	m.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.Fatal(err)
	}
	p := &proxy{m: m, listen: l, to: to}
	var wg sync.WaitGroup
	wg.Go(func() { p.accept(&wg) })
	m.Cleanup(func() {
		l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listen.Addr().String() }

func (p *proxy) accept(wg *sync.WaitGroup) {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			wg.Go(func() {
				io.Copy(pair[0], pair[1])
				pair[0].Close()
			})
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// weir view follows a trace in a directory as it grows and is rotated.
func TestViewFollows(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		out := m.mkdir("growing")
		s := m.create("growing", "--output="+out)
		s.enable("--subbuf-size=4096", "--num-subbuf=8", "--switch-timer=100000")
		a := m.startApp(1, 17)
		a.emit(500, 100)
		v := &viewer{m.start(m.weir(), "view", "--follow", out)}
		a.emit(1000, 100)
		s.rotate() // which is when a session that is not live writes its metadata
		v.await(1, a.emitted)
		a.emit(1000, 100)
		a.finish()
		s.destroy()
		v.await(1, a.emitted)
		v.stop()
		lines, _ := v.output()
		m.wantEvents("weir view --follow", parseEvents(lines), a.all())
		m.wantEvents("stored", m.readTree(out), a.all())
	})
}
