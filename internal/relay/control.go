// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/lttng"
)

const (
	// maxReads bounds what one connection gets done in one round.
	maxReads = 4
	// maxUnsent is how many reply bytes may wait before the peer, which
	// does not read them, is not read either.
	maxUnsent = 64 << 10
)

// controlConn is a control connection: requests in order, each answered in
// order.
type controlConn struct {
	conn
	minor   lttng.Minor // negotiated; 0 before VERSION
	session *session    // nil before CREATE_SESSION
	granted lttng.Extensions
	unsent  []byte // replies that the socket did not take
	muted   bool   // not read until unsent is gone
	held    bool   // nothing is sent until the store has settled
	again   bool   // an answer came meanwhile that waits for the same
	doomed  error  // closes the connection once unsent was sent
	skip    uint64 // bytes of the current payload to throw away
	dry     bool   // the data connection had nothing more in this round
}

func (c *controlConn) base() *conn { return &c.conn }

// Ready reads and answers requests.
func (c *controlConn) Ready(readable, writable bool) {
	if writable && len(c.unsent) > 0 && !c.held {
		c.flush()
	}
	if !readable || c.closed {
		return
	}
	if c.held && c.muted && !c.worker.draining {
		c.worker.drop(c) // not asked for: the peer is gone
		return
	}
	for range maxReads {
		if c.closed || c.muted {
			return
		}
		if more := c.read(); !more {
			return
		}
	}
}

// read takes what one call gives and reports whether there may be more.
func (c *controlConn) read() bool {
	w := c.worker
	buf := w.buf
	if c.partial != nil {
		buf = c.partial[len(c.partial):cap(c.partial)]
	}
	n, err := epoll.Recv(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return false
	case err != nil || n == 0:
		w.drop(c)
		return false
	}
	w.server.counters.ReceivedBytes.Add(uint64(n))
	w.replies = w.replies[:0]
	w.answering, c.dry = true, false
	if err = c.consume(buf[:n]); c.session != nil && !c.closed {
		c.session.store.FlushIndexes()
	}
	w.answering = false
	c.send(w.replies)
	if err != nil {
		c.fail(err)
	}
	for len(w.later) > 0 {
		do := w.later[0]
		w.later = w.later[1:]
		do()
	}
	return n == len(buf)
}

// fail closes the connection after a message that cannot be answered or went
// wrong. The session is given up.
func (c *controlConn) fail(err error) {
	if c.closed {
		return
	}
	if c.held {
		// The answers to what was right go out first.
		c.doomed = err
		c.watch()
		return
	}
	s := c.worker.server
	s.counters.ProtocolErrors.Add(1)
	s.log.Warn("control connection closed", "peer", c.peer, "session", c.sessionID(), "err", err)
	if c.session != nil {
		c.session.aborted = true
	}
	c.worker.drop(c)
}

func (c *controlConn) sessionID() lttng.SessionID {
	if c.session == nil {
		return 0
	}
	return c.session.store.ID()
}

// consume handles all whole messages in b, which follows on c.partial, and
// keeps the rest.
func (c *controlConn) consume(b []byte) error {
	if c.partial != nil {
		c.partial = c.partial[:len(c.partial)+len(b)]
		b = c.partial
	}
	for {
		b = c.discard(b)
		if len(b) < lttng.ControlHeaderLen {
			return c.hold(b, lttng.ControlHeaderLen)
		}
		h, err := lttng.ParseControlHeader(b)
		if err != nil {
			return err
		}
		want, err := c.wanted(h)
		if err != nil {
			return err
		}
		if len(b) < lttng.ControlHeaderLen+want {
			return c.hold(b, lttng.ControlHeaderLen+want)
		}
		payload := b[lttng.ControlHeaderLen : lttng.ControlHeaderLen+want]
		c.skip = h.DataSize - uint64(want)
		c.since = time.Now()
		if err := c.handle(h.Cmd, payload); err != nil {
			return fmt.Errorf("%v: %w", h.Cmd, err)
		}
		b = b[lttng.ControlHeaderLen+want:]
	}
}

// wanted returns how much of the payload has to be here before the request is
// handled. What lies behind the longest layout is ignored, as the original
// does, and so need not be kept.
func (c *controlConn) wanted(h lttng.ControlHeader) (int, error) {
	if h.DataSize > lttng.MaxControlPayload {
		return 0, fmt.Errorf("%v: payload of %d bytes, want at most %d", h.Cmd, h.DataSize, lttng.MaxControlPayload)
	}
	limit := lttng.PayloadLimit(h.Cmd)
	if c.session == nil && min(h.DataSize, limit) > smallMessage {
		// Memory is for sessions.
		return 0, fmt.Errorf("%v of %d bytes: %w", h.Cmd, h.DataSize, errNoSession)
	}
	if h.Cmd != lttng.CmdSendMetadata {
		return int(min(h.DataSize, limit)), nil
	}
	if own := c.worker.server.opts.MaxMetadataPayload; own > 0 {
		limit = uint64(own)
	}
	if h.DataSize > limit {
		return 0, fmt.Errorf("%v: payload of %d bytes, want at most %d", h.Cmd, h.DataSize, limit)
	}
	return int(h.DataSize), nil
}

// discard throws away payload bytes that nobody wants.
func (c *controlConn) discard(b []byte) []byte {
	n := min(c.skip, uint64(len(b)))
	c.skip -= n
	return b[n:]
}

// hold keeps the beginning of a message of want bytes.
func (c *controlConn) hold(b []byte, want int) error {
	if len(b) == 0 {
		c.freePartial()
		return nil
	}
	// The producer writes header and payload apart: without this the rest of
	// a metadata message waits for a delayed acknowledgement, 40 ms.
	_ = unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	if c.partial == nil {
		return c.keep(b, want)
	}
	n := copy(c.partial[:cap(c.partial)], b)
	c.partial = c.partial[:n]
	return c.grow(want, min(want-n, partialStep))
}

// send passes replies on, or keeps what the socket does not take.
func (c *controlConn) send(b []byte) {
	if len(b) == 0 || c.closed {
		return
	}
	if len(c.unsent) == 0 && !c.held {
		n, err := epoll.Send(c.fd, b, false)
		if err != nil && err != unix.EAGAIN {
			c.worker.drop(c)
			return
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	c.unsent = append(c.unsent, b...)
	c.watch()
}

// flush sends what waited.
func (c *controlConn) flush() {
	n, err := epoll.Send(c.fd, c.unsent, false)
	if err != nil && err != unix.EAGAIN {
		c.worker.drop(c)
		return
	}
	c.unsent = append(c.unsent[:0], c.unsent[n:]...)
	if len(c.unsent) == 0 {
		c.unsent = nil
	}
	c.watch()
}

// watch asks for the conditions that matter now.
func (c *controlConn) watch() {
	want := epoll.Readable
	if len(c.unsent) > 0 && !c.held {
		want |= epoll.Writable
	}
	if c.muted = len(c.unsent) > maxUnsent || c.doomed != nil; c.muted {
		want &^= epoll.Readable
	}
	if err := c.worker.loop.Modify(c.fd, want); err != nil {
		c.worker.server.log.Error("connection not watched", "peer", c.peer, "err", err)
		c.worker.drop(c)
	}
}

// await keeps the answers back, from this request's on, until the files that
// they tell of are on disk, or off it. Others are served meanwhile.
func (c *controlConn) await() {
	if c.held {
		c.again = true
		return
	}
	c.held = c.session.store.WhenSettled(func() {
		// A loop that takes no more calls looks for itself at its next tick.
		_ = c.worker.loop.Post(c.release)
	})
}

// release sends what was kept back.
func (c *controlConn) release() {
	if c.closed || !c.held {
		return
	}
	c.held, c.since = false, time.Now()
	if c.again {
		c.again = false
		c.await()
	}
	if c.held {
		return
	}
	if len(c.unsent) > 0 {
		c.flush()
	}
	if err := c.doomed; err != nil && !c.closed {
		c.fail(err)
	}
}

// waits reports whether the peer is kept waiting.
func (c *controlConn) waits() bool { return c.held }

// gone ends the session, unless data that it announced is still to come.
func (c *controlConn) gone() {
	if ss := c.session; ss != nil {
		ss.controlGone()
	}
}
