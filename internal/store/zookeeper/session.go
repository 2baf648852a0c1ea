// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package zookeeper

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/weir-io/weir/internal/store"
)

// Session is a session with ZooKeeper.
type Session struct {
	// Immutable after Client.Session.
	client *Client
	conn   *zk.Conn
	limit  time.Duration

	up       chan struct{} // closed when the session is there
	upOnce   sync.Once
	done     chan struct{} // closed when the session has ended
	doneOnce sync.Once

	mu sync.Mutex
	// Guarded by mu.
	watches map[watchKey]*watch
}

// watchKey is what a watch is set on: a node itself, or its children.
type watchKey struct {
	path     string
	children bool
}

// watch is a watch of the session that has not fired. The library gives events to
// a callback, so that thousands of watches need no goroutines.
type watch struct {
	watchers map[*store.Watcher]struct{}
	armed    bool // the server has it: others need not set it again
}

// event takes an event from the library, whose goroutines it must not hold up.
func (s *Session) event(e zk.Event) {
	switch e.Type {
	case zk.EventSession:
		switch e.State {
		case zk.StateHasSession:
			s.upOnce.Do(func() { close(s.up) })
		case zk.StateExpired:
			s.lost()
		}
	case zk.EventNodeCreated:
		s.fire(store.Event{Change: store.Created, Path: e.Path})
	case zk.EventNodeDataChanged:
		s.fire(store.Event{Change: store.Changed, Path: e.Path})
	case zk.EventNodeDeleted:
		s.fire(store.Event{Change: store.Deleted, Path: e.Path})
	case zk.EventNodeChildrenChanged:
		s.fire(store.Event{Change: store.ChildrenChanged, Path: e.Path})
	}
}

// fire gives an event to the watchers of a node, its children or both.
func (s *Session) fire(e store.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hit := make(map[*store.Watcher]struct{})
	for _, key := range [...]watchKey{{e.Path, false}, {e.Path, true}} {
		if e.Change != store.Deleted && key.children != (e.Change == store.ChildrenChanged) {
			continue
		}
		if w := s.watches[key]; w != nil {
			for watcher := range w.watchers {
				hit[watcher] = struct{}{}
			}
			delete(s.watches, key)
		}
	}
	for watcher := range hit {
		watcher.Post(e)
	}
}

// lost tells everyone that the session has ended.
func (s *Session) lost() {
	s.doneOnce.Do(func() {
		s.mu.Lock()
		told := make(map[*store.Watcher]struct{})
		for _, w := range s.watches {
			for watcher := range w.watchers {
				told[watcher] = struct{}{}
			}
		}
		s.watches = nil
		s.mu.Unlock()
		close(s.done)
		for watcher := range told {
			watcher.Post(store.Event{Change: store.SessionLost})
		}
		if s.conn != nil {
			go s.conn.Close() // the library would open another session; it waits at most a second, and for nobody
			s.client.forget(s)
		}
	})
}

// shut ends the session.
func (s *Session) shut() {
	s.conn.Close()
	s.lost()
}

// connected waits for the session.
func (s *Session) connected(ctx context.Context) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	select {
	case <-s.up:
		return nil
	case <-s.done:
		return store.ErrSessionExpired
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// within limits a call.
func (s *Session) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.limit, fmt.Errorf("%w: no answer from ZooKeeper within %v", store.ErrUnavailable, s.limit))
}

// ID is the owner of the session's ephemeral nodes.
func (s *Session) ID() int64 { return s.conn.SessionID() }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close ends the session; its ephemeral nodes go with it.
func (s *Session) Close() error {
	s.shut()
	return nil
}

// answer is what the library returns.
type answer[T any] struct {
	value T
	stat  *zk.Stat
	err   error
}

// call makes a call of the library, which knows no contexts. A call that is left ends
// in its goroutine when the server answers, or the connection or the session ends.
func call[T any](ctx context.Context, s *Session, f func() (T, *zk.Stat, error)) (T, store.Stat, error) {
	var none T
	if err := context.Cause(ctx); err != nil {
		return none, store.Stat{}, err
	}
	select {
	case <-s.done:
		return none, store.Stat{}, store.ErrSessionExpired
	default:
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	answers := make(chan answer[T], 1)
	go func() { // ended by the library, see above; nobody waits for a call that was left
		var a answer[T]
		a.value, a.stat, a.err = f()
		answers <- a
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return a.value, store.Stat{}, s.translate(a.err)
		}
		return a.value, stat(a.stat), nil
	case <-s.done:
		return none, store.Stat{}, store.ErrSessionExpired
	case <-ctx.Done():
		return none, store.Stat{}, context.Cause(ctx)
	}
}

func stat(z *zk.Stat) store.Stat {
	if z == nil {
		return store.Stat{}
	}
	return store.Stat{Created: z.Czxid, Modified: z.Mzxid, Version: z.Version, Owner: z.EphemeralOwner, Children: int(z.NumChildren)}
}
