// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/weir-io/weir/internal/store"
)

// Config is how a Client reaches ZooKeeper. Servers is needed, the rest has defaults.
type Config struct {
	Servers        []string      // addresses with ports
	SessionTimeout time.Duration // 30 s
	RequestTimeout time.Duration // 10 s: after that a call fails
	Log            *slog.Logger  // nothing is logged
	// Dial connects to a server, by TLS for example; TCP.
	Dial func(network, address string, timeout time.Duration) (net.Conn, error)
}

// Client is a store in ZooKeeper.
type Client struct {
	cfg Config

	mu sync.Mutex
	// Guarded by mu.
	sessions map[*Session]struct{} // nil when closed
}

// New returns a store in ZooKeeper. It connects when a session is opened.
func New(cfg Config) (*Client, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("ZooKeeper: no servers")
	}
	for _, s := range cfg.Servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return nil, fmt.Errorf("ZooKeeper server %q: %w", s, err)
		}
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 30 * time.Second
	}
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = net.DialTimeout
	}
	return &Client{cfg: cfg, sessions: make(map[*Session]struct{})}, nil
}

// Session connects to a server and opens a session.
func (c *Client) Session(ctx context.Context) (store.Session, error) {
	s := &Session{
		client: c, limit: c.cfg.RequestTimeout,
		up: make(chan struct{}), done: make(chan struct{}), watches: make(map[watchKey]*watch),
	}
	conn, _, err := zk.Connect(c.cfg.Servers, c.cfg.SessionTimeout,
		zk.WithLogger(libraryLog{c.cfg.Log}), zk.WithLogInfo(false),
		zk.WithDialer(c.cfg.Dial), zk.WithEventCallback(s.event))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", store.ErrUnavailable, strings.Join(c.cfg.Servers, ","), err)
	}
	s.conn = conn
	if err := s.connected(ctx); err != nil {
		s.shut()
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions == nil {
		s.shut()
		return nil, store.ErrUnavailable
	}
	c.sessions[s] = struct{}{}
	return s, nil
}

// Close ends all sessions.
func (c *Client) Close() error {
	c.mu.Lock()
	sessions := c.sessions
	c.sessions = nil
	c.mu.Unlock()
	for s := range sessions {
		s.shut()
	}
	return nil
}

func (c *Client) forget(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// libraryLog takes the lines of the library, which tell of single connections.
type libraryLog struct{ log *slog.Logger }

// Printf logs a line.
func (l libraryLog) Printf(format string, args ...any) {
	l.log.Debug("zookeeper client", "text", fmt.Sprintf(format, args...))
}
