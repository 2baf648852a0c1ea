// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/internal/kernel/epoll"
)

// newAcceptor takes connections from a listener, which it takes over, on the first
// worker.
func newAcceptor(s *Server, kind connKind, l net.Listener) (*epoll.Acceptor, error) {
	accept := func(fd int, peer netip.Addr) { s.accept(kind, fd, peer) }
	return epoll.NewAcceptor(s.workers[0].loop, l, accept, func(err error) {
		if s.counters.AcceptErrors.Add(1) == 1 {
			s.log.Error("accept failed, trying again", "port", kind.String(), "err", err)
		}
	})
}

// accept gives a connection to a worker.
func (s *Server) accept(kind connKind, fd int, peer netip.Addr) {
	displaced, ok := s.gate.Enter(peer)
	if !ok {
		s.counters.Refused.Add(1)
		unix.Close(fd)
		return
	}
	if displaced != nil {
		s.counters.Displaced.Add(1)
		// A loop that has stopped has closed it.
		_ = displaced.worker.loop.Post(func() { displaced.worker.drop(displaced) })
	}
	s.prepare(fd)
	w := s.pick(kind, peer)
	w.load.Add(1)
	err := w.loop.Post(func() { w.adopt(kind, fd, peer) })
	if err != nil {
		w.load.Add(-1)
		s.gate.Leave(peer, new(gate.Seat))
		unix.Close(fd)
	}
}

// prepare sets the socket options of a producer's connection. None is worth
// refusing it for.
func (s *Server) prepare(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	k := s.opts.KeepAlive
	if !k.Enable {
		return
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	set := func(opt, value int) {
		if value > 0 {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, opt, value)
		}
	}
	set(unix.TCP_KEEPIDLE, int(k.Idle/time.Second))
	set(unix.TCP_KEEPINTVL, int(k.Interval/time.Second))
	set(unix.TCP_KEEPCNT, k.Probes)
}
