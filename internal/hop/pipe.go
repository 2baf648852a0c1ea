// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pipeBuffer is the memory of one direction.
const pipeBuffer = 32 << 10

// pipe passes bytes on in both directions until both have ended.
func (c *conn) pipe(ctx context.Context, far net.Conn) {
	for _, one := range []net.Conn{c.near, far} {
		if one.SetDeadline(time.Time{}) != nil {
			return
		}
	}
	stop := context.AfterFunc(ctx, func() {
		c.near.Close()
		far.Close()
	})
	defer stop()
	c.active.Store(time.Now().UnixNano())
	var half atomic.Bool
	var back sync.WaitGroup
	// Ended by either peer, by the idle limit or by the context; waited for
	// below.
	back.Go(func() { c.pass(c.near, far, &half) })
	c.pass(far, c.near, &half)
	back.Wait()
}

// pass passes one direction on, and its end. Any error ends both.
func (c *conn) pass(to, from net.Conn, half *atomic.Bool) {
	err := c.copy(to, from, half)
	if err == nil {
		half.Store(true)
		// The other direction may be waiting for ever by now.
		_ = to.SetReadDeadline(time.Now().Add(c.server.opts.HalfClosedTimeout))
		if w, ok := to.(interface{ CloseWrite() error }); ok {
			err = w.CloseWrite()
		}
	}
	if err != nil {
		to.Close()
		from.Close()
	}
}

var errIdle = errors.New("nothing was passed on for too long")

// copy moves bytes until the end of from.
func (c *conn) copy(to, from net.Conn, half *atomic.Bool) error {
	buf := make([]byte, pipeBuffer)
	for {
		if limit := c.limit(half); limit > 0 {
			_ = from.SetReadDeadline(time.Now().Add(limit)) // an error shows in the read
		}
		n, err := from.Read(buf)
		if n > 0 {
			c.active.Store(time.Now().UnixNano())
			c.server.counters.Bytes.Add(uint64(n))
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			c.active.Store(time.Now().UnixNano())
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Silence in one direction is nothing while the other speaks.
			if limit := c.limit(half); limit > 0 && time.Since(time.Unix(0, c.active.Load())) >= limit {
				c.server.counters.IdleClosed.Add(1)
				return errIdle
			}
		default:
			return err
		}
	}
}

// limit is how long nothing may be passed on; 0 = for ever.
func (c *conn) limit(half *atomic.Bool) time.Duration {
	o := &c.server.opts
	if half.Load() && (o.IdleTimeout == 0 || o.IdleTimeout > o.HalfClosedTimeout) {
		return o.HalfClosedTimeout
	}
	return o.IdleTimeout
}
