// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

func TestGapsAreCountedOnce(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	gap, err := s.source().Mark(t.Context(), changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapOverflow})
	must(t, err)
	for range 2 { // the second reader gets it again
		n, err := s.m.Attach(root, "f", false)
		must(t, err)
		_, r, err := batch(t.Context(), n, client.ReadOptions{})
		must(t, err, n.Close(t.Context(), false))
		if !r.Gap {
			t.Error("the batch does not say that there is a gap in it")
		}
	}
	if i := s.info("f"); i.Gaps != 1 || i.LastGap != gap {
		t.Errorf("got %d gaps, the last at %d, want 1 at %d", i.Gaps, i.LastGap, gap)
	}
	_, err = s.m.Reset(t.Context(), root, "f", "now", false)
	must(t, err)
	if i := s.info("f"); i.Gaps != 2 {
		t.Errorf("after a reset: got %d gaps, want 2", i.Gaps)
	}
	// A manager that takes over the store knows of them.
	m, err := New(Options{Store: s.m.store, Log: s.m.log})
	must(t, err)
	if i, err := m.Info(root, "f"); err != nil || i.Gaps != 2 || i.LastGap < gap || i.Cancelled != s.info("f").Cancelled || i.Last != s.info("f").Last {
		t.Errorf("restored: got %+v, %v, want %+v", i, err, s.info("f"))
	}
}

// TestGapOfAResetIsNotLost has it delivered until it is cancelled.
func TestGapOfAResetIsNotLost(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	s.append(3)
	i, err := s.m.Reset(t.Context(), root, "f", "now", false)
	must(t, err)
	for range 2 {
		n, err := s.m.Attach(root, "f", false)
		must(t, err)
		records, _, err := batch(t.Context(), n, client.ReadOptions{})
		must(t, err, n.Close(t.Context(), false))
		if len(records) != 1 || records[0].Mark == nil || records[0].Mark.Reason != changelog.GapReset || records[0].Mark.To != i.Cancelled {
			t.Fatalf("got %+v, want the gap to %d", records, i.Cancelled)
		}
	}
	n := s.attach("f")
	for _, want := range []int{1, 0} {
		if records, _, err := batch(t.Context(), n, client.ReadOptions{}); err != nil || len(records) != want {
			t.Errorf("got %d records, %v, want %d", len(records), err, want)
		}
	}
}

// TestSlowTail has a transient feed skip what it is too slow for, with one gap for it.
func TestSlowTail(t *testing.T) {
	s := newStand(t, nil)
	n, err := s.m.Tail(t.Context(), root, client.CreateOptions{Source: s.fs.Dir})
	must(t, err)
	defer n.Close(context.Background(), false)
	_, begin := s.bounds()
	s.append(100)
	records, _, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 10, Keep: true})
	must(t, err)
	if len(records) != 10 {
		t.Fatalf("got %d records, want 10", len(records))
	}
	last := s.append(transientRecords)
	s.m.trimAll(t.Context())
	last = max(last, s.append(50))
	s.m.trimAll(t.Context())
	records, r, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: maxReadRecords, MaxBytes: maxReadBytes})
	must(t, err)
	if len(records) != 1 || !r.Gap || records[0].Mark.Reason != changelog.GapSkipped {
		t.Fatalf("got %d records, the first %+v, want the gap", len(records), records[0])
	}
	m := records[0].Mark
	if m.From != begin+11 || m.To != last-transientRecords || m.Lost != m.To-m.From+1 {
		t.Errorf("gap: got %d to %d, %d lost, want %d to %d", m.From, m.To, m.Lost, begin+11, last-transientRecords)
	}
	records, _, err = batch(t.Context(), n, client.ReadOptions{MaxRecords: maxReadRecords, MaxBytes: maxReadBytes})
	must(t, err)
	if len(records) != transientRecords || records[0].Index != m.To+1 {
		t.Errorf("behind the gap: got %d records, want %d from %d on", len(records), transientRecords, m.To+1)
	}
}

// TestHole has records deleted behind a feed's back, which must not be.
func TestHole(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	_, begin := s.bounds()
	last := s.append(10)
	must(t, s.source().Journal().Trim(t.Context(), last-3))
	n := s.attach("f")
	records, r, err := batch(t.Context(), n, client.ReadOptions{})
	must(t, err)
	if len(records) != 4 || !r.Gap || r.Through != last {
		t.Fatalf("got %d records through %d, want the gap and the last 3, through %d", len(records), r.Through, last)
	}
	i := s.info("f")
	m := records[0].Mark
	if m == nil || m.Reason != changelog.GapPurged || m.From != i.Cancelled+1 || m.To != last-3 || i.Gaps != 1 || i.Cancelled > begin {
		t.Errorf("got %+v, want a gap from %d to %d, counted", m, i.Cancelled+1, last-3)
	}
}

// What a repair has lost side by side is one gap to each reader, also to one that begins in
// its midst.
func TestGapOfManyRecords(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	_, last := s.bounds()
	mark := changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapReadError, From: last + 1, To: last + 3, Lost: 3}
	for range 3 {
		_, err := s.source().Mark(t.Context(), mark)
		must(t, err)
	}
	end := s.append(1)
	n := s.attach("f")
	for _, c := range []struct{ cancelled, index uint64 }{{last, last + 1}, {last + 1, last + 2}, {last + 2, last + 3}} {
		_, err := n.Cancel(t.Context(), c.cancelled)
		must(t, err, n.Rewind())
		records, r, err := batch(t.Context(), n, client.ReadOptions{Keep: true})
		must(t, err)
		if len(records) != 2 || records[0].Index != c.index || *records[0].Mark != mark || !r.Gap || records[1].Index != end || r.Through != end {
			t.Errorf("after record %d: got %d records through %d, %+v, want the gap as record %d and record %d", c.cancelled, len(records), r.Through, records, c.index, end)
		}
	}
	_, err := n.Cancel(t.Context(), end)
	must(t, err)
}
