// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// index is what exists by the journal and by the batch that is being made. It keeps
// what was asked for lately in two generations, so that the older half is dropped as
// a whole when there is too much.
type index struct {
	j     journal.Journal
	limit int // entries of a generation

	objects, oldObjects map[changelog.FID]*object
	names, oldNames     map[name]*link

	dirsOnly bool // only directories go to the journal; the rest is remembered for a while

	recent [2]*link // names that were asked for last: they are most likely the next, too

	changedObjects []changedObject
	changedNames   []*link
	changedIn      map[changelog.FID][]*link // the first of changedNames by their directories
	sorted         int                       // how many those are
	paths          map[changelog.FID][]byte
	root           changelog.FID
}

// name is an entry of a directory.
type name struct {
	parent changelog.FID
	name   string
}

// link is what a name stands for.
type link struct {
	name
	f       changelog.FID // zero: nothing
	was     changelog.FID // before the batch, where it is changed by that
	changed bool
}

// object is an object with what the batch knows of it.
type object struct {
	journal.Object
	exists  bool
	changed bool
	stored  bool // the journal has it, whether it exists by the batch or not
	place   name // of directories: where it is; the zero name if that was not asked for yet
	placed  bool
}

// changedObject is an object that the batch changes.
type changedObject struct {
	f changelog.FID
	o *object
}

// cacheLimit is how many objects and names a generation keeps: about 20 MB in all.
const cacheLimit = 50_000

func newIndex(j journal.Journal, root changelog.FID) *index {
	x := &index{j: j, limit: cacheLimit, root: root}
	x.forget()
	return x
}

// forget drops all that is not in the journal.
func (x *index) forget() {
	x.objects, x.oldObjects = map[changelog.FID]*object{}, map[changelog.FID]*object{}
	x.names, x.oldNames = map[name]*link{}, map[name]*link{}
	x.recent = [2]*link{}
	x.changedObjects, x.changedNames = nil, nil
	x.changedIn, x.sorted = map[changelog.FID][]*link{}, 0
	x.paths = map[changelog.FID][]byte{}
}

// object returns what is known of f; it is the index's own, to be changed through put
// only.
func (x *index) object(f changelog.FID) (*object, error) {
	if o := x.objects[f]; o != nil {
		return o, nil
	}
	o := x.oldObjects[f]
	if o == nil {
		o = &object{}
		found, err := x.j.Object(f, &o.Object)
		if err != nil {
			return nil, err
		}
		o.exists, o.stored = found, found
	}
	x.objects[f] = o
	return o, nil
}

// put says that an object exists as o has it.
func (x *index) put(f changelog.FID, o *object) {
	o.exists = true
	x.touch(f, o)
}

// drop says that an object exists no more.
func (x *index) drop(f changelog.FID, o *object) {
	*o = object{changed: o.changed, stored: o.stored}
	x.touch(f, o)
	delete(x.paths, f)
}

func (x *index) touch(f changelog.FID, o *object) {
	if !o.changed {
		x.objects[f] = o
		o.changed = true
		x.changedObjects = append(x.changedObjects, changedObject{f, o})
	}
}

// dirent returns what a name stands for, zero for nothing.
func (x *index) dirent(n name) (changelog.FID, error) {
	l, err := x.link(n)
	if err != nil {
		return changelog.FID{}, err
	}
	return l.f, nil
}

// peek is dirent for a name that is not likely to be asked for again soon.
func (x *index) peek(n name) (changelog.FID, error) {
	if f, known := x.cached(n); known {
		return f, nil
	}
	f, _, err := x.j.Dirent(n.parent, []byte(n.name))
	return f, err
}

// cached is dirent for a name that was asked for lately; known is false for others.
func (x *index) cached(n name) (f changelog.FID, known bool) {
	l := x.names[n]
	if l == nil {
		l = x.oldNames[n]
	}
	if l == nil {
		return f, false
	}
	return l.f, true
}

// remembers reports whether an object may be otherwise than in the journal.
func (x *index) remembers(f changelog.FID) bool { return x.objects[f] != nil || x.oldObjects[f] != nil }

// link returns what a name stands for; it is the index's own.
func (x *index) link(n name) (*link, error) {
	for _, l := range x.recent {
		if l != nil && l.name == n {
			return l, nil
		}
	}
	l, err := x.findLink(n)
	if err == nil {
		x.recent = [2]*link{l, x.recent[0]}
	}
	return l, err
}

func (x *index) findLink(n name) (*link, error) {
	if l := x.names[n]; l != nil {
		return l, nil
	}
	l := x.oldNames[n]
	if l == nil {
		f, _, err := x.j.Dirent(n.parent, []byte(n.name))
		if err != nil {
			return nil, err
		}
		l = &link{name: n, f: f}
	}
	x.names[n] = l
	return l, nil
}

// setDirent lets a name stand for f, zero for nothing.
func (x *index) setDirent(n name, f changelog.FID) error {
	l, err := x.link(n)
	if err != nil {
		return err
	}
	if !l.changed {
		l.changed, l.was = true, l.f
		x.changedNames = append(x.changedNames, l)
	}
	l.f = f
	return nil
}

// flush hands the changes to a batch. They count as the journal's from now on; after
// a commit that fails, forget takes them back. What came and went within the batch is
// forgotten: the journal denies it as fast.
func (x *index) flush(b *journal.Batch) {
	for _, c := range x.changedObjects {
		o := c.o
		o.changed = false
		switch {
		case !o.exists && o.stored:
			b.DeleteObject(c.f)
			o.stored = false
		case !o.exists:
			delete(x.objects, c.f)
		case x.keeps(c.f):
			b.PutObject(c.f, &o.Object)
			o.stored = true
		}
	}
	clear(x.changedObjects)
	x.changedObjects = x.changedObjects[:0]
	for _, l := range x.changedNames {
		l.changed = false
		if l.f == l.was {
			if l.f.IsZero() {
				delete(x.names, l.name)
			}
			continue
		}
		if !l.was.IsZero() {
			b.DeleteDirent(l.parent, []byte(l.name.name), l.was)
		}
		if !l.f.IsZero() && x.keeps(l.f) {
			b.PutDirent(l.parent, []byte(l.name.name), l.f)
		}
	}
	clear(x.changedNames)
	x.changedNames = x.changedNames[:0]
	x.recent = [2]*link{}
	clear(x.changedIn)
	x.sorted = 0
	x.age()
}

// keeps reports whether an object goes to the journal.
func (x *index) keeps(f changelog.FID) bool {
	if !x.dirsOnly {
		return true
	}
	o, err := x.object(f)
	return err == nil && o.isDir()
}

// age begins new generations where the young ones are full.
func (x *index) age() {
	// The maps change places, so that they need not grow anew.
	if len(x.objects) > x.limit {
		clear(x.oldObjects)
		x.oldObjects, x.objects = x.objects, x.oldObjects
	}
	if len(x.names) > x.limit {
		clear(x.oldNames)
		x.oldNames, x.names = x.names, x.oldNames
	}
	if len(x.paths) > x.limit {
		clear(x.paths)
	}
}

// isDir reports whether it is a directory.
func (o *object) isDir() bool { return o.Type == unix.S_IFDIR }

// children returns the names in a directory.
func (x *index) children(dir changelog.FID) (map[string]changelog.FID, error) {
	found := map[string]changelog.FID{}
	err := x.j.Children(dir, func(n []byte, f changelog.FID) bool {
		found[string(n)] = f
		return true
	})
	for _, l := range x.changedNames[x.sorted:] {
		x.changedIn[l.parent] = append(x.changedIn[l.parent], l)
	}
	x.sorted = len(x.changedNames)
	for _, l := range x.changedIn[dir] {
		if l.f.IsZero() {
			delete(found, l.name.name)
		} else {
			found[l.name.name] = l.f
		}
	}
	return found, err
}
