// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// Producer is a session daemon and its consumer: one control and, once a packet
// is sent, one data connection. Its methods send a command, wait for the reply
// and fail the test when none comes. It belongs to one goroutine.
type Producer struct {
	// Minor is the negotiated minor; it decides the layouts.
	Minor lttng.Minor

	t       testing.TB
	relay   *Relay
	control net.Conn
	data    net.Conn // nil before the first packet
	unread  []byte   // received and not yet part of a reply
}

// Dial connects a producer's control connection. It is closed when the test
// ends.
func (r *Relay) Dial(t testing.TB) *Producer {
	t.Helper()
	p := &Producer{t: t, relay: r, Minor: lttng.MinorVersion, control: Connect(t, r.Control)}
	t.Cleanup(p.Close)
	return p
}

// Connect opens a connection whose reads and writes fail before a hanging test
// would.
func Connect(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	extend(t, c)
	return c
}

// extend gives a connection time from now on.
func extend(t testing.TB, c net.Conn) {
	t.Helper()
	// A closed connection tells so at the next read or write.
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

// Open dials, negotiates a minor and creates a session.
func (r *Relay) Open(t testing.TB, minor lttng.Minor, m lttng.CreateSession) (*Producer, lttng.SessionReply) {
	t.Helper()
	p := r.Dial(t)
	p.Version(lttng.Version{Major: lttng.MajorVersion, Minor: uint32(minor)})
	s := p.CreateSession(m)
	if s.Code != lttng.ReplyOK {
		t.Fatalf("CREATE_SESSION %q: %v", m.Name, s.Code)
	}
	return p, s
}

// Connections returns the producer's sockets, to be used without a test's
// expectations; the data connection is opened if need be.
func (p *Producer) Connections() (control, data net.Conn) {
	p.t.Helper()
	p.OpenData()
	return p.control, p.data
}

// Close closes both connections. It may be called again.
func (p *Producer) Close() {
	p.CloseData()
	p.CloseControl()
}

// CloseControl closes the control connection.
func (p *Producer) CloseControl() { closeConn(p.control) }

// CloseData closes the data connection.
func (p *Producer) CloseData() {
	if p.data != nil {
		closeConn(p.data)
	}
}

func closeConn(c net.Conn) {
	// Closed twice, or reset by the relay: either way it is gone.
	_ = c.Close()
}

// Send writes raw bytes to the control connection.
func (p *Producer) Send(b []byte) {
	p.t.Helper()
	extend(p.t, p.control)
	n, err := p.control.Write(b)
	p.relay.sent.Add(uint64(n))
	if err != nil {
		p.t.Fatalf("control connection: %v", err)
	}
}

// Request sends a command with the payload that appends itself, without waiting
// for a reply.
func (p *Producer) Request(cmd lttng.Command, payload func([]byte) []byte) {
	p.t.Helper()
	p.Send(lttng.AppendRequest(nil, cmd, payload))
}

// Reply reads n bytes of replies.
func (p *Producer) Reply(n int) []byte {
	p.t.Helper()
	return reply(p, func(b []byte) ([]byte, int, error) {
		if len(b) < n {
			return nil, 0, lttng.ErrShort
		}
		return slices.Clone(b[:n]), n, nil
	})
}

// Code reads a reply that is a code alone.
func (p *Producer) Code() lttng.ReplyCode {
	p.t.Helper()
	return reply(p, lttng.ParseCode)
}

// Until waits for a condition that nobody signals.
func (p *Producer) Until(what string, done func() bool) {
	p.t.Helper()
	wait.Until(p.t, what, done)
}

// reply reads until parse has enough.
func reply[R any](p *Producer, parse func([]byte) (R, int, error)) R {
	p.t.Helper()
	for {
		r, n, err := parse(p.unread)
		if err == nil {
			p.unread = p.unread[n:]
			return r
		}
		if !errors.Is(err, lttng.ErrShort) {
			p.t.Fatalf("reply %x: %v", p.unread, err)
		}
		buf := make([]byte, 4096)
		n, err = p.control.Read(buf)
		if err != nil {
			p.t.Fatalf("control connection: %v after %x, want a reply", err, p.unread)
		}
		p.unread = append(p.unread, buf[:n]...)
	}
}

// ask sends a command and reads a reply that is a code alone.
func (p *Producer) ask(cmd lttng.Command, payload func([]byte) []byte) lttng.ReplyCode {
	p.t.Helper()
	p.Request(cmd, payload)
	return p.Code()
}

// Answered reports whether a reply lies here unread.
func (p *Producer) Answered() bool {
	p.t.Helper()
	if len(p.unread) > 0 {
		return true
	}
	raw, err := p.control.(*net.TCPConn).SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && n > 0
}

// WaitControlClosed waits until the relay closes the control connection and
// returns what it sent before.
func (p *Producer) WaitControlClosed() []byte {
	p.t.Helper()
	rest := append(p.unread, WaitClosed(p.t, p.control)...)
	p.unread = nil
	return rest
}

// WaitDataClosed waits until the relay closes the data connection.
func (p *Producer) WaitDataClosed() {
	p.t.Helper()
	if b := WaitClosed(p.t, p.data); len(b) > 0 {
		p.t.Errorf("data connection: got %x, want nothing", b)
	}
}

// WaitClosed reads a connection to its end, in order or by a reset.
func WaitClosed(t testing.TB, c net.Conn) []byte {
	t.Helper()
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("connection still open after %x", b)
	}
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("connection: %v", err)
	}
	return b
}

// Packet sends a data packet. Sizes of the header that are 0 are filled in.
func (p *Producer) Packet(h lttng.DataHeader, content []byte) {
	p.t.Helper()
	if h.DataSize == 0 {
		h.DataSize = uint32(len(content))
	}
	p.SendData(append(h.Append(nil), content...))
}

// SendData writes raw bytes to the data connection, which the first call opens.
func (p *Producer) SendData(b []byte) {
	p.t.Helper()
	p.OpenData()
	extend(p.t, p.data)
	n, err := p.data.Write(b)
	p.relay.sent.Add(uint64(n))
	if err != nil {
		p.t.Fatalf("data connection: %v", err)
	}
}

// OpenData connects the data connection unless that has been done.
func (p *Producer) OpenData() {
	p.t.Helper()
	if p.data == nil {
		p.data = Connect(p.t, p.relay.Data)
	}
}
