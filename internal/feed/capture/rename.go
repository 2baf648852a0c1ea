// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// rename tells that an object has another name.
func (w *worker) rename(n *notice) error {
	from, err := w.index.dirent(n.old)
	if err != nil {
		return err
	}
	to, err := w.index.dirent(n.at)
	if err != nil {
		return err
	}
	if from == n.object && to.IsZero() && n.exchange.IsZero() {
		w.quiet.moved(n.old, n.at, n.object, w.now)
		return w.move(n.old, n.at, n.object, to, addition{by: n.by})
	}
	w.quiet.touch(n.old, w.now)
	w.quiet.touch(n.at, w.now)
	if w.unknown(from, n) && to != n.object {
		from = n.object
	}
	switch {
	case to == n.object && from != n.object:
		w.count.seen++ // by a look-up, or as the first half of an exchange
		return nil
	case from != n.object:
		w.count.contradicted++
		return w.arrive(n, to)
	case to == n.object: // two names of one object, of which this one is left
		w.count.contradicted++
		return w.take(n.old, n.object, addition{by: n.by, flags: changelog.FlagSynth})
	case !n.exchange.IsZero() && to == n.exchange:
		return w.swap(n)
	}
	return w.move(n.old, n.at, n.object, to, addition{by: n.by})
}

// arrive tells of an object that comes from where the journal does not have it.
func (w *worker) arrive(n *notice, victim changelog.FID) error {
	o, err := w.index.object(n.object)
	if err != nil {
		return err
	}
	how := addition{by: n.by, flags: changelog.FlagSynth}
	if o.exists && o.Type == unix.S_IFDIR {
		// A directory has one name: it moved from there.
		if from, ok := w.index.place(n.object); ok {
			w.quiet.touch(from, w.now)
			return w.move(from, n.at, n.object, victim, how)
		}
	}
	if !victim.IsZero() {
		if err := w.synthRemove(n.at, victim, n.by); err != nil {
			return err
		}
	}
	return w.add(n.at, n.object, n.isDir(), how)
}

// move tells that f went from one name to another, where victim was.
func (w *worker) move(from, to name, f, victim changelog.FID, how addition) error {
	r := w.begin(to, victim, how.by)
	r.Type = changelog.Rename
	r.Flags |= how.flags
	w.from(r, f, from)
	o, err := w.index.object(f)
	if err != nil {
		return err
	}
	about, last := o, false
	if !victim.IsZero() {
		if about, last, err = w.lose(victim); err != nil {
			return err
		}
	}
	if last {
		r.Flags |= changelog.FlagLast
	}
	if err := w.index.setDirent(from, changelog.FID{}); err != nil {
		return err
	}
	if err := w.index.setDirent(to, f); err != nil {
		return err
	}
	w.placed(o, to)
	w.recall(r, o)
	if l, err := w.disk.look(f); err == nil {
		w.describe(r, o, l)
	}
	w.index.put(f, o)
	if err := w.emit(r, about, o); err != nil {
		return err
	}
	if last {
		w.index.drop(victim, about)
	}
	return nil
}

// lose takes one name from an object, and reports whether it was the last: then it is to
// be dropped when that was told.
func (w *worker) lose(f changelog.FID) (o *object, last bool, err error) {
	if o, err = w.index.object(f); err != nil {
		return nil, false, err
	}
	if o.Type == unix.S_IFDIR {
		w.index.moved()
	}
	if !w.full {
		if l, err := w.disk.look(f); err == nil && l.gone {
			o.Links = 1
		}
	}
	if !o.exists || o.Links <= 1 {
		return o, true, nil
	}
	o.Links--
	w.index.put(f, o)
	return o, false, nil
}

// placed says where a directory is now.
func (w *worker) placed(o *object, at name) {
	if o.Type != unix.S_IFDIR {
		return
	}
	o.place, o.placed = at, true
	w.index.moved()
}

// swap tells that two objects changed places.
func (w *worker) swap(n *notice) error {
	other, err := w.index.object(n.exchange)
	if err != nil {
		return err
	}
	o, err := w.index.object(n.object)
	if err != nil {
		return err
	}
	r := w.begin(n.at, n.exchange, n.by)
	r.Type, r.Flags = changelog.Rename, r.Flags|changelog.FlagExchange
	w.from(r, n.object, n.old)
	if err := w.index.setDirent(n.at, n.object); err != nil {
		return err
	}
	if err := w.index.setDirent(n.old, n.exchange); err != nil {
		return err
	}
	w.placed(o, n.at)
	w.placed(other, n.old)
	w.recall(r, o)
	w.index.put(n.object, o)
	w.index.put(n.exchange, other)
	return w.emit(r, other, o)
}
