// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/internal/kernel/epoll"
)

// acceptPause is how long accepting rests when descriptors have run out.
const acceptPause = 100 * time.Millisecond

// maxAccepts bounds the connections taken in one round.
const maxAccepts = 64

// acceptor takes connections from a listener. It runs on the first worker.
type acceptor struct {
	server *Server
	kind   connKind
	fd     int
	paused bool
}

// newAcceptor takes over a listener's descriptor.
func newAcceptor(s *Server, kind connKind, l net.Listener) (*acceptor, error) {
	fd, err := listenFD(l)
	if err != nil {
		return nil, err
	}
	a := &acceptor{server: s, kind: kind, fd: fd}
	if err := s.workers[0].loop.Add(fd, a, epoll.Readable); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return a, nil
}

// listenFD returns a non-blocking duplicate of a listener's descriptor and
// closes the listener, so that only the event loop waits on the socket.
func listenFD(l net.Listener) (int, error) {
	filer, ok := l.(*net.TCPListener)
	if !ok {
		return -1, fmt.Errorf("%T is not a TCP listener", l)
	}
	return takeFD(filer)
}

// takeFD returns a non-blocking duplicate of a socket's descriptor and closes
// the socket.
func takeFD(c interface {
	File() (*os.File, error)
	Close() error
},
) (int, error) {
	f, err := c.File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, c.Close()
}

// Ready accepts what waits.
func (a *acceptor) Ready(bool, bool) {
	for range maxAccepts {
		fd, peer, err := epoll.Accept(a.fd)
		switch err {
		case nil:
			a.accept(fd, peer)
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO:
		default:
			a.pause(err)
			return
		}
	}
}

// pause stops accepting for a while: the daemon serves on what it has.
func (a *acceptor) pause(err error) {
	s := a.server
	if s.counters.AcceptErrors.Add(1) == 1 {
		s.log.Error("accept failed, trying again", "port", a.kind.String(), "err", err)
	}
	loop := s.workers[0].loop
	loop.Remove(a.fd)
	a.paused = true
	loop.After(acceptPause, func() {
		if !a.paused {
			return // closed meanwhile
		}
		a.paused = false
		if err := loop.Add(a.fd, a, epoll.Readable); err != nil {
			s.log.Error("accepting not resumed", "port", a.kind.String(), "err", err)
		}
	})
}

func (a *acceptor) accept(fd int, peer netip.Addr) {
	s := a.server
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
	w := s.pick(a.kind, peer)
	w.load.Add(1)
	err := w.loop.Post(func() { w.adopt(a.kind, fd, peer) })
	if err != nil {
		w.load.Add(-1)
		s.gate.Leave(peer, new(gate.Seat))
		unix.Close(fd)
	}
}

func (a *acceptor) close() {
	loop := a.server.workers[0].loop
	if a.paused {
		a.paused = false
	} else {
		loop.Remove(a.fd)
	}
	unix.Close(a.fd)
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
