// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/weir-io/weir/internal/store"
)

func testEphemeral(t *testing.T, b Backend) {
	s := newStand(t, b)
	other := open(t, s.ctx, b)
	if other.ID() == s.ID() || other.ID() == 0 {
		t.Errorf("two sessions have the ids %d and %d", s.ID(), other.ID())
	}
	path, err := other.Create(s.ctx, s.at("alive"), []byte("x"), store.Ephemeral)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create(s.ctx, s.at("seq-"), nil, store.Ephemeral|store.Sequential); err != nil {
		t.Fatal(err)
	}
	if stat, ok, err := s.Exists(s.ctx, path, nil); !ok || err != nil || stat.Owner != other.ID() {
		t.Errorf("an ephemeral node: got %+v, %v, %v, want owner %d", stat, ok, err, other.ID())
	}
	_, err = s.Create(s.ctx, path+"/child", nil, store.Persistent)
	s.want("a child of an ephemeral node", err, store.ErrEphemeral)
	if _, err := s.Set(s.ctx, path, []byte("by another"), 0); err != nil {
		t.Errorf("set by another session: %v", err)
	}
	kept, err := other.Create(s.ctx, s.at("kept"), nil, store.Persistent)
	if err != nil {
		t.Fatal(err)
	}
	w := store.NewWatcher()
	if _, ok, err := s.Exists(s.ctx, path, w); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := other.Close(); err != nil {
		t.Fatalf("close the session: %v", err)
	}
	if got, want := s.next(w, 1)[0], (store.Event{Change: store.Deleted, Path: path}); got != want {
		t.Errorf("when its session was closed: got %v, want %v", got, want)
	}
	names, err := s.Children(s.ctx, s.root, nil)
	if err != nil || !slices.Equal(names, []string{"kept"}) {
		t.Errorf("after the session: children %q, %v, want %s alone", names, err, kept)
	}
	if _, err := other.Create(s.ctx, s.at("more"), nil, store.Persistent); !errors.Is(err, store.ErrSessionExpired) {
		t.Errorf("create of a closed session: got %v, want %v", err, store.ErrSessionExpired)
	}
	if err := other.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
}

func testExpiry(t *testing.T, b Backend) {
	s := newStand(t, b)
	dying, expire := b.Expiring(t)
	path, err := dying.Create(s.ctx, s.at("alive"), nil, store.Ephemeral)
	if err != nil {
		t.Fatal(err)
	}
	one, two := store.NewWatcher(), store.NewWatcher()
	for _, w := range []*store.Watcher{one, two} {
		if _, _, err := dying.Get(s.ctx, s.root, w); err != nil {
			t.Fatal(err)
		}
		if _, err := dying.Children(s.ctx, path, w); err != nil {
			t.Fatal(err)
		}
	}
	mine := store.NewWatcher()
	if _, _, err := s.Get(s.ctx, path, mine); err != nil {
		t.Fatal(err)
	}
	expire()
	if got, want := s.next(mine, 1)[0], (store.Event{Change: store.Deleted, Path: path}); got != want {
		t.Errorf("another session: got %v, want %v", got, want)
	}
	select {
	case <-dying.Done():
	case <-s.ctx.Done():
		t.Fatal("the session does not say that it is done")
	}
	for _, w := range []*store.Watcher{one, two} {
		events := s.next(w, 1)
		for events[len(events)-1].Change != store.SessionLost { // its own node may have gone first
			events = append(events, s.next(w, 1)...)
		}
		if len(events) > 2 {
			t.Errorf("a watcher of the session: got %v", events)
		}
	}
	_, _, err = dying.Get(s.ctx, s.root, one)
	s.want("get of a session that has ended", err, store.ErrSessionExpired)
	_, err = dying.Multi(s.ctx, store.Create(s.at("x"), nil, store.Persistent))
	s.want("multi of a session that has ended", err, store.ErrSessionExpired)
	again := open(t, s.ctx, b)
	if _, err := again.Create(s.ctx, path, nil, store.Ephemeral); err != nil {
		t.Errorf("make the node again in another session: %v", err)
	}
}

func testContexts(t *testing.T, b Backend) {
	s := newStand(t, b)
	ctx, cancel := context.WithCancelCause(s.ctx)
	reason := errors.New("reason")
	cancel(reason)
	_, err := s.Create(ctx, s.at("node"), nil, store.Persistent)
	s.want("create", err, reason)
	_, _, err = s.Get(ctx, s.root, nil)
	s.want("get", err, reason)
	_, _, err = s.Exists(ctx, s.root, nil)
	s.want("exists", err, reason)
	_, err = s.Children(ctx, s.root, nil)
	s.want("children", err, reason)
	_, err = b.Store.Session(ctx)
	s.want("a session", err, reason)
	_, err = store.NewWatcher().Next(ctx)
	s.want("wait for events", err, reason)
	s.wantAbsent(s.at("node"))
}
