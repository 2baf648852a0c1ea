// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Intervals of upkeep.
const (
	trimEvery   = time.Second
	spaceEvery  = 60 * time.Second // between two looks at the disk: what a feed gave up is free by then
	reviveEvery = 5 * time.Second  // between two looks for file systems that are not mounted
)

// Bounds of the disk: what a store may take of what is free, and what must be left.
const (
	maxShare = 4 // a quarter
	minFree  = 1 << 30
)

// Reasons why a feed is given up.
const (
	abortTimeout = "timeout"
	abortSize    = "size"
	abortBytes   = "bytes"
	abortProduct = "product"
	abortSpace   = "space"
)

// upkeep trims journals and gives up feeds that are over their limits, until the end
// of ctx.
func (m *Manager) upkeep(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var measured, revived time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := m.now()
		space := now.Sub(measured) >= spaceEvery
		if space {
			measured = now
		}
		m.collect(ctx, now, space)
		m.trimAll(ctx)
		m.scrubAll(ctx, now)
		if now.Sub(revived) >= reviveEvery {
			revived = now
			m.reviveAll(ctx)
		}
	}
}

// collect gives up feeds that are over their limits, and with space set one if the store takes
// too much of the disk.
func (m *Manager) collect(ctx context.Context, now time.Time, space bool) {
	live := m.live()
	crowded := m.crowding(space)
	var next *feed // to be given up for space
	if crowded > 0.5 {
		next = m.laziest(live)
	}
	var rest []*feed
	over := map[*feed]string{}
	for _, f := range live {
		reason := ""
		if s := m.sourceOf(f); s != nil {
			b := m.behind(s, f, now, 0)
			reason = b.over()
		}
		if reason == "" && space && crowded > 1 && f == next {
			reason = abortSpace
		}
		if reason == "" {
			rest = append(rest, f)
			continue
		}
		over[f] = reason
	}
	mute := map[*source]bool{}
	for _, f := range live {
		if reason := over[f]; reason != "" {
			m.giveUp(ctx, f, reason, rest, now, mute)
		}
	}
	m.warnAll(ctx, now, next, crowded, mute)
}

// giveUp gives a feed up. It has been warned of, or is now: what happens between two looks
// may bring it from far below a limit to over it. A full disk is given no more records.
func (m *Manager) giveUp(ctx context.Context, f *feed, reason string, rest []*feed, now time.Time, mute map[*source]bool) {
	s := m.sourceOf(f)
	if s == nil {
		return
	}
	f.mu.Lock()
	warned := f.doc.Warned
	f.mu.Unlock()
	_, last := s.Journal().Bounds()
	if warned != reason && reason != abortSpace && !mute[s] && m.bears(rest, s, now) {
		mute[s] = !m.warn(ctx, s, f, reason, last)
		_, last = s.Journal().Bounds()
	}
	m.abort(ctx, f, reason, last)
}

// behind is how far a feed is behind the journal of its source.
func (m *Manager) behind(s *source, f *feed, now time.Time, space float64) behind {
	first, last := s.Journal().Bounds()
	f.mu.Lock()
	defer f.mu.Unlock()
	return behind{
		records: last - min(f.cancelled, last), bytes: uint64(s.Journal().BytesFrom(max(f.cancelled+1, first))),
		time: now.Sub(f.idleSince()), space: space, doc: f.doc,
	}
}

// behind is how far a feed is behind its journal.
type behind struct {
	records, bytes uint64
	time           time.Duration // since it has cancelled
	space          float64       // of what the store may take of the disk, if it is the next to be given up for that
	doc            document      // with the limits
}

// over names the limit that is reached.
func (b *behind) over() string {
	d := &b.doc
	switch {
	case b.records == 0:
	case d.AbortSize > 0 && b.records > d.AbortSize:
		return abortSize
	case d.AbortBytes > 0 && b.bytes > d.AbortBytes:
		return abortBytes
	case d.AbortTimeout > 0 && b.time > time.Duration(d.AbortTimeout):
		return abortTimeout
	case d.AbortProduct > 0 && b.product() > float64(d.AbortProduct):
		return abortProduct
	}
	return ""
}

// product is the time since the last cancel, in seconds, times the records: a feed that holds
// much may be idle for less long.
func (b *behind) product() float64 { return b.time.Seconds() * float64(b.records) }

// live are the persistent feeds that have not been given up, in the order of their ids: the
// mark that tells of one may be what brings the next to its limit.
func (m *Manager) live() []*feed {
	m.mu.Lock()
	defer m.mu.Unlock()
	var live []*feed
	for _, f := range m.feeds {
		f.mu.Lock()
		if !f.transient && f.doc.Aborted == nil {
			live = append(live, f)
		}
		f.mu.Unlock()
	}
	slices.SortFunc(live, func(a, b *feed) int { return cmp.Compare(a.id, b.id) })
	return live
}

// abort gives a feed up: nothing is kept for it any more. Its consumer is disconnected;
// the next one is told by a record, and then by errors.
func (m *Manager) abort(ctx context.Context, f *feed, reason string, last uint64) {
	var lost *client.Abort
	err := m.change(ctx, f, func(s *state) error {
		if s.doc.Aborted != nil {
			return errUnchanged
		}
		lost = &client.Abort{Reason: reason, First: s.cancelled + 1, Last: max(last, s.cancelled), Since: m.now()}
		s.doc.Aborted, s.doc.Told, s.doc.Purged = lost, false, false
		return nil
	})
	switch {
	case err != nil:
		m.log.Error("feed is to be given up, and the store does not take it", "feed", feedID(f.id), "reason", reason, "error", err)
	case lost != nil:
		f.mu.Lock()
		f.aborts++
		f.mu.Unlock()
		f.detach(abortedError(f, lost))
		m.log.Error("feed is given up: records are lost to it", "feed", feedID(f.id), "name", f.name,
			"reason", reason, "first", lost.First, "last", lost.Last)
	}
}

// crowding is how much of what the store may take of the disk it takes: above 1, feeds are
// given up. It is as of the last look.
func (m *Manager) crowding(look bool) float64 {
	if look && m.opts.Space != nil {
		c := 0.0
		if free, err := m.opts.Space.Free(); err != nil {
			m.log.Warn("free space of the store is not known", "error", err)
		} else {
			f := max(float64(free), 1)
			c = max(float64(m.store.Bytes())*(maxShare-1)/f, minFree/f)
		}
		m.mu.Lock()
		m.crowded = c
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crowded
}

// laziest is the feed, of those that hold records, that has not been cancelled for longest;
// nil if none holds any.
func (m *Manager) laziest(feeds []*feed) (found *feed) {
	slices.SortFunc(feeds, func(a, b *feed) int { return a.idle().Compare(b.idle()) })
	for _, f := range feeds {
		if s := m.sourceOf(f); s != nil {
			if _, last := s.Journal().Bounds(); last > f.place() {
				return f
			}
		}
	}
	return nil
}

func (f *feed) idle() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.idleSince()
}

func (f *feed) place() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cancelled
}

// scrubAll begins to compare sources with their disks whose time has come. It finds what
// no event tells of, such as what is written through a memory map while the file stays
// open.
func (m *Manager) scrubAll(ctx context.Context, now time.Time) {
	if m.opts.Scrub == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sources {
		if now.Before(s.scrub) {
			continue
		}
		s.scrub = now.Add(m.opts.Scrub)
		m.running.Go(func() { // ends with the scan, or with the source
			if err := s.Rescan(ctx); err != nil && ctx.Err() == nil {
				m.log.Warn("source is not compared with its disk", "source", s.UUID().String(), "error", err)
			}
		})
	}
}

// trimAll deletes records that no feed needs.
func (m *Manager) trimAll(ctx context.Context) {
	m.mu.Lock()
	sources := make([]*source, 0, len(m.sources))
	for _, s := range m.sources {
		sources = append(sources, s)
	}
	m.mu.Unlock()
	for _, s := range sources {
		through := m.needed(s.UUID(), s.Journal())
		if through <= s.trimmed {
			continue
		}
		m.markPurged(ctx, s, through)
		if err := s.Journal().Trim(ctx, through); err != nil {
			m.log.Warn("journal is not trimmed", "source", s.UUID().String(), "through", through, "error", err)
			continue
		}
		s.trimmed = through
	}
}

// needed is the last record of a journal that every feed has cancelled.
func (m *Manager) needed(id journal.UUID, j journal.Journal) uint64 {
	_, through := j.Bounds()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		if f.source != id {
			continue
		}
		f.mu.Lock()
		switch {
		case f.transient:
			m.hurry(f, j)
			through = min(through, f.delivered)
		case f.doc.Aborted == nil:
			through = min(through, f.cancelled)
		}
		f.mu.Unlock()
	}
	return through
}

// markTimeout is how long the worker of a source may take to append a mark: it does
// nothing while its journal cannot be written.
const markTimeout = time.Second

// markPurged tells, before records are deleted, of feeds that were given up before they
// had cancelled them.
func (m *Manager) markPurged(ctx context.Context, s *source, through uint64) {
	m.mu.Lock()
	var feeds []*feed
	for _, f := range m.feeds {
		if f.source == s.UUID() && !f.transient {
			feeds = append(feeds, f)
		}
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	for _, f := range feeds {
		f.mu.Lock()
		lost, told := f.doc.Aborted, f.doc.Purged
		f.mu.Unlock()
		if lost == nil || told || lost.First > through || lost.Last < lost.First {
			continue
		}
		_, err := s.Mark(ctx, changelog.Marker{Kind: changelog.MarkPurge, From: lost.First, To: lost.Last, Feed: f.label()})
		if err == nil || errors.Is(err, capture.ErrUnderWay) {
			err = m.change(ctx, f, func(s *state) error {
				s.doc.Purged = s.doc.Aborted == lost
				return nil
			})
		}
		if err != nil {
			m.log.Warn("journal does not tell that records of a feed are deleted", "feed", feedID(f.id), "error", err)
		}
	}
}

// label is a feed's id and name, as in "cl1-audit".
func (f *feed) label() string {
	if f.name == "" {
		return feedID(f.id)
	}
	return feedID(f.id) + "-" + f.name
}

// What is kept for a transient feed.
const (
	transientRecords = 8192
	transientBytes   = 4 << 20
)

// hurry has a transient feed that is too far behind skip records; a gap stands in their
// place. Its lock is held.
func (m *Manager) hurry(f *feed, j journal.Journal) {
	_, last := j.Bounds()
	at := max(f.delivered, f.cancelled)
	to := last - min(last, transientRecords)
	if to <= at {
		if j.BytesFrom(at+1) <= transientBytes {
			return
		}
		to = at + (last-at)/2
	}
	first := at + 1
	if f.doc.Skipped != nil && (f.consumer == nil || f.consumer.told != f.doc.Skipped) {
		first = f.doc.Skipped.First
	} else {
		f.skipped(to)
	}
	f.doc.Skipped = &client.Abort{Reason: changelog.GapSkipped, First: first, Last: to, Since: m.now()}
	f.cancelled, f.delivered = to, to
}

// reviveAll watches file systems that were not mounted when they were last looked for.
func (m *Manager) reviveAll(ctx context.Context) {
	var ids []journal.UUID
	m.mu.Lock()
	for _, f := range m.feeds {
		if m.sources[f.source] == nil && !slices.Contains(ids, f.source) {
			ids = append(ids, f.source)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(ids, func(a, b journal.UUID) int { return cmp.Compare(a.String(), b.String()) })
	for _, id := range ids {
		if err := m.revive(ctx, id); err != nil {
			m.log.Debug("source is not watched", "source", id.String(), "error", err)
			continue
		}
		m.log.Info("source is watched again", "source", id.String())
	}
}
