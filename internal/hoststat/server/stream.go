// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

// stream is what goes over a connection. Sockets are read and written by calls that
// never wait, which the run-time is not told of, and are waited for between calls:
// see internal/kernel/reread for what that saves. TLS, pipes and files are read and
// written as usual.
type stream struct {
	// Immutable after newStream.
	conn net.Conn
	raw  syscall.RawConn // nil: not such a socket
	// The calls, made once: functions made anew for each would be garbage.
	read, write func(fd uintptr) (done bool)
	try         func(fd uintptr)

	// Of the call under way.
	buf []byte
	n   int
	err error // nil, an errno; EAGAIN: the socket is not ready
}

func newStream(conn net.Conn) *stream {
	s := &stream{conn: conn}
	switch c := conn.(type) {
	case *net.TCPConn:
		s.raw, _ = c.SyscallConn() // an error is that of a connection that is closed: the usual way tells it
	case *net.UnixConn:
		s.raw, _ = c.SyscallConn()
	}
	s.read = func(fd uintptr) bool {
		s.n, s.err = epoll.Recv(int(fd), s.buf)
		return s.err != unix.EAGAIN
	}
	s.try = func(fd uintptr) { s.n, s.err = epoll.Send(int(fd), s.buf, false) }
	s.write = func(fd uintptr) bool {
		s.try(fd)
		return s.err != unix.EAGAIN
	}
	return s
}

// Read reads what there is, and waits while there is nothing.
func (s *stream) Read(b []byte) (int, error) {
	if s.raw == nil || len(b) == 0 {
		return s.conn.Read(b)
	}
	s.buf = b
	err := s.raw.Read(s.read)
	s.buf = nil
	switch {
	case err != nil:
		return 0, err
	case s.err != nil:
		return 0, &net.OpError{Op: "read", Net: "socket", Err: s.err}
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// writeSome writes what goes, at least a byte; it waits for room for a while.
func (s *stream) writeSome(b []byte, patience time.Duration) (int, error) {
	if s.raw != nil {
		s.buf = b
		defer func() { s.buf = nil }()
		if err := s.raw.Control(s.try); err != nil {
			return 0, err
		}
		if s.err != unix.EAGAIN {
			return s.n, s.err
		}
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(patience))
	if err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return 0, err
	}
	if s.raw == nil {
		return s.conn.Write(b)
	}
	if err := s.raw.Write(s.write); err != nil {
		return 0, err
	}
	return s.n, s.err
}
