// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// commit makes the batch durable, together with the changes of the index and the
// serial of the events that it comes from, 0 for none.
func (w *worker) commit(serial uint64) error {
	w.index.flush(&w.batch)
	if w.batch.Empty() && serial == 0 {
		return nil
	}
	w.batch.Serial = serial
	w.batch.SetMeta(metaTime, binary.BigEndian.AppendUint64(nil, uint64(w.time)))
	return w.readMeanwhile(func() error { return w.apply(context.Background()) })
}

func (w *worker) apply(ctx context.Context) error {
	begun := time.Now()
	if err := w.s.journal.Apply(ctx, &w.batch); err != nil {
		return fmt.Errorf("journal %s: records from %d: %w: %w", w.s.uuid, w.batch.Next()-uint64(w.batch.Len()), errStore, err)
	}
	w.count.commits++
	w.count.commitTime += time.Since(begun)
	w.applied()
	return nil
}

// applied begins a new batch: the journal has the one before.
func (w *worker) applied() {
	w.batch.Reset(w.next())
	w.promised = nil
}

// errStore is the error of a commit that the journal has not taken. The batch is to be
// given again.
var errStore = errors.New("not committed")

// commitIfLarge commits in the midst of something that makes many records.
func (w *worker) commitIfLarge() error {
	if w.batch.Len() < maxBatch && len(w.index.changedObjects) < maxBatch {
		return nil
	}
	clear(w.disk.seen) // as many as the records
	return w.commit(0)
}

// Times between two attempts to write to a journal that cannot be written.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// commitRetrying is commit for a store that has no room: it tries again until there
// is. Meanwhile the kernel keeps the events, up to MaxUnread.
func (w *worker) commitRetrying(ctx context.Context, serial uint64) error {
	return w.retry(ctx, w.commit(serial))
}

// retry gives the batch again until the journal takes it, if a commit has ended with an
// error.
func (w *worker) retry(ctx context.Context, err error) error {
	for wait := firstRetry; err != nil; wait = min(2*wait, lastRetry) {
		w.stall(err)
		if err := w.guardQueue(changelog.GapStalled); err != nil {
			return err
		}
		if !w.pause(ctx, wait, err) {
			return err
		}
		if w.committed() { // the store took it after all
			w.applied()
			break
		}
		err = w.apply(ctx)
	}
	w.resume()
	return nil
}

// pause waits before another attempt to write, and refuses what is asked for meanwhile.
// It is false at the end of ctx.
func (w *worker) pause(ctx context.Context, wait time.Duration, why error) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-w.s.retry:
			return true
		case <-timer.C:
			return true
		case r := <-w.s.requests:
			r.refuse(fmt.Errorf("the source is stalled: %w", why))
			w.recheck = w.now // it may have been to look at the mount
		}
	}
}

// committed reports whether the journal has the batch, of which an earlier attempt was
// given up before the store had answered.
func (w *worker) committed() bool {
	if w.batch.Serial != 0 {
		return w.s.journal.Serial() == w.batch.Serial
	}
	_, last := w.s.journal.Bounds()
	return w.batch.Len() > 0 && last >= w.batch.Next()-1
}

// stall says that the journal cannot be written.
func (w *worker) stall(err error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.status.State != StateStalled {
		w.log.Error("journal cannot be written; events wait in the kernel", "error", err)
	}
	w.s.status.State, w.s.status.Problem = StateStalled, err.Error()
}

func (w *worker) resume() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.status.State == StateStalled {
		w.log.Info("journal can be written again")
		w.s.status.State, w.s.status.Problem = StateActive, ""
	}
}

// manyUnread is a share of the limit of unread events: from there on the log warns.
const manyUnread = 8

// countingShare is how much of the time may go into counting what is unread: the kernel
// walks through all of it, and lets nobody add to it meanwhile.
const countingShare = 50

// guardQueueInTurn is guardQueue for after each batch.
func (w *worker) guardQueueInTurn() error {
	begun := time.Now()
	if begun.Before(w.counted) {
		more, err := w.group.Ready()
		if !more {
			w.unread = 0
		}
		return err
	}
	err := w.guardQueue(changelog.GapOverflow)
	now := time.Now()
	w.counted = now.Add(countingShare * now.Sub(begun))
	return err
}

// guardQueue gives up the kernel's queue where it has grown beyond what the host
// should bear. What it held is a gap.
func (w *worker) guardQueue(reason string) error {
	unread, err := w.group.Unread()
	if err != nil {
		return err
	}
	w.unread = unread
	if many := unread > w.s.maxUnread/manyUnread; many != w.warned {
		w.warned = many
		if many {
			w.log.Warn("events wait in the kernel faster than they are taken over", "unread", unread, "limit", w.s.maxUnread)
		}
	}
	if unread <= w.s.maxUnread {
		return nil
	}
	w.log.Error("too many events unread; they are given up", "unread", unread, "limit", w.s.maxUnread)
	return w.giveUp(reason, uint64(unread))
}

// giveUp begins anew with an empty queue. What was in it is a gap, and the disk is to be
// compared: the batch says so, which may have to wait for a journal that is full.
func (w *worker) giveUp(reason string, lost uint64) error {
	since := w.time
	if err := w.drainQueue(); err != nil {
		return err
	}
	w.tick()
	w.unread = 0
	w.quiet.forget()
	w.gap(changelog.Marker{Reason: reason, Since: since, Until: w.time, Lost: lost})
	return nil
}

// gap marks that events were or may have been lost, and has the disk compared: by whoever
// goes on after this process if this one does not come to it.
func (w *worker) gap(m changelog.Marker) {
	m.Kind = changelog.MarkGap
	w.mark(m)
	w.batch.SetMeta(metaScanning, []byte{1})
	w.scanDue, w.silentDue = true, false
	w.count.gaps++
}

// drainQueue throws away what waits in the queue.
func (w *worker) drainQueue() error {
	unread, err := w.group.Unread()
	if err != nil {
		return err
	}
	buf := make([]byte, spoolRead)
	for unread > 0 {
		n, err := w.group.TryRead(buf)
		if err != nil || n == 0 {
			return err
		}
		for b := buf[:n]; len(b) > 0; unread-- {
			var e fanotify.Event
			if b, err = fanotify.Decode(b, &e); err != nil {
				return err
			}
			closeProcess(&e)
		}
	}
	return nil
}
