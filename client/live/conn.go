// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/weir-io/weir/lttng"
)

// readSize is the buffer for replies; the longest part that is parsed at once,
// an entry of the session list, is shorter.
const readSize = 64 << 10

// conn asks one question at a time. Once a reply has not come, or was not one,
// every further question fails with the same error: what arrives later would
// be taken for another reply.
type conn struct {
	// Immutable after dial.
	cfg   Config
	net   net.Conn
	in    *bufio.Reader
	raw   syscall.RawConn // nil where there is none
	minor lttng.Minor     // agreed on by the handshake

	// Owned by the goroutine that asks.
	out    []byte // request being built
	broken error
}

func newConn(cfg Config, c net.Conn) *conn {
	k := &conn{cfg: cfg, net: c, in: bufio.NewReaderSize(c, readSize)}
	if sc, ok := c.(syscall.Conn); ok {
		k.raw, _ = sc.SyscallConn() // its errors cost speed, no more
	}
	return k
}

// ask sends a request and lets take read the reply. Errors of take that are
// neither the connection's nor the context's are those of the bytes.
func (c *conn) ask(ctx context.Context, cmd lttng.ViewerCommand, payload func([]byte) []byte, take func() error) error {
	if c.broken != nil {
		return c.broken
	}
	if err := ctx.Err(); err != nil {
		return err // nothing was sent: the connection stays good
	}
	release := c.limit(ctx)
	err := c.exchange(cmd, payload, take)
	release()
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		err = ended
	}
	if _, bytes := errors.AsType[*lttng.ProtocolError](err); !bytes {
		err = &ConnError{Op: cmd.String(), Address: c.cfg.Address, Err: err}
	}
	c.broken = err
	c.net.Close()
	return err
}

func (c *conn) exchange(cmd lttng.ViewerCommand, payload func([]byte) []byte, take func() error) error {
	if n := c.in.Buffered(); n > 0 {
		return &lttng.ProtocolError{Op: cmd.String(), Got: uint64(n), Err: ErrUnasked}
	}
	c.out = lttng.AppendViewerRequest(c.out[:0], cmd, payload)
	if _, err := c.net.Write(c.out); err != nil {
		return err
	}
	return take()
}

// limit lets reads and writes fail once the context or the time for a reply
// has ended, until release is called.
func (c *conn) limit(ctx context.Context) (release func()) {
	// An error here shows again in the read that follows.
	_ = c.net.SetDeadline(time.Now().Add(c.cfg.Timeout))
	if ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = c.net.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// progress allows for another part of a long reply the time of a whole one,
// unless the context has ended.
func (c *conn) progress(ctx context.Context) {
	if ctx.Err() == nil {
		_ = c.net.SetReadDeadline(time.Now().Add(c.cfg.Timeout))
	}
}

// read takes one value off the connection, of which parse knows the length.
func read[T any](c *conn, parse func([]byte) (T, int, error)) (T, error) {
	var zero T
	want := 1
	for {
		c.quickAck()
		if _, err := c.in.Peek(want); err != nil {
			return zero, unexpected(err)
		}
		b, _ := c.in.Peek(c.in.Buffered()) // all of them are there
		v, n, err := parse(b)
		if err == nil {
			_, err = c.in.Discard(n)
			return v, err
		}
		short, ok := errors.AsType[*lttng.ProtocolError](err)
		if !ok || short.Err != lttng.ErrShort || short.Want <= uint64(len(b)) || short.Want > readSize {
			return zero, err
		}
		want = int(short.Want)
	}
}

// unexpected is the error of a reply that ends early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
