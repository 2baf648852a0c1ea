// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/capture"
)

// warnAll warns of the feeds that are near a limit, after those were given up that are over
// one. A journal that takes no marks is asked once, and then in mute.
func (m *Manager) warnAll(ctx context.Context, now time.Time, next *feed, crowded float64, mute map[*source]bool) {
	live := m.live()
	for _, f := range live {
		s := m.sourceOf(f)
		if s == nil || mute[s] {
			continue
		}
		space := 0.0
		if f == next {
			space = crowded
		}
		_, last := s.Journal().Bounds()
		b := m.behind(s, f, now, space)
		reason := b.near()
		grows := reason == abortSize || reason == abortBytes
		if reason == b.doc.Warned || grows && !m.bears(live, s, now) {
			continue
		}
		mute[s] = !m.warn(ctx, s, f, reason, last)
	}
}

// bears reports whether the journal of a source may have one record more without a feed of it
// being over a limit by that: warnings, which many feeds are due at once, must not be what has
// them given up.
func (m *Manager) bears(live []*feed, s *source, now time.Time) bool {
	return !slices.ContainsFunc(live, func(f *feed) bool {
		if f.source != s.UUID() {
			return false
		}
		b := m.behind(s, f, now, 0)
		b.records, b.bytes = b.records+1, b.bytes+warnBytes
		return b.over() != ""
	})
}

// warnBytes is more than a warning takes in the journal.
const warnBytes = 512

// near names the limit of which three quarters are used up. What was warned of stays so
// until half of it is free: a feed at the edge is not warned of again and again.
func (b *behind) near() string {
	d, warned := &b.doc, b.doc.Warned
	if b.records == 0 {
		return ""
	}
	for _, l := range []struct {
		reason            string
		used, limit, mark float64 // mark: what the mark itself takes
	}{
		{abortSize, float64(b.records), float64(d.AbortSize), 1},
		{abortBytes, float64(b.bytes), float64(d.AbortBytes), warnBytes},
		{abortTimeout, float64(b.time), float64(d.AbortTimeout), 0},
		{abortProduct, b.product(), float64(d.AbortProduct), b.time.Seconds()},
		{abortSpace, b.space, 1, 0},
	} {
		switch {
		case l.limit == 0:
		case l.reason == warned && l.used >= 0.5*l.limit,
			l.reason != warned && l.used >= 0.75*l.limit && l.used+l.mark <= l.limit:
			return l.reason
		}
	}
	return ""
}

// warn has the journal tell, before a feed is given up, that it is near a limit; or takes
// note that it is not any more. It is false if the journal takes no mark.
func (m *Manager) warn(ctx context.Context, s *source, f *feed, reason string, last uint64) bool {
	if reason != "" {
		f.mu.Lock()
		mark := changelog.Marker{Kind: changelog.MarkWarn, Feed: f.label(), Reason: reason, First: f.cancelled + 1, Last: last}
		until := f.idleSince().Add(time.Duration(f.doc.AbortTimeout))
		f.mu.Unlock()
		if reason == abortTimeout {
			mark.Until = until.UnixNano()
		}
		ctx, cancel := context.WithTimeout(ctx, markTimeout)
		defer cancel()
		// What is under way is not told again: marks count, too.
		if _, err := s.Mark(ctx, mark); err != nil && !errors.Is(err, capture.ErrUnderWay) {
			m.log.Debug("journal does not tell that a feed is near a limit", "feed", mark.Feed, "error", err)
			return false // the next look tries again
		}
		m.log.Warn("feed is near a limit and will be given up if nobody cancels its records",
			"feed", feedID(f.id), "name", f.name, "limit", reason, "first", mark.First, "last", last)
	}
	err := m.change(ctx, f, func(s *state) error {
		s.doc.Warned = reason
		return nil
	})
	if err != nil {
		m.log.Debug("feed's warning is not stored", "feed", feedID(f.id), "error", err)
	}
	return true
}
