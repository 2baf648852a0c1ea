// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/store"
)

// Backend is a store that the suite runs on.
type Backend struct {
	Store store.Store
	// Expiring opens a session and returns what makes the store end it, as if its client
	// were dead; that has happened when the function returns.
	Expiring func(t *testing.T) (s store.Session, expire func())
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b Backend)
	}{
		{"Versions", testVersions},
		{"Errors", testErrors},
		{"Multi", testMulti},
		{"MultiRollsBack", testMultiRollsBack},
		{"Sequential", testSequential},
		{"Ephemeral", testEphemeral},
		{"Watches", testWatches},
		{"WatchesFireOnce", testWatchesFireOnce},
		{"WatchBeforeSight", testWatchBeforeSight},
		{"ConcurrentWriters", testConcurrentWriters},
		{"Sizes", testSizes},
		{"Names", testNames},
		{"Expiry", testExpiry},
		{"Contexts", testContexts},
		{"LikeItsModel", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

// stand is a session with a part of the tree of its own.
type stand struct {
	*testing.T
	store.Session
	ctx  context.Context
	root string
}

func newStand(t *testing.T, b Backend) *stand {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &stand{T: t, ctx: ctx, Session: open(t, ctx, b)}
	root, err := s.Create(ctx, "/"+strings.ReplaceAll(t.Name(), "/", "-")+"-", nil, store.Sequential)
	if err != nil {
		t.Fatalf("create a node for the test: %v", err)
	}
	s.root = root
	return s
}

// open opens a session that ends with the test.
func open(t *testing.T, ctx context.Context, b Backend) store.Session {
	t.Helper()
	s, err := b.Store.Session(ctx)
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the session: %v", err)
		}
	})
	return s
}

// at returns the path of a node of the test.
func (s *stand) at(name string) string { return s.root + "/" + name }

// create makes a node of the test and returns its path.
func (s *stand) create(name, data string, mode store.Mode) string {
	s.Helper()
	path, err := s.Create(s.ctx, s.at(name), []byte(data), mode)
	if err != nil {
		s.Fatalf("create %s: %v", name, err)
	}
	return path
}

// want fails the test unless an error is of a kind.
func (s *stand) want(what string, err, kind error) {
	s.Helper()
	if !errors.Is(err, kind) {
		s.Errorf("%s: got error %v, want %v", what, err, kind)
	}
}

// wantData fails the test unless a node has data.
func (s *stand) wantData(path, data string) {
	s.Helper()
	got, _, err := s.Get(s.ctx, path, nil)
	if err != nil || string(got) != data {
		s.Errorf("get %s: got %q, %v, want %q", path, got, err, data)
	}
}

// wantAbsent fails the test if there is a node.
func (s *stand) wantAbsent(path string) {
	s.Helper()
	if _, ok, err := s.Exists(s.ctx, path, nil); ok || err != nil {
		s.Errorf("exists %s: got %v, %v, want that there is none", path, ok, err)
	}
}

// next returns the events that a watcher gets until it has n.
func (s *stand) next(w *store.Watcher, n int) []store.Event {
	s.Helper()
	var events []store.Event
	for len(events) < n {
		more, err := w.Next(s.ctx)
		if err != nil {
			s.Fatalf("got %v, and waiting for %d events: %v", events, n, err)
		}
		events = append(events, more...)
	}
	return events
}
