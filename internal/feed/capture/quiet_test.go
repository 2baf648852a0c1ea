// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
)

// What waits is taken out when it was left alone, more of it when there is much, and
// comes back soon when it could not be settled.
func TestQuietTurns(t *testing.T) {
	q, now := newQuiet(), time.Unix(1, 0)
	at := func(i int) name { return name{changelog.FID{Seq: 1}, strconv.Itoa(i)} }
	q.touch(at(0), now)
	q.touch(at(1), now)
	q.touch(at(0), now.Add(quietTime/2))
	if chunk := q.ripe(now.Add(quietTime)); len(chunk) != 1 || chunk[0].name != at(1) {
		t.Fatalf("ripe: %v, want the one that was left alone", chunk)
	} else {
		q.done(chunk)
	}
	chunk := q.ripe(now.Add(2 * quietTime))
	if len(chunk) != 1 || chunk[0].name != at(0) || !q.pending(at(0)) {
		t.Fatalf("ripe: %v, want the other one", chunk)
	}
	q.again(chunk, now)
	if !q.due.Equal(now.Add(quietPause)) {
		t.Errorf("due in %v, want %v", q.due.Sub(now), quietPause)
	}
	q.done(q.ripe(now.Add(3 * quietTime)))
	if !q.empty() || q.pending(at(0)) {
		t.Error("something waits that is done")
	}
	for i := range quietMany + amidChunk + 1 {
		q.touch(at(i), now)
	}
	if chunk = q.ripe(now.Add(quietTime)); len(chunk) != amidChunk {
		t.Fatalf("ripe: %d of many, want %d", len(chunk), amidChunk)
	}
	q.again(chunk, now)
	if !q.due.Equal(now.Add(amidPause)) {
		t.Errorf("due in %v with many, want %v", q.due.Sub(now), amidPause)
	}
}

// Amid events, what is as the index says is forgotten.
func TestDoubtful(t *testing.T) {
	s := watch(t, memory(t), fstest.New(t, "tmpfs").Dir)
	same, other, gone := name{changelog.FID{Seq: 9}, "a"}, name{changelog.FID{Seq: 9}, "b"}, changelog.FID{Seq: 8}
	must(t, s.ask(t.Context(), func(context.Context) error {
		w, now := s.worker, time.Now()
		w.quiet = newQuiet()
		w.quiet.touch(same, now)
		w.quiet.touch(other, now)
		w.quiet.list(gone, now)
		w.quiet.list(w.index.root, now)
		rest, err := w.doubtful(w.quiet.ripe(now.Add(quietTime)), []difference{{at: other}})
		if err != nil {
			return err
		}
		if len(rest) != 2 || !slices.ContainsFunc(rest, func(c *waiting) bool { return c.name == other }) ||
			!slices.ContainsFunc(rest, func(c *waiting) bool { return c.parent == w.index.root }) {
			t.Errorf("%d are left, want the one that differs and the directory that is there", len(rest))
		}
		if w.quiet.pending(same) || !w.quiet.pending(other) {
			t.Error("what is as the index says waits, or what is not does not")
		}
		w.quiet.again(rest, now)
		return nil
	}))
	s.settled()
}
