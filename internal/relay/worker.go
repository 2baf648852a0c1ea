// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/epoll"
)

const (
	// readBuffer holds what one read takes from a connection: many small
	// messages, and little enough to stay in the processor's cache.
	readBuffer = 256 << 10
	// pipeBytes is the size of the pipe that large packets go through.
	pipeBytes = 1 << 20
	// tickPeriod is how often a worker looks for connections that have been
	// silent for too long.
	tickPeriod = time.Second
)

// worker is an event loop with the connections and sessions given to it.
type worker struct {
	// Immutable after newWorker.
	server *Server
	loop   *epoll.Loop
	pipe   [2]int

	load atomic.Int64 // connections, for the choice of a worker
	beat atomic.Int64 // ns since the epoch of the last tick

	// Owned by the loop.
	buf       []byte                 // shared by all connections; valid within one Ready
	spare     []byte                 // stands in for buf while that is in use; nil before the first time
	replies   []byte                 // likewise
	unbound   map[*dataConn]struct{} // data connections before their first packet
	conns     map[connection]struct{}
	sessions  map[*session]struct{}
	answering bool     // a control connection is being read: none is to be entered
	later     []func() // to be done when that has ended
	draining  bool
}

// connection is a control or data connection of a worker.
type connection interface {
	epoll.Handler
	base() *conn
	// waits reports whether its peer's silence is this side's doing.
	waits() bool
	// gone releases what the connection owns; its socket is closed.
	gone()
}

func newWorker(s *Server) (*worker, error) {
	loop, err := epoll.New()
	if err != nil {
		return nil, err
	}
	w := &worker{
		server: s, loop: loop,
		buf:      make([]byte, readBuffer),
		conns:    make(map[connection]struct{}),
		sessions: make(map[*session]struct{}),
		unbound:  make(map[*dataConn]struct{}),
	}
	if err := unix.Pipe2(w.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	// A smaller pipe works too, with more calls.
	_, _ = unix.FcntlInt(uintptr(w.pipe[1]), unix.F_SETPIPE_SZ, pipeBytes)
	w.beat.Store(time.Now().UnixNano())
	loop.After(tickPeriod, w.tick)
	return w, nil
}

// discard frees a worker whose loop never ran.
func (w *worker) discard() {
	w.loop.Stop()
	// It returns at once; a failure to wait has nobody to matter to.
	_ = w.loop.Run()
	w.release()
}

func (w *worker) release() {
	unix.Close(w.pipe[0])
	unix.Close(w.pipe[1])
}

// adopt begins to serve an accepted connection.
func (w *worker) adopt(kind connKind, fd int, peer netip.Addr) {
	c := conn{worker: w, fd: fd, peer: peer, kind: kind, since: time.Now()}
	var h connection
	counters := &w.server.counters
	if kind == kindControl {
		counters.ControlOpen.Add(1)
		counters.ControlTotal.Add(1)
		control := &controlConn{conn: c}
		w.server.gate.Wait(peer, &control.seat, control)
		h = control
	} else {
		counters.DataOpen.Add(1)
		counters.DataTotal.Add(1)
		data := &dataConn{conn: c}
		w.unbound[data] = struct{}{}
		h = data
	}
	w.conns[h] = struct{}{}
	if err := w.loop.Add(fd, h, epoll.Readable); err != nil {
		w.server.log.Error("connection not watched", "peer", peer, "err", err)
		w.drop(h)
	}
}

// drop closes a connection and lets it release what it owns.
func (w *worker) drop(h connection) {
	c := h.base()
	if c.closed {
		return
	}
	c.closed = true
	w.forget(h)
	unix.Close(c.fd)
	s := w.server
	s.gate.Leave(c.peer, &c.seat)
	if c.kind == kindControl {
		s.counters.ControlOpen.Add(-1)
	} else {
		s.counters.DataOpen.Add(-1)
	}
	c.freePartial()
	h.gone()
}

// forget takes a connection off this worker, which may hand it to another.
func (w *worker) forget(h connection) {
	w.loop.Remove(h.base().fd)
	delete(w.conns, h)
	if d, ok := h.(*dataConn); ok {
		delete(w.unbound, d)
	}
	w.load.Add(-1)
}

// largest returns the connection that holds most receive memory, or nil.
func (w *worker) largest() connection {
	var found connection
	most := smallMessage
	for h := range w.conns {
		if n := cap(h.base().partial); n > most {
			found, most = h, n
		}
	}
	return found
}

// tick looks after what no message brings along.
func (w *worker) tick() {
	now := time.Now()
	w.beat.Store(now.UnixNano())
	opts := &w.server.opts
	for h := range w.conns {
		c := h.base()
		if h.waits() {
			c.since = now
		}
		silent := now.Sub(c.since)
		// A data connection is silent until the first packet, but its peer has
		// a session.
		mute := !c.valid && opts.HandshakeTimeout > 0 && silent > opts.HandshakeTimeout &&
			(c.kind == kindControl || w.server.gate.Noted(c.peer) == nil)
		if mute || opts.IdleTimeout > 0 && silent > opts.IdleTimeout {
			w.server.counters.TimedOut.Add(1)
			w.drop(h)
		}
	}
	for ss := range w.sessions {
		ss.tick(now)
	}
	w.loop.After(tickPeriod, w.tick)
}

// drain stores what the sockets hold, then closes everything and ends the loop.
func (w *worker) drain(deadline time.Time) {
	w.draining = true
	received := &w.server.counters.ReceivedBytes
	for before := received.Load(); ; {
		for h := range w.conns {
			h.Ready(true, true)
		}
		for ss := range w.sessions {
			if ss.udp != nil {
				ss.udp.Ready(true, false)
			}
		}
		after := received.Load()
		if after == before {
			break
		}
		if before = after; time.Now().After(deadline) {
			w.server.counters.DrainedLate.Add(uint64(len(w.conns)))
			w.server.log.Warn("stopped before everything was received", "connections", len(w.conns))
			break
		}
	}
	// What is kept back is to be answered before the connections go.
	w.server.store.Settle()
	for h := range w.conns {
		if c, ok := h.(*controlConn); ok {
			c.release()
		}
	}
	for ss := range w.sessions {
		ss.end()
	}
	for h := range w.conns {
		w.drop(h)
	}
	w.loop.Stop()
}
