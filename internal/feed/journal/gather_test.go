// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Feeds are committed together where each of many is put now and then, and not where they
// are few, or where one goes on at once.
func TestCrowded(t *testing.T) {
	now := time.Unix(1, 0)
	for _, c := range []struct {
		what     string
		feed     func(i int) uint32
		between  time.Duration
		together bool
	}{
		{"one feed", func(int) uint32 { return 1 }, 0, false},
		{"few feeds", func(i int) uint32 { return uint32(i % (crowd / 2)) }, 0, false},
		{"many feeds", func(i int) uint32 { return uint32(i) }, crowdedFor / crowd, true},
		{"one goes on among many", func(i int) uint32 { return uint32(i * (i % 2)) }, 0, false},
		{"many feeds, seldom", func(i int) uint32 { return uint32(i) }, 2 * crowdedFor / crowd, false},
	} {
		g := &gathering{}
		at := now
		for i := range 10 * crowd {
			at = at.Add(c.between)
			with, begun := g.join(&turn{feed: Feed{ID: c.feed(i + 1)}}, at)
			g.end()
			if want := c.together && i >= crowd; (with != nil) != want || begun != want {
				t.Fatalf("%s: put %d is gathered: %t, want %t", c.what, i, with != nil, want)
			}
		}
	}
}

// crowdedStore has whatever is put next wait for others.
func crowdedStore(d *database) {
	for i := range d.gathering.lately {
		d.gathering.lately[i] = put{uint32(1000 + i), time.Now().Add(time.Hour)}
	}
}

// What is gathered is committed at once, the later state of a feed over the earlier, and
// a feed that is deleted meanwhile does not come back.
func TestGathered(t *testing.T) {
	fs := vfs.NewMem()
	d, _ := openTest(t, "feeds", Options{FS: fs})
	crowdedStore(d)
	var with *gathered
	for i, f := range []Feed{{ID: 1, Cancelled: 1}, {ID: 2}, {ID: 1, Cancelled: 2}, {ID: 3}, {ID: 4, Source: sourceA}} {
		w, begun := d.gathering.join(d.turns.take(f), time.Now())
		if begun != (i == 0) || i > 0 && w != with {
			t.Fatalf("state %d gathers by itself", i)
		}
		with = w
	}
	if err := d.DeleteFeed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(sourceA); err != nil {
		t.Fatal(err)
	}
	d.gathering.end()
	before := d.commits
	if err := d.putAll(t.Context(), with.feeds); err != nil {
		t.Fatal(err)
	}
	if n := d.commits - before; n != 1 {
		t.Errorf("%d commits, want one", n)
	}
	for range 2 { // what is kept in memory, and on the disk
		feeds, err := d.Feeds()
		if err != nil || len(feeds) != 2 || feeds[0].ID != 1 || feeds[0].Cancelled != 2 || feeds[1].ID != 3 {
			t.Errorf("feeds %+v, %v; want 1 at 2, and 3", feeds, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d, _ = openTest(t, "feeds", Options{FS: fs})
	}
}

// Who puts a feed among many, or alone, may give up before that is committed. It is not
// committed over what is asked for then.
func TestGivenUpIsPassed(t *testing.T) {
	for _, tt := range []struct {
		what string
		then func(*database) error
		want []uint64 // cancelled through that
	}{
		{"nothing", func(*database) error { return nil }, []uint64{2}},
		{"deleted", func(d *database) error { return d.DeleteFeed(t.Context(), 1) }, nil},
		{"source removed", func(d *database) error { return d.Remove(sourceA) }, nil},
		{"put", func(d *database) error { return d.PutFeed(t.Context(), Feed{ID: 1, Source: sourceA, Cancelled: 3}) }, []uint64{3}},
		{"another deleted", func(d *database) error { return d.DeleteFeed(t.Context(), 2) }, []uint64{2}},
	} {
		for _, gathers := range []bool{true, false} {
			fs := vfs.NewMem()
			d, _ := openTest(t, "feeds", Options{FS: fs})
			if _, err := d.Open(sourceA); err != nil {
				t.Fatal(err)
			}
			f := Feed{ID: 1, Source: sourceA, Cancelled: 1}
			if err := d.PutFeed(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			f.Cancelled = 2
			late := []*turn{d.turns.take(f)}
			if gathers {
				crowdedStore(d)
				with, _ := d.gathering.join(late[0], time.Now())
				d.gathering.end() // nothing joins any more, and nothing is committed yet
				late = with.feeds
				clear(d.gathering.lately[:])
			}
			if err := tt.then(d); err != nil {
				t.Fatal(err)
			}
			if err := d.putAll(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if len(d.turns.open) > 0 {
				t.Errorf("%s: %d feeds have states under way, want none", tt.what, len(d.turns.open))
			}
			for range 2 { // what is kept in memory, and on the disk
				feeds, err := d.Feeds()
				if err != nil || len(feeds) != len(tt.want) || len(feeds) == 1 && feeds[0].Cancelled != tt.want[0] {
					t.Errorf("state given up, then %s: got %+v, %v, want feeds cancelled through %d", tt.what, feeds, err, tt.want)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				d, _ = openTest(t, "feeds", Options{FS: fs})
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Who puts a feed among many waits until it is durable, or gives up.
func TestPutGathered(t *testing.T) {
	fs := vfs.NewMem()
	d, _ := openTest(t, "feeds", Options{FS: fs})
	crowdedStore(d)
	const feeds = 8
	for id := range uint32(feeds + 1) {
		if err := d.PutFeed(t.Context(), Feed{ID: id + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if d.gathering.at != 0 {
		t.Errorf("%d feeds count that are new, want none", d.gathering.at)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("given up")
	cancel(reason)
	if err := d.PutFeed(ended, Feed{ID: feeds + 1}); !errors.Is(err, reason) {
		t.Errorf("PutFeed: %v, want %v", err, reason)
	}
	var wg sync.WaitGroup
	for id := range uint32(feeds) {
		wg.Go(func() {
			if err := d.PutFeed(t.Context(), Feed{ID: id + 1, Cancelled: 7}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, _ = openTest(t, "feeds", Options{FS: fs})
	all, err := d.Feeds()
	if err != nil || len(all) != feeds+1 {
		t.Fatalf("feeds %+v, %v; want %d of them", all, err, feeds+1)
	}
	for _, f := range all[:feeds] {
		if f.Cancelled != 7 {
			t.Errorf("feed %d is cancelled through %d, want 7", f.ID, f.Cancelled)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.PutFeed(t.Context(), Feed{ID: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("PutFeed: %v, want %v", err, ErrClosed)
	}
}
