// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// ActivatedSockets takes over the sockets that a service manager has opened for
// this process, whatever their names: those that listen, and those that are
// connected already. Without any, both lists are empty. The environment variables
// are removed.
func ActivatedSockets() (listeners []net.Listener, conns []net.Conn, err error) {
	for _, f := range activation.Files(true) {
		if err == nil {
			err = takeSocket(f, &listeners, &conns)
		}
		f.Close()
	}
	if err == nil {
		return listeners, conns, nil
	}
	for _, l := range listeners {
		l.Close()
	}
	for _, c := range conns {
		c.Close()
	}
	return nil, nil, fmt.Errorf("socket activation: %w", err)
}

func takeSocket(f *os.File, listeners *[]net.Listener, conns *[]net.Conn) error {
	listening, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("descriptor %q: %w", f.Name(), err)
	}
	if listening == 0 {
		c, err := net.FileConn(f)
		if err == nil {
			*conns = append(*conns, c)
		}
		return err
	}
	l, err := net.FileListener(f)
	if err == nil {
		*listeners = append(*listeners, l)
	}
	return err
}

// Stream is what a super-server has connected the standard input and output of
// this process with. The descriptors 0 and 1 lead nowhere afterwards, so that the
// peer notices when the stream closes.
func Stream() (net.Conn, error) {
	in, err := half(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	conn, socket := in.(net.Conn)
	if socket && SameFile(os.Stdin, os.Stdout) {
		return conn, leadNowhere()
	}
	out, err := half(os.Stdout)
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return &pair{in: in, out: out}, leadNowhere()
}

// SameFile tells whether two descriptors are of one file or socket.
func SameFile(a, b *os.File) bool {
	var x, y unix.Stat_t
	return unix.Fstat(int(a.Fd()), &x) == nil && unix.Fstat(int(b.Fd()), &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}

// leadNowhere puts /dev/null in the place of the standard input and output.
func leadNowhere() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return errors.Join(unix.Dup3(int(null.Fd()), unix.Stdin, 0), unix.Dup3(int(null.Fd()), unix.Stdout, 0))
}

// end is a direction of a stream.
type end interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// half returns a standard descriptor in a form that can wait with a time limit.
// Pipes and terminals are opened anew for that: the mode that it takes would be
// that of all who have the same descriptor.
func half(f *os.File) (end, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return net.FileConn(f)
	case unix.S_IFIFO, unix.S_IFCHR:
		if anew, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags&unix.O_ACCMODE|unix.O_NOCTTY, 0); err == nil {
			return anew, nil
		}
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// pair is a connection of two descriptors.
type pair struct{ in, out end }

func (p *pair) Read(b []byte) (int, error)         { return p.in.Read(b) }
func (p *pair) Write(b []byte) (int, error)        { return p.out.Write(b) }
func (p *pair) Close() error                       { return errors.Join(p.in.Close(), p.out.Close()) }
func (p *pair) SetReadDeadline(t time.Time) error  { return p.in.SetReadDeadline(t) }
func (p *pair) SetWriteDeadline(t time.Time) error { return p.out.SetWriteDeadline(t) }
func (p *pair) SetDeadline(t time.Time) error {
	return errors.Join(p.in.SetReadDeadline(t), p.out.SetWriteDeadline(t))
}
func (p *pair) LocalAddr() net.Addr  { return pairAddr{} }
func (p *pair) RemoteAddr() net.Addr { return pairAddr{} }

// pairAddr is the address of both ends of a pair.
type pairAddr struct{}

func (pairAddr) Network() string { return "pipe" }
func (pairAddr) String() string  { return "standard input" }
