// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// fleetAge is how old a message of a fleet may be.
const fleetAge = 100 * time.Millisecond

// fleet plays any number of hosts, at addresses of loopback: each session gets the messages of
// one daemon, of which it asks for one ten times a second at most for all, so that
// the fleet takes little of the machine that it shares with who watches it.
type fleet struct {
	daemon   string
	listener net.Listener
	running  sync.WaitGroup // accept, sessions
	ready    atomic.Int64   // sessions that have had two messages

	mu      sync.Mutex
	closed  bool                    // guarded by mu
	conns   map[net.Conn]bool       // guarded by mu
	sources map[string]*fleetSource // guarded by mu: by what was said before the first send
}

// fleetSource is a session with the daemon.
type fleetSource struct {
	mu      sync.Mutex
	conn    net.Conn        // guarded by mu
	in      *xmlsysd.Reader // guarded by mu
	at      time.Time       // guarded by mu
	message []byte          // guarded by mu: with its frame; replaced, not changed
}

// newFleet starts a fleet of the daemon at an address.
func newFleet(ctx context.Context, daemon string) (*fleet, error) {
	// Of all addresses: each host has one of loopback's. Others are refused.
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", ":0")
	if err != nil {
		return nil, err
	}
	f := &fleet{daemon: daemon, listener: l, conns: make(map[net.Conn]bool), sources: make(map[string]*fleetSource)}
	f.running.Go(f.accept) // ends with the listener; close waits
	return f, nil
}

func (f *fleet) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		if remote, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !remote.IP.IsLoopback() {
			conn.Close()
			continue
		}
		if !f.keep(conn) {
			conn.Close()
			return
		}
		f.running.Go(func() { // ends with the connection; close waits
			defer conn.Close()
			f.session(conn)
		})
	}
}

// keep remembers a connection. It reports false when the fleet has ended.
func (f *fleet) keep(conn net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[conn] = true
	return !f.closed
}

// session answers who watches until it ends.
func (f *fleet) session(conn net.Conn) {
	var said strings.Builder
	var source *fleetSource
	in := bufio.NewScanner(conn)
	for n := 0; in.Scan(); {
		if in.Text() != "send" {
			said.WriteString(in.Text() + "\n")
			source = nil
			continue
		}
		if source == nil {
			source = f.source(said.String())
		}
		message, err := source.now(f.daemon, said.String())
		if err != nil {
			return
		}
		if _, err := conn.Write(message); err != nil {
			return
		}
		if n++; n == 2 {
			f.ready.Add(1)
		}
	}
}

func (f *fleet) source(said string) *fleetSource {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sources[said]
	if s == nil {
		s = new(fleetSource)
		f.sources[said] = s
	}
	return s
}

// now returns a message that is young enough.
func (s *fleetSource) now(daemon, said string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < fleetAge {
		return s.message, nil
	}
	if s.conn == nil {
		conn, err := net.Dial("tcp", daemon)
		if err != nil {
			return nil, err
		}
		s.conn, s.in = conn, xmlsysd.NewReader(conn, 0)
		if _, err := conn.Write([]byte(said)); err != nil {
			return nil, err
		}
	}
	if _, err := s.conn.Write([]byte("send\n")); err != nil {
		return nil, err
	}
	body, err := s.in.Next()
	if err != nil {
		return nil, err
	}
	s.at = time.Now()
	s.message = append([]byte("Content-Length: "+strconv.Itoa(len(body))+"\n\n"), body...)
	return s.message, nil
}

// close ends the fleet and waits.
func (f *fleet) close() error {
	err := f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
	for _, s := range f.sources {
		if s.conn != nil {
			err = errors.Join(err, s.conn.Close())
		}
	}
	return err
}
