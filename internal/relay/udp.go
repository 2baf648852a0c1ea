// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

const (
	// maxUDPWindow bounds what a session may keep in pieces.
	maxUDPWindow = 64 << 20
	// maxUDPReads bounds what is read from a session's socket in one round, in
	// calls. The kernel joins the datagrams of a packet where it can.
	maxUDPReads = 128
	// maxKeptBuffers is how many buffers of packets are kept for the next ones.
	maxKeptBuffers = 16
)

// udpData is the way by which a session's packets come in datagrams. It belongs
// to the session's worker.
type udpData struct {
	session *session
	token   uint64
	payload uint32 // bytes of a piece but the last one
	window  int64  // bytes of packets in pieces

	fd      int // -1 before the first datagram, and at the end
	heard   bool
	held    int64
	streams map[lttng.StreamID]*assembly
	kept    [][]byte
}

// openUDP gives the producer a token for datagrams.
func (c *controlConn) openUDP(_ *tracestore.Session, b []byte) error {
	m, err := lttng.ParseUDPOpen(b)
	if err != nil {
		return err
	}
	r := lttng.UDPOpenReply{Code: lttng.ReplyUnknown}
	ss, s := c.session, c.worker.server
	fits := m.Payload >= lttng.MinDatagramPayload && m.Payload <= lttng.MaxDatagramPayload && m.Window > 0
	if fits && ss.udp == nil && ss.token == nil && len(ss.data) == 0 {
		var token [8]byte
		_, _ = rand.Read(token[:]) // never fails
		u := &udpData{
			session: ss, token: binary.NativeEndian.Uint64(token[:]), payload: m.Payload,
			window: int64(min(m.Window, maxUDPWindow)), fd: -1, streams: make(map[lttng.StreamID]*assembly),
		}
		ss.udp = u
		s.mu.Lock()
		s.udpSources[u.token] = &udpSource{session: ss, worker: ss.worker, peer: ss.store.Peer(), any: m.AnySource}
		s.mu.Unlock()
		r = lttng.UDPOpenReply{Code: lttng.ReplyOK, Port: s.udpPorts[0].port, Token: u.token, Window: uint64(u.window)}
	}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

var errNoUDP = errors.New("session has not opened UDP")

// udpStatus tells what has come.
func (c *controlConn) udpStatus(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseUDPStatus(b)
	u := c.session.udp
	if err == nil && (u == nil || u.failed()) {
		err = errNoUDP
	}
	if err != nil {
		return err
	}
	r := lttng.UDPStatusReply{Code: lttng.ReplyOK, Heard: u.heard}
	for _, x := range m.Streams {
		if st := ss.Stream(x.Stream); st == nil || st.IsMetadata() {
			return unknownStream(x.Stream)
		}
		r.Streams = append(r.Streams, u.assembly(x.Stream).arrived(x))
	}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

// udpAbandon goes past a packet that will not be complete.
func (c *controlConn) udpAbandon(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseUDPAbandon(b)
	u := c.session.udp
	if err == nil && (u == nil || u.failed()) {
		err = errNoUDP
	}
	if err != nil {
		return err
	}
	st := ss.Stream(m.Stream)
	if st == nil || st.IsMetadata() {
		return c.answer(unknownStream(m.Stream))
	}
	a := u.assembly(m.Stream)
	ahead := int64(m.NetSeqNum - a.next)
	if ahead > 0 {
		return c.answer(fmt.Errorf("packet %d of stream %d given up while packet %d is not complete", m.NetSeqNum, m.Stream, a.next))
	}
	if ahead == 0 {
		c.worker.server.counters.PacketsAbandoned.Add(1)
		u.free(a, a.next)
		a.next++
		if st.GoPast(m.NetSeqNum, m.PacketSeqNum) {
			c.session.streamClosed()
		} else if err := u.advance(a, st); err != nil {
			return c.answer(err)
		}
	}
	c.worker.replies = lttng.UDPAbandonReply{Code: lttng.ReplyOK, Complete: ahead < 0}.Append(c.worker.replies)
	return nil
}

// udpBound gives the session the socket by which its datagrams come, instead of
// an older one: the producer's port has changed.
func (ss *session) udpBound(fd int) {
	w, u := ss.worker, ss.udp
	if _, open := w.sessions[ss]; !open || u == nil || u.failed() {
		unix.Close(fd)
		return
	}
	u.hangUp()
	if err := w.loop.Add(fd, u, epoll.Readable); err != nil {
		w.server.log.Error("datagrams not watched", "session", ss.store.ID(), "err", err)
		unix.Close(fd)
		return
	}
	u.fd, u.heard = fd, true
}

// Ready reads datagrams.
func (u *udpData) Ready(readable, _ bool) {
	w := u.session.worker
	took := false
	for range maxUDPReads {
		if u.fd < 0 || !readable {
			break
		}
		n, segment, err := epoll.RecvSegments(u.fd, w.buf)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			continue // of an earlier datagram of ours, of which there are none
		}
		w.server.counters.ReceivedBytes.Add(uint64(n))
		if !took {
			took = true
			u.session.store.Arrived(time.Now())
		}
		if err := u.take(w.buf[:n], segment); err != nil {
			u.fail(err)
			return
		}
	}
	if took && u.fd >= 0 {
		u.session.store.FlushIndexes()
	}
}

// take handles datagrams of one length but for the last one.
func (u *udpData) take(b []byte, segment int) error {
	c := &u.session.worker.server.counters
	for len(b) > 0 {
		one := b[:min(segment, len(b))]
		b = b[len(one):]
		c.Datagrams.Add(1)
		d, err := lttng.ParseDatagram(one)
		switch {
		case err != nil:
			c.DatagramsBad.Add(1)
			continue
		case d.Token != u.token:
			c.DatagramsForeign.Add(1)
			continue
		case d.Type != lttng.DatagramData:
			continue
		}
		if d.Flags&lttng.DatagramAgain != 0 {
			c.DatagramsAgain.Add(1)
		}
		if err := u.piece(d); err != nil {
			return err
		}
	}
	return nil
}

// piece puts one piece of a packet in its place.
func (u *udpData) piece(d lttng.Datagram) error {
	s := u.session.worker.server
	st := u.session.store.Stream(d.Stream)
	if st == nil || st.IsMetadata() {
		s.counters.DatagramsDropped.Add(1) // late, of a stream that is closed
		return nil
	}
	a := u.assembly(d.Stream)
	ahead := int64(d.NetSeqNum - a.next)
	if ahead < 0 {
		s.counters.DatagramsDuplicate.Add(1)
		return nil
	}
	p := a.parts[d.NetSeqNum]
	if p == nil {
		if limit := s.opts.MaxPacketSize; d.PacketSize == 0 || limit > 0 && int64(d.PacketSize) > limit {
			s.counters.DatagramsBad.Add(1)
			return nil
		}
		if ahead >= maxAhead || !u.reserve(int64(d.PacketSize)) {
			s.counters.DatagramsDropped.Add(1)
			return nil
		}
		p = u.newParts(d.PacketSize)
		a.parts[d.NetSeqNum] = p
	}
	switch fresh, ok := p.put(d, u.payload); {
	case !ok:
		s.counters.DatagramsBad.Add(1)
		return nil
	case !fresh:
		s.counters.DatagramsDuplicate.Add(1)
		return nil
	}
	if p.missing > 0 || ahead > 0 {
		return nil
	}
	return u.advance(a, st)
}

// advance stores the packets that are complete and have none before them that
// is not.
func (u *udpData) advance(a *assembly, st *tracestore.Stream) error {
	for p := a.parts[a.next]; p != nil && p.missing == 0; p = a.parts[a.next] {
		err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: a.next, DataSize: uint32(len(p.packet))})
		if err != nil {
			return err
		}
		st.Write(p.packet)
		u.free(a, a.next)
		a.next++
		if st.Finish() {
			u.session.streamClosed()
			return nil
		}
	}
	return nil
}

// reserve takes room for a packet in pieces: of the session's window, and of
// half of the memory of all receive buffers.
func (u *udpData) reserve(n int64) bool {
	s := u.session.worker.server
	if u.held+n > u.window {
		return false
	}
	if all := s.counters.DatagramMemory.Add(n); s.opts.MaxMemory > 0 && all > s.opts.MaxMemory/2 {
		s.counters.DatagramMemory.Add(-n)
		return false
	}
	u.held += n
	return true
}

// newParts makes a packet of which nothing has come.
func (u *udpData) newParts(size uint32) *parts {
	var buf []byte
	if n := len(u.kept); n > 0 {
		buf, u.kept = u.kept[n-1], u.kept[:n-1]
	}
	if cap(buf) < int(size) {
		buf = make([]byte, size)
	}
	return newParts(buf[:size], u.payload)
}

// free forgets what has come of a packet.
func (u *udpData) free(a *assembly, seq uint64) {
	p := a.parts[seq]
	if p == nil {
		return
	}
	delete(a.parts, seq)
	u.release(int64(len(p.packet)))
	if len(u.kept) < maxKeptBuffers && cap(p.packet) <= 64<<10 {
		u.kept = append(u.kept, p.packet)
	}
}

func (u *udpData) release(n int64) {
	u.held -= n
	u.session.worker.server.counters.DatagramMemory.Add(-n)
}

func (u *udpData) assembly(id lttng.StreamID) *assembly {
	a := u.streams[id]
	if a == nil {
		a = &assembly{parts: make(map[uint64]*parts)}
		u.streams[id] = a
	}
	return a
}

// sweep forgets streams that are closed.
func (u *udpData) sweep() {
	for id, a := range u.streams {
		if u.session.store.Stream(id) == nil {
			u.forget(id, a)
		}
	}
}

func (u *udpData) forget(id lttng.StreamID, a *assembly) {
	for _, p := range a.parts {
		u.release(int64(len(p.packet)))
	}
	delete(u.streams, id)
}

// fail ends the session's streams after a packet that they refuse.
func (u *udpData) fail(err error) {
	ss := u.session
	s := ss.worker.server
	s.counters.ProtocolErrors.Add(1)
	s.log.Warn("datagrams refused", "session", ss.store.ID(), "peer", ss.store.Peer(), "err", err)
	u.close()
	ss.aborted = true
	ss.store.FlushIndexes()
	ss.store.CloseStreams(true)
	if ss.control == nil {
		ss.end()
	}
}

// failed reports whether the way is closed.
func (u *udpData) failed() bool { return u.streams == nil }

func (u *udpData) hangUp() {
	if u.fd >= 0 {
		u.session.worker.loop.Remove(u.fd)
		unix.Close(u.fd)
		u.fd = -1
	}
}

// close ends the way. It may be called again.
func (u *udpData) close() {
	u.hangUp()
	for id, a := range u.streams {
		u.forget(id, a)
	}
	u.streams, u.kept = nil, nil
	s := u.session.worker.server
	s.mu.Lock()
	delete(s.udpSources, u.token)
	s.mu.Unlock()
}
