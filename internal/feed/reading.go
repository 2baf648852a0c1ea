// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/match"
)

// reading is one Read under way.
type reading struct {
	*Consumer

	opts    client.ReadOptions
	selects selection
	expands bool // tell what is below a directory that is moved in
	arrived bool // the record that was shown last is of a directory from where the reader does not see
	add     func(*changelog.Record) int
	r       Result
	bytes   int
	through uint64
	full    bool
}

// examineStep is how many records are looked at between two looks at the clock.
const examineStep = 1000

// advanceAfter is how many records a filter may drop before they are cancelled though
// nothing was delivered.
const advanceAfter = 10_000

// advanceEvery is the same in time.
const advanceEvery = 5 * time.Second

func (r *reading) run(ctx context.Context) (Result, error) {
	r.f.mu.Lock()
	r.through, r.selects, r.expands = max(r.f.delivered, r.f.cancelled), r.f.selects, r.f.doc.ExpandMoves
	r.f.mu.Unlock()
	var deadline <-chan time.Time
	if r.opts.Wait > 0 {
		timer := time.NewTimer(r.opts.Wait)
		defer timer.Stop()
		deadline = timer.C
	}
	for {
		last, changed := r.j.Changed()
		if err := r.examine(ctx); err != nil {
			return Result{}, err
		}
		if r.r.Count > 0 || r.opts.Wait == 0 {
			return r.finish(ctx, last, changed)
		}
		select {
		case <-changed:
		case <-deadline:
			return r.finish(ctx, last, changed)
		case <-r.done:
			return Result{}, r.Err()
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
}

// finish lingers, and takes note of what was delivered.
func (r *reading) finish(ctx context.Context, last uint64, changed <-chan struct{}) (Result, error) {
	if r.opts.Linger > 0 && r.r.Count > 0 && !r.full {
		timer := time.NewTimer(r.opts.Linger)
		defer timer.Stop()
		for waiting := true; waiting && !r.full; {
			select {
			case <-changed:
				last, changed = r.j.Changed()
				if err := r.examine(ctx); err != nil {
					return Result{}, err
				}
			case <-timer.C:
				waiting = false
			case <-r.done:
				return Result{}, r.Err()
			case <-ctx.Done():
				return Result{}, ctx.Err()
			}
		}
	}
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.f.consumer != r.Consumer {
		return Result{}, r.err
	}
	now := r.m.now()
	r.f.delivered, r.f.lastRead = max(r.through, r.f.delivered), now // it may have skipped meanwhile
	held := r.through
	if r.below != nil {
		held = r.below.index
	}
	r.held.add(held, uint64(r.r.Count))
	r.f.rate.add(now, r.r.Count)
	if r.r.Count > 0 {
		r.f.batches++
		r.f.records += uint64(r.r.Count)
	}
	r.r.Through, r.r.More = r.through, r.through < last
	return r.r, nil
}

// examine looks at the records that are there until a limit is reached.
func (r *reading) examine(ctx context.Context) error {
	for !r.full && ctx.Err() == nil {
		if r.below != nil {
			if err := r.descend(); err != nil {
				return err
			}
			continue
		}
		r.chunk.MaxRecords = min(examineStep, r.opts.MaxRecords-r.r.Count)
		r.chunk.MaxBytes = r.opts.MaxBytes
		if err := r.j.Read(r.through+1, &r.chunk); err != nil {
			return storeError(err)
		}
		if len(r.chunk.Ends) == 0 {
			return r.advance(ctx)
		}
		if r.chunk.First > r.through+1 {
			r.crossHole(r.chunk.First - 1)
			continue
		}
		if err := r.lookAt(); err != nil {
			return err
		}
		if err := r.advance(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// crossHole tells of records through an index that are not there any more: because the
// feed has skipped them while they were to be read, or because of a fault.
func (r *reading) crossHole(through uint64) {
	r.f.mu.Lock()
	skipped := r.f.doc.Skipped
	r.f.mu.Unlock()
	tell := &client.Abort{Reason: changelog.GapPurged, First: r.through + 1, Last: through, Since: r.m.now()}
	if skipped != nil && skipped != r.told {
		tell, r.told = skipped, skipped
		through = max(through, skipped.Last)
	} else {
		r.m.log.Error("feed misses records that it had not cancelled", "feed", feedID(r.f.id), "first", tell.First, "last", through)
		r.noteGap(through)
	}
	if r.deliver(skippedRecord(through, tell)) {
		r.r.Gap = true
		r.through = through
	}
}

// noteGap counts a gap, once however often it is delivered.
func (r *reading) noteGap(index uint64) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if index > r.f.lastGap || r.f.gaps == 0 {
		r.f.gaps++
		r.f.lastGap = index
	}
}

// lookAt hands out what is wanted of a chunk.
func (r *reading) lookAt() error {
	begin := 0
	for _, end := range r.chunk.Ends {
		rec := &r.record
		if err := changelog.DecodeNative(r.chunk.Data[begin:end], rec); err != nil {
			return client.Errorf(client.CodeStore, "feed %s: record %d: %v", feedID(r.f.id), r.through+1, err)
		}
		begin = end
		if rec.Index <= r.through { // of a gap that was told of
			continue
		}
		if rec.Type != changelog.Mark && rec.Has&changelog.HasNID == 0 && r.m.opts.NID != (changelog.NID{}) {
			rec.NID, rec.Has = r.m.opts.NID, rec.Has|changelog.HasNID
		}
		if r.wants(rec) {
			if !r.deliver(rec) {
				return nil
			}
			if rec.Mark != nil && rec.Mark.Kind == changelog.MarkGap {
				r.r.Gap = true
				r.noteGap(rec.Index)
			}
			if r.expands {
				r.below = descentOf(rec, r.arrived)
			}
		}
		if r.below != nil {
			return nil // what is below comes before the next record
		}
		r.through = lastOf(rec)
		if r.full {
			return nil
		}
	}
	return nil
}

// lastOf is the last index that a record stands for: what is lost side by side is one gap,
// which each index of them has.
func lastOf(rec *changelog.Record) uint64 {
	if m := rec.Mark; m != nil && m.Kind == changelog.MarkGap && m.From <= rec.Index {
		return max(rec.Index, m.To)
	}
	return rec.Index
}

// deliver hands out a record. It is false if that does not fit.
func (r *reading) deliver(rec *changelog.Record) bool {
	n := r.add(rec)
	if r.bytes+n > r.opts.MaxBytes && r.r.Count > 0 {
		r.full = true
		r.add(nil) // it is taken back
		return false
	}
	r.bytes += n
	r.r.Count++
	r.full = r.r.Count >= r.opts.MaxRecords || r.bytes >= r.opts.MaxBytes
	return true
}

// warned reports whether a record warns of the feed itself: its reader is to know whatever he
// may see.
func (r *reading) warned(rec *changelog.Record) bool {
	return rec.Type == changelog.Mark && rec.Mark.Kind == changelog.MarkWarn && rec.Mark.Feed == r.f.label()
}

// wants reports whether a record goes to the consumer, and hides what is not for it. What
// a reader must not see is hidden before the filter looks at it, or filters would tell.
func (r *reading) wants(rec *changelog.Record) bool {
	r.arrived = false
	if r.viewer != nil {
		renamed := rec.Type == changelog.Rename
		if !r.viewer.Show(rec) && !r.warned(rec) {
			return false
		}
		r.arrived = renamed && rec.Type == changelog.Mkdir
	}
	res := r.selects.wants(rec)
	if res == match.None {
		return false
	}
	rec.CutEdge(res.Edge())
	return true
}

// advance cancels records that the filter has dropped, so that a feed which wants
// little does not hold the journal.
func (r *reading) advance(ctx context.Context) error {
	if r.r.Count > 0 || r.held.count() > 0 || r.f.transient {
		return nil
	}
	now := r.m.now()
	r.f.mu.Lock()
	behind, idle := r.through-min(r.through, r.f.cancelled), now.Sub(r.f.idleSince())
	r.f.mu.Unlock()
	if behind == 0 || behind < advanceAfter && idle < advanceEvery {
		return nil
	}
	_, err := r.cancel(ctx, r.through, false)
	return err
}
