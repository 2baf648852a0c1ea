// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/wire"
)

// link is the command socket of a program. One goroutine uses it.
type link struct {
	conn *net.UnixConn
	buf  []byte
	// until is when all that is being done has to be done; zero: there is no such time.
	until time.Time
}

// errSlow reports a program that answers each command in time, but not all of them.
var errSlow = errors.New("it takes too long for all that it is asked at once")

// call gives a command, with what follows it, and returns the answer, whose body holds
// until the next call. A wire.Code says that the program could not, a brokenError that it
// is not to be talked to any more.
func (l *link) call(c wire.Command, rest []byte, files ...*os.File) (wire.Reply, error) {
	r, err := l.exchange(c, rest, files...)
	return r, l.judge(err)
}

// brokenError is one of the link, or of what the program says by it: whoever gets it does
// not talk to the program any more. Errors of the daemon's own are none.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// judge says what an error of the link is.
func (l *link) judge(err error) error {
	var code wire.Code
	switch {
	case err == nil, errors.As(err, &code) && code != wire.CodeExiting:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded) && !l.until.IsZero() && !time.Now().Before(l.until):
		err = errSlow
	}
	return &brokenError{err}
}

func (l *link) exchange(c wire.Command, rest []byte, files ...*os.File) (wire.Reply, error) {
	deadline := time.Now().Add(answerTimeout)
	if !l.until.IsZero() && l.until.Before(deadline) {
		if deadline = l.until; !time.Now().Before(deadline) {
			return wire.Reply{}, errSlow
		}
	}
	if err := l.conn.SetDeadline(deadline); err != nil {
		return wire.Reply{}, err
	}
	l.buf = append(c.Append(l.buf[:0]), rest...)
	if _, err := l.conn.Write(l.buf); err != nil {
		return wire.Reply{}, err
	}
	if len(files) > 0 {
		if err := l.send(files); err != nil {
			return wire.Reply{}, err
		}
	}
	b, err := l.read(wire.ReplyLen)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("answer to command %#x: %w", uint32(c.Op), err)
	}
	r, err := wire.ParseReply(b)
	if err != nil {
		return r, err
	}
	return r, r.Answers(&c)
}

// read reads so many bytes, which hold until the next call.
func (l *link) read(n int) ([]byte, error) {
	if cap(l.buf) < n {
		l.buf = make([]byte, n)
	}
	b := l.buf[:n]
	_, err := io.ReadFull(l.conn, b)
	return b, l.judge(err)
}

// send sends descriptors, beside a byte of zero.
func (l *link) send(files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	_, _, err := l.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil)
	return err
}

// simple gives a command without a body and returns the answer's value.
func (l *link) simple(handle uint32, op wire.Op) (uint32, error) {
	return l.with(handle, op, nil, nil)
}

// with gives a command with a body and returns the answer's value.
func (l *link) with(handle uint32, op wire.Op, body, rest []byte, files ...*os.File) (uint32, error) {
	r, err := l.call(wire.Command{Handle: handle, Op: op, Body: body}, rest, files...)
	if err != nil {
		return 0, fmt.Errorf("command %#x of handle %d: %w", uint32(op), handle, err)
	}
	return r.Value, nil
}
