// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/gate"
)

// Options configure a server. Log is required.
type Options struct {
	Allow Rules // the zero value denies everything
	Log   *slog.Logger

	MaxConnections        int           // 0 = no limit
	MaxConnectionsPerPeer int           // 0 = no limit
	ChainTimeout          time.Duration // until the chain is there; 0 = 10 s
	IdleTimeout           time.Duration // without a byte in either direction; 0 = none
	HalfClosedTimeout     time.Duration // the same, once one direction has ended; 0 = 1 min

	// Names of this host in chains, beside the addresses that it listens on.
	Names []string

	// Dial and Resolve replace those of package net, for tests.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	defaultChainTimeout      = 10 * time.Second
	defaultHalfClosedTimeout = time.Minute
	acceptPause              = 100 * time.Millisecond
)

// Counters are the server's figures. Open rises and falls, the rest only grows.
type Counters struct {
	Open         atomic.Int64
	Total        atomic.Uint64
	Refused      atomic.Uint64 // above a limit
	Displaced    atomic.Uint64 // not through, and made room for others
	Passed       atomic.Uint64 // answered 200
	Denied       atomic.Uint64 // answered 403
	Failed       atomic.Uint64 // answered 502
	TimedOut     atomic.Uint64 // answered 504
	Loops        atomic.Uint64 // answered 508
	IdleClosed   atomic.Uint64 // ended for their silence
	Bytes        atomic.Uint64 // passed on, in both directions
	AcceptErrors atomic.Uint64
}

// Server passes connections on.
type Server struct {
	// Immutable after New.
	opts Options
	gate *gate.Gate[*conn, struct{}]

	counters Counters
	conns    sync.WaitGroup

	self self // set by Serve before the first connection
}

// New makes a server.
func New(o Options) *Server {
	if o.ChainTimeout <= 0 {
		o.ChainTimeout = defaultChainTimeout
	}
	if o.HalfClosedTimeout <= 0 {
		o.HalfClosedTimeout = defaultHalfClosedTimeout
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	}
	if o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupNetIP
	}
	return &Server{opts: o, gate: gate.New[*conn, struct{}](o.MaxConnections, o.MaxConnectionsPerPeer)}
}

// keepAlive finds peers that are gone: whoever waits behind the hop has only it
// to notice.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// Counters returns the running figures.
func (s *Server) Counters() *Counters { return &s.counters }

// Serve accepts connections on the listeners until ctx is done; then it closes
// them and all connections and waits for their ends.
func (s *Server) Serve(ctx context.Context, on []net.Listener) error {
	s.self = newSelf(on, s.opts.Names)
	stop := context.AfterFunc(ctx, func() {
		for _, l := range on {
			l.Close()
		}
	})
	defer stop()
	var accepting sync.WaitGroup
	errs := make([]error, len(on))
	for i, l := range on {
		// Ended by the listener's Close; waited for below.
		accepting.Go(func() { errs[i] = s.accept(ctx, l) })
	}
	accepting.Wait()
	s.conns.Wait()
	return errors.Join(errs...)
}

func (s *Server) accept(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("hop: listen on %s: %w", l.Addr(), err)
		case err != nil:
			// Descriptors have run out: those that are open serve on.
			if s.counters.AcceptErrors.Add(1) == 1 {
				s.opts.Log.Error("accept failed, trying again", "port", "hop", "err", err)
			}
			pause(ctx, acceptPause)
			continue
		}
		s.enter(ctx, c)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// enter begins to serve a connection, if there is room for it.
func (s *Server) enter(ctx context.Context, near net.Conn) {
	peer := addrOf(near.RemoteAddr())
	displaced, ok := s.gate.Enter(peer)
	if !ok {
		s.counters.Refused.Add(1)
		near.Close()
		return
	}
	if displaced != nil {
		s.counters.Displaced.Add(1)
		displaced.cancel()
	}
	if tcp, ok := near.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive) // not worth refusing it for
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &conn{server: s, near: near, peer: peer, cancel: cancel}
	s.gate.Wait(peer, &c.seat, c)
	s.counters.Total.Add(1)
	s.counters.Open.Add(1)
	// Ended by the context, or by either peer; Serve waits.
	s.conns.Go(func() {
		defer s.counters.Open.Add(-1)
		defer s.gate.Leave(peer, &c.seat)
		defer cancel()
		c.serve(ctx)
	})
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
