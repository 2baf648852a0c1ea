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
	feeds []Feed // guarded by gathering.mu while it is next
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
func (g *gathering) join(f Feed, now time.Time) (with *gathered, begun bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	crowded := g.crowded(f.ID, now)
	g.lately[g.at] = put{f.ID, now}
	g.at = (g.at + 1) % crowd
	if g.next == nil && !crowded {
		return nil, false
	}
	if g.next == nil {
		g.next, begun = &gathered{done: make(chan struct{})}, true
	}
	g.next.feeds = append(g.next.feeds, f)
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

// leave takes feeds out that are deleted: who has put them may have given up.
func (g *gathering) leave(deleted func(Feed) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next != nil {
		g.next.feeds = slices.DeleteFunc(g.next.feeds, deleted)
	}
}

// putGathered puts a state with others, and waits for that.
func (d *database) putGathered(ctx context.Context, with *gathered, begun bool) error {
	if begun {
		if err := d.users.enter(); err != nil { // it is closed once who has entered before is out
			d.gathering.end()
			with.err = err
			close(with.done)
			return err
		}
		go func() { // ends with the commit; Close waits for it
			defer d.users.exit()
			<-time.After(gatherFor)
			d.gathering.end()
			with.err = d.putAll(with.feeds)
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

// putAll commits states of feeds, the later over the earlier.
func (d *database) putAll(feeds []Feed) error {
	if len(feeds) == 0 {
		return nil
	}
	pb := d.db.NewBatch()
	for i := range feeds {
		if err := pb.Set(appendFeed(nil, feeds[i].ID), feeds[i].append(nil), nil); err != nil {
			pb.Close()
			return err
		}
	}
	return d.commitFeeds(context.Background(), pb, feeds)
}

// commitFeeds commits a batch that has states of feeds.
func (d *database) commitFeeds(ctx context.Context, pb *pebble.Batch, feeds []Feed) error {
	return d.commit(ctx, pb, func(order uint64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, f := range feeds {
			if order >= d.feeds[f.ID].order {
				d.feeds[f.ID] = placedFeed{f, order}
			}
		}
	})
}
