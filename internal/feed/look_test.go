// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// whole reads what there is.
func whole(t *testing.T, n *Consumer) (all []*changelog.Record) {
	t.Helper()
	for more := true; more; {
		records, r, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 7})
		must(t, err)
		all, more = append(all, records...), r.More
	}
	return all
}

// lookAt opens a feed beside its consumer, until the test ends.
func (s *stand) lookAt(ref string, from uint64) *Consumer {
	s.t.Helper()
	n, err := s.m.Look(root, ref, from)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, n.Close(context.Background(), false)) })
	return n
}

// TestLookDisturbsNobody reads a feed from its begin and from an index while its consumer
// holds a batch: neither is concerned.
func TestLookDisturbsNobody(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	first := s.info("f").Cancelled + 1
	last := s.append(30)
	n := s.attach("f")
	_, r, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 5})
	must(t, err)
	before := s.info("f")

	look := s.lookAt("f", 0)
	if i := look.Info(); i.Kind != client.KindPersistent || i.Consumer == nil || i.Delivered != r.Through || i.Last != last {
		t.Errorf("who looks is told %+v, want what is known of the feed", i)
	}
	for range 2 { // none is used up
		all := whole(t, s.lookAt("f", 0))
		if uint64(len(all)) != last-first+1 || all[0].Index != first || all[len(all)-1].Index != last {
			t.Errorf("got %d records, want %d to %d", len(all), first, last)
		}
	}
	if all := whole(t, s.lookAt("f", last-2)); len(all) != 3 || all[0].Index != last-2 {
		t.Errorf("from %d on: got %d records, want 3", last-2, len(all))
	}
	if all := whole(t, s.lookAt("f", last+5)); len(all) != 0 {
		t.Errorf("behind the last: got %d records, want none", len(all))
	}
	if _, err := look.Cancel(t.Context(), last); code(err) != client.CodeDenied {
		t.Errorf("cancel: got %v, want %s", err, client.CodeDenied)
	}
	after := s.info("f")
	if after.Cancelled != before.Cancelled || after.Delivered != before.Delivered || after.Batches != before.Batches {
		t.Errorf("after looking: got %+v, want %+v", after, before)
	}
	if len(s.m.List(root)) != 1 {
		t.Errorf("got %d feeds, want the one", len(s.m.List(root)))
	}
	records, _, err := batch(t.Context(), n, client.ReadOptions{MaxRecords: 5})
	must(t, err)
	if len(records) != 5 || records[0].Index != r.Through+1 {
		t.Errorf("the consumer goes on with %d records from %d, want 5 from %d", len(records), records[0].Index, r.Through+1)
	}

	other := Caller{UID: 4711, PID: 1}
	if _, err := s.m.Look(other, "f", 0); code(err) != client.CodeDenied {
		t.Errorf("by another user: got %v, want %s", err, client.CodeDenied)
	}
	must(t, look.Close(t.Context(), false))
	if _, err := s.m.Info(root, "f"); err != nil {
		t.Errorf("once nobody looks: %v", err)
	}
}

// TestLookTellsWhatIsGone has records deleted that the consumer cancels while somebody
// looks: a gap is in their place, and the feed has none.
func TestLookTellsWhatIsGone(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f"})
	first := s.info("f").Cancelled + 1
	last := s.append(30)
	look := s.lookAt("f", 0)
	_, err := s.attach("f").Cancel(t.Context(), last-3)
	must(t, err)
	s.m.trimAll(t.Context())
	all := whole(t, look)
	if m := all[0].Mark; m.Kind != changelog.MarkGap || m.Reason != changelog.GapPurged || m.From != first || m.To != last-3 {
		t.Errorf("got %+v first, want a gap from %d to %d", m, first, last-3)
	}
	if len(all) != 4 || all[3].Index != last {
		t.Errorf("got %d records, want the gap and three", len(all))
	}
	if i := s.info("f"); i.Gaps != 0 {
		t.Errorf("the feed has %d gaps, want none", i.Gaps)
	}
}

// TestLookAtAFeedThatWasGivenUp shows what another feed holds still, and leaves it to the
// consumer to be told.
func TestLookAtAFeedThatWasGivenUp(t *testing.T) {
	s := newStand(t, nil)
	size := uint64(10)
	s.create(client.CreateOptions{Name: "holds"})
	s.create(client.CreateOptions{Name: "f", AbortSize: &size})
	first := s.info("f").Cancelled + 1
	s.append(20)
	s.look(false)
	a := s.info("f").Aborted
	if a == nil {
		t.Fatal("the feed was not given up")
	}
	s.m.trimAll(t.Context())
	all := whole(t, s.lookAt("f", 0))
	if all[0].Index != first || uint64(len(all)) < a.Last-first+1 {
		t.Errorf("got %d records from %d, want %d to %d", len(all), all[0].Index, first, a.Last)
	}
	records, r, err := batch(t.Context(), s.attach("f"), client.ReadOptions{})
	if must(t, err); !r.Aborted || records[0].Mark.Kind != changelog.MarkAbort {
		t.Errorf("the consumer got %+v, want to be told of the end", r)
	}
}
