// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/changelog"
)

const (
	// roomCheck is how often a consumer that takes no packets is looked at.
	roomCheck = 5 * time.Millisecond
	// What had changed before a stop may be on its way from the kernel: it has come
	// when nothing has for settle. drainTimeout bounds that.
	settle       = 100 * time.Millisecond
	drainTimeout = 2 * time.Second
)

// reader reads the feed of one directory.
type reader struct {
	c   *channel
	dir string

	// Owned by the session.
	open   changelog.Mask     // types that the feed has; 0: there is none
	cancel context.CancelFunc // ends run; nil: it does not run
	ended  chan struct{}      // closed by run

	types   atomic.Uint64         // that become events, a changelog.Mask
	problem atomic.Pointer[error] // why the feed has ended

	// Owned by run while it runs, else by the session.
	feed   Feed
	last   uint64 // index that was read
	behind int64  // ns, from the clock of the day to the trace's
	until  int64  // records from then on are left out; 0: none are
}

// want says which types become events; what has changed so far is still by what was said
// before. A feed that does not have them all is replaced by one that does, without a
// hole or a repetition.
func (r *reader) want(ctx context.Context, types changelog.Mask) error {
	var feed Feed
	if types&^r.open != 0 {
		var err error
		if feed, err = r.c.t.s.feeds.Open(ctx, r.c.t.info.Owner, r.dir, types|r.open); err != nil {
			return err
		}
	} else if types == changelog.Mask(r.types.Load()) {
		return nil
	}
	running := r.cancel != nil
	if running {
		r.stop(time.Time{})
	}
	r.types.Store(uint64(types))
	var err error
	if feed != nil {
		had := r.open
		err = r.close()
		r.feed, r.open = feed, types|had
		r.problem.Store(nil)
	}
	if running {
		r.run()
	}
	return err
}

// start begins to read what changes from now on.
func (r *reader) start() error {
	if r.cancel != nil || r.feed == nil {
		return nil
	}
	if err := r.feed.Forward(); err != nil {
		return fmt.Errorf("domain fs: %s: %w", r.dir, err)
	}
	r.run()
	return nil
}

func (r *reader) run() {
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	r.ended = make(chan struct{})
	r.until = 0
	go func() { // ends by stop, which waits
		defer close(r.ended)
		r.read(ctx)
	}()
}

// read records until ctx or the feed ends. While the consumer takes no packets the
// feed waits, and skips what it cannot keep.
func (r *reader) read(ctx context.Context) {
	for ctx.Err() == nil {
		wait := r.c.left()
		if !r.awaitRoom(ctx, wait) {
			continue
		}
		if _, err := r.batch(ctx, wait); err != nil && ctx.Err() == nil {
			r.c.log.Warn("feed has ended", "dir", r.dir, "err", err)
			r.problem.Store(&err)
			return
		}
	}
}

// awaitRoom waits until the consumer takes packets, for a time.
func (r *reader) awaitRoom(ctx context.Context, most time.Duration) bool {
	if r.c.hasRoom() {
		return true
	}
	tick := time.NewTicker(roomCheck)
	defer tick.Stop()
	for end := time.Now().Add(most); time.Now().Before(end); {
		select {
		case <-tick.C:
			if r.c.hasRoom() {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// batch records what there is.
func (r *reader) batch(ctx context.Context, wait time.Duration) (int, error) {
	r.behind = 0
	n, err := r.feed.Read(ctx, wait, r.record)
	r.c.endBatch()
	return n, err
}

// record writes a record, if a rule wants it.
func (r *reader) record(rec *changelog.Record) {
	isNew := rec.Index > r.last || lost(rec) > 0
	r.last = max(r.last, rec.Index)
	switch {
	case !isNew, changelog.Mask(r.types.Load())&(1<<rec.Type) == 0, r.until > 0 && rec.Time > r.until:
		return
	case rec.Type != changelog.Mark && !r.c.t.records(pidOf(rec)):
		return
	}
	if r.behind == 0 { // anew for each batch: the clock of the day may be set
		r.behind = int64(r.c.t.now()) - time.Now().UnixNano()
	}
	r.c.write(r.dir, rec, uint64(max(rec.Time+r.behind, 0)))
}

// stop ends reading when all was read that changed before a time; the zero time is
// none.
func (r *reader) stop(at time.Time) {
	if r.cancel == nil {
		return
	}
	r.cancel()
	<-r.ended
	r.cancel = nil
	if r.problem.Load() != nil {
		return
	}
	if !at.IsZero() {
		r.until = at.Add(settle).UnixNano()
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for {
		if n, err := r.batch(ctx, settle); n == 0 || err != nil {
			return
		}
	}
}

// close gives the feed back.
func (r *reader) close() error {
	if r.feed == nil || r.cancel != nil {
		return nil
	}
	err := r.feed.Close()
	r.feed, r.open = nil, 0
	if err != nil {
		return fmt.Errorf("domain fs: %s: %w", r.dir, err)
	}
	return nil
}
