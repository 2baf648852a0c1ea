// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// Options configure a server. Store and Log are required.
type Options struct {
	Store   *tracestore.Store
	Log     *slog.Logger
	Workers int // event loops; below 1 means 1

	AllowClear            bool
	MaxConnections        int   // control and data together; 0 = no limit
	MaxConnectionsPerPeer int   // 0 = no limit
	MaxPacketSize         int64 // bytes of a data packet with padding; 0 = no limit
	MaxMetadataPayload    int64 // bytes of a SEND_METADATA payload; 0 = the protocol's limit
	MaxMemory             int64 // bytes of messages that have not arrived whole; 0 = no limit

	HandshakeTimeout time.Duration // for the first valid message; 0 = none
	IdleTimeout      time.Duration // for any message; 0 = none
	LateDataTimeout  time.Duration // for announced data after the control connection's end; 0 = 30 s
	DrainTimeout     time.Duration // for what was received before a stop; 0 = 5 s
	KeepAlive        KeepAlive

	// UDP takes packets of producers that want to send them in datagrams, on
	// ports of the same address and number as those for data.
	UDP bool
}

// KeepAlive is the TCP keep-alive of producers' connections. Zero durations
// and counts leave the system's values.
type KeepAlive struct {
	Enable         bool
	Idle, Interval time.Duration
	Probes         int
}

// Server serves producers.
type Server struct {
	// Immutable after New.
	opts     Options
	store    *tracestore.Store
	log      *slog.Logger
	workers  []*worker
	udpPorts []*udpPort // set by Serve before the workers run
	// gate holds the silent control connections, and by address the worker of
	// its newest session: the next data connection is likely to be for it. Data
	// connections are not displaced, they are silent until the first packet.
	gate *gate.Gate[*controlConn, *worker]

	counters Counters

	mu         sync.Mutex
	sessions   map[lttng.SessionID]*session // guarded by mu
	tokens     map[lttng.Token]*session     // guarded by mu; until their data connections are there
	udpSources map[uint64]*udpSource        // guarded by mu; by token
}

// New makes a server. Serve runs it.
func New(opts Options) (*Server, error) {
	if opts.LateDataTimeout == 0 {
		opts.LateDataTimeout = 30 * time.Second
	}
	if opts.DrainTimeout == 0 {
		opts.DrainTimeout = 5 * time.Second
	}
	s := &Server{
		opts: opts, store: opts.Store, log: opts.Log,
		gate:       gate.New[*controlConn, *worker](opts.MaxConnections, opts.MaxConnectionsPerPeer),
		sessions:   make(map[lttng.SessionID]*session),
		tokens:     make(map[lttng.Token]*session),
		udpSources: make(map[uint64]*udpSource),
	}
	for range max(opts.Workers, 1) {
		w, err := newWorker(s)
		if err != nil {
			for _, made := range s.workers {
				made.discard()
			}
			return nil, err
		}
		s.workers = append(s.workers, w)
	}
	return s, nil
}

// Serve accepts connections on the listeners until ctx is done, then stores
// what has been received, closes all sessions and returns. The listeners are
// closed.
func (s *Server) Serve(ctx context.Context, control, data []net.Listener) error {
	acceptors, err := s.acceptors(control, data)
	if err != nil {
		for _, w := range s.workers {
			w.discard()
		}
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(s.workers))
	for i, w := range s.workers {
		// Stopped by drain below; wg waits.
		wg.Go(func() { errs[i] = w.loop.Run() })
	}
	<-ctx.Done()
	deadline := time.Now().Add(s.opts.DrainTimeout)
	s.stopAccepting(acceptors)
	for _, w := range s.workers {
		// A loop that ended by itself reports through errs.
		_ = w.loop.Post(func() { w.drain(deadline) })
	}
	wg.Wait()
	for _, w := range s.workers {
		w.release()
	}
	s.store.Settle()
	return errors.Join(errs...)
}

// acceptors registers the listeners with the first worker, before it runs.
func (s *Server) acceptors(control, data []net.Listener) ([]*epoll.Acceptor, error) {
	var all []*epoll.Acceptor
	listen := func(kind connKind, l net.Listener) error {
		if s.opts.UDP && kind == kindData {
			p, err := newUDPPort(s, l)
			if err != nil {
				return fmt.Errorf("UDP: %w", err)
			}
			s.udpPorts = append(s.udpPorts, p)
		}
		a, err := newAcceptor(s, kind, l)
		if err == nil {
			all = append(all, a)
		}
		return err
	}
	for kind, listeners := range [][]net.Listener{kindControl: control, kindData: data} {
		for _, l := range listeners {
			if err := listen(connKind(kind), l); err != nil {
				s.close(all)
				return nil, fmt.Errorf("listen on %s: %w", l.Addr(), err)
			}
		}
	}
	return all, nil
}

// close closes the ports, on the first worker or before it runs.
func (s *Server) close(acceptors []*epoll.Acceptor) {
	for _, a := range acceptors {
		a.Close()
	}
	for _, p := range s.udpPorts {
		p.close()
	}
}

func (s *Server) stopAccepting(acceptors []*epoll.Acceptor) {
	done := make(chan struct{})
	err := s.workers[0].loop.Post(func() {
		s.close(acceptors)
		close(done)
	})
	if err == nil {
		<-done
	}
}

// pick returns the worker for a new connection: that of the peer's newest
// session for a data connection, else the one with the fewest connections.
func (s *Server) pick(kind connKind, peer netip.Addr) *worker {
	if kind == kindData {
		if w := s.gate.Noted(peer); w != nil {
			return w
		}
	}
	best := s.workers[0]
	for _, w := range s.workers[1:] {
		if w.load.Load() < best.load.Load() {
			best = w
		}
	}
	return best
}

// Idle returns how long the slowest worker has made no progress; beyond a few
// seconds it is stuck.
func (s *Server) Idle() time.Duration {
	oldest := time.Now().UnixNano()
	for _, w := range s.workers {
		oldest = min(oldest, w.beat.Load())
	}
	return time.Duration(time.Now().UnixNano() - oldest)
}

// session returns the open session of an id, or nil.
func (s *Server) session(id lttng.SessionID) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

func (s *Server) register(ss *session) {
	s.mu.Lock()
	s.sessions[ss.store.ID()] = ss
	s.mu.Unlock()
}

func (s *Server) unregister(ss *session) {
	s.mu.Lock()
	delete(s.sessions, ss.store.ID())
	if ss.token != nil {
		delete(s.tokens, *ss.token)
	}
	s.mu.Unlock()
}
