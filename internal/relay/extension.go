// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// extension returns what serves a request of weir's own producers; nil when
// there is no such request, or the connection has not asked for it. They need a
// session.
func (c *controlConn) extension(cmd lttng.Command) func(*controlConn, *tracestore.Session, []byte) error {
	switch {
	case cmd == lttng.CmdResume && c.granted.Has(lttng.ExtResume):
		return (*controlConn).resume
	case cmd == lttng.CmdToken && c.granted.Has(lttng.ExtToken):
		return (*controlConn).drawToken
	case cmd == lttng.CmdUDPOpen && c.granted.Has(lttng.ExtUDP):
		return (*controlConn).openUDP
	case cmd == lttng.CmdUDPStatus && c.granted.Has(lttng.ExtUDP):
		return (*controlConn).udpStatus
	case cmd == lttng.CmdUDPAbandon && c.granted.Has(lttng.ExtUDP):
		return (*controlConn).udpAbandon
	}
	return nil
}

var errStopping = errors.New("the relay is stopping")

// resume lets streams go on that an earlier connection of the producer has left.
func (c *controlConn) resume(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseResume(b)
	if err != nil {
		return err
	}
	if c.worker.draining {
		return c.resumed(tracestore.Resumption{}, errStopping)
	}
	if holders := ss.Holders(m.Streams); len(holders) > 0 {
		// They are other workers'. The producer asks again: waiting for them
		// here could be waiting for each other.
		for _, id := range holders {
			c.worker.server.takeOver(id)
		}
		return c.resumed(tracestore.Resumption{}, tracestore.ErrUnsettled)
	}
	return c.resumed(ss.Resume(m.Streams))
}

// resumed answers. An error beside those that the producer can live with ends
// the connection.
func (c *controlConn) resumed(r tracestore.Resumption, err error) error {
	reply := lttng.ResumeReply{Code: lttng.ReplyOK, Chunk: r.Chunk, Rotated: r.Rotated, Streams: r.Streams}
	switch log := c.worker.server.log; {
	case err == nil:
		log.Info("streams resumed", "session", c.sessionID(), "peer", c.peer, "streams", len(r.Streams), "chunk", r.Chunk)
	case errors.Is(err, tracestore.ErrUnsettled):
		reply.Code, err = lttng.ReplyPending, nil
	case errors.Is(err, tracestore.ErrNothingStored):
		log.Info("nothing to resume", "session", c.sessionID(), "peer", c.peer, "err", err)
		reply.Code, err = lttng.ReplyInvalid, nil
	default:
		reply.Code = lttng.ReplyUnknown
	}
	c.worker.replies = reply.Append(c.worker.replies)
	return err
}

// takeOver ends a session whose producer has come back on other connections.
func (s *Server) takeOver(id lttng.SessionID) {
	ss := s.session(id)
	if ss == nil {
		return // it ends right now
	}
	// A loop that takes no more calls ends its sessions itself.
	_ = ss.worker.loop.Post(ss.takenOver)
}

// takenOver stores what the old connections hold and ends them with the session.
func (ss *session) takenOver() {
	w := ss.worker
	if _, open := w.sessions[ss]; !open {
		return
	}
	w.server.log.Info("session taken over by its producer's new connection", "session", ss.store.ID(), "peer", ss.store.Peer())
	if c := ss.control; c != nil {
		c.catchUp()
	}
	if c := ss.control; c != nil {
		w.drop(c)
	}
	for d := range ss.data {
		w.drop(d)
	}
	ss.end()
}

// drawToken gives the producer what its data connection has to show.
func (c *controlConn) drawToken(*tracestore.Session, []byte) error {
	r := lttng.TokenReply{Code: lttng.ReplyUnknown}
	if ss := c.session; len(ss.data) == 0 && ss.udp == nil {
		r.Code = lttng.ReplyOK
		_, _ = rand.Read(r.Token[:]) // never fails
		c.worker.server.expect(ss, r.Token)
	}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

// expect makes a token the only way to a session's data connection.
func (s *Server) expect(ss *session, token lttng.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.token != nil {
		delete(s.tokens, *ss.token)
	}
	ss.token = &token
	s.tokens[token] = ss
}

// expected returns the session of a token, and with take is the last to do so.
func (s *Server) expected(token lttng.Token, take bool) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.tokens[token]
	if take {
		delete(s.tokens, token)
	}
	return ss
}

var errToken = errors.New("data connection shows a token that is no session's")

// show ties the connection to the session of the token in b. When that belongs
// to another worker the connection goes there, with b.
func (d *dataConn) show(b []byte) (moved bool, err error) {
	f, err := lttng.ParseTokenFrame(b)
	if err != nil {
		return false, err
	}
	s := d.worker.server
	ss := s.expected(f.Token, false)
	if ss == nil {
		return false, errToken
	}
	if ss.worker != d.worker {
		return true, d.move(ss, append([]byte(nil), b...))
	}
	if len(ss.data) > 0 || s.expected(f.Token, true) != ss {
		return false, errToken
	}
	d.belong(ss)
	d.valid = true
	// It is the first that is sent here: the socket takes it.
	code := lttng.AppendCode(nil, lttng.ReplyOK)
	if n, err := epoll.Send(d.fd, code, false); err != nil || n < len(code) {
		return false, fmt.Errorf("answer to a token: %d bytes sent: %w", n, err)
	}
	return false, nil
}
