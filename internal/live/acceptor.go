// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

const (
	maxAccepts  = 64                     // connections taken in one round
	acceptPause = 100 * time.Millisecond // when descriptors have run out
)

// Keep-alive of viewers: one that is paused says nothing for hours, one whose
// machine is gone must be noticed.
const (
	keepAliveIdle     = 60 // s
	keepAliveInterval = 15 // s
	keepAliveProbes   = 4
)

// acceptor takes connections from a listener.
type acceptor struct {
	server *Server
	fd     int
	resume *epoll.Timer // set while accepting rests
}

// newAcceptor takes over a listener's socket and closes the listener, so that
// only the event loop waits on it.
func newAcceptor(s *Server, l net.Listener) (*acceptor, error) {
	defer l.Close()
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no descriptor", l)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	dup := func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }
	if cerr := raw.Control(dup); cerr != nil {
		return nil, cerr
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	a := &acceptor{server: s, fd: fd}
	if err == nil {
		err = s.loop.Add(fd, a, epoll.Readable)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, err
	}
	return a, nil
}

// Ready accepts what waits.
func (a *acceptor) Ready(bool, bool) {
	for range maxAccepts {
		fd, peer, err := epoll.Accept(a.fd)
		switch err {
		case nil:
			a.server.accept(fd, peer)
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO:
		default:
			a.pause(err)
			return
		}
	}
}

// pause stops accepting for a while: the server goes on with what it has.
func (a *acceptor) pause(err error) {
	s := a.server
	if s.counters.acceptErrors.Add(1) == 1 {
		s.log.Error("accept failed, trying again", "port", "live", "err", err)
	}
	s.loop.Remove(a.fd)
	a.resume = s.loop.After(acceptPause, func() {
		a.resume = nil
		if err := s.loop.Add(a.fd, a, epoll.Readable); err != nil {
			s.log.Error("accepting not resumed", "port", "live", "err", err)
		}
	})
}

// close ends accepting once the loop has stopped.
func (a *acceptor) close() { unix.Close(a.fd) }

// accept begins to serve a connection.
func (s *Server) accept(fd int, peer netip.Addr) {
	displaced, ok := s.gate.Enter(peer)
	if !ok {
		s.counters.refused.Add(1)
		unix.Close(fd)
		return
	}
	if displaced != nil {
		s.counters.displaced.Add(1)
		displaced.close()
	}
	prepare(fd)
	c := &conn{srv: s, fd: fd, peer: peer}
	if err := s.loop.Add(fd, c, epoll.Readable); err != nil {
		s.log.Error("viewer not served", "err", err)
		s.gate.Leave(peer, &c.seat)
		unix.Close(fd)
		return
	}
	s.gate.Wait(peer, &c.seat, c)
	c.want = epoll.Readable
	c.timer = s.loop.After(s.opts.HandshakeTimeout, c.handshakeExpired)
	s.conns[c] = struct{}{}
	s.counters.total.Add(1)
	s.counters.connected.Add(1)
}

// prepare sets socket options. None is worth refusing a viewer for.
func prepare(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
}
