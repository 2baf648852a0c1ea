// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/store"
)

// reads are the ways to set a watch.
var reads = map[string]func(s *stand, path string, w *store.Watcher) error{
	"get": func(s *stand, path string, w *store.Watcher) error {
		_, _, err := s.Get(s.ctx, path, w)
		return err
	},
	"exists": func(s *stand, path string, w *store.Watcher) error {
		_, _, err := s.Exists(s.ctx, path, w)
		return err
	},
	"children": func(s *stand, path string, w *store.Watcher) error {
		_, err := s.Children(s.ctx, path, w)
		return err
	},
}

func testWatches(t *testing.T, b Backend) {
	s := newStand(t, b)
	writer := open(t, s.ctx, b) // events come also from other sessions
	fence := s.create("fence", "", store.Persistent)
	for i, c := range []struct {
		read   string
		exists bool
		op     func(path string) store.Op
		want   store.Change // 0: none
	}{
		{"get", true, func(p string) store.Op { return store.Set(p, nil, -1) }, store.Changed},
		{"get", true, func(p string) store.Op { return store.Delete(p, -1) }, store.Deleted},
		{"get", true, func(p string) store.Op { return store.Create(p+"/c", nil, 0) }, 0},
		{"exists", true, func(p string) store.Op { return store.Set(p, nil, -1) }, store.Changed},
		{"exists", true, func(p string) store.Op { return store.Delete(p, -1) }, store.Deleted},
		{"exists", false, func(p string) store.Op { return store.Create(p, nil, 0) }, store.Created},
		{"children", true, func(p string) store.Op { return store.Create(p+"/c", nil, 0) }, store.ChildrenChanged},
		{"children", true, func(p string) store.Op { return store.Delete(p, -1) }, store.Deleted},
		{"children", true, func(p string) store.Op { return store.Set(p, nil, -1) }, 0},
		{"get", false, func(p string) store.Op { return store.Create(p, nil, 0) }, 0},
		{"children", false, func(p string) store.Op { return store.Create(p, nil, 0) }, 0},
	} {
		name := fmt.Sprintf("%d-%s", i, c.read)
		path := s.at(name)
		if c.exists {
			s.create(name, "", store.Persistent)
		}
		w := store.NewWatcher()
		err := reads[c.read](s, path, w)
		if absent := !c.exists && c.read != "exists"; absent != errors.Is(err, store.ErrNoNode) || !absent && err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := s.Get(s.ctx, fence, w); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Multi(s.ctx, c.op(path)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := writer.Set(s.ctx, fence, nil, store.AnyVersion); err != nil {
			t.Fatal(err)
		}
		want := []store.Event{{Change: store.Changed, Path: fence}} // the last, so that there is nothing else
		if c.want != 0 {
			want = slices.Insert(want, 0, store.Event{Change: c.want, Path: path})
		}
		if got := s.next(w, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func testWatchesFireOnce(t *testing.T, b Backend) {
	s := newStand(t, b)
	path, fence := s.create("node", "", store.Persistent), s.create("fence", "", store.Persistent)
	w, second := store.NewWatcher(), store.NewWatcher()
	for range 3 { // setting a watch again does not make it two
		for _, read := range reads {
			if err := errors.Join(read(s, path, w), read(s, path, second), reads["get"](s, fence, w)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		if _, err := s.Set(s.ctx, path, nil, store.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Multi(s.ctx, store.Delete(path, store.AnyVersion), store.Set(fence, nil, store.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	want := []store.Event{{Change: store.Changed, Path: path}, {Change: store.Deleted, Path: path}, {Change: store.Changed, Path: fence}}
	if got := s.next(w, 3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := s.next(second, 2); !slices.Equal(got, want[:2]) {
		t.Errorf("the other watcher: got %v, want %v", got, want[:2])
	}
}

// testWatchBeforeSight: who watches what it reads, and has no event after it has read
// all, has read one state. A writer changes two nodes and the children of a third
// together.
func testWatchBeforeSight(t *testing.T, b Backend) {
	const rounds = 200
	s := newStand(t, b)
	x, y, list := s.create("x", "0", 0), s.create("y", "0", 0), s.create("list", "", 0)
	s.create("list/0", "", 0)
	writer := open(t, s.ctx, b)
	var writing sync.WaitGroup
	writing.Go(func() { // ends by itself; the test waits below
		for i := 1; i <= rounds; i++ {
			now := strconv.Itoa(i)
			if _, err := writer.Multi(s.ctx,
				store.Set(x, []byte(now), i32(i-1)), store.Set(y, []byte(now), i32(i-1)),
				store.Delete(list+"/"+strconv.Itoa(i-1), 0), store.Create(list+"/"+now, nil, 0)); err != nil {
				t.Errorf("round %d: %v", i, err)
				return
			}
		}
	})
	w := store.NewWatcher()
	for settled := ""; settled != strconv.Itoa(rounds); {
		first, _, err := s.Get(s.ctx, x, w)
		if err != nil {
			t.Fatal(err)
		}
		names, err := s.Children(s.ctx, list, w)
		if err != nil {
			t.Fatal(err)
		}
		second, _, err := s.Get(s.ctx, y, w)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Take()) > 0 {
			continue
		}
		settled = string(first)
		if string(second) != settled || !slices.Equal(names, []string{settled}) {
			t.Fatalf("no event, but the nodes are of %s, %s and %q", first, second, names)
		}
		if settled != strconv.Itoa(rounds) {
			s.next(w, 1)
		}
	}
	writing.Wait()
}

func i32(i int) int32 { return int32(i) }

func testConcurrentWriters(t *testing.T, b Backend) {
	const writers, each = 8, 10
	s := newStand(t, b)
	count, log := s.create("count", "0", 0), s.create("log", "", 0)
	var all sync.WaitGroup
	for range writers {
		session := open(t, s.ctx, b)
		all.Go(func() { // ends when it has counted; the test waits below
			for done := 0; done < each; {
				data, stat, err := session.Get(s.ctx, count, nil)
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(data))
				_, err = session.Multi(s.ctx,
					store.Set(count, fmt.Append(nil, n+1), stat.Version), store.Create(log+"/", fmt.Append(nil, n), store.Sequential))
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrBadVersion):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	s.wantData(count, strconv.Itoa(writers*each))
	names, err := s.Children(s.ctx, log, nil)
	if err != nil || len(names) != writers*each {
		t.Fatalf("%d entries, %v, want %d", len(names), err, writers*each)
	}
	slices.Sort(names)
	for i, name := range names { // in the order of the numbers that were counted
		s.wantData(log+"/"+name, strconv.Itoa(i))
	}
}
