// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// scan compares the index with the disk, directory by directory from the root. What
// is new or elsewhere becomes a record where it is found, parents before children;
// what is missing waits for the end, since it may be found elsewhere.
type scan struct {
	id          uint64
	silent      bool            // the first: it makes the index, and no records
	dirs        []changelog.FID // still to be visited; the last is next
	missing     []missing
	entries     uint64
	differences uint64
	begun       time.Time
	done        []chan<- error
}

// missing is a name of the index that the disk has not got.
type missing struct {
	at name
	f  changelog.FID
}

// scanStep is how long events wait for a scan at most.
const scanStep = 20 * time.Millisecond

// manyEntries is how many entries leave so much memory behind that it is given back at
// once.
const manyEntries = 100_000

// beginScan begins to compare, from anew if a scan is under way.
func (w *worker) beginScan(silent bool, done chan<- error) error {
	s := &scan{silent: silent, dirs: []changelog.FID{w.index.root}, begun: w.now}
	if done != nil {
		s.done = append(s.done, done)
	}
	if old := w.scan; old != nil {
		s.done = append(s.done, old.done...)
		s.silent = s.silent && old.silent
	}
	w.scan = s
	w.scans++
	s.id = w.scans
	if silent {
		return nil
	}
	w.batch.SetMeta(metaScanning, []byte{1})
	w.mark(changelog.Marker{Kind: changelog.MarkScanBegin, Scan: s.id})
	return w.commit(0)
}

// stepScan goes on with a scan for a while.
func (w *worker) stepScan() error {
	w.disk.refresh()
	for until := time.Now().Add(scanStep); len(w.scan.dirs) > 0; {
		last := len(w.scan.dirs) - 1
		dir := w.scan.dirs[last]
		w.scan.dirs = w.scan.dirs[:last]
		if err := w.visit(dir); err != nil {
			return err
		}
		if time.Now().After(until) {
			return w.commit(0)
		}
	}
	return w.endScan()
}

// endScan removes what was not found and says so.
func (w *worker) endScan() error {
	s := w.scan
	w.silent = s.silent
	defer func() { w.silent = false }()
	for i := len(s.missing) - 1; i >= 0; i-- {
		if err := w.removeMissing(s.missing[i]); err != nil {
			return err
		}
	}
	w.scan, w.silent = nil, false
	if !s.silent {
		w.mark(changelog.Marker{
			Kind: changelog.MarkScanEnd, Scan: s.id, Entries: s.entries, Differences: s.differences,
		})
	}
	w.batch.SetMeta(metaIndexed, []byte{1})
	w.batch.SetMeta(metaScanning, nil)
	err := w.commit(0)
	if errors.Is(err, errStore) {
		w.scan = s // who waits for it waits for the next
		return err
	}
	for _, done := range s.done {
		done <- err
	}
	if s.entries >= manyEntries {
		go debug.FreeOSMemory() // ends by itself; the scan's memory is not needed again soon
	}
	w.count.scanned += s.entries
	w.count.scanTime += time.Since(s.begun)
	w.log.Info("scan ended", "scan", s.id, "entries", s.entries, "differences", s.differences, "seconds", time.Since(s.begun).Seconds())
	return err
}

// removeMissing takes a name away if it still is where it was, and nobody made it
// anew.
func (w *worker) removeMissing(m missing) error {
	if now, err := w.index.dirent(m.at); err != nil || now != m.f {
		return err
	}
	is, err := w.resolve(m.at)
	if err != nil || is == m.f {
		return err
	}
	w.scan.differences++
	if err := w.takeTree(m.at, m.f, addition{by: nobody(0), flags: changelog.FlagSynth}, 0); err != nil {
		return err
	}
	return w.commitIfLarge()
}

// visit compares one directory with the disk. Outside a scan it adds what no event
// told of, and leaves the rest alone.
func (w *worker) visit(dir changelog.FID) error {
	if w.scan != nil {
		w.silent = w.scan.silent
		defer func() { w.silent = false }()
	}
	if dir == w.skip {
		return nil
	}
	fd, err := w.disk.openFID(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	known, err := w.index.children(dir)
	if err != nil {
		return err
	}
	for {
		names, err := f.Readdirnames(1024)
		if err := w.meet(fd, dir, names, known); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("directory %v: %w", dir, err)
		}
	}
	if w.scan == nil {
		return nil
	}
	for n, f := range known {
		if o, err := w.index.object(f); !w.full && (err != nil || !o.isDir()) {
			continue // remembered for a while only
		}
		if at := (name{dir, n}); !w.quiet.pending(at) {
			w.scan.missing = append(w.scan.missing, missing{at, f})
		}
	}
	return nil
}

// entry is a name in a directory that is visited, as it is on the disk and in the
// journal.
type entry struct {
	at   name
	f    changelog.FID
	look look

	was    changelog.FID // what the name stood for in the index
	object journal.Object
	stored bool // the journal has the object
}

// meet compares the entries of an open directory with these names, of which known are
// in the index.
func (w *worker) meet(dirfd int, dir changelog.FID, names []string, known map[string]changelog.FID) error {
	w.entries = w.entries[:0]
	for _, n := range names {
		e := entry{at: name{dir, n}, was: known[n]}
		delete(known, n)
		there, err := w.lookAt(dirfd, &e)
		if err != nil {
			return err
		}
		if there {
			w.entries = append(w.entries, e)
		}
	}
	if err := w.recallAll(); err != nil {
		return err
	}
	for i := range w.entries {
		if err := w.settleEntry(dirfd, &w.entries[i]); err != nil {
			return err
		}
	}
	clear(w.entries)
	return nil
}

// recallAll reads what the journal has of the entries that may be as they were.
func (w *worker) recallAll() error {
	w.wanted = w.wanted[:0]
	for i := range w.entries {
		if e := &w.entries[i]; e.was == e.f {
			w.wanted = append(w.wanted, i)
		}
	}
	slices.SortFunc(w.wanted, func(a, b int) int { return compareFIDs(w.entries[a].f, w.entries[b].f) })
	return w.s.journal.ObjectsOf(func(yield func(changelog.FID) *journal.Object) {
		for _, i := range w.wanted {
			e := &w.entries[i]
			if o := yield(e.f); o != nil {
				e.object, e.stored = *o, true
			}
		}
	})
}

// lookAt looks at an entry of an open directory. It is not there where it was removed
// meanwhile, waits to be looked up, or has something mounted on it.
func (w *worker) lookAt(dirfd int, e *entry) (there bool, err error) {
	if w.quiet.pending(e.at) {
		return false, w.descend(e.at)
	}
	h, err := fanotify.HandleAt(dirfd, e.at.name)
	if err != nil {
		if isGone(err) {
			err = nil // removed meanwhile: an event tells
		}
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = nil // something else is mounted there
		}
		return false, err
	}
	if e.f, err = fidOf(h); err != nil {
		return false, nil //nolint:nilerr // a mount of another kind
	}
	var st unix.Statx_t
	if err := unix.Statx(dirfd, e.at.name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, &st); err != nil {
		return false, nil //nolint:nilerr // removed meanwhile
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return false, w.underMount(e.at)
	}
	e.look.Object = objectOf(&st)
	if w.scan != nil {
		w.scan.entries++
		if e.look.isDir() {
			w.scan.dirs = append(w.scan.dirs, e.f)
		}
	}
	return true, nil
}

// descend has a directory visited that waits to be looked up itself.
func (w *worker) descend(at name) error {
	f, err := w.index.dirent(at)
	if err != nil || f.IsZero() || w.scan == nil {
		return err
	}
	if o, err := w.index.object(f); err == nil && o.isDir() {
		w.scan.dirs = append(w.scan.dirs, f)
	}
	return nil
}

// underMount keeps what the index has below a directory that something is mounted on:
// it cannot be seen from here.
func (w *worker) underMount(at name) error { return w.descend(at) }

// settleEntry makes the index have an entry as the disk has it.
func (w *worker) settleEntry(dirfd int, e *entry) error {
	was, err := w.standsFor(e)
	if err != nil {
		return err
	}
	switch {
	case !w.full && !e.look.isDir():
		return w.listed(e.at, e.f, &e.look)
	case was == e.f:
		return w.compareObject(e)
	}
	if w.scan != nil {
		w.scan.differences++
	}
	l := &look{Object: e.look.Object}
	if l.Type == unix.S_IFLNK {
		buf := make([]byte, l.Size+1)
		if n, err := unix.Readlinkat(dirfd, e.at.name, buf); err == nil {
			l.link = buf[:n]
		}
	}
	w.disk.seen[e.f] = l
	how := addition{by: nobody(0), flags: changelog.FlagSynth, listed: w.scan != nil}
	if !was.IsZero() {
		// The object that had the name may be elsewhere: it is not gone for that.
		if err := w.displace(e.at, was, how); err != nil {
			return err
		}
	}
	if err := w.place(e.at, e.f, l, how); err != nil {
		return err
	}
	return w.commitIfLarge()
}

// standsFor returns what the name of an entry stands for in the index. What the journal
// had when the directory was begun may be otherwise since; but where that is what the
// disk has, nobody needs to know.
func (w *worker) standsFor(e *entry) (changelog.FID, error) {
	if f, known := w.index.cached(e.at); known {
		return f, nil
	}
	if e.was == e.f {
		return e.f, nil
	}
	return w.index.dirent(e.at)
}

// listed tells of an object that the index need not know. In a scan every one is told,
// so that a reader can drop what it has and was not told of.
func (w *worker) listed(at name, f changelog.FID, l *look) error {
	if w.scan == nil || w.silent {
		return nil
	}
	o := &object{}
	r := w.begin(at, f, nobody(0))
	r.Type, r.Flags = creation(l.Type), r.Flags|changelog.FlagSynth
	w.describe(r, o, l)
	if err := w.emit(r, o); err != nil {
		return err
	}
	return w.commitIfLarge()
}

// displace takes a name from an object that another has now. A directory is left in
// the list of what is missing if it cannot be found.
func (w *worker) displace(at name, f changelog.FID, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if !o.isDir() {
		return w.take(at, f, how)
	}
	now, err := w.whereIs(f)
	if err != nil {
		return err
	}
	if now == (name{}) || now == at {
		return w.takeTree(at, f, how, 0)
	}
	return w.move(at, now, f, changelog.FID{}, how)
}

// whereIs finds the name of a directory on the disk, the zero name if it is gone or
// lies where the index knows no directory.
func (w *worker) whereIs(f changelog.FID) (name, error) {
	fd, err := w.disk.openFID(f, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return name{}, err
	}
	defer unix.Close(fd)
	above, err := fanotify.HandleAt(fd, "..")
	if err != nil {
		return name{}, err
	}
	parent, err := fidOf(above)
	if err != nil {
		return name{}, err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return name{}, err
	}
	if o, err := w.index.object(parent); err != nil || !o.exists && parent != w.index.root {
		return name{}, err
	}
	found := name{parent, baseName(path)}
	if was, err := w.index.dirent(found); err != nil || !was.IsZero() {
		return name{}, err // its place is taken by the index: it is found when that is visited
	}
	return found, nil
}

func baseName(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// place has a name stand for an object that was found there: one that came from where
// it is no more, or one that is new.
func (w *worker) place(at name, f changelog.FID, l *look, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	if o.exists && o.Links > 0 {
		from, ok := w.index.someLink(f)
		if ok && l.isDir() {
			return w.move(from, at, f, changelog.FID{}, how)
		}
		if ok {
			is, err := w.resolve(from)
			if err != nil {
				return err
			}
			if is != f {
				return w.move(from, at, f, changelog.FID{}, how)
			}
		}
	}
	return w.add(at, f, l.isDir(), how)
}

// compareObject makes a record of an object whose attributes are not those of the
// index.
func (w *worker) compareObject(e *entry) error {
	f, l := e.f, &e.look
	if e.stored && !w.silent && !w.index.remembers(f) && unchanged(&e.object, &l.Object) {
		return nil
	}
	o, err := w.index.object(f)
	if err != nil || !o.exists {
		return err
	}
	hash := o.XattrHash
	if o.Ctime != l.Ctime || w.silent {
		if h, err := w.disk.xattrs(f); err == nil {
			hash = h
		}
	}
	kind, changed := attribType(&o.Object, &l.Object, hash != o.XattrHash)
	if o.Size != l.Size && kind != changelog.Setattr {
		kind, changed = changelog.Mtime, true
		if l.Size < o.Size {
			kind = changelog.Trunc
		}
	}
	if !changed || kind == changelog.Atime {
		return nil
	}
	if w.scan != nil {
		w.scan.differences++
	}
	r := w.begin(e.at, f, nobody(0))
	r.Type, r.Flags = kind, r.Flags|changelog.FlagSynth
	w.describe(r, o, l)
	o.XattrHash = hash
	w.index.put(f, o)
	if err := w.emit(r, o); err != nil {
		return err
	}
	return w.commitIfLarge()
}

// unchanged reports whether an object needs no record and no further look: a change
// that is not seen here changes its time.
func unchanged(was, is *journal.Object) bool {
	return was.Ctime == is.Ctime && was.Mtime == is.Mtime && was.Size == is.Size &&
		was.Mode == is.Mode && was.UID == is.UID && was.GID == is.GID
}
