// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

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
