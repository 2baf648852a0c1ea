// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// gathering has the states of many feeds committed together: each commit syncs. Those of
// a few feeds, or of one that goes on at once, are not kept waiting.
type gathering struct {
	mu     sync.Mutex
	lately [crowd]put // guarded by mu: the puts before, the next one's place is at
	at     int        // guarded by mu
	next   *gathered  // guarded by mu: what gathers now; nil: nothing
}

// put is when a feed was put.
type put struct {
	feed uint32
	when time.Time
}

// gathered are states that are committed together.
type gathered struct {
	feeds []*turn // guarded by gathering.mu while it is next
	done  chan struct{}
	err   error // once done is closed
}

// crowd is how many feeds, of which each is put once within crowdedFor, make it worth to
// wait gatherFor for more.
const (
	crowd      = 16
	crowdedFor = 200 * time.Millisecond
	gatherFor  = 20 * time.Millisecond
)

// join has a state committed with others; nil if it is not to wait for any. It is to
// wait where others wait already: what is given later is committed later. begun says that
// it is the first.
func (g *gathering) join(t *turn, now time.Time) (with *gathered, begun bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	crowded := g.crowded(t.feed.ID, now)
	g.lately[g.at] = put{t.feed.ID, now}
	g.at = (g.at + 1) % crowd
	if g.next == nil && !crowded {
		return nil, false
	}
	if g.next == nil {
		g.next, begun = &gathered{done: make(chan struct{})}, true
	}
	g.next.feeds = append(g.next.feeds, t)
	return g.next, begun
}

// crowded reports whether the puts before were all lately, and each of another feed.
func (g *gathering) crowded(feed uint32, now time.Time) bool {
	if now.Sub(g.lately[g.at].when) > crowdedFor {
		return false
	}
	for i, p := range g.lately {
		if p.feed == feed || slices.ContainsFunc(g.lately[:i], func(o put) bool { return o.feed == p.feed }) {
			return false
		}
	}
	return true
}

// end has what comes from now on gather anew.
func (g *gathering) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = nil
}

// putGathered puts a state with others, and waits for that.
func (d *database) putGathered(ctx context.Context, with *gathered, begun bool) error {
	if begun {
		if err := d.users.enter(); err != nil { // it is closed once who has entered before is out
			d.gathering.end()
			d.turns.end(with.feeds)
			with.err = err
			close(with.done)
			return err
		}
		go func() { // ends with the commit; Close waits for it
			defer d.users.exit()
			<-time.After(gatherFor)
			d.gathering.end()
			with.err = d.putAll(context.Background(), with.feeds)
			close(with.done)
		}()
	}
	select {
	case <-with.done:
		return with.err
	case <-ctx.Done():
		return fmt.Errorf("feed store %s: commit: %w", d.dir, context.Cause(ctx))
	}
}

// putAll commits states of feeds, the later over the earlier, and ends their turns.
func (d *database) putAll(ctx context.Context, all []*turn) error {
	pb := d.db.NewBatch()
	return d.commitChange(ctx, change{
		Batch: pb,
		enter: func() error { return d.fill(pb, all) },
		done:  func(order uint64) { d.keep(all, order) },
		end:   func() { d.turns.end(all) },
	})
}

// fill puts states into a batch that enters the database, but for those that were passed:
// then it is synced behind what has passed them all the same.
func (d *database) fill(pb *pebble.Batch, all []*turn) error {
	for _, t := range all {
		if d.turns.pass(t) {
			continue
		}
		if err := pb.Set(appendFeed(nil, t.feed.ID), t.feed.append(nil), nil); err != nil {
			return err
		}
	}
	if pb.Empty() {
		return pb.LogData(nil, nil)
	}
	return nil
}

// keep has states that are committed known.
func (d *database) keep(all []*turn, order uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range all {
		if order >= d.feeds[t.feed.ID].order && !d.turns.isPassed(t) {
			d.feeds[t.feed.ID] = placedFeed{t.feed, order}
		}
	}
}
