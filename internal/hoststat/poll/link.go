// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

// link is a session with a host, or one that begins. The loop owns it.
type link struct {
	c        *Cluster
	h        *Host
	fd       int     // -1: by TLS
	secure   *secure // the session by TLS
	open     bool    // connected
	spoken   bool    // the host has sent something
	awaiting bool    // a message was asked for
	asked    Want    // what the session's selection has
	begun    bool    // the selection was sent
	watched  bool    // the loop tells when there is something to read
	in       []byte  // a message of which a part is here
	packed   bool    // messages are asked for compressed
	measured bool    // it is known how far the host is
	pushes   bool    // the session has had triggers: it may send what was not asked for
}

// idle is what a session without a question is watched for.
const idle = epoll.Interest(unix.EPOLLRDHUP)

// request is what asks for a message.
var request = []byte("send\n")

// ask asks a host for a message, if there is a session without a question, and has
// the loop tell when it answers.
func (c *Cluster) ask(h *Host) {
	if c.request(h) {
		h.link.watch(true)
	}
}

// request asks a host, if there is a session without a question. It reports
// whether there is an answer to wait for on a socket.
func (c *Cluster) request(h *Host) bool {
	l := h.link
	if l == nil || !l.open || l.awaiting || l.secure != nil && !l.secure.ready() {
		return false
	}
	out := request
	if want := c.want | h.want; !l.begun || want != l.asked {
		key := planKey{want, l.packed}
		plan, ok := c.plans[key]
		if !ok {
			plan = want.commands(c.mask) + onLines(c.cfg.Select) + lines(c.triggers) + c.cfg.Compress.line(l.packed) + string(request)
			c.plans[key] = plan
		}
		out, l.asked, l.begun = []byte(plan), want, true
		l.pushes = l.pushes || len(c.triggers) > 0
	}
	if err := l.send(out); err != nil {
		c.fail(h, Down, err.Error())
		return false
	}
	l.awaiting = true
	h.deadline = time.Now().Add(c.patience())
	return l.secure == nil
}

// watch has the loop tell, or no longer, when there is something to read.
func (l *link) watch(on bool) {
	if l.watched == on || l.secure != nil {
		return
	}
	interest := idle
	if on {
		interest = epoll.Readable
	}
	if err := l.c.loop.Modify(l.fd, interest); err != nil {
		l.c.fail(l.h, Down, err.Error())
		return
	}
	l.watched = on
}

// errFull is a host that does not even take requests.
var errFull = errors.New("does not read what it is sent")

// send sends all or fails: what is sent is far smaller than a socket's buffer.
func (l *link) send(b []byte) error {
	if l.secure != nil {
		return l.secure.send(b)
	}
	n, err := epoll.Send(l.fd, b, false)
	if err == unix.EAGAIN || err == nil && n < len(b) {
		return errFull
	}
	return err
}

// Ready is called by the loop.
func (l *link) Ready(readable, writable bool) {
	if !l.open {
		if writable || readable {
			l.connected()
		}
		return
	}
	if readable {
		l.read()
	}
}

// read reads once. What is not here yet the loop will tell of.
func (l *link) read() {
	n, err := epoll.Recv(l.fd, l.c.buffer)
	switch {
	case err == unix.EAGAIN:
		l.watch(true)
	case err != nil:
		l.ended(err.Error())
	case n == 0:
		l.ended("the host has closed the connection")
	default:
		l.take(l.c.buffer[:n])
	}
}

// connected finds out whether a connection has come about.
func (l *link) connected() {
	errno, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	if err == nil {
		err = l.c.loop.Modify(l.fd, idle)
	}
	if err != nil {
		l.c.fail(l.h, Down, err.Error())
		return
	}
	l.established()
}

// established begins to ask.
func (l *link) established() {
	c := l.c
	l.open = true
	l.packed = c.cfg.Compress == CompressGzip || c.cfg.Compress == CompressZstd
	c.dialed()
	c.ask(l.h)
}

// ended is the end of a connection by the host.
func (l *link) ended(reason string) {
	h := l.h
	state := Down
	if !l.spoken {
		if h.wordless++; h.wordless >= 2 {
			state, reason = Denied, "closes the connection before it says anything"
		}
	} else if len(l.in) > 0 {
		reason = "the host has closed the connection within a message"
	}
	l.c.fail(h, state, reason)
}

// take takes bytes of the stream. A message that is here as a whole is read where
// it is; of another one the part is kept.
func (l *link) take(b []byte) {
	c := l.c
	l.spoken, l.h.wordless = true, 0
	if len(l.in) > 0 {
		l.in = append(l.in, b...)
		b = l.in
	}
	for len(b) > 0 {
		if !l.awaiting && !l.pushes {
			c.fail(l.h, BadProto, "sends what it was not asked for")
			return
		}
		body, enc, n, err := split(b, c.cfg.Limit)
		if err == nil && n == 0 {
			break
		}
		if err == nil {
			body, err = c.unpacker.Unpack(enc, body)
		}
		if err != nil {
			c.fail(l.h, BadProto, err.Error())
			return
		}
		l.awaiting = false
		l.measure()
		if !c.message(l.h, body) {
			return
		}
		b = b[n:]
	}
	l.keepRest(b)
	if h := l.h; h.link == l {
		l.watch(l.awaiting || l.pushes) // for the rest, or what comes by itself
	}
}

// keepRest keeps the part of a message. Its memory goes with the message.
func (l *link) keepRest(b []byte) {
	switch {
	case len(b) == 0:
		l.in = nil
	case len(l.in) == 0:
		l.in = append(make([]byte, 0, 2*len(b)), b...)
	}
}

// message takes the body of a message, and reports whether the session goes on.
func (c *Cluster) message(h *Host, body []byte) bool {
	if err := c.reading.Read(body); err != nil {
		c.fail(h, BadProto, err.Error())
		return false
	}
	now := time.Now()
	c.mu.Lock()
	m := message{slots: c.slots, Reading: c.reading, h: h, period: c.delay, now: now, asked: c.triggers}
	m.apply()
	h.values[Late] = 0
	h.lastData = now
	h.messages++
	if h.history != nil {
		var row [headlines]float32
		for i, metric := range Headlines {
			row[i] = float32(h.values[metric])
		}
		h.history.push(now, &row, max(0, c.cfg.Points), max(0, c.cfg.Minutes))
	}
	state := h.state
	c.mu.Unlock()
	h.answered, h.attempts, h.deadline = true, 0, time.Time{}
	if state != OK {
		c.setState(h, OK, "")
	} else {
		c.change()
	}
	if c.cfg.OnMessage != nil {
		c.cfg.OnMessage(h, body)
	}
	c.judge(h, now)
	return true
}

// fail ends a session and says when to begin the next one.
func (c *Cluster) fail(h *Host, state State, reason string) {
	h.closeLink(c)
	if h.gone {
		return
	}
	// Denied and badproto are told until there is data again: what a host does with
	// the attempts between says less.
	if state == Down && (h.state == Denied || h.state == BadProto) {
		state, reason = h.state, h.reason
	}
	h.deadline = time.Now().Add(backoff(h.attempts, c.cfg.Jitter()))
	h.attempts++
	c.setState(h, state, reason)
	c.judge(h, time.Now())
}

// backoff is how long to wait before attempt n+1: 1, 2, 4 … 60 s, give or take a
// fifth.
func backoff(n int, jitter float64) time.Duration {
	const longest = 60
	seconds := min(longest, 1<<min(n, 6))
	return time.Duration(float64(seconds) * (0.8 + 0.4*jitter) * float64(time.Second))
}

// closeLink ends the session, if there is one.
func (h *Host) closeLink(c *Cluster) {
	l := h.link
	if l == nil {
		return
	}
	h.link, h.deadline = nil, time.Time{}
	if !l.open {
		defer c.dialed()
	}
	if l.secure != nil {
		l.secure.close()
	}
	if l.fd >= 0 {
		c.loop.Remove(l.fd)
		unix.Close(l.fd)
	}
}
