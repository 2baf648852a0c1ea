// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection that has said hello. One goroutine uses it.
type conn struct {
	*net.UnixConn

	r      *bufio.Reader
	in     []byte
	out    []byte
	tag    uint16
	hello  Hello
	broken bool // nothing can be asked any more
	files  []*os.File
}

// helloTimeout is how long an agent may take to say hello.
const helloTimeout = 10 * time.Second

func dial(ctx context.Context, socket string, f Format) (*conn, error) {
	var d net.Dialer
	n, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("agent of feeds: %w", err)
	}
	c := &conn{UnixConn: n.(*net.UnixConn)}
	c.r = bufio.NewReaderSize(&rightsReader{c}, 64<<10)
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	b, err := c.call(ctx, OpHello, 0, AppendHello(nil, f))
	if err == nil && len(b) < 2 {
		err = &FrameError{OpHello | OpAnswer, 0, fmt.Sprintf("%d bytes, want 2 at least", len(b))}
	}
	if err == nil {
		err = json.Unmarshal(b[2:], &c.hello)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("agent of feeds at %s: %w", socket, err)
	}
	return c, nil
}

// rightsReader reads from the socket and keeps descriptors that come along.
type rightsReader struct{ c *conn }

func (r *rightsReader) Read(b []byte) (int, error) {
	var oob [64]byte
	n, oobn, _, _, err := r.c.ReadMsgUnix(b, oob[:])
	if oobn > 0 {
		r.c.take(oob[:oobn])
	}
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

// take keeps the descriptors of ancillary data.
func (c *conn) take(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			c.files = append(c.files, os.NewFile(uintptr(fd), "feed"))
		}
	}
}

// call sends a request and waits for its answer. When ctx ends first, the connection
// is broken: the answer may still come.
func (c *conn) call(ctx context.Context, op Op, flags uint8, payload []byte) ([]byte, error) {
	if c.broken {
		return nil, net.ErrClosed
	}
	c.tag++
	f := Frame{Op: op, Flags: flags, Tag: c.tag, Payload: payload}
	c.out = f.Append(c.out[:0])
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b, err := c.exchange(op)
	var answered *Error
	if err != nil && !errors.As(err, &answered) {
		c.broken = true
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	return b, err
}

func (c *conn) exchange(op Op) ([]byte, error) {
	_, sendErr := c.Write(c.out)
	if sendErr != nil && !errors.Is(sendErr, unix.EPIPE) {
		return nil, sendErr
	}
	// An agent that has closed the connection may have said why before.
	f, err := ReadFrame(c.r, &c.in, MaxFrame)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET):
		return nil, fmt.Errorf("%w: %w", ErrGone, cmp.Or(sendErr, err))
	case err != nil:
		return nil, err
	case f.Op == OpError:
		answer := &Error{}
		if err := json.Unmarshal(f.Payload, answer); err != nil {
			return nil, fmt.Errorf("feed protocol: error of op %d: %w", op, err)
		}
		return nil, answer
	case f.Op != op|OpAnswer || f.Tag != c.tag:
		return nil, &FrameError{f.Op, -1, fmt.Sprintf("answer %#x with tag %d, want %#x with tag %d", f.Op, f.Tag, op|OpAnswer, c.tag)}
	}
	return f.Payload, nil
}
