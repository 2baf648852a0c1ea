// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a blocking TCP connection. It does without the runtime's poller:
// under load nearly every call finds work to do, and a parked thread costs the
// machine less than a trip through epoll.
//
// One goroutine may read while another one writes. When the context it was
// dialled with ends, the connection is shut down, which ends blocked calls.
type socket struct {
	// Immutable after dial.
	fd      int
	address netip.AddrPort
	ctx     context.Context // lives exactly as long as the connection's use
	release func() bool     // ends the watch of ctx

	mu     sync.Mutex
	closed bool // guarded by mu: the watch may fire while close runs
}

// dialTimeout is how long a peer may take to accept a connection: one that has
// stopped accepting must not stop the benchmark.
const dialTimeout = 5 * time.Second

// dial connects to an address. Small writes leave at once (TCP_NODELAY).
func dial(ctx context.Context, address netip.AddrPort) (*socket, error) {
	family, sa := sockaddr(address)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &socket{fd: fd, address: address, ctx: ctx}
	s.release = context.AfterFunc(ctx, s.shutdown)
	if err := s.connect(sa); err != nil {
		s.close()
		return nil, s.failure("connect to", err)
	}
	return s, nil
}

func sockaddr(address netip.AddrPort) (family int, sa unix.Sockaddr) {
	port, ip := int(address.Port()), address.Addr().Unmap()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
}

// connect completes the connection. The time limit is SO_SNDTIMEO, which holds
// for connect(2) as well; writing has none. A signal does not end an attempt:
// the next call waits on and says EISCONN if it came about between.
func (s *socket) connect(sa unix.Sockaddr) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	limit := unix.NsecToTimeval(dialTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return err
	}
	err := unix.Connect(s.fd, sa)
	for err == unix.EINTR || err == unix.EALREADY {
		err = unix.Connect(s.fd, sa)
	}
	switch err {
	case nil, unix.EISCONN:
	case unix.EINPROGRESS:
		return unix.ETIMEDOUT
	default:
		return err
	}
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{}); err != nil {
		return err
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// shutdown ends blocked calls and tells the peer.
func (s *socket) shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(s.fd, unix.SHUT_RDWR) // a peer may have gone before
	}
}

// close frees the descriptor. No other call may be under way.
func (s *socket) close() {
	s.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = unix.Close(s.fd) // nothing buffered can be lost: all was written
	}
}

// write sends all of b.
func (s *socket) write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(s.fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return s.failure("write", err)
		}
		b = b[n:]
	}
	return nil
}

// write2 sends head and tail with one system call, as a rule.
func (s *socket) write2(head, tail []byte) error {
	n, err := unix.Writev(s.fd, [][]byte{head, tail})
	switch {
	case err == unix.EINTR:
		n = 0
	case err != nil:
		return s.failure("write", err)
	}
	if n < len(head) {
		if err := s.write(head[n:]); err != nil {
			return err
		}
		n = len(head)
	}
	return s.write(tail[n-len(head):])
}

// read receives at least one byte.
func (s *socket) read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, s.failure("read", err)
		case n == 0:
			return 0, s.failure("read", io.ErrUnexpectedEOF)
		}
		return n, nil
	}
}

// readFull fills b.
func (s *socket) readFull(b []byte) error {
	_, err := s.readAtLeast(b, len(b))
	return err
}

// readAtLeast receives at least the first least bytes of b, and what of the
// rest is there already.
func (s *socket) readAtLeast(b []byte, least int) (int, error) {
	got := 0
	for got < least {
		n, err := s.read(b[got:])
		if err != nil {
			return got, err
		}
		got += n
	}
	return got, nil
}

// acknowledge sends a delayed acknowledgement now. Where nothing is left to send
// that would carry it, a peer with Nagle's algorithm on would sit on its last
// replies until the delay is over.
func (s *socket) acknowledge() {
	_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) // only a delay is at stake
}

// open reports whether the peer has kept its end, without waiting.
func (s *socket) open() bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(s.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n > 0 || err == unix.EAGAIN || err == unix.EINTR
}

// failure names the connection, and the context's end as the cause if that is
// what ended the call.
func (s *socket) failure(op string, err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s %s: %w", op, s.address, err)
}
