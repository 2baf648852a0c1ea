// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// Orders of an agent.
const (
	opTake handover.Op = "take"
	opHold handover.Op = "hold"
	opDrop handover.Op = "drop"
)

// request is the body of an order.
type request struct {
	Key string `json:"key"`
}

// Options bound what is held.
type Options struct {
	Patience  time.Duration // without an agent; default: 15 minutes
	MaxUnread int           // events of a group without an agent; default: 4,000,000
	Check     time.Duration // how often these are looked at; default: 2 s
	Log       *slog.Logger
}

// Defaults of options.
const (
	DefaultPatience  = 15 * time.Minute
	DefaultMaxUnread = 4_000_000
	DefaultCheck     = 2 * time.Second
)

// maxKeys is how many keys are held; an agent has fewer sources.
const maxKeys = 64

// Holder is the process that holds. Its methods may be called from several goroutines.
type Holder struct {
	opts Options

	mu     sync.Mutex
	held   map[string][]*os.File // guarded by mu
	agents int                   // connections; guarded by mu
	left   time.Time             // of the last agent; guarded by mu
}

// New returns a holder of nothing.
func New(o Options) *Holder {
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.MaxUnread == 0 {
		o.MaxUnread = DefaultMaxUnread
	}
	if o.Check == 0 {
		o.Check = DefaultCheck
	}
	return &Holder{opts: o, held: map[string][]*os.File{}, left: time.Now()}
}

// Run serves agents on a socket until there is nothing more to hold for anybody.
func (h *Holder) Run(l *net.UnixListener) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with ctx
		h.watch(ctx)
		l.Close()
	}()
	var agents sync.WaitGroup
	defer h.release()
	defer agents.Wait()
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := sameUser(c); err != nil {
			h.opts.Log.Warn("refused", "error", err)
			c.Close()
			continue
		}
		h.count(1)
		agents.Go(func() {
			defer h.count(-1)
			if err := h.serve(c); err != nil {
				h.opts.Log.Warn("agent's connection ended", "error", err)
			}
		})
	}
}

// sameUser refuses everybody but this user and root: a group of notices shows what
// nobody else may see.
func sameUser(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return errors.Join(err, credErr)
	}
	if cred.Uid != 0 && cred.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("holder: process %d is of user %d, want %d", cred.Pid, cred.Uid, os.Geteuid())
	}
	return nil
}

// count adds an agent, or takes one away.
func (h *Holder) count(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.agents += n
	h.left = time.Now()
}

// serve carries out the orders of one agent.
func (h *Holder) serve(c *net.UnixConn) error {
	f, err := c.File()
	c.Close()
	if err != nil {
		return err
	}
	conn, err := handover.New(f)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		m, files, err := conn.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := handover.Message{ID: m.ID}
		out, err := h.order(m, files)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := conn.Send(answer, out...); err != nil {
			return err
		}
	}
}

// order carries out one order and returns the files that go with the answer, which
// stay the holder's.
func (h *Holder) order(m handover.Message, files []*os.File) ([]*os.File, error) {
	var r request
	if err := json.Unmarshal(m.Body, &r); err != nil || r.Key == "" {
		handover.CloseAll(files)
		return nil, fmt.Errorf("holder: %s: got body %.80q, want a key", m.Op, m.Body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch m.Op {
	case opTake:
		handover.CloseAll(files)
		return h.held[r.Key], nil
	case opHold:
		if _, ok := h.held[r.Key]; !ok && len(h.held) >= maxKeys {
			handover.CloseAll(files)
			return nil, fmt.Errorf("holder: holds %d keys, which is the limit", maxKeys)
		}
		handover.CloseAll(h.held[r.Key])
		h.held[r.Key] = files
		return nil, nil
	case opDrop:
		handover.CloseAll(files)
		handover.CloseAll(h.held[r.Key])
		delete(h.held, r.Key)
		return nil, nil
	}
	handover.CloseAll(files)
	return nil, fmt.Errorf("holder: unknown order %q", m.Op)
}

// watch returns when there is nothing to hold any more, or nobody to hold it for.
func (h *Holder) watch(ctx context.Context) {
	tick := time.NewTicker(h.opts.Check)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if h.finished(now) {
				return
			}
		}
	}
}

// finished drops what has grown too large, and reports whether the holder may end.
func (h *Holder) finished(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.agents > 0 {
		return false
	}
	for key, files := range h.held {
		if n := unread(files[0]); n > h.opts.MaxUnread {
			h.opts.Log.Error("too many events unread and no agent; they are given up", "key", key, "unread", n, "limit", h.opts.MaxUnread)
			handover.CloseAll(files)
			delete(h.held, key)
		}
	}
	alone := now.Sub(h.left)
	return alone >= h.opts.Check && len(h.held) == 0 || alone >= h.opts.Patience
}

// eventSize is what the kernel counts for each event, whatever its length.
const eventSize = 24

// unread is how many events wait in a group of notices; 0 for other files.
func unread(f *os.File) (n int) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n / eventSize
}

// release closes everything.
func (h *Holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, files := range h.held {
		handover.CloseAll(files)
	}
	clear(h.held)
}
