// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// dataConn is a data connection: packets, one after the other, nothing is
// answered.
type dataConn struct {
	conn
	session *session           // nil before the first packet
	stream  *tracestore.Stream // of the packet being received; nil between packets
	left    int64              // bytes of that packet still to come
	large   bool               // the packet is worth splicing, and so probably the next one
	failed  bool
}

func (d *dataConn) base() *conn { return &d.conn }

// Ready reads packets.
func (d *dataConn) Ready(readable, _ bool) {
	if !readable {
		return
	}
	for range maxReads {
		if d.closed {
			return
		}
		if d.large {
			if !d.splice() {
				return
			}
			continue
		}
		if more := d.read(); !more {
			return
		}
	}
}

// read takes what one call gives and reports whether there may be more. A
// header that has not arrived whole stands in partial.
func (d *dataConn) read() bool {
	w := d.worker
	head := copy(w.buf, d.partial)
	n, err := epoll.Recv(d.fd, w.buf[head:])
	switch {
	case err == unix.EAGAIN:
		return false
	case err != nil || n == 0:
		w.drop(d)
		return false
	}
	w.server.counters.ReceivedBytes.Add(uint64(n))
	d.arrived()
	b := w.buf[:head+n]
	d.freePartial()
	d.take(b)
	return n == len(w.buf)-head && !d.closed
}

// arrived takes the time of what was just read.
func (d *dataConn) arrived() {
	d.since = time.Now()
	if d.session != nil {
		d.session.store.Arrived(d.since)
	}
}

// take handles received bytes and closes the connection when they are wrong.
func (d *dataConn) take(b []byte) {
	d.settle(d.consume(b))
}

// settle ends a round: it acknowledges indexes that came before their data,
// and closes the connection after an error.
func (d *dataConn) settle(err error) {
	if err != nil && !d.closed {
		s := d.worker.server
		s.counters.ProtocolErrors.Add(1)
		s.log.Warn("data connection closed", "peer", d.peer, "err", err)
		d.failed = true
		d.worker.drop(d)
	}
	if ss := d.session; ss != nil && !d.closed {
		ss.store.FlushIndexes()
	}
}

func (d *dataConn) consume(b []byte) error {
	for len(b) > 0 {
		if d.stream != nil {
			n := min(d.left, int64(len(b)))
			d.stream.Write(b[:n])
			b = b[n:]
			if d.left -= n; d.left == 0 {
				d.finish()
			}
			continue
		}
		if d.closed {
			return nil
		}
		if len(b) < lttng.DataHeaderLen {
			return d.keep(b, lttng.DataHeaderLen)
		}
		h, err := lttng.ParseDataHeader(b)
		if err != nil {
			return err
		}
		if d.session == nil && h.IsToken() {
			if len(b) < lttng.TokenFrameLen {
				return d.keep(b, lttng.TokenFrameLen)
			}
			moved, err := d.show(b)
			if moved || err != nil {
				return err
			}
			b = b[lttng.TokenFrameLen:]
			continue
		}
		moved, err := d.bind(h.Stream, b)
		if moved || err != nil {
			return err
		}
		if err := d.begin(h); err != nil {
			return err
		}
		b = b[lttng.DataHeaderLen:]
	}
	return nil
}

// begin starts the packet that h announces.
func (d *dataConn) begin(h lttng.DataHeader) error {
	st := d.session.store.Stream(h.Stream)
	if st == nil {
		return unknownStream(h.Stream)
	}
	if limit := d.worker.server.opts.MaxPacketSize; limit > 0 && h.StoredBytes() > uint64(limit) {
		return fmt.Errorf("packet %d of stream %d: %d bytes, want at most %d", h.NetSeqNum, h.Stream, h.StoredBytes(), limit)
	}
	if err := st.Begin(h); err != nil {
		return err
	}
	d.valid = true
	d.stream, d.left = st, int64(h.DataSize)
	d.large = d.left >= spliceMin
	if d.left == 0 {
		d.finish()
	}
	return nil
}

func (d *dataConn) finish() {
	st := d.stream
	d.stream = nil
	if closed := st.Finish(); closed {
		d.session.streamClosed()
	}
}

// bind ties the connection to the session of its first packet. When that
// belongs to another worker the connection goes there, with the bytes b that
// were read.
func (d *dataConn) bind(id lttng.StreamID, b []byte) (moved bool, err error) {
	if d.session != nil {
		return false, nil
	}
	s := d.worker.server
	st := s.store.Stream(id)
	if st == nil {
		return false, unknownStream(id)
	}
	ss := s.session(st.Session().ID())
	if ss == nil {
		return false, unknownStream(id)
	}
	if ss.worker == d.worker {
		// A producer has one, from the host of its control connection. Whoever
		// guesses a handle must not reach the session.
		if len(ss.data) > 0 || d.peer != ss.store.Peer() || ss.token != nil || ss.udp != nil {
			return false, fmt.Errorf("session %d has its data connection already, or is another host's", ss.store.ID())
		}
		d.belong(ss)
		return false, nil
	}
	return true, d.move(ss, append([]byte(nil), b...))
}

// belong ties the connection to a session of its worker.
func (d *dataConn) belong(ss *session) {
	d.session = ss
	ss.data[d] = struct{}{}
	delete(d.worker.unbound, d)
	ss.store.Arrived(d.since)
}

// move hands the connection over to the session's worker, as a new dataConn:
// this one is not touched by two goroutines, and looks closed from here on.
func (d *dataConn) move(ss *session, b []byte) error {
	from, to := d.worker, ss.worker
	from.forget(d)
	d.closed = true
	next := &dataConn{conn: conn{worker: to, fd: d.fd, peer: d.peer, kind: d.kind, since: d.since, valid: d.valid}}
	to.load.Add(1)
	err := to.loop.Post(func() {
		to.conns[next] = struct{}{}
		if err := to.loop.Add(next.fd, next, epoll.Readable); err != nil {
			to.server.log.Error("connection not watched", "peer", next.peer, "err", err)
			to.drop(next)
			return
		}
		next.take(b)
	})
	if err == nil {
		return nil
	}
	to.load.Add(-1)
	next.worker = from
	from.load.Add(1) // drop takes it off again
	from.drop(next)
	return fmt.Errorf("hand over to the session's worker: %w", err)
}

// waits reports whether the peer is kept waiting for an answer.
func (d *dataConn) waits() bool {
	return d.session != nil && d.session.control != nil && d.session.control.held
}

// gone gives up the packet being received and tells the session.
func (d *dataConn) gone() {
	if st := d.stream; st != nil {
		d.stream = nil
		st.Abandon()
	}
	if d.session != nil {
		d.session.dataGone(d, d.failed)
	}
}
