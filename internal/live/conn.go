// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/lttng"
)

// phase is how far a connection has got.
type phase uint8

const (
	phaseNew     phase = iota // CONNECT has not come
	phaseServing              // any command
	phaseEnding               // the last reply is out; waits for the peer's end
	phaseClosed
)

// maxRequests bounds what is done for one connection before others get their
// turn.
const maxRequests = 32

// endingTimeout is how long a connection whose last reply is out may stay.
const endingTimeout = time.Second

// conn is one viewer. It belongs to the loop.
type conn struct {
	srv     *Server
	fd      int
	phase   phase
	created bool           // CREATE_SESSION was sent
	resting bool           // a timer goes on with the requests
	want    epoll.Interest // what the loop watches for
	minor   lttng.Minor    // the smaller one of both ends
	timer   *epoll.Timer   // end of the handshake, of the ending, or of the rest
	stall   *epoll.Timer   // set while a reply waits: looks whether the viewer takes it
	took    bool           // it has taken something since stall was set
	stalled bool           // it counts as silent for having taken nothing
	peer    netip.Addr     // for the gate
	seat    gate.Seat      // silent: before CONNECT, and while it takes nothing

	in  []byte // received and not acted on, below inputSize bytes
	out output

	attached []*attachment
	streams  map[lttng.StreamID]*viewerStream // announced, not ended
}

// Ready goes on with what the socket allows.
func (c *conn) Ready(readable, writable bool) {
	switch {
	case c.want == 0:
		c.close() // only errors and hang-ups are reported then
		return
	case c.phase == phaseEnding:
		c.discard()
		return
	case !c.out.empty():
		c.flush()
		if c.phase != phaseClosed && c.out.empty() {
			c.serve(c.srv.in[:copy(c.srv.in, c.in)])
		}
	case readable:
		c.receive()
	}
	c.watch()
}

// receive takes what the socket holds and acts on it.
func (c *conn) receive() {
	n := copy(c.srv.in, c.in)
	k, err := epoll.Recv(c.fd, c.srv.in[n:])
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		c.fail(err)
	case k == 0:
		c.close()
	default:
		c.serve(c.srv.in[:n+k])
	}
}

// serve acts on the requests in b, which is the server's buffer, and keeps the
// rest.
func (c *conn) serve(b []byte) {
	for n := 0; c.phase < phaseEnding && c.out.empty() && !c.resting; n++ {
		if n == maxRequests {
			c.rest(0, c.goOn)
			break
		}
		used := c.request(b)
		if used == 0 {
			break
		}
		b = b[used:]
	}
	if len(b) == 0 || c.phase >= phaseEnding {
		c.in = nil
	} else {
		c.in = append(make([]byte, 0, len(b)), b...)
	}
}

// rest lets d pass before then is called. No request is read meanwhile.
func (c *conn) rest(d time.Duration, then func()) {
	c.resting = true
	c.timer = c.srv.loop.After(d, func() {
		c.timer, c.resting = nil, false
		then()
		if c.phase != phaseClosed {
			c.watch()
		}
	})
}

// goOn acts on what was received before a rest.
func (c *conn) goOn() {
	if c.phase < phaseEnding && c.out.empty() {
		c.serve(c.srv.in[:copy(c.srv.in, c.in)])
	}
}

// watch tells the loop what the connection waits for.
func (c *conn) watch() {
	var want epoll.Interest
	switch {
	case c.phase == phaseClosed:
		return
	case !c.out.empty():
		want = epoll.Writable
		c.awaitReader()
	case !c.resting:
		want = epoll.Readable
	}
	if want != epoll.Writable && c.stall != nil {
		c.srv.loop.Cancel(c.stall)
		c.stall = nil
	}
	if want == c.want {
		return
	}
	if err := c.srv.loop.Modify(c.fd, want); err != nil {
		c.srv.log.Error("viewer not served", "err", err)
		c.close()
		return
	}
	c.want = want
}

// awaitReader watches that the viewer takes what waits for it.
func (c *conn) awaitReader() {
	if c.stall == nil {
		c.took = false
		c.stall = c.srv.loop.After(c.srv.opts.StallTimeout, c.lookAtReader)
	}
}

// lookAtReader counts a viewer that has taken nothing for StallTimeout among
// the silent ones. It stays until another one needs the place: a viewer may be
// paused for hours.
func (c *conn) lookAtReader() {
	c.stall = nil
	if c.took {
		c.awaitReader()
		return
	}
	c.stalled = true
	c.srv.gate.Wait(c.peer, &c.seat, c)
}

// taken says that the viewer has taken a part of a reply.
func (c *conn) taken() {
	c.took = true
	if c.stalled {
		c.stalled = false
		c.srv.gate.Spoke(&c.seat)
	}
}

func (c *conn) handshakeExpired() {
	c.timer = nil
	c.refuse("no CONNECT in time")
}

// refuse closes a connection for what it sent, or did not.
func (c *conn) refuse(reason string) {
	c.srv.counters.protocolErrors.Add(1)
	c.srv.log.Debug("viewer refused", "peer", peerName(c.fd), "reason", reason)
	c.close()
}

// fail closes a connection after an error of its socket.
func (c *conn) fail(err error) {
	c.srv.log.Debug("viewer lost", "peer", peerName(c.fd), "err", err)
	c.close()
}

// end closes the connection once the peer has had the last reply: a close with
// bytes unread would take it back.
func (c *conn) end() {
	c.srv.loop.Cancel(c.timer)
	c.phase = phaseEnding
	c.timer = c.srv.loop.After(endingTimeout, c.close)
	_ = unix.Shutdown(c.fd, unix.SHUT_WR) // the peer may be gone
}

// discard throws away what still comes before the end.
func (c *conn) discard() {
	n, err := epoll.Recv(c.fd, c.srv.in)
	if n == 0 && err != unix.EAGAIN {
		c.close()
	}
}

// close ends the connection and lets go of everything it reads.
func (c *conn) close() {
	if c.phase == phaseClosed {
		return
	}
	c.phase = phaseClosed
	s := c.srv
	s.loop.Cancel(c.timer)
	s.loop.Cancel(c.stall)
	s.gate.Leave(c.peer, &c.seat)
	s.loop.Remove(c.fd)
	unix.Close(c.fd)
	for _, a := range c.attached {
		a.close()
	}
	c.attached, c.streams, c.in = nil, nil, nil
	c.out = output{}
	delete(s.conns, c)
	s.counters.connected.Add(-1)
	if s.draining && !s.attached() {
		s.loop.Stop()
	}
}
