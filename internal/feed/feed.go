// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// feed is one registered reader.
type feed struct {
	// Static.
	id        uint32
	name      string
	source    journal.UUID
	transient bool
	mode      client.Mode

	// storing is held while the stored state is changed: the disk has the new one before
	// it takes effect. It is taken before all other locks.
	storing sync.Mutex
	removed bool // nothing is stored any more; guarded by storing

	mu        sync.Mutex
	state               // guarded by mu; changed with storing held, but for transient feeds
	selects   selection // guarded by mu
	consumer  *Consumer // guarded by mu
	delivered uint64    // last index looked at for a consumer; guarded by mu
	lastRead  time.Time // guarded by mu
	rate      rate      // guarded by mu
	gaps      uint64    // that a consumer was told of; stored with the state; guarded by mu
	lastGap   uint64    // index of the last of them; guarded by mu

	// Since the start; guarded by mu.
	batches, records, cancels, aborts uint64
}

// state is what is stored of a feed. What its pointers point to does not change.
type state struct {
	doc       document
	cancelled uint64
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
	AbortProduct uint64          `json:"abort_product,omitempty"`
	Created      time.Time       `json:"created"`
	LastCancel   time.Time       `json:"last_cancel,omitzero"`
	Gaps         uint64          `json:"gaps,omitempty"`
	LastGap      uint64          `json:"last_gap,omitempty"`
	// Asked is what client.Info says of it.
	Asked uint64 `json:"asked,omitempty"`
	// Aborted says that nothing is kept any more; Told, that a consumer was told.
	Aborted *client.Abort `json:"aborted,omitempty"`
	Told    bool          `json:"told,omitempty"`
	// Purged says that a mark tells of the records that were deleted though the feed, when
	// it was given up, had not cancelled them.
	Purged bool `json:"purged,omitempty"`
	// Warned is the limit that a mark has told of.
	Warned string `json:"warned,omitempty"`
	// FIFO is the named pipe that its records are written to.
	FIFO *client.FIFORequest `json:"fifo,omitempty"`
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
	f := &feed{id: s.ID, source: s.Source, delivered: s.Cancelled}
	f.cancelled = s.Cancelled
	if err := json.Unmarshal(s.Document, &f.doc); err != nil {
		return nil, fmt.Errorf("stored document: %w", err)
	}
	f.name, f.mode, f.gaps, f.lastGap = f.doc.Name, f.doc.Mode, f.doc.Gaps, f.doc.LastGap
	return f, f.compile()
}

// compile makes the selection of its texts.
func (f *feed) compile() (err error) {
	f.selects, err = compile(f.doc.Mask, f.doc.Part, f.doc.Filter)
	return err
}

// errUnchanged says that a state is to stay as it is.
var errUnchanged = errors.New("nothing to change")

// change has a feed's stored state be what alter makes of it. alter is called with the
// feed's lock; nobody waits for the disk with that. An error of alter, or of the disk,
// leaves the state as it was.
func (m *Manager) change(ctx context.Context, f *feed, alter func(*state) error) error {
	f.storing.Lock()
	defer f.storing.Unlock()
	f.mu.Lock()
	next := f.state
	next.doc.Gaps, next.doc.LastGap = f.gaps, f.lastGap
	err := alter(&next)
	if err != nil || f.transient {
		if err == nil {
			f.state = next
		}
		f.mu.Unlock()
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return err
	}
	f.mu.Unlock()
	if f.removed {
		return client.Errorf(client.CodeNotFound, "feed %s was destroyed", feedID(f.id))
	}
	doc, err := json.Marshal(&next.doc)
	if err != nil {
		return storeError(err)
	}
	if err := m.store.PutFeed(ctx, journal.Feed{ID: f.id, Source: f.source, Cancelled: next.cancelled, Document: doc}); err != nil {
		return storeError(err)
	}
	f.mu.Lock()
	f.state = next
	f.mu.Unlock()
	return nil
}

// forget deletes what is stored of a feed.
func (m *Manager) forget(ctx context.Context, f *feed) error {
	if f.transient {
		return nil
	}
	f.storing.Lock()
	defer f.storing.Unlock()
	if err := m.store.DeleteFeed(ctx, f.id); err != nil {
		return storeError(err)
	}
	f.removed = true
	return nil
}

// journalOf is the journal that a feed reads, whether it is written now or not.
func (m *Manager) journalOf(f *feed) (journal.Journal, error) {
	if s := m.sourceOf(f); s != nil {
		return s.Journal(), nil
	}
	j, err := m.store.Open(f.source)
	return j, storeError(err)
}

// info tells of a feed. It waits for nothing but memory.
func (m *Manager) info(f *feed) client.Info {
	var first, last uint64
	var bytes int64
	j, err := m.journalOf(f)
	if err == nil {
		first, last = j.Bounds()
	}
	state, problem := m.sourceState(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		bytes = j.BytesFrom(max(f.cancelled+1, first))
	}
	d := &f.doc
	i := client.Info{
		ID: feedID(f.id), Name: d.Name, Source: f.source.String(), Dir: d.Dir, Kind: client.KindPersistent, Mode: d.Mode,
		SourceState: state, Problem: problem,
		State: "active", Owner: d.Owner, Mask: d.Mask, Filter: d.Filter,
		Last: last, Bytes: bytes, Cancelled: f.cancelled, Asked: d.Asked, Delivered: f.delivered,
		Created: d.Created, LastRead: f.lastRead, LastCancel: d.LastCancel,
		AbortTimeout: d.AbortTimeout, AbortSize: d.AbortSize, AbortBytes: d.AbortBytes, AbortProduct: d.AbortProduct,
		Aborted: d.Aborted, Gaps: f.gaps, LastGap: f.lastGap, Rate: f.rate.perSecond(m.now()),
		AvailableExact: f.selects.isAll() && !d.Restricted,
		Batches:        f.batches, Records: f.records, Cancels: f.cancels, Aborts: f.aborts,
	}
	if d.Part != "." {
		i.Part = d.Part
	}
	if f.transient {
		i.Kind = client.KindTransient
	}
	if f.consumer != nil {
		lease := f.consumer.lease
		lease.Held = f.consumer.held.count()
		i.Consumer = &lease
	}
	if d.Aborted != nil {
		i.State, i.Bytes = "aborted", 0
		return i
	}
	if last > f.cancelled {
		i.First = max(f.cancelled+1, first)
		i.Available = last - min(max(i.First-1, f.delivered), last) // what is held is not given again
		if !i.AvailableExact {
			i.AvailableMax = i.Available
		}
	}
	i.AbortIn = f.abortIn(m.now(), last, uint64(bytes))
	return i
}

// stateUnwatched is that of a source that nobody watches: it could not be when it was
// last tried.
const stateUnwatched = "unwatched"

// sourceState tells how the source of a feed is.
func (m *Manager) sourceState(f *feed) (state, problem string) {
	s := m.sourceOf(f)
	if s == nil {
		return stateUnwatched, ""
	}
	status := s.Status()
	return status.State, status.Problem
}

// abortIn tells how far a feed is from being given up.
func (f *feed) abortIn(now time.Time, last, bytes uint64) string {
	d := &f.doc
	if f.transient || last <= f.cancelled {
		return ""
	}
	var limits []string
	if d.AbortTimeout > 0 {
		left := f.idleSince().Add(time.Duration(d.AbortTimeout)).Sub(now)
		limits = append(limits, max(left, 0).Round(time.Second).String())
	}
	if d.AbortSize > 0 {
		limits = append(limits, fmt.Sprintf("%d records", d.AbortSize-min(last-f.cancelled, d.AbortSize)))
	}
	if d.AbortBytes > 0 {
		limits = append(limits, fmt.Sprintf("%d bytes", d.AbortBytes-min(bytes, d.AbortBytes)))
	}
	if d.AbortProduct > 0 {
		b := behind{records: last - f.cancelled, time: now.Sub(f.idleSince())}
		limits = append(limits, fmt.Sprintf("%.0f seconds times records", max(float64(d.AbortProduct)-b.product(), 0)))
	}
	return strings.Join(limits, " or ")
}

// skipped counts a gap that the feed has of its own. Its lock is held.
func (f *feed) skipped(index uint64) {
	f.gaps++
	f.lastGap = max(f.lastGap, index)
}

// owner is the user who may read and cancel it.
func (f *feed) owner() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doc.Owner
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
