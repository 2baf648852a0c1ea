// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// link is one of the two connections. Writes take turns.
type link struct {
	// Immutable once connected.
	end   End
	addr  string
	conn  net.Conn
	raw   syscall.RawConn // nil where there is none
	stall time.Duration   // without any progress
	turn  chan struct{}   // holds one value; never closed

	// Owned by whose turn it is.
	renew time.Time // when the deadline of writes has to be moved
	bufs  net.Buffers
}

func newLink(end End, addr string, stall time.Duration) *link {
	l := &link{end: end, addr: addr, stall: stall, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

func (l *link) connected(c net.Conn) {
	l.conn = c
	if sc, ok := c.(syscall.Conn); ok {
		l.raw, _ = sc.SyscallConn() // its errors cost speed, no more
	}
}

// take waits for the turn. dead ends all waiting.
func (l *link) take(ctx context.Context, dead <-chan struct{}) error {
	select { // the common case is cheap
	case <-l.turn:
		return nil
	default:
	}
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-dead:
		return ErrClosed
	}
}

func (l *link) give() { l.turn <- struct{}{} }

// write sends a and b, as a rule with one system call; b may be nil. It returns
// how many bytes went out: none of them mean that nothing has happened. Only a
// write without any progress runs into the deadline.
func (l *link) write(ctx context.Context, iov *[2][]byte, a, b []byte) (int64, error) {
	iov[0], iov[1] = a, b
	l.bufs = iov[:]
	if b == nil {
		l.bufs = iov[:1]
	}
	defer func() { l.bufs, iov[0], iov[1] = nil, nil, nil }()
	l.extend()
	if ctx.Done() != nil {
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(done)
			_ = l.conn.SetWriteDeadline(time.Unix(1, 0)) // an error shows in the write
		})
		defer func() {
			if !stop() {
				<-done
				l.renew = time.Time{}
			}
		}()
	}
	var sent int64
	for {
		if ctx.Err() != nil {
			return sent, context.Cause(ctx)
		}
		n, err := l.bufs.WriteTo(l.conn)
		sent += n
		switch {
		case err == nil:
			return sent, nil
		case ctx.Err() != nil:
			return sent, context.Cause(ctx)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return sent, err
		case n == 0:
			return sent, ErrStalled
		}
		l.renew = time.Time{}
		l.extend()
	}
}

// extend moves the deadline of writes when a fourth of it is over, which is
// cheaper than each time.
func (l *link) extend() {
	now := time.Now()
	if now.Before(l.renew) {
		return
	}
	_ = l.conn.SetWriteDeadline(now.Add(l.stall)) // an error shows in the write
	l.renew = now.Add(l.stall / 4)
}
