// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// feed is one registered reader.
type feed struct {
	// Static.
	id        uint32
	source    journal.UUID
	transient bool

	mu        sync.Mutex
	doc       document  // guarded by mu but for Name and Owner, which do not change
	cancelled uint64    // guarded by mu
	selects   selection // guarded by mu
	consumer  *Consumer // guarded by mu
	delivered uint64    // last index looked at for a consumer; guarded by mu
	lastRead  time.Time // guarded by mu
	rate      rate      // guarded by mu
}

// document is what is stored of a feed beside its place.
type document struct {
	Name         string          `json:"name,omitempty"`
	Dir          string          `json:"dir"`
	Part         string          `json:"part,omitempty"` // of the file system, from its root
	Mode         client.Mode     `json:"mode"`
	Mask         string          `json:"mask"`
	Filter       json.RawMessage `json:"filter,omitempty"`
	Owner        uint32          `json:"owner"`
	Restricted   bool            `json:"restricted,omitempty"`
	ExpandMoves  bool            `json:"expand_moves"`
	AbortTimeout client.Seconds  `json:"abort_timeout"`
	AbortSize    uint64          `json:"abort_size"`
	AbortBytes   uint64          `json:"abort_bytes"`
	Created      time.Time       `json:"created"`
	LastCancel   time.Time       `json:"last_cancel,omitzero"`
	Gaps         uint64          `json:"gaps,omitempty"`
	LastGap      uint64          `json:"last_gap,omitempty"`
	// Aborted says that nothing is kept any more; Told, that a consumer was told.
	Aborted *client.Abort `json:"aborted,omitempty"`
	Told    bool          `json:"told,omitempty"`
	// Skipped is a gap that stands before the next record.
	Skipped *client.Abort `json:"skipped,omitempty"`
}

// Defaults of a feed's limits.
const (
	defaultAbortTimeout = 2_592_000 * time.Second
	defaultAbortSize    = 100_000_000
	defaultAbortBytes   = 10 << 30
)

// restore makes a feed of what the store has of it.
func (m *Manager) restore(s journal.Feed) (*feed, error) {
	f := &feed{id: s.ID, source: s.Source, cancelled: s.Cancelled, delivered: s.Cancelled}
	if err := json.Unmarshal(s.Document, &f.doc); err != nil {
		return nil, fmt.Errorf("stored document: %w", err)
	}
	return f, f.compile()
}

// compile makes the selection of its texts.
func (f *feed) compile() (err error) {
	f.selects, err = compile(f.doc.Mask, f.doc.Part, f.doc.Filter)
	return err
}

// stored is what the store gets.
func (f *feed) stored() (journal.Feed, error) {
	b, err := json.Marshal(&f.doc)
	return journal.Feed{ID: f.id, Source: f.source, Cancelled: f.cancelled, Document: b}, err
}

// put stores a feed's state. Its lock is held.
func (m *Manager) put(ctx context.Context, f *feed) error {
	if f.transient {
		return nil
	}
	s, err := f.stored()
	if err != nil {
		return err
	}
	return storeError(m.store.PutFeed(ctx, s))
}

// info tells of a feed.
func (m *Manager) info(f *feed) client.Info {
	var first, last uint64
	var bytes int64
	s := m.sourceOf(f)
	if s != nil {
		first, last = s.Journal().Bounds()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s != nil {
		bytes = s.Journal().BytesFrom(max(f.cancelled+1, first))
	}
	d := &f.doc
	i := client.Info{
		ID: feedID(f.id), Name: d.Name, Source: f.source.String(), Dir: d.Dir, Kind: "persistent", Mode: d.Mode,
		State: "active", Owner: d.Owner, Mask: d.Mask, Filter: d.Filter,
		Last: last, Bytes: bytes, Cancelled: f.cancelled, Delivered: f.delivered,
		Created: d.Created, LastRead: f.lastRead, LastCancel: d.LastCancel,
		AbortTimeout: d.AbortTimeout, AbortSize: d.AbortSize, AbortBytes: d.AbortBytes,
		Aborted: d.Aborted, Gaps: d.Gaps, LastGap: d.LastGap, Rate: f.rate.perSecond(m.now()),
		AvailableExact: f.selects.isAll(),
	}
	if f.transient {
		i.Kind = "transient"
	}
	if f.consumer != nil {
		lease := f.consumer.lease
		lease.Held = f.consumer.held
		i.Consumer = &lease
	}
	if d.Aborted != nil {
		i.State = "aborted"
		return i
	}
	if last > f.cancelled {
		i.First, i.Available = max(f.cancelled+1, first), last-f.cancelled
	}
	i.AbortIn = f.abortIn(m.now(), last)
	return i
}

// abortIn tells how far a feed is from being given up.
func (f *feed) abortIn(now time.Time, last uint64) string {
	d := &f.doc
	if f.transient || last <= f.cancelled {
		return ""
	}
	var text string
	if d.AbortTimeout > 0 {
		text = f.idleSince().Add(time.Duration(d.AbortTimeout)).Sub(now).Round(time.Second).String()
	}
	if d.AbortSize > 0 {
		if text != "" {
			text += " or "
		}
		left := uint64(0)
		if used := last - f.cancelled; used < d.AbortSize {
			left = d.AbortSize - used
		}
		text += fmt.Sprintf("%d records", left)
	}
	return text
}

// idleSince is when a feed was created or last cancelled.
func (f *feed) idleSince() time.Time {
	if f.doc.LastCancel.After(f.doc.Created) {
		return f.doc.LastCancel
	}
	return f.doc.Created
}

// rate counts records of the last minute.
type rate struct {
	begin         time.Time
	count, before float64
}

// rateSpan is what rates are of.
const rateSpan = time.Minute

func (r *rate) add(now time.Time, n int) {
	if now.Sub(r.begin) >= rateSpan {
		r.before = 0
		if now.Sub(r.begin) < 2*rateSpan {
			r.before = r.count
		}
		r.begin, r.count = now, 0
	}
	r.count += float64(n)
}

// perSecond is the rate over the last minute, the part of the span before that was in
// it counted by its share.
func (r *rate) perSecond(now time.Time) float64 {
	r.add(now, 0)
	passed := now.Sub(r.begin).Seconds()
	return (r.count + r.before*(1-passed/rateSpan.Seconds())) / rateSpan.Seconds()
}
