// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// Ends of a session.
var (
	errQuit    = errors.New("quit")
	errIdle    = errors.New("idle for too long")
	errStopped = errors.New("the server stops")
	errHTTP    = errors.New("an HTTP request")
	errTLS     = errors.New("a TLS handshake on a plain port")
)

// session is a connection.
type session struct {
	// Immutable after newSession.
	server *Server
	conn   net.Conn
	log    *slog.Logger

	stopping atomic.Bool   // the server stops; set before the read deadline that ends a wait
	fired    atomic.Bool   // a trigger has fired; likewise
	stopped  chan struct{} // closed with it, by interrupt

	// Owned by run.
	stream   *stream
	in       *lines
	armed    time.Time // of the read deadline; zero: none, or it has passed
	host     *hoststat.Session
	main     view  // what "send" sends
	quik     *view // made when it is asked for
	jobs     *view // likewise
	tasks    xmlsysd.TaskMask
	query    *hoststat.Query // nil: to be made from tasks and the selection
	push     push
	triggers []*hoststat.Trigger // of "trigger"
	acks     bool
	ordinal  int    // of the last line that was not blank
	line     []byte // the last one that was a command
	command  xmlsysd.Command
	level    int       // of "verbose"
	heard    time.Time // when a command was read or a message was sent
	released bool      // buffers were given back
}

func newSession(s *Server, conn net.Conn) *session {
	c := &session{server: s, conn: conn, stream: newStream(conn), log: s.o.Log, stopped: make(chan struct{}), level: s.o.Verbosity, heard: time.Now()}
	c.in = newLines(c.stream, s.o.MaxLine)
	if peer := conn.RemoteAddr(); peer != nil {
		c.log = c.log.With("peer", peer.String())
	}
	return c
}

// run serves the session to its end and closes the connection.
func (c *session) run() {
	defer c.conn.Close()
	defer func() { // a fault in one session must not end the others
		if p := recover(); p != nil {
			c.log.Error("session ended by a fault of the program", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if err := c.handshake(); err != nil {
		c.server.engine.Traffic.Errors.Add(1)
		c.log.Debug("no TLS session", "err", err)
		return
	}
	c.prepare()
	defer c.host.Close()
	c.note("session begins")
	err := c.talk()
	c.endTriggers()
	c.note("session ends", "reason", err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errStopped):
	case errors.Is(err, errQuit):
		c.linger()
	default:
		c.server.engine.Traffic.Errors.Add(1)
		if errors.Is(err, errHTTP) || errors.Is(err, errLongLine) || errors.Is(err, errIdle) {
			c.linger()
		}
	}
}

// handshake does what TLS needs.
func (c *session) handshake() error {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// prepare makes what a session needs once its client may be heard.
func (c *session) prepare() {
	c.host = c.server.engine.NewSession()
	c.main = *c.server.newView()
	c.main.sel.Init()
}

// talk carries out commands until the session ends, and returns why it does.
func (c *session) talk() error {
	for {
		line, err := c.next()
		if errors.Is(err, errLongLine) {
			c.ordinal++
			c.server.Refused.Commands.Add(1)
			return errors.Join(err, c.ack(c.acks, &xmlsysd.CommandError{Code: xmlsysd.CodeLine, Reason: "a line is too long"}))
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(err, c.pushRest())
		}
		if err != nil {
			return err
		}
		if err := c.handle(line); err != nil {
			return err
		}
	}
}

// next waits for a line, and meanwhile sends the messages that become due.
func (c *session) next() ([]byte, error) {
	for {
		if c.push.on() {
			if err := c.pushDue(); err != nil {
				return nil, err
			}
		}
		if err := c.fireDue(); err != nil {
			return nil, err
		}
		if !c.in.ready() {
			if err := c.arm(c.deadline()); err != nil {
				return nil, err
			}
		}
		// After the deadline was set, so that it cannot take the place of the one
		// of interrupt.
		if c.stopping.Load() {
			return nil, errStopped
		}
		if c.fired.Load() {
			continue
		}
		line, err := c.in.next()
		switch {
		case err == nil:
			c.heard = time.Now()
			return line, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
		c.armed = time.Time{}
		switch {
		case c.stopping.Load():
			return nil, errStopped
		case !c.pushes() && time.Since(c.heard) >= c.server.o.IdleTimeout:
			return nil, errIdle
		case time.Since(c.heard) >= silence:
			c.release()
		}
	}
}

// arm makes the wait for a line end at a time, or before: then there is another. A
// deadline that is there already need not be moved with each message.
func (c *session) arm(at time.Time) error {
	if !c.armed.IsZero() && !at.Before(c.armed) {
		return nil
	}
	c.armed = at
	if err := c.conn.SetReadDeadline(at); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return err
	}
	return nil
}

// deadline is when a session that waits for a line has something to do.
func (c *session) deadline() time.Time {
	at := c.heard.Add(c.server.o.IdleTimeout)
	if c.push.on() {
		at = c.push.next
	}
	if quiet := c.heard.Add(silence); !c.released && quiet.Before(at) {
		at = quiet
	}
	return at
}

// interrupt ends the wait of a session. Others than run may call it.
func (c *session) interrupt() {
	if c.stopping.CompareAndSwap(false, true) {
		close(c.stopped)
	}
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // what has no deadline never waits, or is cut off
}

// release gives back the buffers of a session that is silent.
func (c *session) release() {
	c.released = true
	for _, v := range []*view{&c.main, c.quik, c.jobs} {
		if v != nil {
			v.enc.Release()
		}
	}
}

// write sends a message. A client that takes nothing of it for the time limit
// loses its session.
func (c *session) write(message []byte) error {
	c.released = false
	for rest := message; len(rest) > 0; {
		n, err := c.stream.writeSome(rest[:min(len(rest), writeBytes)], c.server.o.WriteTimeout)
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		rest = rest[n:]
	}
	traffic := &c.server.engine.Traffic
	traffic.Messages.Add(1)
	traffic.Bytes.Add(uint64(len(message)))
	return nil
}

// linger lets the client read what it has been sent: if it has sent something
// that nobody reads, closing would take the rest of it away.
func (c *session) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.conn.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil || c.stopping.Load() {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c.conn, lingerBytes)) // it ends, one way or another
}

// note logs what becomes of a session, from level 2 of "verbose" on.
func (c *session) note(msg string, args ...any) {
	if c.level >= 2 {
		c.log.Debug(msg, args...)
	}
}
