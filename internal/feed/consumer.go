// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Consumer is the one that reads a feed. One goroutine uses it; Done may be awaited by
// others.
type Consumer struct {
	// Static after Attach.
	m *Manager
	f *feed
	j journal.Journal
	// looks is the feed that it reads beside the consumer of; nil: it is the consumer.
	looks *feed

	// Guarded by f.mu.
	lease client.Lease
	held  holdings
	err   error // why it was detached
	done  chan struct{}

	// Owned by the goroutine that uses it.
	chunk  journal.Chunk
	record changelog.Record
	viewer Viewer        // nil: sees everything
	told   *client.Abort // the gap that was delivered though no record of the journal tells of it
	below  *descent      // what is to be told of a directory that was moved in; nil: nothing
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
		f.detach(client.Errorf(client.CodeBusy, "feed %s was taken by %s", feedID(f.id), &client.Lease{PID: c.PID, UID: c.UID}))
	}
	return m.attach(c, f)
}

func (m *Manager) attach(c Caller, f *feed) (*Consumer, error) {
	j, err := m.journalOf(f)
	if err != nil {
		return nil, err
	}
	n := &Consumer{m: m, f: f, j: j, done: make(chan struct{}), lease: client.Lease{PID: c.PID, UID: c.UID, Since: m.now()}}
	if n.viewer, err = m.view(c, f, j); err != nil {
		return nil, err
	}
	if err := n.take(); err != nil {
		n.closeViewer()
		return nil, err
	}
	return n, nil
}

// take makes the consumer that of its feed.
func (n *Consumer) take() error {
	f := n.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.consumer; other != nil {
		lease := other.lease
		lease.Held = other.held.count()
		err := client.Errorf(client.CodeBusy, "feed %s is read by %s since %s", feedID(f.id), &lease, lease.Since.Format(time.RFC3339))
		err.Holder = &lease
		return err
	}
	f.consumer, f.delivered = n, f.cancelled
	return nil
}

// view begins to check what a caller may see of a feed, if that is restricted.
func (m *Manager) view(c Caller, f *feed, j journal.Journal) (Viewer, error) {
	f.mu.Lock()
	restricted, dir := f.doc.Restricted, f.doc.Dir
	f.mu.Unlock()
	if !restricted || c.Admin {
		return nil, nil
	}
	v, err := m.opts.Access.View(c, Scene{Source: f.source, Dir: dir, Index: j})
	if err != nil {
		return nil, client.Errorf(client.CodeDenied, "feed %s: %v", feedID(f.id), err)
	}
	return v, nil
}

func (n *Consumer) closeViewer() {
	if n.viewer != nil {
		n.viewer.Close()
	}
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

// detachAll disconnects all consumers at the manager's end. That is the agent's, unless there
// is another cause.
func (m *Manager) detachAll(cause error) {
	why := client.Errorf(client.CodeStore, "the agent ends")
	if cause != nil && !errors.Is(cause, context.Canceled) {
		why = client.Errorf(client.CodeStore, "%v", cause)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		f.detach(why)
	}
}

// Done is closed when the consumer was disconnected: the feed was destroyed, reset,
// stolen, the store failed, or the agent ends. Err tells why.
func (n *Consumer) Done() <-chan struct{} { return n.done }

// Err tells why the consumer was disconnected.
func (n *Consumer) Err() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	return n.err
}

// Info tells of the consumer's feed.
func (n *Consumer) Info() client.Info {
	if n.looks != nil {
		return n.m.info(n.looks)
	}
	return n.m.info(n.f)
}

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
	n.closeViewer()
	if n.f.transient && n.looks == nil {
		return n.m.remove(ctx, n.f)
	}
	return err
}

// Cancel says that records through an index are not needed any more, 0 for all. The
// answer is durable.
func (n *Consumer) Cancel(ctx context.Context, through uint64) (cancelled uint64, err error) {
	_, last := n.j.Bounds()
	if through == 0 {
		through = last
	}
	if through > last {
		return 0, client.Errorf(client.CodeBadArgument, "cancel %d: record out of range: the last is %d", through, last)
	}
	return n.cancel(ctx, through, true)
}

// Seek has the next Read begin behind an index. What lies before that stays uncancelled;
// what is cancelled already is not given again. Where the last Read ended is the place
// that the feed has anyhow, also amid what is told of a directory.
func (n *Consumer) Seek(through uint64) error {
	_, last := n.j.Bounds()
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	switch {
	case n.f.consumer != n:
		return n.err
	case through > last:
		return client.Errorf(client.CodeBadArgument, "read after %d: record out of range: the last is %d", through, last)
	}
	through = max(through, n.f.cancelled)
	if through == n.f.delivered {
		return nil
	}
	n.held.rewind(through)
	n.f.delivered, n.below = through, nil
	if s := n.f.doc.Skipped; s != nil && s.Last <= through {
		n.told = s
	}
	return nil
}

// cancel stores the feed's place. If it was not asked for, there was nothing for the feed.
func (n *Consumer) cancel(ctx context.Context, through uint64, asked bool) (cancelled uint64, err error) {
	if n.looks != nil {
		return 0, n.refuseLook()
	}
	f := n.f
	err = n.m.change(ctx, f, func(s *state) error {
		if f.consumer != n {
			return n.err
		}
		told := n.told != nil && s.doc.Skipped == n.told
		if told {
			s.doc.Skipped = nil
		}
		if through > s.cancelled {
			s.cancelled, s.doc.LastCancel = through, n.m.now()
			if asked {
				s.doc.Asked = through
			}
		} else if !told {
			cancelled = s.cancelled
			return errUnchanged
		}
		cancelled = s.cancelled
		return nil
	})
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.consumer == n {
		f.cancels++
		f.delivered = max(f.delivered, cancelled)
		n.held.cancel(cancelled)
	}
	if n.below != nil && n.below.index <= cancelled {
		n.below = nil
	}
	return cancelled, nil
}

// Rewind has what was delivered and not cancelled delivered again.
func (n *Consumer) Rewind() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if n.f.consumer != n {
		return n.err
	}
	n.f.delivered, n.held, n.told, n.below = n.f.cancelled, holdings{}, nil, nil
	return nil
}

// cancelDelivered cancels what was delivered.
func (n *Consumer) cancelDelivered(ctx context.Context) (uint64, error) {
	n.f.mu.Lock()
	through, err := n.f.delivered, error(nil)
	if n.f.consumer != n {
		err = n.err
	}
	n.f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return n.cancel(ctx, through, true)
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
	if !o.Keep && n.f.mode == client.ModeOneshot {
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
	var tell *changelog.Record
	f := n.f
	err = n.m.change(ctx, f, func(s *state) error {
		if f.consumer != n {
			return n.err
		}
		switch a := s.doc.Aborted; {
		case a == nil && s.doc.Skipped != nil && s.doc.Skipped != n.told:
			n.told = s.doc.Skipped // which stays until it is cancelled
			tell = skippedRecord(s.cancelled, n.told)
			r = Result{Through: s.cancelled, Count: 1, Gap: true, More: true}
			return errUnchanged
		case a == nil:
			return errUnchanged
		case s.doc.Told:
			return abortedError(f, a)
		default:
			s.doc.Told = true
			tell = markRecord(a.Last, a, changelog.Marker{Kind: changelog.MarkAbort, Reason: a.Reason, First: a.First, Last: a.Last})
			r = Result{Through: s.cancelled, Count: 1, Gap: true, Aborted: true}
			return nil
		}
	})
	if tell != nil && err == nil {
		add(tell)
	}
	return r, tell != nil || err != nil, err
}

// skippedRecord tells that a feed has skipped records.
func skippedRecord(index uint64, a *client.Abort) *changelog.Record {
	m := changelog.Marker{Kind: changelog.MarkGap, Reason: a.Reason}
	if a.Last >= a.First { // else it goes on where it was, though it was given up
		m.From, m.To = a.First, a.Last
	}
	if a.Reason == changelog.GapSkipped && a.Last >= a.First {
		m.Lost = a.Last - a.First + 1
	}
	return markRecord(index, a, m)
}

// abortedError is what the consumer of a feed that was given up is told.
func abortedError(f *feed, a *client.Abort) error {
	err := client.Errorf(client.CodeAborted, "feed %s was given up (%s) at %s: records %d to %d are lost to it; reset it to go on",
		feedID(f.id), a.Reason, a.Since.Format(time.RFC3339), a.First, a.Last)
	err.Aborted = a
	return err
}

// markRecord is a mark that only this feed's consumer sees.
func markRecord(index uint64, a *client.Abort, m changelog.Marker) *changelog.Record {
	return &changelog.Record{Index: index, Time: a.Since.UnixNano(), Type: changelog.Mark, Mark: &m}
}
