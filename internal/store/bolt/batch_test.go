// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/wait"
)

func openTest(t *testing.T) (*DB, *Session) {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "control.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

// queued returns how many transactions wait.
func (d *DB) queued() int {
	d.queueMu.Lock()
	defer d.queueMu.Unlock()
	return len(d.queue)
}

// writes returns how many blocks of the journal were written, by who holds the token.
func (d *DB) writes() int {
	if d.journal == nil {
		return -1
	}
	return int(d.journal.at / blockLen)
}

// Transactions that come while another is written share the next sync. One that fails
// takes no other with it, and one whose session has ended among them is refused.
func TestTogether(t *testing.T) {
	const many = 20
	d, s := openTest(t)
	ended, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "/first", nil, store.Persistent); err != nil { // begins the journal
		t.Fatal(err)
	}
	d.lead <- struct{}{} // as if a transaction were written
	before := d.writes()
	var all sync.WaitGroup
	errs := make([]error, many)
	for i := range many {
		all.Go(func() { // ends when the token is back; the test waits below
			ops := []store.Op{store.Create(fmt.Sprint("/", i), nil, store.Persistent)}
			if i%2 == 1 {
				ops = append(ops, store.Check("/none", 0))
			}
			_, errs[i] = s.Multi(t.Context(), ops...)
		})
	}
	wait.Until(t, "all wait", func() bool { return d.queued() == many })
	all.Go(func() {
		if err := ended.Close(); err != nil {
			t.Error(err)
		}
	})
	wait.Until(t, "the end waits", func() bool { return d.queued() == many+1 })
	var late error
	all.Go(func() { _, late = ended.Create(t.Context(), "/late", nil, store.Persistent) })
	wait.Until(t, "the last waits", func() bool { return d.queued() == many+2 })
	<-d.lead
	all.Wait()
	d.lead <- struct{}{}
	if got := d.writes() - before; got != 1 {
		t.Errorf("%d blocks of the journal, want 1", got)
	}
	<-d.lead
	for i, err := range errs {
		_, there, readErr := s.Exists(t.Context(), fmt.Sprint("/", i), nil)
		if readErr != nil || there != (i%2 == 0) || errors.Is(err, store.ErrNoNode) != (i%2 == 1) || err != nil && i%2 == 0 {
			t.Errorf("transaction %d: %v, there %v, %v", i, err, there, readErr)
		}
	}
	if !errors.Is(late, store.ErrSessionExpired) {
		t.Errorf("after the end of its session: %v, want %v", late, store.ErrSessionExpired)
	}
}

// A transaction that waits when its context ends is not made.
func TestWithdraw(t *testing.T) {
	d, s := openTest(t)
	d.lead <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { // ended by cancel; the test receives below
		_, err := s.Create(ctx, "/x", nil, store.Persistent)
		result <- err
	}()
	wait.Until(t, "it waits", func() bool { return d.queued() == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	<-d.lead
	if _, err := s.Create(t.Context(), "/y", nil, store.Persistent); err != nil {
		t.Fatal(err)
	}
	if _, there, err := s.Exists(t.Context(), "/x", nil); there || err != nil {
		t.Errorf("what was withdrawn: got %v, %v", there, err)
	}
}

// When the file cannot be written nothing has changed, and no watch fires.
func TestWriteFails(t *testing.T) {
	d, s := openTest(t)
	if _, err := s.Create(t.Context(), "/a", []byte("x"), store.Persistent); err != nil {
		t.Fatal(err)
	}
	w := store.NewWatcher()
	if _, _, err := s.Get(t.Context(), "/a", w); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.journal.f.Close(), d.bolt.Close()); err != nil { // as a disk that fails
		t.Fatal(err)
	}
	_, err := s.Multi(t.Context(), store.Set("/a", []byte("y"), 0), store.Create("/b", nil, store.Persistent))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
	data, stat, err := s.Get(t.Context(), "/a", nil)
	if err != nil || string(data) != "x" || stat.Version != 0 {
		t.Errorf("got %q, %+v, %v, want that it is as before", data, stat, err)
	}
	if _, there, err := s.Exists(t.Context(), "/b", nil); there || err != nil {
		t.Errorf("what was not written: got %v, %v", there, err)
	}
	if events := w.Take(); len(events) > 0 {
		t.Errorf("events: %v", events)
	}
	if err := s.Close(); err != nil { // writes nothing
		t.Errorf("close: %v", err)
	}
}

// A session that ends along with a transaction that cannot be written has ended.
func TestEndAmidFailure(t *testing.T) {
	d, s := openTest(t)
	ends, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a", "/b"} {
		if _, err := ends.Create(t.Context(), path, nil, store.Ephemeral); err != nil {
			t.Fatal(err)
		}
	}
	w := store.NewWatcher()
	if _, _, err := s.Get(t.Context(), "/a", w); err != nil {
		t.Fatal(err)
	}
	d.lead <- struct{}{} // as if a transaction were written
	d.commit = func(*bbolt.DB, func(*bbolt.Tx) error) error { return errors.New("no room") }
	d.journal.spent = true
	var all sync.WaitGroup
	var refused, ended error
	all.Go(func() { _, refused = s.Create(t.Context(), "/c", nil, store.Persistent) }) // ends when the token is back
	wait.Until(t, "one waits", func() bool { return d.queued() == 1 })
	all.Go(func() { ended = ends.Close() })
	wait.Until(t, "the end waits", func() bool { return d.queued() == 2 })
	<-d.lead
	all.Wait()
	if !errors.Is(refused, store.ErrUnavailable) || ended != nil {
		t.Errorf("got %v and %v, want %v and that the session has ended", refused, ended, store.ErrUnavailable)
	}
	select {
	case <-ends.Done():
	default:
		t.Error("the session goes on")
	}
	if names, err := s.Children(t.Context(), "/", nil); err != nil || len(names) > 0 {
		t.Errorf("got %q, %v, want no nodes", names, err)
	}
	if events := w.Take(); len(events) != 1 || events[0].Change != store.Deleted {
		t.Errorf("events: got %v, want that /a is deleted", events)
	}
	d.commit = (*bbolt.DB).Update // the end of the test closes the store
}

// A file that cannot be written is told of once, and so is that it can be again.
func TestFailureIsTold(t *testing.T) {
	var log bytes.Buffer
	d, err := Open(filepath.Join(t.TempDir(), "control.db"), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	create := func(path string, want error) {
		t.Helper()
		if _, err := s.Create(t.Context(), path, nil, store.Persistent); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
	create("/a", nil)
	whole := d.bolt
	d.journal.spent = true
	d.bolt = new(bbolt.DB) // one that is not open
	create("/b", store.ErrUnavailable)
	if _, err := s.Create(t.Context(), "/e", nil, store.Ephemeral); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("its parent is not written: got %v, want %v", err, store.ErrUnavailable)
	}
	create("/c", store.ErrUnavailable)
	d.bolt = whole
	create("/d", nil)
	create("/e", nil)
	for _, line := range []string{"cannot be written: changes are refused", "can be written again"} {
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("%q is there %d times, want once:\n%s", line, n, log.String())
		}
	}
}
