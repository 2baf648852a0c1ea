// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// known returns the object that an event tells of, nil if the journal has not got it:
// it has no name then, or is below what is not observed.
func (w *worker) known(n *notice) (*object, error) {
	o, err := w.index.object(n.object)
	if err != nil || o.exists || !w.full && !n.isDir() && n.at != (name{}) {
		return o, err
	}
	w.count.unknown++
	return nil, nil
}

// spot is the name that the record of a change carries. A directory that tells of
// itself has that which the index knows.
func (w *worker) spot(n *notice) name {
	if !n.itself() {
		return n.at
	}
	at, _ := w.index.place(n.object)
	return at
}

// attrib tells that attributes changed. Without a name it only foretells a link, an
// unlink or a rename of the same object.
func (w *worker) attrib(n *notice) error {
	if n.at == (name{}) {
		return nil
	}
	o, err := w.known(n)
	if o == nil {
		return err
	}
	l, err := w.disk.look(n.object)
	if err != nil {
		return err
	}
	if l.gone {
		w.count.gone++
		return nil
	}
	hash := o.XattrHash
	if h, err := w.disk.xattrs(n.object); err == nil {
		hash = h
	}
	kind, changed := attribType(&o.Object, &l.Object, hash != o.XattrHash)
	if !o.exists { // what it was like is not known
		kind, changed = changelog.Setattr, true
	}
	if !changed {
		w.count.seen++
		return nil
	}
	r := w.begin(w.spot(n), n.object, n.by)
	r.Type = kind
	w.describe(r, o, l)
	o.XattrHash = hash
	w.index.put(n.object, o)
	return w.emit(r, o)
}

// attribType is the record of a change of attributes: the most telling of those that
// differ from the index.
func attribType(was, is *journal.Object, xattr bool) (t changelog.Type, changed bool) {
	switch {
	case was.Mode != is.Mode || was.UID != is.UID || was.GID != is.GID:
		return changelog.Setattr, true
	case xattr:
		return changelog.Setxattr, true
	case was.Mtime != is.Mtime:
		return changelog.Mtime, true
	case was.Atime != is.Atime:
		return changelog.Atime, true
	}
	return changelog.Ctime, was.Ctime != is.Ctime
}

// modify tells that contents changed. The time that the object has need not differ:
// it is coarse.
func (w *worker) modify(n *notice) error {
	o, err := w.known(n)
	if o == nil {
		return err
	}
	l, err := w.disk.look(n.object)
	if err != nil {
		return err
	}
	kind := changelog.Mtime
	if !l.gone && l.Size < o.Size {
		kind = changelog.Trunc
	}
	if w.soon(n.object) && kind == changelog.Mtime {
		w.count.dropped++ // the index keeps what it has: a record to come tells what differs
		return nil
	}
	r := w.begin(w.spot(n), n.object, n.by)
	r.Type = kind
	return w.changed(r, o, l)
}

// soon reports whether a change of contents follows the last one within the interval
// that a record is made for.
func (w *worker) soon(f changelog.FID) bool {
	if w.mtimeInterval <= 0 {
		return false
	}
	last, ok := w.modified[f]
	if ok && w.now.Sub(last) < w.mtimeInterval {
		return true
	}
	if len(w.modified) >= cacheLimit {
		clear(w.modified)
	}
	w.modified[f] = w.now
	return false
}

// changed emits a record of a change, with what the object is like now.
func (w *worker) changed(r *changelog.Record, o *object, l *look) error {
	w.describe(r, o, l)
	w.index.put(r.Target, o)
	return w.emit(r, o)
}

// closed tells that an object was closed by a writer.
func (w *worker) closed(n *notice) error { return w.noted(n, changelog.Close, 0) }

// accessed tells that an object was read.
func (w *worker) accessed(n *notice) error { return w.noted(n, changelog.Atime, 0) }

// opened tells that an object was opened; for what, only for execution.
func (w *worker) opened(n *notice) error {
	if n.is(fanotify.OpenExec) {
		return w.noted(n, changelog.Open, changelog.OpenExec)
	}
	return w.noted(n, changelog.Open, 0)
}

// noted makes a record that an event needs whatever the object is like.
func (w *worker) noted(n *notice, t changelog.Type, open uint32) error {
	if w.mask&(1<<t) == 0 {
		return nil
	}
	o, err := w.known(n)
	if o == nil {
		return err
	}
	l, err := w.disk.look(n.object)
	if err != nil {
		return err
	}
	r := w.begin(w.spot(n), n.object, n.by)
	r.Type, r.Open = t, open
	if t == changelog.Open {
		r.Has |= changelog.HasOpen
	}
	return w.changed(r, o, l)
}
