// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/store"
)

// Session is a client of a DB. One with a time-out ends when it is not touched for
// that long.
type Session struct {
	// Immutable after Open.
	db      *DB
	id      int64
	timeout time.Duration
	done    chan struct{} // closed when the session ends

	nodes map[string]struct{} // paths of its ephemeral nodes; guarded as the tree of db

	mu sync.Mutex
	// Guarded by mu.
	touched time.Time
	timer   *time.Timer // nil without a time-out
}

// Open opens a session with a time-out, or one without if that is 0.
func (d *DB) Open(timeout time.Duration) (*Session, error) {
	var id [8]byte
	rand.Read(id[:]) // never fails
	s := &Session{
		db: d, id: int64(binary.BigEndian.Uint64(id[:])>>1 | 1), timeout: timeout,
		done: make(chan struct{}), nodes: make(map[string]struct{}),
	}
	if timeout > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.touched = time.Now()
		s.timer = time.AfterFunc(timeout, s.overdue) // stopped by finish
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, store.ErrUnavailable
	}
	d.sessions[s.id] = s
	return s, nil
}

// Touch tells that the client is alive. Each call of a method does that too.
func (s *Session) Touch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return store.ErrSessionExpired
	default:
	}
	if s.timer != nil {
		s.touched = time.Now()
	}
	return nil
}

// overdue ends the session unless it was touched meanwhile.
func (s *Session) overdue() {
	s.mu.Lock()
	left := s.timeout - time.Since(s.touched)
	if left > 0 {
		s.timer.Reset(left)
	}
	s.mu.Unlock()
	if left <= 0 {
		s.end()
	}
}

// end has the session's nodes removed. That writes nothing to the file, so that it
// does not fail.
func (s *Session) end() error {
	err := s.db.submit(context.Background(), &request{session: s, ends: true})
	if errors.Is(err, store.ErrSessionExpired) {
		return nil
	}
	return err
}

// finish tells a session that it has ended. The caller has taken it off the sessions
// and holds the lock of the tree.
func (d *DB) finish(s *Session) {
	if s.timer != nil {
		s.timer.Stop()
	}
	d.watches.lose(s.id)
	close(s.done)
}

// ID is the owner of the session's ephemeral nodes.
func (s *Session) ID() int64 { return s.id }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close ends the session and removes its ephemeral nodes.
func (s *Session) Close() error { return s.end() }

// Create makes a node.
func (s *Session) Create(ctx context.Context, path string, data []byte, mode store.Mode) (string, error) {
	results, err := s.Multi(ctx, store.Create(path, data, mode))
	if err != nil {
		return "", err
	}
	return results[0].Path, nil
}

// Set replaces the data of a node.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (store.Stat, error) {
	results, err := s.Multi(ctx, store.Set(path, data, version))
	if err != nil {
		return store.Stat{}, err
	}
	return results[0].Stat, nil
}

// Delete removes a node.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := s.Multi(ctx, store.Delete(path, version))
	return err
}

// Multi makes all operations or none.
func (s *Session) Multi(ctx context.Context, ops ...store.Op) ([]store.Result, error) {
	if len(ops) == 0 {
		return nil, s.Touch()
	}
	if err := store.CheckOps(ops); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r := &request{session: s, ops: ops}
	if err := s.db.submit(ctx, r); err != nil {
		return nil, err
	}
	return r.results, nil
}

// begin begins a call.
func (s *Session) begin(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.Touch()
}

// read looks a node up, and sets a watch unless the watcher is nil or there is neither
// a node nor a wish to hear when there is.
func (s *Session) read(ctx context.Context, op, path string, w *store.Watcher, absent bool, use func(*node)) error {
	if err := store.CheckPath(path); err != nil {
		return &store.Error{Op: op, Path: path, Err: err}
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	if s.db.sessions[s.id] != s {
		return store.ErrSessionExpired
	}
	n := s.db.nodes[path]
	if n == nil && !absent {
		return &store.Error{Op: op, Path: path, Err: store.ErrNoNode}
	}
	if w != nil {
		s.db.watches.arm(watchKey{path, op == "children"}, s.id, w)
	}
	use(n)
	return nil
}

// Get returns the data of a node.
func (s *Session) Get(ctx context.Context, path string, w *store.Watcher) (data []byte, stat store.Stat, err error) {
	err = s.read(ctx, "get", path, w, false, func(n *node) { data, stat = n.data, n.stat })
	return data, stat, err
}

// Exists reports whether there is a node.
func (s *Session) Exists(ctx context.Context, path string, w *store.Watcher) (stat store.Stat, ok bool, err error) {
	err = s.read(ctx, "exists", path, w, true, func(n *node) {
		if ok = n != nil; ok {
			stat = n.stat
		}
	})
	return stat, ok, err
}

// Children returns the names of a node's children.
func (s *Session) Children(ctx context.Context, path string, w *store.Watcher) (names []string, err error) {
	err = s.read(ctx, "children", path, w, false, func(*node) {
		names = slices.AppendSeq(make([]string, 0, len(s.db.children[path])), maps.Keys(s.db.children[path]))
	})
	return names, err
}
