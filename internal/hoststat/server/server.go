// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// Server serves sessions. Its methods may be called by several goroutines.
type Server struct {
	// Refused counts what the server turned away.
	Refused Refused

	// Immutable after New.
	o      Options
	engine *hoststat.Engine
	hidden []xmlsysd.NodeID

	running sync.WaitGroup // sessions
	seats   chan struct{}  // one in it for each session of Serve

	mu       sync.Mutex
	sessions map[*session]struct{} // guarded by mu
	stopping bool                  // guarded by mu
}

// Refused counts connections that were closed before a byte was read, and
// commands that were not carried out.
type Refused struct {
	Access, Full, Commands atomic.Uint64
}

// New makes a server. It starts nothing.
func New(o Options) *Server {
	s := &Server{o: o.withDefaults(), engine: o.Engine, sessions: make(map[*session]struct{})}
	s.seats = make(chan struct{}, s.o.MaxSessions)
	s.hidden = hiddenNodes(o.Engine, o.Expose)
	return s
}

// hiddenNodes are what no selection of a client may have.
func hiddenNodes(e *hoststat.Engine, x hoststat.Expose) []xmlsysd.NodeID {
	hidden := e.Hidden()
	if !x.Cmdline {
		hidden = append(hidden, e.Model().Must("proc/tasks/task/cmdline"), e.Model().Must("proc/tasks/task/io"))
	}
	if !x.Cgroups {
		hidden = append(hidden, e.Model().Must("proc/tasks/task/cgroup"))
	}
	return hidden
}

// Serve accepts connections until ctx ends, and closes the listeners. It returns
// when the last session has ended, with nil if all went in order.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		group.Go(func() error { // ends when the listener closes
			defer stop()
			return s.accept(ctx, l)
		})
	}
	<-ctx.Done()
	err := group.Wait()
	s.stop()
	return err
}

// ServeConn serves one connection, and returns when its session has ended. Who may
// connect is decided if somebody has said so.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	served, ok := s.secure(conn, s.o.Access.Given())
	if !ok {
		s.refuse(&s.Refused.Access, "connection not allowed", conn)
		return
	}
	c := s.begin(served)
	if c == nil {
		return
	}
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	s.serve(c)
}

// begin makes the session of a connection, none when the server stops.
func (s *Server) begin(conn net.Conn) *session {
	c := newSession(s, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		conn.Close()
		return nil
	}
	s.sessions[c] = struct{}{}
	s.running.Add(1)
	return c
}

// serve runs a session to its end.
func (s *Server) serve(c *session) {
	defer s.running.Done()
	s.engine.Traffic.Connections.Add(1)
	c.run()
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
}

// stop ends all sessions in order and waits for them.
func (s *Server) stop() {
	s.mu.Lock()
	s.stopping = true
	for c := range s.sessions {
		c.interrupt()
	}
	s.mu.Unlock()
	late := time.AfterFunc(stopTimeout, s.cut)
	defer late.Stop()
	s.running.Wait()
}

// cut closes the connections of sessions that did not end.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.conn.Close()
	}
}

// refuse closes a connection and counts it.
func (s *Server) refuse(count *atomic.Uint64, why string, conn net.Conn) {
	conn.Close()
	s.engine.Traffic.Errors.Add(1)
	if count.Add(1) == 1 { // told once and counted: a flood must not fill the log
		s.o.Log.Warn(why, "peer", conn.RemoteAddr())
	}
}
