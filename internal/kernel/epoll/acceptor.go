// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxAccepts  = 64                     // connections taken in one round
	acceptPause = 100 * time.Millisecond // when descriptors have run out
)

// Acceptor takes connections from a listener, on a loop. When that fails it rests for
// a while: the loop goes on with what it has.
type Acceptor struct {
	loop   *Loop
	fd     int
	accept func(fd int, peer netip.Addr)
	failed func(err error)
	resume *Timer // set while accepting rests
}

// NewAcceptor takes over a listener's socket and closes the listener, so that only
// the loop waits on it. accept gets each connection, non-blocking, with the address of
// its other end, which is not valid for sockets that have none; failed is told of each
// error, after which accepting rests.
func NewAcceptor(loop *Loop, l net.Listener, accept func(fd int, peer netip.Addr), failed func(err error)) (*Acceptor, error) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	sc, ok := l.(Socket)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T has no descriptor", l), l.Close())
	}
	fd, err := TakeFD(sc)
	if err != nil {
		return nil, err
	}
	a := &Acceptor{loop: loop, fd: fd, accept: accept, failed: failed}
	if err := loop.Add(fd, a, Readable); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return a, nil
}

// Ready accepts what waits.
func (a *Acceptor) Ready(bool, bool) {
	for range maxAccepts {
		fd, peer, err := acceptOne(a.fd)
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

// pause stops accepting for a while.
func (a *Acceptor) pause(err error) {
	a.failed(err)
	a.loop.Remove(a.fd)
	a.resume = a.loop.After(acceptPause, func() {
		a.resume = nil
		if err := a.loop.Add(a.fd, a, Readable); err != nil {
			a.pause(err)
		}
	})
}

// Close ends accepting: on the loop, or before or after it runs.
func (a *Acceptor) Close() {
	if a.resume != nil {
		a.loop.Cancel(a.resume)
	} else {
		a.loop.Remove(a.fd)
	}
	unix.Close(a.fd)
}

func acceptOne(fd int) (conn int, peer netip.Addr, err error) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		peer = netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		peer = netip.AddrFrom16(sa.Addr).Unmap()
	}
	return conn, peer, err
}

// Socket is one of package net's.
type Socket interface {
	syscall.Conn
	Close() error
}

// TakeFD returns a non-blocking duplicate of a socket's descriptor and closes the
// socket, so that only the caller waits on it.
func TakeFD(s Socket) (int, error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, errors.Join(err, s.Close())
	}
	fd := -1
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, err); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return -1, err
	}
	return fd, nil
}
