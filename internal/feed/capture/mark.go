// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// mark appends a mark to the batch.
func (w *worker) mark(m changelog.Marker) {
	r := &w.record
	*r = changelog.Record{Index: w.batch.Next(), Time: w.time, Type: changelog.Mark, Mark: &m}
	w.append(r)
}

// overflowed tells that the kernel threw events away. Names are compared anew.
func (w *worker) overflowed() error {
	w.gap(changelog.Marker{Reason: changelog.GapOverflow, Since: w.time, Until: w.time})
	return nil
}

// failedFS tells of an error that the file system reports.
func failedFS(e *fanotify.Event) *changelog.Marker {
	f, _ := changelog.FIDOfHandle(e.Object.Type, e.Object.Bytes)
	return &changelog.Marker{Kind: changelog.MarkFSError, Errno: e.Errno, Count: e.Count, Object: f}
}

func closeProcess(e *fanotify.Event) {
	if e.PIDFD >= 0 {
		unix.Close(int(e.PIDFD))
	}
}

// lookAtMount finds out whether the file system is mounted and watched, and tells of
// changes.
func (w *worker) lookAtMount(ctx context.Context) error {
	watched, err := w.group.Watches()
	if err != nil {
		return err
	}
	dir, found := Find(w.s.uuid, w.disk.dir)
	w.recheck = time.Time{}
	switch {
	case w.present && watched && !found:
		// The kernel takes the mark away only after it has told of the unmount, once
		// nobody uses the file system any more.
		w.recheck = w.now.Add(recheckAfter)
	case w.present && !watched:
		w.disk.close()
		w.present, w.recorded = false, w.time
		w.mark(changelog.Marker{Kind: changelog.MarkUnmount, UUID: w.s.uuid.String(), Device: w.disk.from, Dir: w.disk.dir})
		if err := w.commitRetrying(ctx, 0); err != nil {
			return err
		}
		w.log.Warn("file system was unmounted", "dir", w.disk.dir)
		if !found {
			return nil
		}
		return w.mounted(dir)
	case !w.present && found:
		return w.mounted(dir)
	case w.present && found:
		if dir != w.disk.dir {
			w.disk.close()
			w.disk.dir = dir
		}
		if w.missed { // something else was mounted where it is
			w.missed = false
			w.gap(changelog.Marker{Reason: changelog.GapUnmounted, Since: w.time, Until: w.time})
		}
	}
	return nil
}

// recheckAfter is when a file system that has no mount is looked at again.
const recheckAfter = 100 * time.Millisecond

// mounted begins to watch the file system where it is mounted now.
func (w *worker) mounted(dir string) error {
	w.disk.dir, w.disk.from = dir, deviceOf(dir)
	if err := w.group.Mark(dir, w.events()); err != nil {
		return err
	}
	w.present, w.missed = true, false
	w.tick()
	w.log.Info("file system is mounted again", "dir", dir)
	w.mark(changelog.Marker{Kind: changelog.MarkMount, UUID: w.s.uuid.String(), Device: w.disk.from, Dir: dir})
	w.gap(changelog.Marker{Reason: changelog.GapUnmounted, Since: w.recorded, Until: w.time})
	return nil
}

// Find finds where a file system is mounted, all of it, best where it was known to be.
func Find(uuid journal.UUID, known string) (dir string, found bool) {
	if m, part, err := fanotify.MountOf(known); err == nil && m.Root == "/" && part == "." && isMounted(known, uuid) {
		return known, true
	}
	mounts, err := fanotify.ReadMounts()
	if err != nil {
		return "", false
	}
	kinds := slices.Collect(maps.Values(kindNames))
	for _, m := range mounts {
		if m.Root == "/" && slices.Contains(kinds, m.Type) && isMounted(m.Dir, uuid) {
			return m.Dir, true
		}
	}
	return "", false
}

// deviceOf is the device of what is mounted at a directory, its number if it has no name.
func deviceOf(dir string) string {
	m, _, err := fanotify.MountOf(dir)
	switch {
	case err != nil:
		return ""
	case strings.HasPrefix(m.Source, "/"):
		return m.Source
	}
	return m.Device
}

func isMounted(dir string, uuid [16]byte) bool {
	root, err := fanotify.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	id, err := root.UUID()
	return err == nil && id == uuid
}

// events is the kernel's mask for what feeds ask for.
func (w *worker) events() uint64 {
	mask := uint64(fanotify.Changes | fanotify.FSError)
	if w.mask&(1<<changelog.Open) != 0 {
		mask |= fanotify.Open | fanotify.OpenExec
	}
	if w.mask&(1<<changelog.Atime) != 0 {
		mask |= fanotify.Access
	}
	return mask
}
