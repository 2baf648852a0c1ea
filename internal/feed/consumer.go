// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/match"
)

// Consumer is the one that reads a feed. One goroutine uses it; Done may be awaited by
// others.
type Consumer struct {
	// Static after Attach.
	m *Manager
	f *feed
	j journal.Journal

	// Guarded by f.mu.
	lease client.Lease
	held  uint64 // records delivered and not cancelled
	err   error  // why it was detached
	done  chan struct{}

	// Owned by the goroutine that uses it.
	chunk   journal.Chunk
	record  changelog.Record
	viewer  Viewer // nil: sees everything
	pending []changelog.Record
	empty   time.Time // since when the filter has let nothing through
}

// Attach takes a feed for reading. A second consumer is refused, unless an
// administrator steals the feed from the first.
func (m *Manager) Attach(c Caller, ref string, steal bool) (*Consumer, error) {
	f, err := m.owned(c, ref)
	if err != nil {
		return nil, err
	}
	if steal {
		if err := admin(c, "steals feeds"); err != nil {
			return nil, err
		}
		f.detach(client.Errorf(client.CodeBusy, "feed %s was taken by process %d of user %d", feedID(f.id), c.PID, c.UID))
	}
	return m.attach(c, f)
}

func (m *Manager) attach(c Caller, f *feed) (*Consumer, error) {
	s := m.sourceOf(f)
	var j journal.Journal
	if s != nil {
		j = s.Journal()
	} else {
		var err error
		if j, err = m.store.Open(f.source); err != nil {
			return nil, storeError(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.consumer; other != nil {
		lease := other.lease
		lease.Held = other.held
		err := client.Errorf(client.CodeBusy, "feed %s is read by process %d of user %d since %s",
			feedID(f.id), lease.PID, lease.UID, lease.Since.Format(time.RFC3339))
		err.Holder = &lease
		return nil, err
	}
	n := &Consumer{m: m, f: f, j: j, done: make(chan struct{}), lease: client.Lease{PID: c.PID, UID: c.UID, Since: m.now()}}
	if f.doc.Restricted && !c.Admin {
		viewer, err := m.opts.Access.View(c, f.doc.Dir)
		if err != nil {
			return nil, client.Errorf(client.CodeDenied, "feed %s: %v", feedID(f.id), err)
		}
		n.viewer = viewer
	}
	f.consumer, f.delivered = n, f.cancelled
	return n, nil
}

// detach disconnects the consumer of a feed, if there is one. Nothing is cancelled.
func (f *feed) detach(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.consumer; n != nil {
		n.err = why
		close(n.done)
		f.consumer, f.delivered = nil, f.cancelled
	}
}

// detachAll disconnects all consumers at the agent's end.
func (m *Manager) detachAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		f.detach(client.Errorf(client.CodeStore, "the agent ends"))
	}
}

// Done is closed when the consumer was disconnected: the feed was destroyed, reset,
// stolen, or the agent ends. Err tells why.
func (n *Consumer) Done() <-chan struct{} { return n.done }

// Err tells why the consumer was disconnected.
func (n *Consumer) Err() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	return n.err
}

// Info tells of the consumer's feed.
func (n *Consumer) Info() client.Info { return n.m.info(n.f) }

// Close gives the feed back. With commit, what was delivered is cancelled first.
func (n *Consumer) Close(ctx context.Context, commit bool) error {
	var err error
	if commit {
		_, err = n.cancelDelivered(ctx)
	}
	n.f.mu.Lock()
	if n.f.consumer == n {
		n.f.consumer, n.f.delivered = nil, n.f.cancelled
		close(n.done)
	}
	n.f.mu.Unlock()
	if n.viewer != nil {
		n.viewer.Close()
	}
	if n.f.transient {
		return n.m.remove(ctx, n.f)
	}
	return err
}

// Cancel says that records through an index are not needed any more, 0 for all. The
// answer is durable.
func (n *Consumer) Cancel(ctx context.Context, through uint64) (cancelled uint64, err error) {
	_, last := n.j.Bounds()
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if n.f.consumer != n {
		return 0, n.err
	}
	if through == 0 {
		through = last
	}
	if through > last {
		return 0, client.Errorf(client.CodeBadArgument, "cancel %d: record out of range: the last is %d", through, last)
	}
	return n.cancel(ctx, through)
}

// cancel stores the feed's place. The feed's lock is held.
func (n *Consumer) cancel(ctx context.Context, through uint64) (uint64, error) {
	f := n.f
	if through <= f.cancelled {
		return f.cancelled, nil
	}
	was, wasAt := f.cancelled, f.doc.LastCancel
	f.cancelled, f.doc.LastCancel = through, n.m.now()
	if err := n.m.put(ctx, f); err != nil {
		f.cancelled, f.doc.LastCancel = was, wasAt
		return was, err
	}
	f.delivered = max(f.delivered, through)
	if f.delivered == through {
		n.held = 0
	}
	return through, nil
}

// cancelDelivered cancels what was delivered.
func (n *Consumer) cancelDelivered(ctx context.Context) (uint64, error) {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if n.f.consumer != n {
		return 0, n.err
	}
	return n.cancel(ctx, n.f.delivered)
}

// Result is what a Read came to, beside the records that it handed out.
type Result struct {
	Through uint64 // last index looked at
	Count   int
	More    bool
	Gap     bool
	Aborted bool
}

// Limits of a read.
const (
	maxReadRecords     = 65_536
	defaultReadRecords = 1000
	minReadBytes       = 4 << 10
	maxReadBytes       = 16 << 20
	defaultReadBytes   = 1 << 20
	maxLinger          = time.Second
)

// checkRead refuses options out of bounds, and fills in defaults.
func checkRead(o *client.ReadOptions) error {
	if o.MaxRecords == 0 {
		o.MaxRecords = defaultReadRecords
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultReadBytes
	}
	switch {
	case o.MaxRecords < 1 || o.MaxRecords > maxReadRecords:
		return client.Errorf(client.CodeBadArgument, "read of %d records: want 1 to %d", o.MaxRecords, maxReadRecords)
	case o.MaxBytes < minReadBytes || o.MaxBytes > maxReadBytes:
		return client.Errorf(client.CodeBadArgument, "read of %d bytes: want %d to %d", o.MaxBytes, minReadBytes, maxReadBytes)
	case o.Linger < 0 || o.Linger > maxLinger:
		return client.Errorf(client.CodeBadArgument, "linger %v: want 0 to %v", o.Linger, maxLinger)
	}
	return nil
}

// Read hands out records through add, which returns their length in the form that
// the consumer wants and must not keep them. It waits for the first as the options
// say. What was delivered before is cancelled first, durably, unless the options or
// the feed's mode say otherwise.
func (n *Consumer) Read(ctx context.Context, o client.ReadOptions, add func(*changelog.Record) int) (Result, error) {
	if err := checkRead(&o); err != nil {
		return Result{}, err
	}
	if !o.Keep && n.f.doc.Mode == client.ModeOneshot {
		if _, err := n.cancelDelivered(ctx); err != nil {
			return Result{}, err
		}
	}
	if r, done, err := n.special(ctx, add); done {
		return r, err
	}
	r := &reading{Consumer: n, opts: o, add: add}
	return r.run(ctx)
}

// special hands out what is not in the journal: that the feed was given up, or that it
// skipped records.
func (n *Consumer) special(ctx context.Context, add func(*changelog.Record) int) (r Result, done bool, err error) {
	f := n.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.consumer != n {
		return r, true, n.err
	}
	switch a := f.doc.Aborted; {
	case a == nil && f.doc.Skipped != nil:
		s := f.doc.Skipped
		f.doc.Skipped = nil
		if err := n.m.put(ctx, f); err != nil {
			return r, true, err
		}
		add(markRecord(f.cancelled, s, changelog.Marker{Kind: changelog.MarkGap, Reason: s.Reason, From: s.First, To: s.Last}))
		return Result{Through: f.cancelled, Count: 1, Gap: true, More: true}, true, nil
	case a == nil:
		return r, false, nil
	case f.doc.Told:
		return r, true, abortedError(f)
	default:
		f.doc.Told = true
		if err := n.m.put(ctx, f); err != nil {
			return r, true, err
		}
		add(markRecord(a.Last, a, changelog.Marker{Kind: changelog.MarkAbort, Reason: a.Reason, First: a.First, Last: a.Last}))
		return Result{Through: f.cancelled, Count: 1, Gap: true, Aborted: true}, true, nil
	}
}

// abortedError is what the consumer of a feed that was given up is told.
func abortedError(f *feed) error {
	a := *f.doc.Aborted
	err := client.Errorf(client.CodeAborted, "feed %s was given up (%s) at %s: records %d to %d are lost to it; reset it to go on",
		feedID(f.id), a.Reason, a.Since.Format(time.RFC3339), a.First, a.Last)
	err.Aborted = &a
	return err
}

// markRecord is a mark that only this feed's consumer sees.
func markRecord(index uint64, a *client.Abort, m changelog.Marker) *changelog.Record {
	return &changelog.Record{Index: index, Time: a.Since.UnixNano(), Type: changelog.Mark, Mark: &m}
}

// reading is one Read under way.
type reading struct {
	*Consumer

	opts    client.ReadOptions
	selects selection
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
	r.through, r.selects = max(r.f.delivered, r.f.cancelled), r.f.selects
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
	r.held += uint64(r.r.Count)
	r.f.rate.add(now, r.r.Count)
	r.r.Through, r.r.More = r.through, r.through < last
	return r.r, nil
}

// examine looks at the records that are there until a limit is reached.
func (r *reading) examine(ctx context.Context) error {
	for !r.full && ctx.Err() == nil {
		r.chunk.MaxRecords = min(examineStep, r.opts.MaxRecords-r.r.Count)
		r.chunk.MaxBytes = r.opts.MaxBytes
		if err := r.j.Read(r.through+1, &r.chunk); err != nil {
			return storeError(err)
		}
		if len(r.chunk.Ends) == 0 {
			return r.advance(ctx)
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

// lookAt hands out what the filter lets through of a chunk.
func (r *reading) lookAt() error {
	begin := 0
	for _, end := range r.chunk.Ends {
		rec := &r.record
		if err := changelog.DecodeNative(r.chunk.Data[begin:end], rec); err != nil {
			return client.Errorf(client.CodeStore, "feed %s: record %d: %v", feedID(r.f.id), r.through+1, err)
		}
		begin = end
		if r.wants(rec) {
			n := r.add(rec)
			if r.bytes += n; r.bytes > r.opts.MaxBytes && r.r.Count > 0 {
				r.full = true
				r.add(nil) // the last one does not fit: it is taken back
				return nil
			}
			r.r.Count++
			r.r.Gap = r.r.Gap || rec.Mark != nil && rec.Mark.Kind == changelog.MarkGap
		}
		r.through = rec.Index
		if r.r.Count >= r.opts.MaxRecords || r.bytes >= r.opts.MaxBytes {
			r.full = true
			return nil
		}
	}
	return nil
}

// wants reports whether a record goes to the consumer, and hides what is not for it.
func (r *reading) wants(rec *changelog.Record) bool {
	res := r.selects.wants(rec)
	if res == match.None {
		return false
	}
	if rec.Type == changelog.Mark {
		return true
	}
	rec.CutEdge(res.Edge())
	return r.viewer == nil || r.viewer.Show(rec)
}

// advance cancels records that the filter has dropped, so that a feed which wants
// little does not hold the journal.
func (r *reading) advance(ctx context.Context) error {
	if r.r.Count > 0 || r.held > 0 || r.f.transient {
		return nil
	}
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.f.consumer != r.Consumer {
		return r.err
	}
	now := r.m.now()
	if r.through-r.f.cancelled < advanceAfter && now.Sub(r.f.idleSince()) < advanceEvery || r.through == r.f.cancelled {
		return nil
	}
	_, err := r.cancel(ctx, r.through)
	return err
}
