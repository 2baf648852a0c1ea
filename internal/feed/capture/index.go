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
	names, oldNames     map[name]changelog.FID

	dirsOnly bool // only directories go to the journal; the rest is remembered for a while

	changedObjects []changelog.FID
	changedNames   map[name]changelog.FID     // what each stood for before the batch
	changedIn      map[changelog.FID][]string // the same names by their directories
	paths          map[changelog.FID][]byte
	root           changelog.FID
}

// name is an entry of a directory.
type name struct {
	parent changelog.FID
	name   string
}

// object is an object with what the batch knows of it.
type object struct {
	journal.Object
	exists  bool
	changed bool
	place   name // of directories: where it is; the zero name if that was not asked for yet
	placed  bool
}

// cached is how many objects and names a generation keeps: about 20 MB in all.
const cached = 50_000

func newIndex(j journal.Journal, root changelog.FID) *index {
	x := &index{j: j, limit: cached, root: root}
	x.forget()
	return x
}

// forget drops all that is not in the journal.
func (x *index) forget() {
	x.objects, x.oldObjects = map[changelog.FID]*object{}, nil
	x.names, x.oldNames = map[name]changelog.FID{}, nil
	x.changedObjects = nil
	x.changedNames, x.changedIn = map[name]changelog.FID{}, map[changelog.FID][]string{}
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
		o.exists = found
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
	*o = object{changed: o.changed}
	x.touch(f, o)
	delete(x.paths, f)
}

func (x *index) touch(f changelog.FID, o *object) {
	x.objects[f] = o
	if !o.changed {
		o.changed = true
		x.changedObjects = append(x.changedObjects, f)
	}
}

// dirent returns what a name stands for, zero for nothing.
func (x *index) dirent(n name) (changelog.FID, error) {
	if f, ok := x.names[n]; ok {
		return f, nil
	}
	f, ok := x.oldNames[n]
	if !ok {
		var err error
		if f, _, err = x.j.Dirent(n.parent, []byte(n.name)); err != nil {
			return f, err
		}
	}
	x.names[n] = f
	return f, nil
}

// setDirent lets a name stand for f, zero for nothing.
func (x *index) setDirent(n name, f changelog.FID) error {
	was, err := x.dirent(n)
	if err != nil {
		return err
	}
	if _, ok := x.changedNames[n]; !ok {
		x.changedNames[n] = was
		x.changedIn[n.parent] = append(x.changedIn[n.parent], n.name)
	}
	x.names[n] = f
	return nil
}

// flush hands the changes to a batch. They count as the journal's from now on; after
// a commit that fails, forget takes them back.
func (x *index) flush(b *journal.Batch) {
	for _, f := range x.changedObjects {
		o := x.objects[f]
		o.changed = false
		switch {
		case !o.exists:
			b.DeleteObject(f)
		case x.keeps(f):
			b.PutObject(f, &o.Object)
		}
	}
	x.changedObjects = x.changedObjects[:0]
	for n, was := range x.changedNames {
		f := x.names[n]
		if f == was {
			continue
		}
		if !was.IsZero() {
			b.DeleteDirent(n.parent, []byte(n.name), was)
		}
		if !f.IsZero() && x.keeps(f) {
			b.PutDirent(n.parent, []byte(n.name), f)
		}
	}
	clear(x.changedNames)
	clear(x.changedIn)
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
	if len(x.objects) > x.limit {
		x.oldObjects, x.objects = x.objects, map[changelog.FID]*object{}
	}
	if len(x.names) > x.limit {
		x.oldNames, x.names = x.names, map[name]changelog.FID{}
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
	for _, n := range x.changedIn[dir] {
		if f := x.names[name{dir, n}]; f.IsZero() {
			delete(found, n)
		} else {
			found[n] = f
		}
	}
	return found, err
}
