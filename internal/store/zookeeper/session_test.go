// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package zookeeper

import (
	"slices"
	"testing"

	"github.com/weir-io/weir/internal/store"
)

// A watch that the server has is not set again, however often its node is read: the
// library would keep a channel for each. One that has fired is, and so is one of
// which nobody knows whether it was set.
func TestWatchesAreNotSetTwice(t *testing.T) {
	s := &Session{done: make(chan struct{}), watches: make(map[watchKey]*watch)}
	key := watchKey{"/x", false}
	one, two := store.NewWatcher(), store.NewWatcher()
	read := func(w *store.Watcher, err error) (set bool) {
		noted, armed := s.note(key, w)
		s.settle(key, noted, w, err)
		return !armed
	}
	want := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: the watch is set: %v, want %v", what, got, want)
		}
	}
	want("a node that is not there", read(one, store.ErrNoNode), true)
	if len(s.watches) != 0 {
		t.Errorf("watches of a node that is not there: %v", s.watches)
	}
	want("no answer", read(one, store.ErrUnavailable), true)
	want("the first answer", read(one, nil), true)
	want("again", read(one, nil), false)
	want("by another", read(two, nil), false)
	s.fire(store.Event{Change: store.ChildrenChanged, Path: "/x"}) // not of this watch
	s.fire(store.Event{Change: store.Changed, Path: "/x"})
	for _, w := range []*store.Watcher{one, two} {
		if got, want := w.Take(), []store.Event{{Change: store.Changed, Path: "/x"}}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	}
	want("after it fired", read(one, nil), true)

	noted, _ := s.note(key, two) // it fires before the answer comes
	s.fire(store.Event{Change: store.Deleted, Path: "/x"})
	s.settle(key, noted, two, nil)
	want("after it fired amid a call", read(two, nil), true)
}
