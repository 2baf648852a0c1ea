// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

// Keep-alive of viewers: one that is paused says nothing for hours, one whose
// machine is gone must be noticed.
const (
	keepAliveIdle     = 60 // s
	keepAliveInterval = 15 // s
	keepAliveProbes   = 4
)

// newAcceptor takes connections from a listener, which it takes over.
func newAcceptor(s *Server, l net.Listener) (*epoll.Acceptor, error) {
	return epoll.NewAcceptor(s.loop, l, s.accept, func(err error) {
		if s.counters.acceptErrors.Add(1) == 1 {
			s.log.Error("accept failed, trying again", "port", "live", "err", err)
		}
	})
}

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
