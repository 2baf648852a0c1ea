// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
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

	batch   journal.Batch
	record  changelog.Record
	nameBuf [256]byte
	notices []notice
	entries []entry // of a directory that is visited
	wanted  []int   // those of which the journal is asked
	// Descriptors of processes that came with events, to be closed.
	processes []int32

	unread  int  // events, when they were counted last
	warned  bool // that there are many
	scanDue bool // a scan is to begin
	// silentDue says that it is the first one, again: nobody has missed anything.
	silentDue bool
	missed    bool // events were thrown away because the disk could not be looked at

	skip          changelog.FID // directory of which nothing is told; zero: none
	full          bool          // the index has all objects, not directories alone
	silent        bool          // changes go to the index only
	present       bool          // the file system is mounted
	recheck       time.Time     // when to look at the mount again; zero: when something is mounted
	mask          changelog.Mask
	mtimeInterval time.Duration
	modified      map[changelog.FID]time.Time

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
			return nil
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
			err = w.guardQueue(changelog.GapOverflow)
		}
		if err := w.survive(ctx, err); err != nil {
			return err
		}
		w.publish()
	}
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

// fill reads events into the spool, and waits for them if there is nothing else to
// do.
func (w *worker) fill() (int, error) {
	w.spool.begin(w.s.journal.Serial() + 1)
	read := w.group.Read
	if (w.scan != nil || w.scanDue) && w.present || len(w.s.requests) > 0 {
		read = w.group.TryRead
	} else if err := w.group.Wake(w.wakeAt()); err != nil {
		return 0, err
	}
	if len(w.s.requests) > 0 { // it came before the time was set
		read = w.group.TryRead
	}
	n, err := read(w.spool.room())
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil
	}
	w.spool.used = n
	if n == 0 || n >= fewEvents || err != nil || time.Since(w.taken) >= busyFor {
		return n, err
	}
	return w.gather()
}

// Where few events come in quick succession, they are left to gather for a moment: a
// commit costs more than what is in it. An event that comes alone does not wait.
const (
	fewEvents  = 8 << 10 // bytes of events that are not enough
	busyFor    = 5 * time.Millisecond
	gatherTime = time.Millisecond
)

// gather reads what comes behind a few events.
func (w *worker) gather() (int, error) {
	if err := w.group.Gather(gatherTime); err != nil {
		return 0, err
	}
	n, err := w.group.TryRead(w.spool.room())
	w.spool.used += n
	return w.spool.used, err
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
	w.disk.refresh()
	w.actors.forget()
	err := w.decode(w.spool.events(), true)
	if err == nil {
		err = w.completeExchange()
	}
	var format *fanotify.FormatError
	if errors.As(err, &format) { // of a kernel that writes them otherwise
		w.log.Error("events cannot be understood; the disk is compared instead", "error", err)
		return w.giveUp(changelog.GapReadError, 0)
	}
	if err != nil {
		return err
	}
	err = w.expandAll(ctx)
	w.taken = time.Now()
	return err
}

// expandAll expands the notices and commits what comes of them.
func (w *worker) expandAll(ctx context.Context) error {
	w.pairExchanges()
	for i := range w.notices {
		n := &w.notices[i]
		var err error
		switch {
		case n.is(fanotify.Overflow):
			err = w.overflowed()
		case n.is(fanotify.FSError):
			continue // marked when it was decoded
		default:
			err = w.expand(n)
		}
		if err != nil {
			return fmt.Errorf("event %#x on %v: %w", n.mask, n.object, err)
		}
	}
	return w.commitRetrying(ctx, w.spool.serial())
}

// decode appends the events of b to the notices. The process descriptors are closed if
// they are this process's.
func (w *worker) decode(b []byte, own bool) error {
	w.notices = w.notices[:0]
	return w.decodeMore(b, own)
}

func (w *worker) decodeMore(b []byte, own bool) error {
	var e fanotify.Event
	defer w.closeProcesses()
	for len(b) > 0 {
		rest, err := fanotify.Decode(b, &e)
		if err != nil {
			return err
		}
		if rest == nil {
			return nil
		}
		b = rest
		w.count.events++
		w.note(&e, own)
		if own && e.PIDFD >= 0 {
			w.processes = append(w.processes, e.PIDFD)
		}
	}
	return nil
}

// closeProcesses closes the descriptors that came with events: those with numbers
// one behind the other, which most have, together.
func (w *worker) closeProcesses() {
	all := w.processes
	slices.Sort(all)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n] == all[0]+int32(n) {
			n++
		}
		if n == 1 || unix.CloseRange(uint(all[0]), uint(all[n-1]), 0) != nil {
			for _, fd := range all[:n] {
				unix.Close(int(fd))
			}
		}
		all = all[n:]
	}
	w.processes = w.processes[:0]
}

// note appends one event to the notices, unless it is of this process's own doing.
func (w *worker) note(e *fanotify.Event, own bool) {
	if int(e.PID) == w.s.pid && own {
		return
	}
	n := notice{mask: e.Mask}
	if !own {
		e.PIDFD = -1
	}
	switch {
	case e.Is(fanotify.Overflow):
	case e.Is(fanotify.FSError):
		w.failedFS(e)
	default:
		var ok bool
		if n, ok = w.named(e); !ok {
			return
		}
	}
	w.notices = append(w.notices, n)
}

// named translates the handles of an event.
func (w *worker) named(e *fanotify.Event) (notice, bool) {
	n := notice{mask: e.Mask, by: w.actors.find(e.PID, e.PIDFD)}
	object := e.Object
	if len(object.Bytes) == 0 {
		object = e.Dir // a directory that tells of itself
	}
	var ok bool
	if n.object, ok = changelog.FIDOfHandle(object.Type, object.Bytes); !ok {
		w.count.unknown++
		return n, false
	}
	place := func(dir fanotify.Handle, b []byte) name {
		if len(dir.Bytes) == 0 {
			return name{}
		}
		f, _ := changelog.FIDOfHandle(dir.Type, dir.Bytes)
		return name{f, string(b)}
	}
	if e.Is(fanotify.Rename) {
		n.old, n.at = place(e.OldDir, e.OldName), place(e.NewDir, e.NewName)
		return n, true
	}
	n.at = place(e.Dir, e.Name)
	return n, w.skip.IsZero() || n.at.parent != w.skip
}

// lookAhead is how far behind the first half of an exchange the second is searched.
const lookAhead = 64

// completeExchange reads more events where the last of the buffer may be the first
// half of an exchange.
func (w *worker) completeExchange() error {
	from := max(len(w.notices)-lookAhead, 0)
	for i := range w.notices[from:] {
		if !w.notices[from+i].is(fanotify.Rename) {
			continue
		}
		room := w.spool.room()
		if len(room) < fanotify.MinBuffer {
			return nil
		}
		n, err := w.group.TryRead(room)
		if err != nil || n == 0 {
			return err
		}
		w.spool.used += n
		return w.decodeMore(room[:n], true)
	}
	return nil
}

// pairExchanges finds the two halves of exchanges: renames of two objects, each to
// where the other was.
func (w *worker) pairExchanges() {
	for i := range w.notices {
		n := &w.notices[i]
		if !n.is(fanotify.Rename) || n.old == n.at {
			continue
		}
		for j := i + 1; j < min(i+1+lookAhead, len(w.notices)); j++ {
			m := &w.notices[j]
			if m.is(fanotify.Rename) && m.old == n.at && m.at == n.old {
				if m.object != n.object {
					n.exchange = m.object
				}
				break
			}
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
