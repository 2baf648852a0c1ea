// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package polltest

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Daemon answers monitors.
type Daemon struct {
	// Answer returns what follows the nth send of a session, from 0; nil ends the
	// session. It may wait.
	Answer func(session, n int) []byte
	// Greeting, if it is not nil, is sent before anything is asked.
	Greeting []byte
	// Refuse ends sessions before anything is said.
	Refuse bool

	listener net.Listener
	served   sync.WaitGroup
	sessions atomic.Int64
	sends    atomic.Int64
	lines    sync.Map // session → *strings.Builder of its lines
	mu       sync.Mutex
	open     map[net.Conn]bool
	closed   bool
}

// Start listens on a free port of loopback. The daemon ends with the test.
func (d *Daemon) Start(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Serve(l)
	t.Cleanup(d.Close)
	return l.Addr().String()
}

// Serve answers on a listener until Close.
func (d *Daemon) Serve(l net.Listener) {
	d.listener = l
	d.open = make(map[net.Conn]bool)
	d.served.Go(func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			session := int(d.sessions.Add(1)) - 1
			if d.Refuse || !d.remember(conn) {
				conn.Close()
				continue
			}
			d.served.Go(func() { // ends with the connection
				defer d.forget(conn)
				d.session(conn, session)
			})
		}
	})
}

func (d *Daemon) remember(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[conn] = true
	return !d.closed
}

func (d *Daemon) forget(conn net.Conn) {
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, conn)
}

// Break ends all sessions; the daemon goes on.
func (d *Daemon) Break() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for conn := range d.open {
		conn.Close()
	}
}

// Push sends bytes in all sessions, without being asked.
func (d *Daemon) Push(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for conn := range d.open {
		_, _ = conn.Write(b) // one that has ended gets nothing
	}
}

// Close ends the daemon and waits for it.
func (d *Daemon) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.listener.Close()
	d.Break()
	d.served.Wait()
}

// Sessions returns how many connections have come.
func (d *Daemon) Sessions() int { return int(d.sessions.Load()) }

// Sends returns how often a message was asked for.
func (d *Daemon) Sends() int { return int(d.sends.Load()) }

// Lines returns what a session has sent up to its last request.
func (d *Daemon) Lines(session int) string {
	text, ok := d.lines.Load(session)
	if !ok {
		return ""
	}
	return text.(string)
}

func (d *Daemon) session(conn net.Conn, session int) {
	if d.Greeting != nil {
		_, _ = conn.Write(d.Greeting)
	}
	in := bufio.NewScanner(conn)
	var said strings.Builder
	for n := 0; in.Scan(); {
		said.WriteString(in.Text() + "\n")
		if in.Text() != "send" {
			continue
		}
		d.lines.Store(session, said.String())
		d.sends.Add(1)
		answer := d.Answer(session, n)
		if answer == nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
		n++
	}
}

// Steady answers with the messages of a machine, as of now.
func Steady(m *Machine) func(session, n int) []byte {
	return func(int, int) []byte { return Frame(m.Message(time.Now())) }
}
