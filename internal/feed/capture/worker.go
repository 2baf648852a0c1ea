// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// worker is what Run owns. No other goroutine touches it.
type worker struct {
	s   *Source
	log *slog.Logger

	group  *fanotify.Group
	spool  *spool
	disk   *disk
	index  *index
	quiet  *quiet
	actors *actors
	scan   *scan
	scans  uint64

	batch  journal.Batch
	record changelog.Record
	// Memory of what the record points to.
	nameBuf, sourceBuf     [256]byte
	pathBuf, sourcePathBuf []byte

	notices []notice // that are being made into records
	entries []entry  // of a directory that is visited
	wanted  []int    // those of which the journal is asked
	// Descriptors of processes that came with events, to be closed.
	processes []int32
	garbled   error // of events that were read and cannot be understood
	ending    bool  // nothing more is to be read
	// unreadable is the error of events that could not be read during a commit.
	unreadable error
	pace       pace

	unread  int       // events, when they were counted last
	counted time.Time // when they may be counted again
	warned  bool      // that there are many
	scanDue bool      // a scan is to begin
	// silentDue says that it is the first one, again: nobody has missed anything.
	silentDue bool
	// promised are marks whose journal had no room: they are the first to be written.
	promised []changelog.Marker
	missed   bool // events were thrown away because the disk could not be looked at

	skip          changelog.FID // directory of which nothing is told; zero: none
	full          bool          // the index has all objects, not directories alone
	silent        bool          // changes go to the index only
	present       bool          // the file system is mounted
	recheck       time.Time     // when to look at the mount again; zero: when something is mounted
	mask          changelog.Mask
	mtimeInterval time.Duration
	modified      map[changelog.FID]time.Time

	// recorded is the time that a gap begins with which is found out of later: when
	// something was committed last before the start, or when the file system was unmounted.
	recorded int64

	taken time.Time // when events were taken over last
	now   time.Time // when the events being taken over were read
	time  int64     // the same for records: it does not go back
	count counts
}

// maxBatch is how many records are committed at once, about.
const maxBatch = 4000

// run takes over events until the end of ctx.
func (w *worker) run(ctx context.Context) error {
	for {
		if err := w.serve(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return w.finish(ctx)
		}
		n, err := w.fill()
		if err != nil {
			return err
		}
		w.tick()
		if n > 0 {
			err = w.takeOver(ctx)
		} else {
			err = w.idle(ctx)
		}
		if err == nil && w.present {
			err = w.goOnScanning()
		}
		if err == nil {
			err = w.guardQueueInTurn()
		}
		if err := w.survive(ctx, err); err != nil {
			return err
		}
		w.publish()
	}
}

// finish takes over what was read ahead: who did it is known only as long as the
// process is the one that read it.
func (w *worker) finish(ctx context.Context) error {
	w.ending = true
	for w.spool.filled() > 0 {
		w.tick()
		if err := w.takeOver(ctx); err != nil {
			return w.survive(ctx, err)
		}
	}
	return nil
}

// goOnScanning begins a scan that is due, or goes on with the one that is under way.
func (w *worker) goOnScanning() error {
	if w.scanDue {
		silent := w.silentDue
		w.scanDue, w.silentDue = false, false
		if err := w.beginScan(silent, nil); err != nil {
			return err
		}
	}
	if w.scan == nil {
		return nil
	}
	return w.stepScan()
}

// tick reads the clock.
func (w *worker) tick() {
	w.now = time.Now()
	w.time = max(w.time, w.now.UnixNano())
}

// wakeAt is when there is something to do without an event.
func (w *worker) wakeAt() time.Time {
	at := w.quiet.due
	if !w.recheck.IsZero() && (at.IsZero() || w.recheck.Before(at)) {
		at = w.recheck
	}
	if w.disk.root != nil {
		if rest := w.disk.used.Add(idleAfter); at.IsZero() || rest.Before(at) {
			at = rest
		}
	}
	return at
}

// takeOver makes the events of the spool into records and commits them.
func (w *worker) takeOver(ctx context.Context) error {
	defer w.spool.release()
	w.disk.refresh()
	if err := w.garbled; err != nil { // of a kernel that writes them otherwise
		w.log.Error("events cannot be understood; the disk is compared instead", "error", err)
		w.garbled = nil
		if err := w.giveUp(changelog.GapReadError, 0); err != nil {
			return err
		}
		for w.spool.filled() > 0 {
			w.spool.take()
		}
		return w.commitRetrying(ctx, w.spool.serial())
	}
	serial := w.spool.take()
	err := w.decodeTaken()
	if err == nil {
		err = w.expandAll(ctx, serial)
	}
	w.taken = time.Now()
	return err
}

// decodeTaken makes notices of the events that are taken over.
func (w *worker) decodeTaken() error {
	w.notices = w.notices[:0]
	for _, l := range w.spool.taken {
		if err := w.decode(l, len(l.by)); err != nil {
			return err
		}
	}
	if err := w.pairExchanges(); err != nil {
		return err
	}
	w.disk.inherit(w.notices)
	return nil
}

// expandAll expands the notices that were read, in a batch of a serial, and commits what
// comes of them.
func (w *worker) expandAll(ctx context.Context, serial uint64) error {
	for i := range w.notices {
		if i%readAheadEvery == readAheadEvery-1 {
			if err := w.readAhead(); err != nil {
				return err
			}
		}
		n := &w.notices[i]
		if err := w.expandOne(n); err != nil {
			return fmt.Errorf("event %#x on %v: %w", n.mask, n.object, err)
		}
	}
	w.disk.inherit(nil) // what is looked at from now on may be younger than all these
	return w.commitRetrying(ctx, serial)
}

func (w *worker) expandOne(n *notice) error {
	switch {
	case n.is(fanotify.Overflow):
		return w.overflowed()
	case n.is(fanotify.FSError):
		w.mark(*n.failure)
		return nil
	}
	return w.expand(n)
}

// lookAhead is how far behind the first half of an exchange the second is searched.
const lookAhead = 64

// pairExchanges finds the two halves of exchanges: renames of two objects, each to
// where the other was. The second half may be behind what is taken over.
func (w *worker) pairExchanges() error {
	n := len(w.notices)
	if err := w.lookBehind(); err != nil {
		return err
	}
	for i := range n {
		w.pair(i)
	}
	w.notices = w.notices[:n]
	return nil
}

// lookBehind appends notices that are not to be taken over yet where one of the last may
// be the first half of an exchange.
func (w *worker) lookBehind() error {
	last := w.notices[max(len(w.notices)-lookAhead, 0):]
	if !slices.ContainsFunc(last, func(n notice) bool { return n.is(fanotify.Rename) }) {
		return nil
	}
	if w.spool.filled() == 0 {
		if err := w.readAhead(); err != nil {
			return err
		}
	}
	if w.spool.filled() == 0 || w.garbled != nil {
		return nil
	}
	return w.decode(w.spool.open[0], lookAhead)
}

// pair finds the second half of an exchange whose first is the i-th notice.
func (w *worker) pair(i int) {
	n := &w.notices[i]
	if !n.is(fanotify.Rename) || n.old == n.at {
		return
	}
	for j := i + 1; j < min(i+1+lookAhead, len(w.notices)); j++ {
		m := &w.notices[j]
		if m.is(fanotify.Rename) && m.old == n.at && m.at == n.old {
			if m.object != n.object {
				n.exchange = m.object
			}
			return
		}
	}
}

// idle does what waits for a moment without events.
func (w *worker) idle(ctx context.Context) error {
	if !w.recheck.IsZero() && !w.now.Before(w.recheck) {
		if err := w.lookAtMount(ctx); err != nil {
			return err
		}
	}
	w.actors.forget()
	if !w.present {
		return nil
	}
	w.disk.refresh()
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.commitRetrying(ctx, 0); err != nil {
		return err
	}
	if w.quiet.empty() {
		w.quiet.kept.clear()
	}
	if err := w.spool.shrink(); err != nil {
		return err
	}
	w.disk.rest(w.now)
	return nil
}

// survive handles errors that the source outlives: a file system that was unmounted
// under it, and a journal that is full in the midst of something.
func (w *worker) survive(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return nil
	case errors.Is(err, errAbsent), errors.Is(err, unix.ENODEV):
		w.index.forget()
		w.batch.Reset(w.next())
		for _, m := range w.promised {
			w.mark(m)
		}
		w.missed = true
		return w.lookAtMount(ctx)
	case errors.Is(err, errStore):
		// What was under way has ended in its midst. A scan does it again.
		w.silentDue = w.scan != nil && w.scan.silent && (!w.scanDue || w.silentDue)
		w.scanDue = true
		w.batch.SetMeta(metaScanning, []byte{1})
		if err := w.retry(ctx, err); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	}
	return err
}

// next is the index that the journal gives next.
func (w *worker) next() uint64 {
	_, last := w.s.journal.Bounds()
	return last + 1
}
