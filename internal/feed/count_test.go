// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// wantLimit checks that something was refused for a limit, which the error names.
func wantLimit(t *testing.T, what string, err error, limit int) {
	t.Helper()
	if code(err) != client.CodeLimit || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
		t.Errorf("%s: got %v, want %s that names %d", what, err, client.CodeLimit, limit)
	}
}

func TestFeedsOfASource(t *testing.T) {
	s := newStand(t, nil)
	for i := range maxFeeds {
		s.create(client.CreateOptions{Name: fmt.Sprint("f", i)})
	}
	before := len(s.m.List(root))
	_, err := s.m.Create(t.Context(), root, client.CreateOptions{Name: "more", Source: s.fs.Dir})
	wantLimit(t, "one feed more", err, 256)
	if got := len(s.m.List(root)); got != before || got != 256 {
		t.Errorf("after a refusal: got %d feeds, want %d", got, before)
	}
	_, last := s.bounds()

	// Those that exist, transient ones and other sources are not concerned.
	n, err := s.m.Tail(t.Context(), root, client.CreateOptions{Source: s.fs.Dir})
	must(t, err, n.Close(context.Background(), false))
	_, err = s.m.Create(t.Context(), root, client.CreateOptions{Name: "other", Source: fstest.New(t, "tmpfs").Dir})
	must(t, err)
	n = s.attach("f255")
	if i := n.Info(); i.Last < last {
		t.Errorf("last feed: got %d as the journal's last, want %d or more", i.Last, last)
	}

	old := s.info("f7").ID
	must(t, s.m.Destroy(t.Context(), root, "f7"))
	i, err := s.m.Create(t.Context(), root, client.CreateOptions{Name: "more", Source: s.fs.Dir})
	if must(t, err); i.ID == old {
		t.Errorf("feed in the place of another: got its id %s, too", i.ID)
	}
	_, err = s.m.Create(t.Context(), root, client.CreateOptions{Name: "again", Source: s.fs.Dir})
	wantLimit(t, "one feed more again", err, 256)
}

func TestSourcesOfAnAgent(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f0"})
	for i := 1; i < maxSources; i++ {
		s.create(client.CreateOptions{Name: fmt.Sprint("f", i), Source: fstest.New(t, "tmpfs").Dir})
	}
	if maxSources != 32 {
		t.Errorf("limit of sources: got %d, want 32", maxSources)
	}
	dir := fstest.New(t, "tmpfs").Dir
	_, err := s.m.Create(t.Context(), root, client.CreateOptions{Name: "more", Source: dir})
	wantLimit(t, "feed of one source more", err, maxSources)
	_, err = s.m.Tail(t.Context(), root, client.CreateOptions{Source: dir})
	wantLimit(t, "transient feed of one source more", err, maxSources)
	if got := len(s.m.List(root)); got != maxSources {
		t.Errorf("after refusals: got %d feeds, want %d", got, maxSources)
	}
	s.create(client.CreateOptions{Name: "beside"}) // a second one of a source that is watched

	must(t, s.m.Destroy(t.Context(), root, "f5")) // its source is left with it
	_, err = s.m.Create(t.Context(), root, client.CreateOptions{Name: "more", Source: dir})
	must(t, err)
}

func TestTransientFeeds(t *testing.T) {
	s := newStand(t, nil)
	tail := func(uid uint32) (*Consumer, error) {
		return s.m.Tail(t.Context(), Caller{UID: uid, Admin: true, PID: 1}, client.CreateOptions{Source: s.fs.Dir})
	}
	var open []*Consumer
	for i := range uint32(64) {
		n, err := tail(1000 + i/4)
		must(t, err)
		open = append(open, n)
		if i == 3 {
			_, err := tail(1000)
			wantLimit(t, "a user's fifth", err, 4)
		}
	}
	_, err := tail(2000)
	wantLimit(t, "the 65th", err, 64)
	_, err = tail(1000)
	wantLimit(t, "the 65th, a user's fifth", err, 4)
	s.create(client.CreateOptions{Name: "f"}) // persistent ones are not concerned

	must(t, open[0].Close(context.Background(), false))
	n, err := tail(2000)
	must(t, err)
	_, err = tail(1000)
	wantLimit(t, "the 65th again", err, 64)
	for _, n := range append(open[1:], n) {
		must(t, n.Close(context.Background(), false))
	}
	if got := s.states(); got != "f" {
		t.Errorf("after their end: got feeds %q, want f", got)
	}
}

// refusingStore is a store that has no room for what becomes of feeds.
type refusingStore struct {
	journal.Store

	err error
}

func (s *refusingStore) PutFeed(ctx context.Context, f journal.Feed) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.PutFeed(ctx, f)
}

// A cancel that could not be stored is none, and is told of.
func TestStoreThatIsFull(t *testing.T) {
	s := newStand(t, nil)
	before := s.create(client.CreateOptions{Name: "f"}).Cancelled
	last := s.append(5)
	n := s.attach("f")
	store := &refusingStore{s.m.store, fmt.Errorf("write: %w", syscall.ENOSPC)}
	s.m.store = store
	if _, err := n.Cancel(t.Context(), last); code(err) != client.CodeStore {
		t.Errorf("cancel without room: got %v, want %s", err, client.CodeStore)
	}
	_, err := s.m.Create(t.Context(), root, client.CreateOptions{Name: "g", Source: s.fs.Dir})
	if code(err) != client.CodeStore {
		t.Errorf("feed without room: got %v, want %s", err, client.CodeStore)
	}
	if i := s.info("f"); i.Cancelled != before || i.Available != 5 {
		t.Errorf("without room: got %d cancelled, %d available, want %d, 5", i.Cancelled, i.Available, before)
	}
	if got := s.states(); got != "f" {
		t.Errorf("without room: got feeds %q, want f", got)
	}
	store.err = nil
	got, err := n.Cancel(t.Context(), last)
	if must(t, err); got != last || s.info("f").Cancelled != last {
		t.Errorf("with room again: got %d cancelled, want %d", got, last)
	}
	s.create(client.CreateOptions{Name: "g"})
}
