// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// Options are what a server needs.
type Options struct {
	Manager feed.Door
	// Arrivals brings each manager, whose named pipes are made then if it was not there from
	// the start on; nil: no other comes. It is never closed.
	Arrivals <-chan *feed.Manager
	Log      *slog.Logger
	Group    int // whose members may do everything; -1: none
	Hello    client.Hello

	// Limits of connections; zero values stand for the defaults.
	MaxConns        int           // default: 1024
	MaxConnsPerUser int           // of those who may not do everything; default: 16
	HelloTimeout    time.Duration // that a client may take to begin, and for a frame that it has begun; default: 10 s
}

// Defaults of the limits of connections.
const (
	defaultMaxConns        = 1024
	defaultMaxConnsPerUser = 16
	defaultHelloTimeout    = 10 * time.Second
)

// Server serves feeds on a Unix socket.
type Server struct {
	opts Options

	mu     sync.Mutex
	conns  map[*conn]struct{}        // guarded by mu
	byUser map[uint32]int            // guarded by mu
	fifos  map[string]*feed.Consumer // guarded by mu; who removes the named pipe at a path
	open   sync.WaitGroup            // connections and FIFOs
}

// New returns a server that is yet to serve.
func New(o Options) *Server {
	o.MaxConns = cmp.Or(o.MaxConns, defaultMaxConns)
	o.MaxConnsPerUser = cmp.Or(o.MaxConnsPerUser, defaultMaxConnsPerUser)
	o.HelloTimeout = cmp.Or(o.HelloTimeout, defaultHelloTimeout)
	return &Server{opts: o, conns: map[*conn]struct{}{}, byUser: map[uint32]int{}, fifos: map[string]*feed.Consumer{}}
}

// Serve serves connections until ctx ends; then it closes them all.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.open.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	first, err := s.opts.Manager()
	if err == nil {
		s.restoreFIFOs(first) // before others can take their feeds
	}
	s.open.Go(func() { s.awaitManagers(ctx, first) })
	for {
		n, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.opts.Log.Warn("feeds: connection not accepted", "error", err)
			continue
		}
		s.open.Go(func() { s.handle(ctx, n) })
	}
}

// awaitManagers makes the named pipes of each manager that comes, but for those of the first,
// until the end of ctx.
func (s *Server) awaitManagers(ctx context.Context, first *feed.Manager) {
	for {
		select {
		case m := <-s.opts.Arrivals:
			if m != first {
				s.restoreFIFOs(m)
			}
		case <-ctx.Done():
			return
		}
	}
}

// handle serves one connection.
func (s *Server) handle(ctx context.Context, n *net.UnixConn) {
	defer n.Close()
	who, err := CallerOf(n, s.opts.Group)
	if err != nil {
		s.opts.Log.Warn("feeds: caller is not known", "error", err)
		return
	}
	c := &conn{s: s, socket: n, caller: who}
	if err := s.admit(c); err != nil {
		_ = c.fail(client.Frame{}, err) // the caller may be gone
		return
	}
	defer s.leave(c)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { n.Close() })
	defer stop()
	c.serve(ctx)
}

// admit counts a connection, and refuses it if there are too many.
func (s *Server) admit(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.conns) >= s.opts.MaxConns:
		return client.Errorf(client.CodeLimit, "%d connections are open, which is the limit", s.opts.MaxConns)
	case !c.caller.Admin && s.byUser[c.caller.UID] >= s.opts.MaxConnsPerUser:
		return client.Errorf(client.CodeLimit, "user %d has %d connections, which is the limit", c.caller.UID, s.opts.MaxConnsPerUser)
	}
	s.conns[c] = struct{}{}
	s.byUser[c.caller.UID]++
	return nil
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.byUser[c.caller.UID]--; s.byUser[c.caller.UID] <= 0 {
		delete(s.byUser, c.caller.UID)
	}
}

// problem makes an error what a client is told.
func problem(err error) []byte {
	var known *client.Error
	var frame *client.FrameError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &frame):
		known = client.Errorf(client.CodeProtocol, "%v", err)
	default:
		known = client.Errorf(client.CodeStore, "%v", err)
	}
	b, err := json.Marshal(known)
	if err != nil {
		return fmt.Appendf(nil, `{"code":"store","message":%q}`, err.Error())
	}
	return b
}
