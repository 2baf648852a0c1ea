// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// Limits of connections. A command needs one for a moment, a watcher one for
// good; what is above them is refused, so that one user cannot keep out others.
const (
	maxConnections         = 512
	maxConnectionsOfCaller = 64
)

// listener accepts connections with their callers.
type listener struct {
	net.Listener

	tracing int // gid of the group, or -1
	log     *slog.Logger

	refused atomic.Uint64

	mu    sync.Mutex
	open  int            // guarded by mu
	users map[uint32]int // connections by uid; guarded by mu
}

func newListener(l net.Listener, tracing int, log *slog.Logger) *listener {
	return &listener{Listener: l, tracing: tracing, log: log, users: make(map[uint32]int)}
}

// Accept waits for a connection that may stay.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		u, ok := c.(*net.UnixConn)
		if !ok {
			c.Close() // nobody can say who calls
			continue
		}
		by, err := readCaller(u, l.tracing)
		if err != nil {
			l.log.Warn("caller refused", "err", err)
			c.Close()
			continue
		}
		if !l.enter(by.UID) {
			// Told on the first of them and counted: a flood must not fill the log.
			if l.refused.Add(1) == 1 {
				l.log.Warn("too many connections", "uid", by.UID, "pid", by.PID)
			}
			c.Close()
			continue
		}
		return &conn{Conn: c, by: by, l: l}, nil
	}
}

func (l *listener) enter(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= maxConnections || l.users[uid] >= maxConnectionsOfCaller {
		return false
	}
	l.open++
	l.users[uid]++
	return true
}

func (l *listener) leave(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.users[uid]--; l.users[uid] == 0 {
		delete(l.users, uid)
	}
}

// conn is a connection whose caller is known.
type conn struct {
	net.Conn

	by   Caller
	l    *listener
	once sync.Once
}

// Close closes the connection and makes room for another.
func (c *conn) Close() error {
	c.once.Do(func() { c.l.leave(c.by.UID) })
	return c.Conn.Close()
}
