// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// warnings are the marks that a consumer reads which tell of feeds near their limits.
func (s *stand) warnings(n *Consumer) (all []changelog.Marker) {
	s.t.Helper()
	records, _, err := batch(s.t.Context(), n, client.ReadOptions{})
	must(s.t, err)
	for _, r := range records {
		if r.Mark.Kind == changelog.MarkWarn {
			all = append(all, *r.Mark)
		}
	}
	return all
}

// TestWarningBeforeAFeedIsGivenUp has marks tell all readers of a feed near a limit, once
// for each time that it comes near.
func TestWarningBeforeAFeedIsGivenUp(t *testing.T) {
	s := newStand(t, nil)
	hour, bytes, size := client.Seconds(time.Hour), uint64(16_000), uint64(20)
	reader := s.create(client.CreateOptions{Name: "reader"})
	all := s.attach("reader")
	for _, c := range []struct {
		limit  string
		o      client.CreateOptions
		before func() // nearly three quarters
		near   func()
	}{
		{abortSize, client.CreateOptions{AbortSize: &size}, func() { s.append(14) }, func() { s.append(1) }},
		{abortBytes, client.CreateOptions{AbortBytes: &bytes}, func() { s.append(20) }, func() { s.append(100) }},
		{abortTimeout, client.CreateOptions{AbortTimeout: &hour}, func() { s.append(1); s.pass(44 * time.Minute) }, func() { s.pass(time.Minute) }},
	} {
		c.o.Name = "near"
		near := s.create(c.o)
		c.before()
		s.look(false)
		if got := s.warnings(all); got != nil {
			t.Errorf("%s: before three quarters: got %+v, want no warning", c.limit, got)
		}
		c.near()
		first, last := s.info("near").First, s.info("near").Last
		for range 3 {
			s.look(false)
		}
		want := changelog.Marker{Kind: changelog.MarkWarn, Feed: near.ID + "-near", Reason: c.limit, First: first, Last: last}
		if c.limit == abortTimeout {
			want.Until = near.Created.Add(time.Hour).UnixNano()
		}
		if got := s.warnings(all); !slices.Equal(got, []changelog.Marker{want}) {
			t.Errorf("%s: got %+v, want once %+v", c.limit, got, want)
		}
		n := s.attach("near")
		_, err := n.Cancel(t.Context(), 0)
		must(t, err)
		s.look(false) // it is far from all limits
		c.before()
		c.near()
		s.look(false)
		if got := s.warnings(all); len(got) != 1 {
			t.Errorf("%s: the second time: got %+v, want a warning", c.limit, got)
		}
		must(t, s.m.Destroy(t.Context(), root, "near"))
	}
	if reader.State != "active" {
		t.Errorf("the reader: got %q", reader.State)
	}
}

// TestGivenUpFeedTellsWhatItLost reads a feed that was given up, and resets it to where
// nothing is missing.
func TestGivenUpFeedTellsWhatItLost(t *testing.T) {
	s := newStand(t, nil)
	size := uint64(2)
	s.create(client.CreateOptions{Name: "f", AbortSize: &size})
	s.create(client.CreateOptions{Name: "keeps"})
	s.append(5)
	if got, want := s.info("f").AbortIn, "720h0m0s or 0 records or "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " bytes") {
		t.Errorf("before: given up in %q, want %q and bytes", got, want)
	}
	s.look(false)
	if i := s.info("f"); i.State != "aborted" || i.Bytes != 0 || i.Aborted.First != 2 || i.Aborted.Last != 7 {
		t.Errorf("given up: got %+v, want it aborted without bytes, and records 2 to 6 and a warning lost", i)
	}
	if got := s.warnings(s.attach("keeps")); len(got) != 1 || got[0].Feed != "cl1-f" || got[0].Reason != abortSize || got[0].Last != 6 {
		t.Errorf("far over its limit at the first look: got %+v, want a warning all the same", got)
	}
	_, err := s.m.Reset(t.Context(), root, "f", "oldest", false)
	must(t, err)
	records, _, err := batch(t.Context(), s.attach("f"), client.ReadOptions{})
	must(t, err)
	if want := (changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapReset}); len(records) != 1 || *records[0].Mark != want {
		t.Errorf("after the reset: got %+v, want %+v without indexes: nothing is missing", records, want)
	}
}

func TestKinds(t *testing.T) {
	s := newStand(t, nil)
	for _, c := range []struct {
		kind           client.Kind
		creates, tails bool
	}{
		{"", true, true},
		{client.KindPersistent, true, false},
		{client.KindTransient, false, true},
		{"eternal", false, false},
	} {
		_, err := s.m.Create(t.Context(), root, client.CreateOptions{Source: s.fs.Dir, Kind: c.kind})
		if ok := err == nil; ok != c.creates || !ok && code(err) != client.CodeBadArgument {
			t.Errorf("create of kind %q: got %v, want success %v", c.kind, err, c.creates)
		}
		n, err := s.m.Tail(t.Context(), root, client.CreateOptions{Source: s.fs.Dir, Kind: c.kind})
		if ok := err == nil; ok != c.tails || !ok && code(err) != client.CodeBadArgument {
			t.Errorf("tail of kind %q: got %v, want success %v", c.kind, err, c.tails)
		}
		if err == nil {
			must(t, n.Close(t.Context(), false))
		}
	}
}

// TestClientOfLocalChanges has records name the host as the client that they come from.
func TestClientOfLocalChanges(t *testing.T) {
	s := newStand(t, nil)
	s.m.opts.NID = changelog.NIDOfAddr(netip.MustParseAddr("192.0.2.7"))
	s.create(client.CreateOptions{Name: "f"})
	s.sh("touch a")
	s.append(1)
	n := s.attach("f")
	for seen := 0; seen < 2; {
		records, _, err := batch(t.Context(), n, client.ReadOptions{Wait: time.Minute})
		must(t, err)
		for _, r := range records {
			has := r.Has&changelog.HasNID != 0
			if r.Type == changelog.Mark && has || r.Type != changelog.Mark && (!has || r.NID.String() != "192.0.2.7@tcp") {
				t.Errorf("%v: got client %v (%v), want 192.0.2.7@tcp, and none of marks", r.Type, r.NID, has)
			}
			if r.Type == changelog.Mark || r.Type == changelog.Create {
				seen++
			}
		}
	}
}

// roomlessStore is a store whose journals may have no room.
type roomlessStore struct {
	journal.Store

	full atomic.Bool
}

func (s *roomlessStore) Open(id journal.UUID) (journal.Journal, error) {
	j, err := s.Store.Open(id)
	return &roomlessJournal{j, s}, err
}

type roomlessJournal struct {
	journal.Journal

	store *roomlessStore
}

func (j *roomlessJournal) Apply(ctx context.Context, b *journal.Batch) error {
	if j.store.full.Load() {
		return fmt.Errorf("write: %w", syscall.ENOSPC)
	}
	return j.Journal.Apply(ctx, b)
}

// A warning that the journal has no room for is written once, when there is some, and keeps
// nobody from giving up feeds; by warnings alone no feed comes over a limit.
func TestWarningOnAFullDisk(t *testing.T) {
	s := newStand(t, nil)
	store := &roomlessStore{Store: s.m.store}
	s.m.store = store
	size, small := uint64(20), uint64(14)
	s.create(client.CreateOptions{Name: "reader"})
	s.create(client.CreateOptions{Name: "near", AbortSize: &size})
	s.create(client.CreateOptions{Name: "over", AbortSize: &small})
	all := s.attach("reader")
	s.append(15)
	store.full.Store(true)
	for range 10 {
		s.look(false)
	}
	if near, over := s.info("near"), s.info("over"); near.State != "active" || over.State != "aborted" {
		t.Errorf("without room: the feeds are %s and %s, want active and aborted", near.State, over.State)
	}
	store.full.Store(false)
	s.source().Retry()
	wait.Until(t, "the journal to be written again", func() bool { return s.info("near").Available > 15 })
	for range 10 {
		s.look(false)
	}
	if got := s.warnings(all); len(got) != 2 || got[0].Feed != "cl3-over" || got[1].Feed != "cl2-near" {
		t.Errorf("with room again: got %+v, want one warning of cl3-over and one of cl2-near", got)
	}
	if i := s.info("near"); i.State != "active" || i.Available != 17 {
		t.Errorf("the feed is %s with %d records, want active with 17", i.State, i.Available)
	}
}

// Warnings of many feeds, each of which is a record to all, bring none of them over its limit.
func TestWarningsAreRecords(t *testing.T) {
	s := newStand(t, nil)
	const feeds = 12
	size := uint64(20)
	for i := range feeds {
		s.create(client.CreateOptions{Name: fmt.Sprintf("f%d", i), AbortSize: &size})
	}
	s.append(15)
	for range 3 {
		s.look(true)
	}
	for i := range feeds {
		if f := s.info(fmt.Sprintf("f%d", i)); f.State != "active" || f.Available > size {
			t.Errorf("%s: %s with %d records, want active with %d at most", f.Name, f.State, f.Available, size)
		}
	}
}
