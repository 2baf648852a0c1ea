// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// Values that a journal keeps for its source.
const (
	metaIndexed = "indexed" // there once the first scan has ended
	metaBoot    = "boot"    // identity of the boot that recorded last
	// metaScanning is there while a scan is due or under way: whoever finds it begins one.
	metaScanning = "scanning"
	// metaTime is when something was committed last: nanoseconds since 1970, 8 bytes,
	// big-endian. The records may all be deleted.
	metaTime = "time"
)

// bootID is the kernel's identity of the time since it was booted.
func bootID() ([]byte, error) { return os.ReadFile("/proc/sys/kernel/random/boot_id") }

// start makes the worker and has it go on where the journal ends.
func (s *Source) start(ctx context.Context, o Options) error {
	root, err := fanotify.OpenRoot(o.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	kind, err := root.Kind()
	if err != nil {
		return err
	}
	top, err := fanotify.HandleAt(root.FD(), "")
	if err != nil {
		return &fanotify.UnsupportedError{Feature: "file handles", Err: err}
	}
	f, err := fidOf(top)
	if err != nil {
		return err
	}
	w := &worker{
		s: s, log: s.log, disk: newDisk(o.Dir, s.uuid, kind), index: newIndex(s.journal, f), quiet: newQuiet(),
		actors: &actors{job: o.Job, seen: map[int32]*actor{}}, full: !o.Dirs, present: true,
		mask: changelog.DefaultMask, mtimeInterval: o.MtimeInterval, modified: map[changelog.FID]time.Time{},
	}
	w.index.dirsOnly = o.Dirs
	if w.skip, err = skipped(root, o.Skip); err != nil {
		return err
	}
	s.worker = w
	w.batch.Reset(w.next())
	if w.recorded, err = w.lastTime(); err != nil {
		return err
	}
	w.time = w.recorded
	w.tick()
	return w.goOn(ctx, o.Limited)
}

// skipped returns the FID of a directory if it is on the file system of root.
func skipped(root *fanotify.Root, dir string) (changelog.FID, error) {
	if dir == "" {
		return changelog.FID{}, nil
	}
	d, err := fanotify.OpenRoot(dir)
	if err != nil {
		return changelog.FID{}, err
	}
	defer d.Close()
	here, err := root.FSID()
	if err != nil {
		return changelog.FID{}, err
	}
	if there, err := d.FSID(); err != nil || there != here {
		return changelog.FID{}, err
	}
	h, err := fanotify.HandleAt(d.FD(), "")
	if err != nil {
		return changelog.FID{}, err
	}
	return fidOf(h)
}

// lastTime is when something was committed last, 0 if that is not known. Journals of
// older agents tell it by their last record alone.
func (w *worker) lastTime() (int64, error) {
	if b, err := w.s.journal.Meta(metaTime); err != nil || len(b) == 8 {
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint64(b)), nil
	}
	first, last := w.s.journal.Bounds()
	if last < first || last == 0 {
		return 0, nil
	}
	c := journal.Chunk{MaxRecords: 1, MaxBytes: 1}
	if err := w.s.journal.Read(last, &c); err != nil || len(c.Ends) == 0 {
		return 0, err
	}
	var r changelog.Record
	if err := changelog.DecodeNative(c.Data[:c.Ends[0]], &r); err != nil {
		return 0, fmt.Errorf("journal %s: record %d: %w", w.s.uuid, last, err)
	}
	return r.Time, nil
}

// goOn takes over the group that an earlier process left, with what that had read and
// not committed. Where there is none, events were lost since.
func (w *worker) goOn(ctx context.Context, limited bool) error {
	held, err := w.takeHeld()
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	was, err := w.s.journal.Meta(metaBoot)
	if err != nil {
		return err
	}
	indexed, err := w.s.journal.Meta(metaIndexed)
	if err != nil {
		return err
	}
	if root, err := w.index.object(w.index.root); err != nil {
		return err
	} else if indexed != nil && !root.exists { // a repair has dropped the index
		w.mark(changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapReadError, Since: w.recorded, Until: w.time})
		indexed = nil
	}
	if !bytes.Equal(was, boot) {
		w.batch.SetMeta(metaBoot, boot)
	}
	if held {
		if err := w.takeSpooled(ctx); err != nil {
			return err
		}
		if watched, err := w.group.Watches(); err != nil || watched {
			return w.wholeOrScan(err, indexed)
		}
	} else if err := w.openGroup(limited); err != nil {
		return err
	}
	if err := w.group.Mark(w.disk.dir, w.events()); err != nil {
		return err
	}
	if indexed == nil {
		return w.firstScan()
	}
	reason := changelog.GapAgentDown
	if held {
		reason = changelog.GapUnmounted
	} else if !bytes.Equal(was, boot) {
		reason = changelog.GapUncleanBoot
	}
	w.gap(changelog.Marker{Reason: reason, Since: w.recorded, Until: w.time})
	return nil
}

// wholeOrScan goes on after a process that was killed, perhaps before its first scan
// had ended, or in the midst of another one.
func (w *worker) wholeOrScan(err error, indexed []byte) error {
	if err != nil {
		return err
	}
	if indexed == nil {
		return w.firstScan()
	}
	scanning, err := w.s.journal.Meta(metaScanning)
	if err != nil {
		return err
	}
	waited, whole := w.quiet.kept.names()
	if scanning != nil || !whole {
		return w.beginScan(false, nil)
	}
	kept := w.quiet.kept // which has them already
	w.quiet.kept = nil
	for _, n := range waited {
		if n.name == "" {
			w.quiet.list(n.parent, w.now)
		} else {
			w.quiet.touch(n, w.now)
		}
	}
	w.quiet.kept = kept
	return nil
}

// firstScan makes the index. What is there is no news to anybody: the journal begins
// with it.
func (w *worker) firstScan() error {
	root, err := w.index.object(w.index.root)
	if err != nil {
		return err
	}
	l, err := w.disk.look(w.index.root)
	if err != nil {
		return err
	}
	root.Object = l.Object
	root.Links = 1
	w.index.put(w.index.root, root)
	return w.beginScan(true, nil)
}

// takeHeld asks the holder for the group and the spool.
func (w *worker) takeHeld() (bool, error) {
	if w.s.holder == nil {
		return false, nil
	}
	files, err := w.s.holder.Take(w.s.key())
	if err != nil || len(files) == 0 {
		return false, err
	}
	if len(files) < 2 || len(files) > 3 { // two, of an agent that had no names that wait
		return false, fmt.Errorf("holder: got %d descriptors for %s, want group, spool and names", len(files), w.s.key())
	}
	defer files[1].Close()
	if w.spool, err = mapSpool(files[1]); err != nil {
		return false, err
	}
	if w.group, err = fanotify.GroupOf(files[0]); err != nil {
		return false, err
	}
	if len(files) == 3 {
		defer files[2].Close()
		w.quiet.kept, err = mapPending(files[2])
	}
	return true, err
}

// takeSpooled takes over what a process had read that was killed, but for what that had
// committed.
func (w *worker) takeSpooled(ctx context.Context) error {
	defer w.spool.release()
	left := w.spool.left(w.s.journal.Serial())
	for _, l := range left {
		if err := w.decodeLeft(l); err != nil {
			return fmt.Errorf("spool of events, serial %d: %w", l.serial(), err)
		}
	}
	if len(left) == 0 {
		return nil
	}
	for i := range w.notices {
		w.pair(i)
	}
	return w.expandAll(ctx, w.spool.serial())
}

// openGroup opens a group and a spool and has them held.
func (w *worker) openGroup(limited bool) error {
	g, err := fanotify.OpenGroup(limited)
	if err != nil {
		return err
	}
	file, err := newSpoolFile()
	if err != nil {
		g.Close()
		return err
	}
	defer file.Close()
	w.group = g
	if w.spool, err = mapSpool(file); err != nil {
		return err
	}
	w.spool.release()
	if w.s.holder == nil {
		return nil
	}
	waiting, err := newPendingFile()
	if err != nil {
		return err
	}
	defer waiting.Close()
	if w.quiet.kept, err = mapPending(waiting); err != nil {
		return err
	}
	return w.s.holder.Hold(w.s.key(), g.File(), file, waiting)
}
