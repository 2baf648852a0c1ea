// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// accept takes connections until the listener closes. Other errors, such as too
// many open files, pass: it waits a moment and goes on.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	failing := false
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			if !failing {
				s.o.Log.Error("no connection can be accepted", "listener", l.Addr(), "err", err)
			}
			failing = true
			pause(ctx, acceptPause)
			continue
		}
		if failing {
			s.o.Log.Info("connections are accepted again", "listener", l.Addr())
		}
		failing = false
		s.admit(conn)
	}
}

// admit starts the session of a connection, or closes it.
func (s *Server) admit(conn net.Conn) {
	served, ok := s.secure(conn, true)
	if !ok {
		s.refuse(&s.Refused.Access, "connection not allowed", conn)
		return
	}
	select {
	case s.seats <- struct{}{}:
	default:
		s.refuse(&s.Refused.Full, "too many sessions", conn)
		return
	}
	c := s.begin(served)
	if c == nil {
		<-s.seats
		return
	}
	go func() { // ends with its session; Serve waits for it
		defer func() { <-s.seats }()
		s.serve(c)
	}()
}

// secure puts TLS on a TCP connection, if there is to be any; false: its peer may not
// connect. Where there is a door it decides, and else access if it counts.
func (s *Server) secure(conn net.Conn, access bool) (net.Conn, bool) {
	tcp := conn.LocalAddr() != nil && conn.LocalAddr().Network() == "tcp"
	switch {
	case s.o.Door != nil && tcp:
		return s.o.Door(conn)
	case access && !s.o.Access.Allows(conn.RemoteAddr()):
		return nil, false
	case s.o.TLS == nil || !tcp:
		return conn, true
	}
	return tls.Server(conn, s.o.TLS), true
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
