// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// stand is a manager that watches a file system and does its upkeep only when it is
// told to, by a clock that is set.
type stand struct {
	t  testing.TB
	m  *Manager
	fs *fstest.FS

	mu  sync.Mutex
	now time.Time // guarded by mu
}

// root may do everything.
var root = Caller{Admin: true, PID: 1}

// space is the disk that a store is on, as a test wants it.
type space struct{ free uint64 }

func (s *space) Free() (uint64, error) { return s.free, nil }

func newStand(t testing.TB, disk Space) *stand {
	t.Helper()
	store, err := journal.OpenMemory()
	must(t, err)
	s := &stand{t: t, fs: fstest.New(t, "tmpfs"), now: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
	s.m, err = New(Options{Store: store, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: s.clock, Space: disk})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s.m.ctx = ctx // as Run does
	t.Cleanup(func() {
		cancel()
		s.m.detachAll(nil)
		s.m.running.Wait()
		must(t, store.Close())
	})
	return s
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stand) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *stand) create(o client.CreateOptions) client.Info {
	s.t.Helper()
	if o.Source == "" {
		o.Source = s.fs.Dir
	}
	i, err := s.m.Create(s.t.Context(), root, o)
	must(s.t, err)
	return i
}

// append appends records that stand for changes and returns the index of the last.
func (s *stand) append(n int) (last uint64) {
	s.t.Helper()
	for range n {
		var err error
		last, err = s.source().Mark(s.t.Context(), changelog.Marker{Kind: changelog.MarkScanBegin, Scan: last})
		must(s.t, err)
	}
	return last
}

func (s *stand) source() *source {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, src := range s.m.sources {
		return src
	}
	s.t.Fatal("no source is watched")
	return nil
}

func (s *stand) bounds() (first, last uint64) { return s.source().Journal().Bounds() }

func (s *stand) info(ref string) client.Info {
	s.t.Helper()
	i, err := s.m.Info(root, ref)
	must(s.t, err)
	return i
}

func (s *stand) attach(ref string) *Consumer {
	s.t.Helper()
	n, err := s.m.Attach(root, ref, false)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, n.Close(context.Background(), false)) })
	return n
}

// sh changes the file system, by processes that are not the agent's.
func (s *stand) sh(script string) {
	s.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = s.fs.Dir
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// batch reads once, and returns the records with copies of what they point to.
func batch(ctx context.Context, n *Consumer, o client.ReadOptions) (records []*changelog.Record, r Result, err error) {
	r, err = n.Read(ctx, o, func(rec *changelog.Record) int {
		if rec == nil {
			records = records[:len(records)-1]
			return 0
		}
		b := changelog.AppendNative(nil, rec)
		c := &changelog.Record{}
		if err := changelog.DecodeNative(b, c); err != nil {
			panic(err)
		}
		c.Edge = rec.Edge
		records = append(records, c)
		return len(b)
	})
	return records, r, err
}

// code is that of an error, "" for none.
func code(err error) client.Code {
	var known *client.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &known):
		return known.Code
	}
	return client.Code(err.Error())
}
