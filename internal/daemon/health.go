// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Components of the relay daemon as the health reply numbers them: bit i of
// the reply set means that component i makes no progress.
const (
	HealthDispatcher uint64 = 1 << iota
	HealthWorker
	HealthListener
	HealthLiveDispatcher
	HealthLiveWorker
	HealthLiveListener
)

// The health protocol is one request and one reply a connection, in the byte
// order of the host: it never leaves it.
const (
	healthRequestLen = 4 // u32 command
	healthCheck      = 0 // the only command
	healthReplyLen   = 8 // u64 of component bits
)

// Limits of a health server.
const (
	// healthPatience is how long a client may take for its 4 bytes.
	healthPatience = 5 * time.Second
	// healthClients is the number of clients served at a time. One more and
	// the one that has been silent for the longest is cut off, so that silent
	// clients cannot keep the others out.
	healthClients = 32
)

// HealthConfig describes a health server.
type HealthConfig struct {
	// Path of the socket. A socket nobody listens on is replaced.
	Path string
	// GID is the group that may connect, -1 for the user alone. The mode is
	// 0660 with a group and 0600 without.
	GID int
	// Status returns the bits of components that are stuck. It is called by
	// several goroutines and must not block.
	Status func() uint64
	Log    *slog.Logger
}

// HealthServer answers health checks of the LTTng relay protocol on a Unix
// stream socket.
type HealthServer struct {
	// Immutable after ListenHealth.
	config   HealthConfig
	listener *net.UnixListener

	evicted atomic.Uint64

	mu      sync.Mutex
	clients []*net.UnixConn // oldest first; guarded by mu
	closed  bool            // guarded by mu
}

// ListenHealth makes the socket. Serve answers on it; Close removes it.
func ListenHealth(ctx context.Context, c HealthConfig) (*HealthServer, error) {
	mode := fs.FileMode(0o600)
	if c.GID >= 0 {
		mode = 0o660
	}
	l, err := ListenUnix(ctx, c.Path, mode, c.GID)
	if err != nil {
		return nil, fmt.Errorf("health socket: %w", err)
	}
	return &HealthServer{config: c, listener: l}, nil
}

// Serve answers clients until Close or until accepting fails. It returns when
// the last client is done, with nil after Close.
func (h *HealthServer) Serve() error {
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := h.listener.AcceptUnix()
		if err != nil {
			h.cutAll()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept health client: %w", err)
		}
		if !h.admit(conn) {
			continue
		}
		// Ends by its answer, the deadline, or when cut off; Serve waits.
		clients.Go(func() { h.answer(conn) })
	}
}

// Close removes the socket and cuts off all clients. Serve then returns.
func (h *HealthServer) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	err := h.listener.Close()
	h.cutAll()
	return err
}

// Evicted returns how many silent clients were cut off to make room.
func (h *HealthServer) Evicted() uint64 { return h.evicted.Load() }

func (h *HealthServer) admit(conn *net.UnixConn) bool {
	var oldest *net.UnixConn
	h.mu.Lock()
	closed := h.closed
	if !closed {
		if len(h.clients) == healthClients {
			oldest = h.clients[0]
			h.clients = append(h.clients[:0], h.clients[1:]...)
		}
		h.clients = append(h.clients, conn)
	}
	h.mu.Unlock()
	if closed {
		conn.Close()
		return false
	}
	if oldest != nil {
		h.evicted.Add(1)
		oldest.Close()
	}
	return true
}

func (h *HealthServer) cutAll() {
	h.mu.Lock()
	clients := h.clients
	h.clients = nil
	h.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
}

func (h *HealthServer) forget(conn *net.UnixConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.clients {
		if c == conn {
			h.clients = append(h.clients[:i], h.clients[i+1:]...)
			return
		}
	}
}

// answer serves one client. A command other than the check gets no reply: the
// original daemon aborts there.
func (h *HealthServer) answer(conn *net.UnixConn) {
	defer conn.Close()
	defer h.forget(conn)
	if err := conn.SetDeadline(time.Now().Add(healthPatience)); err != nil {
		return
	}
	var request [healthRequestLen]byte
	if _, err := io.ReadFull(conn, request[:]); err != nil {
		h.config.Log.Debug("health client sent no request", "error", err)
		return
	}
	if command := binary.NativeEndian.Uint32(request[:]); command != healthCheck {
		h.config.Log.Debug("unknown health command", "command", command)
		return
	}
	var reply [healthReplyLen]byte
	binary.NativeEndian.PutUint64(reply[:], h.config.Status())
	if _, err := conn.Write(reply[:]); err != nil {
		h.config.Log.Debug("health reply not sent", "error", err)
	}
}
