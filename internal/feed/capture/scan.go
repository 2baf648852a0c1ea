// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
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
		for _, n := range names {
			delete(known, n)
			if err := w.meet(fd, name{dir, n}); err != nil {
				return err
			}
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

// meet compares one entry of an open directory.
func (w *worker) meet(dirfd int, at name) error {
	if w.quiet.pending(at) {
		return w.descend(at)
	}
	h, err := fanotify.HandleAt(dirfd, at.name)
	if err != nil {
		if isGone(err) {
			err = nil // removed meanwhile: an event tells
		}
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = nil // something else is mounted there
		}
		return err
	}
	f, err := fidOf(h)
	if err != nil {
		return nil //nolint:nilerr // a mount of another kind
	}
	l := &look{}
	var st unix.Statx_t
	if err := unix.Statx(dirfd, at.name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, &st); err != nil {
		return nil //nolint:nilerr // removed meanwhile
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return w.underMount(at)
	}
	l.Object = objectOf(&st)
	if w.scan != nil {
		w.scan.entries++
	}
	if l.isDir() && w.scan != nil {
		w.scan.dirs = append(w.scan.dirs, f)
	}
	return w.settleEntry(dirfd, at, f, l)
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
func (w *worker) settleEntry(dirfd int, at name, f changelog.FID, l *look) error {
	was, err := w.index.dirent(at)
	if err != nil {
		return err
	}
	switch {
	case !w.full && !l.isDir():
		return w.listed(at, f, l)
	case was == f:
		return w.compareObject(at, f, l)
	}
	if w.scan != nil {
		w.scan.differences++
	}
	if l.Type == unix.S_IFLNK {
		buf := make([]byte, l.Size+1)
		if n, err := unix.Readlinkat(dirfd, at.name, buf); err == nil {
			l.link = buf[:n]
		}
	}
	w.disk.seen[f] = l
	how := addition{by: nobody(0), flags: changelog.FlagSynth, visited: w.scan != nil}
	if !was.IsZero() {
		// The object that had the name may be elsewhere: it is not gone for that.
		if err := w.displace(at, was, how); err != nil {
			return err
		}
	}
	if err := w.place(at, f, l, how); err != nil {
		return err
	}
	return w.commitIfLarge()
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
func (w *worker) compareObject(at name, f changelog.FID, l *look) error {
	o, err := w.index.object(f)
	if err != nil || !o.exists {
		return err
	}
	n := notice{object: f, at: at}
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
	r := w.begin(n.at, f, nobody(0))
	r.Type, r.Flags = kind, r.Flags|changelog.FlagSynth
	w.describe(r, o, l)
	o.XattrHash = hash
	w.index.put(f, o)
	if err := w.emit(r, o); err != nil {
		return err
	}
	return w.commitIfLarge()
}
