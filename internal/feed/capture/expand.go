// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// notice is an event with its handles as FIDs.
type notice struct {
	mask     uint64
	object   changelog.FID
	at       name // where it happened; the zero name if the event has none
	old      name // of renames; at is the new name
	by       *actor
	exchange changelog.FID // the other object of an exchange
	failure  *changelog.Marker
}

func (n *notice) is(mask uint64) bool { return n.mask&mask != 0 }

// isDir reports whether the object is a directory.
func (n *notice) isDir() bool { return n.is(fanotify.OnDir) }

// itself reports whether a directory tells of itself.
func (n *notice) itself() bool { return n.at.name == "." }

// steps are what the bits of an event come to, in this order.
var steps = [...]struct {
	mask    uint64 // one of these bits
	all     uint64 // all of these
	without uint64 // none of these
	step    func(*worker, *notice) error
}{
	{mask: fanotify.Rename, step: (*worker).rename},
	{mask: fanotify.Create, all: fanotify.Create | fanotify.Delete, without: fanotify.Rename, step: (*worker).createAndDelete},
	{mask: fanotify.Create, without: fanotify.Delete | fanotify.Rename, step: (*worker).create},
	{mask: fanotify.Attrib, step: (*worker).attrib},
	{mask: fanotify.Modify, step: (*worker).modify},
	{mask: fanotify.CloseWrite, step: (*worker).closed},
	{mask: fanotify.Open | fanotify.OpenExec, step: (*worker).opened},
	{mask: fanotify.Access, step: (*worker).accessed},
	{mask: fanotify.Delete, without: fanotify.Create, step: (*worker).remove},
}

// expand makes the records of one event. Whatever the kernel folded into it, the
// object was made before it was changed, and changed before it was closed.
func (w *worker) expand(n *notice) error {
	for i := range steps {
		s := &steps[i]
		if n.is(s.mask) && !n.is(s.without) && n.mask&s.all == s.all {
			if err := s.step(w, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// create tells that a name came to be.
func (w *worker) create(n *notice) error {
	was, err := w.index.dirent(n.at)
	if err != nil {
		return err
	}
	switch {
	case was == n.object:
		w.count.seen++ // by a look-up
		return nil
	case !was.IsZero():
		if err := w.synthRemove(n.at, was, n.by); err != nil {
			return err
		}
	}
	return w.add(n.at, n.object, n.isDir(), addition{by: n.by})
}

// addition is how a name comes to be.
type addition struct {
	by    *actor
	flags changelog.Flags
	// listed says that what a new directory has in it is looked at anyway.
	listed bool
}

// add tells that a name stands for an object now, and has the index say so.
func (w *worker) add(at name, f changelog.FID, isDir bool, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	l, err := w.disk.look(f)
	if err != nil {
		return err
	}
	r := w.begin(at, f, how.by)
	r.Flags |= how.flags
	known := o.exists && o.Links > 0 || !w.full && !l.gone && !l.isDir() && l.Links > 1
	links := o.Links
	switch {
	case known:
		r.Type = changelog.Hardlink
	case l.gone:
		r.Type, r.Flags = changelog.Create, r.Flags|changelog.FlagGone
		if isDir {
			r.Type = changelog.Mkdir
		}
		o.Type = typeOf(isDir)
	default:
		r.Type = creation(l.Type)
		r.Link = l.link
	}
	w.describe(r, o, l)
	if r.Type != changelog.Hardlink && r.Has&changelog.HasUser == 0 && !l.gone {
		w.ownerDidIt(r, l)
	}
	if isDir || l.Type == unix.S_IFDIR {
		o.place, o.placed, o.Links = at, true, 0
		links = 0
		if !how.listed {
			w.quiet.list(f, w.now)
		}
	}
	if err := w.index.setDirent(at, f); err != nil {
		return err
	}
	o.Links = links + 1
	w.index.put(f, o)
	return w.emit(r, o)
}

func typeOf(isDir bool) uint32 {
	if isDir {
		return unix.S_IFDIR
	}
	return unix.S_IFREG
}

// creation is the type of the record that tells that an object was made.
func creation(mode uint32) changelog.Type {
	switch mode {
	case unix.S_IFDIR:
		return changelog.Mkdir
	case unix.S_IFLNK:
		return changelog.Softlink
	case unix.S_IFREG:
		return changelog.Create
	}
	return changelog.Mknod
}

// remove tells that a name is gone.
func (w *worker) remove(n *notice) error {
	was, err := w.index.dirent(n.at)
	if err != nil {
		return err
	}
	if was != n.object && !w.unknown(was, n) {
		w.count.contradicted++
		w.quiet.touch(n.at, w.now)
		return nil
	}
	if n.isDir() && n.object.OID != n.at.parent.OID {
		// A subvolume goes with all that is in it, of which nothing is told.
		if err := w.takeBelow(n.object, addition{by: n.by, flags: changelog.FlagSynth}, 0); err != nil {
			return err
		}
	}
	return w.take(n.at, n.object, addition{by: n.by})
}

// unknown reports whether a name may stand for what an event says though the index has
// nothing there: of anything but directories it need not know, if it keeps only these.
func (w *worker) unknown(was changelog.FID, n *notice) bool {
	return !w.full && was.IsZero() && !n.isDir()
}

// synthRemove is remove for a name that no event told of.
func (w *worker) synthRemove(at name, f changelog.FID, by *actor) error {
	w.quiet.touch(at, w.now)
	return w.take(at, f, addition{by: by, flags: changelog.FlagSynth})
}

// take tells that a name stands for f no more.
func (w *worker) take(at name, f changelog.FID, how addition) error {
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	r := w.begin(at, f, how.by)
	r.Flags |= how.flags
	r.Type = changelog.Unlink
	if o.Type == unix.S_IFDIR {
		r.Type = changelog.Rmdir
		w.index.moved()
	}
	if err := w.index.setDirent(at, changelog.FID{}); err != nil {
		return err
	}
	last := o.exists && o.Links <= 1
	if !w.full || !o.exists {
		l, err := w.disk.lookAgain(f)
		last = err == nil && l.gone
	}
	if last {
		r.Flags |= changelog.FlagLast
		if err := w.bury(at, f, o); err != nil {
			return err
		}
	}
	w.recall(r, o)
	if err := w.emit(r, o); err != nil {
		return err
	}
	if last {
		w.index.drop(f, o)
		return nil
	}
	o.Links--
	w.index.put(f, o)
	return nil
}

// bury spares the names that an object has had last the look that waits for a moment
// without events, if it is gone for sure. Directories of which the handle is stale may be
// there.
func (w *worker) bury(at name, f changelog.FID, o *object) error {
	if o.isDir() || !w.quiet.waitsFor(at, f) {
		return nil
	}
	l, err := w.disk.lookAgain(f)
	if err == nil && l.dead {
		w.quiet.buried(at, f, w.index)
	}
	return err
}

// createAndDelete makes the records of an event that has both bits. Which came last
// it does not say.
func (w *worker) createAndDelete(n *notice) error {
	w.quiet.touch(n.at, w.now)
	was, err := w.index.dirent(n.at)
	if err != nil {
		return err
	}
	is, err := w.resolve(n.at)
	if err != nil {
		return err
	}
	how := addition{by: n.by, flags: changelog.FlagMerged}
	if was == n.object {
		if err := w.take(n.at, n.object, how); err != nil || is != n.object {
			return err
		}
		return w.add(n.at, n.object, n.isDir(), how)
	}
	if !was.IsZero() {
		if err := w.synthRemove(n.at, was, n.by); err != nil {
			return err
		}
	}
	if err := w.add(n.at, n.object, n.isDir(), how); err != nil || is == n.object {
		return err
	}
	return w.take(n.at, n.object, how)
}
