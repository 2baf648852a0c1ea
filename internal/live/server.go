// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/gate"
	"github.com/weir-io/weir/internal/kernel/epoll"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// Options configure a server. Store and Log are required.
type Options struct {
	Store *tracestore.Store
	Log   *slog.Logger

	MaxViewers        int           // connections; 0 = no limit
	MaxViewersPerPeer int           // connections from one address; 0 = no limit
	HandshakeTimeout  time.Duration // for CONNECT; 0 = 10 s
	// StallTimeout is how long a viewer may take nothing of a reply that waits
	// for it before it counts as silent: at a limit, new connections take the
	// places of silent ones. 0 = 10 s.
	StallTimeout time.Duration
	// InactivePace is the least time between two answers that tell a viewer
	// the same about the same idle stream. Some ask without a pause. 0 = 10 ms.
	InactivePace time.Duration
	// HoldNew bounds how long other streams wait for one that is registered
	// but cannot be announced, and complete metadata for a declaration that
	// is not. 0 = 2 s.
	HoldNew time.Duration
	// DrainTimeout is how long a stop waits for attached viewers to read what is stored, to
	// the ends of their sessions. 0 = not at all.
	DrainTimeout time.Duration
	// Layouts lets viewers that heed no flag without a packet hear of new
	// streams at once; nil: they hear with the next packet of an old one.
	Layouts Layouts
	// NoHistory leaves out the second name of each session, NAME@begin, under
	// which every viewer reads from the oldest stored packet on.
	NoHistory bool
}

// Server serves viewers.
type Server struct {
	// Immutable after New.
	opts  Options
	store *tracestore.Store
	log   *slog.Logger
	gate  *gate.Gate[*conn, struct{}]

	// Owned by the loop.
	loop         *epoll.Loop
	acceptors    []*epoll.Acceptor
	draining     bool // ends with the last attached viewer
	conns        map[*conn]struct{}
	translations map[*tracestore.Stream]*translation // by metadata stream
	translating  int64                               // bytes of memory that they take, about
	lastViewer   uint64                              // last viewer session id
	lastTrace    uint64                              // last trace id given beside the store's
	in           []byte                              // received bytes being acted on
	scratch      []byte                              // reply being built

	counters counters

	mu      sync.Mutex
	viewers map[lttng.SessionID]int // guarded by mu; attached connections
}

const (
	inputSize   = 4 << 10   // bytes received at once
	scratchSize = 128 << 10 // bytes of a reply built at once

	// niceness is by how much viewers stand behind producers: about a tenth
	// of their time where both want all of it.
	niceness = 10
)

// New makes a server. Serve runs it, once.
func New(opts Options) (*Server, error) {
	if opts.Store == nil || opts.Log == nil {
		return nil, fmt.Errorf("live: Options.Store and Options.Log are required")
	}
	setDefault(&opts.HandshakeTimeout, 10*time.Second)
	setDefault(&opts.StallTimeout, 10*time.Second)
	setDefault(&opts.InactivePace, 10*time.Millisecond)
	setDefault(&opts.HoldNew, 2*time.Second)
	return &Server{
		opts: opts, store: opts.Store, log: opts.Log,
		gate:         gate.New[*conn, struct{}](opts.MaxViewers, opts.MaxViewersPerPeer),
		conns:        make(map[*conn]struct{}),
		translations: make(map[*tracestore.Stream]*translation),
		in:           make([]byte, inputSize),
		scratch:      make([]byte, 0, scratchSize),
		viewers:      make(map[lttng.SessionID]int),
	}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Serve accepts viewers on the listeners until ctx is done, lets those that are attached
// come to the ends of their sessions, then closes all connections and returns. The
// listeners are closed.
func (s *Server) Serve(ctx context.Context, listeners []net.Listener) error {
	loop, err := epoll.New()
	if err != nil {
		return err
	}
	s.loop = loop
	defer s.closeAll()
	defer s.closeAcceptors()
	for _, l := range listeners {
		a, err := newAcceptor(s, l)
		if err != nil {
			loop.Stop()
			_ = loop.Run() // closes its descriptors
			return fmt.Errorf("listen on %s: %w", l.Addr(), err)
		}
		s.acceptors = append(s.acceptors, a)
	}
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = loop.Post(s.drain) // fails only if the loop has ended
		close(stopped)
	})
	err = loop.RunBehind(niceness)
	if !cancel() {
		<-stopped
	}
	return err
}

// drain ends the loop once no viewer is attached any more, and in any case after a while.
// Producers are stopped at the same time: all sessions end, which viewers hear as soon as
// they have read what is stored.
func (s *Server) drain() {
	s.closeAcceptors()
	if s.opts.DrainTimeout == 0 || !s.attached() {
		s.loop.Stop()
		return
	}
	s.draining = true
	s.loop.After(s.opts.DrainTimeout, func() {
		s.log.Warn("stopped before all viewers had read to the end", "waited", s.opts.DrainTimeout)
		s.loop.Stop()
	})
}

// attached reports whether any viewer reads a session.
func (s *Server) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.viewers) > 0
}

func (s *Server) closeAcceptors() {
	for _, a := range s.acceptors {
		a.Close()
	}
	s.acceptors = nil
}

// closeAll ends all connections after the loop.
func (s *Server) closeAll() {
	for c := range s.conns {
		c.close()
	}
}

// Viewers returns the number of viewers that read a session.
func (s *Server) Viewers(id lttng.SessionID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers[id]
}

// countViewer adds n viewers to a session.
func (s *Server) countViewer(id lttng.SessionID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers[id] += n; s.viewers[id] == 0 {
		delete(s.viewers, id)
	}
}

// newTraceID returns a trace id that the store never gives.
func (s *Server) newTraceID() uint64 {
	s.lastTrace++
	return 1<<63 | s.lastTrace
}
