// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// delta is what a number of records come to: at most one operation for each name and
// each object, however often the records name it.
type delta struct {
	names     map[name]*nameOp
	nameOrder []name
	objs      map[changelog.FID]*objectOp
	objOrder  []changelog.FID
	lost      map[changelog.FID]bool // objects that lost a name: those without any go
	dirty     map[changelog.FID]bool // objects that changed in a way that records do not tell
	arrived   []changelog.FID        // directories that came to a name from another
	left      changelog.FID          // a directory that went out of what the feed has; the delta ends with it

	log []*changelog.Record
}

// nameOp is what becomes of a name.
type nameOp struct {
	fid   changelog.FID // what it stands for; zero: see without
	last  uint64
	clear bool            // it stands for nothing
	not   []changelog.FID // neither of the above: if it stands for one of these, then for nothing any more
}

// objectOp is what becomes of an object.
type objectOp struct {
	Object

	gone  bool // it is removed
	made  bool // it is there for certain: a row is made if there is none
	known bool // Object is set
}

func newDelta() *delta {
	return &delta{
		names: map[name]*nameOp{}, objs: map[changelog.FID]*objectOp{},
		lost: map[changelog.FID]bool{}, dirty: map[changelog.FID]bool{},
	}
}

// empty reports whether nothing was added.
func (d *delta) empty() bool { return len(d.names) == 0 && len(d.objs) == 0 }

// add takes over the effect of a record.
func (d *delta) add(r *changelog.Record) {
	at, from := name{r.Parent, string(r.Name)}, name{r.SourceParent, string(r.SourceName)}
	switch r.Type {
	case changelog.Create, changelog.Mkdir, changelog.Hardlink, changelog.Softlink, changelog.Mknod:
		d.put(at, r.Target, r.Index)
		d.make(r.Target, r)
	case changelog.Unlink, changelog.Rmdir:
		d.remove(at, r.Target, r.Index)
		d.lose(r.Target, r)
	case changelog.Rename:
		d.rename(r, from, at)
	case changelog.Mark:
	default:
		d.change(r.Target, r)
	}
}

// rename takes over the effect of a rename. Where one half lies outside of what the
// feed has, that half is zero.
func (d *delta) rename(r *changelog.Record, from, at name) {
	exchange := r.Flags&changelog.FlagExchange != 0
	d.remove(from, r.Source, r.Index)
	switch {
	case exchange:
		if !r.Target.IsZero() {
			d.put(from, r.Target, r.Index)
			d.dirty[r.Target] = true
			d.dirty[r.Source] = true
			d.object(r.Target).made = true
			d.arrived = append(d.arrived, r.Target)
		}
	case !r.Target.IsZero():
		d.lose(r.Target, r)
	}
	d.put(at, r.Source, r.Index)
	if at.parent.IsZero() { // it went outside
		d.lost[r.Source] = true
		d.left = r.Source
		return
	}
	if from.parent.IsZero() && exchange && !r.Target.IsZero() {
		d.lost[r.Target] = true
		d.left = r.Target
	}
	d.make(r.Source, r)
	d.arrived = append(d.arrived, r.Source)
}

// op returns the operation of a name, nil for a name that is not known.
func (d *delta) op(n name) *nameOp {
	if n.parent.IsZero() || n.name == "" {
		return nil
	}
	d.dirty[n.parent] = true
	o := d.names[n]
	if o == nil {
		o = &nameOp{}
		d.names[n] = o
		d.nameOrder = append(d.nameOrder, n)
	}
	return o
}

// put has a name stand for an object.
func (d *delta) put(n name, f changelog.FID, index uint64) {
	o := d.op(n)
	if o == nil || f.IsZero() {
		return
	}
	if !o.fid.IsZero() && o.fid != f {
		d.lost[o.fid] = true
	}
	*o = nameOp{fid: f, last: index}
}

// remove has a name stand for nothing, if it stood for an object.
func (d *delta) remove(n name, f changelog.FID, index uint64) {
	o := d.op(n)
	if o == nil {
		return
	}
	switch {
	case o.fid == f && !f.IsZero():
		*o = nameOp{clear: true, last: index}
	case o.fid.IsZero() && !o.clear && !slices.Contains(o.not, f):
		o.not = append(o.not, f)
		o.last = index
	}
}

// object returns the operation of an object.
func (d *delta) object(f changelog.FID) *objectOp {
	o := d.objs[f]
	if o == nil {
		o = &objectOp{}
		o.FID = f
		d.objs[f] = o
		d.objOrder = append(d.objOrder, f)
	}
	return o
}

// make has an object be there.
func (d *delta) make(f changelog.FID, r *changelog.Record) {
	if f.IsZero() {
		return
	}
	o := d.object(f)
	if o.made, o.gone = true, false; r.Has&changelog.HasAttr == 0 {
		d.dirty[f] = true // the disk may know
		return
	}
	link := o.Link
	o.Object = objectOf(f, r)
	if o.Link == nil {
		o.Link = link
	}
	o.known = true
}

// change has an object be otherwise, if it is there.
func (d *delta) change(f changelog.FID, r *changelog.Record) {
	if f.IsZero() || r.Has&changelog.HasAttr == 0 {
		return
	}
	o := d.object(f)
	if o.gone {
		return
	}
	link := o.Link
	o.Object = objectOf(f, r)
	o.Link, o.known = link, true
}

// lose takes a name from an object; with the last one, the object goes.
func (d *delta) lose(f changelog.FID, r *changelog.Record) {
	if f.IsZero() {
		return
	}
	if r.Flags&changelog.FlagLast != 0 {
		*d.object(f) = objectOp{Object: Object{FID: f}, gone: true}
		return
	}
	d.lost[f], d.dirty[f] = true, true
}

// isDir reports whether an object is known to be a directory from the records.
func (d *delta) isDir(f changelog.FID) bool {
	o := d.objs[f]
	return o != nil && o.known && o.Mode&unix.S_IFMT == unix.S_IFDIR
}

// found takes over what the disk says of objects, if they are there. Records that are
// still to come say the same or later.
func (d *delta) found(o *Object, through uint64) {
	op := d.object(o.FID)
	if op.gone {
		return
	}
	op.Object, op.known = *o, true
	op.last = through
}

// changes are a delta as rows.
type changes struct {
	drop    []name   // names that stand for nothing
	dropIf  []entry  // names that stand for nothing if they stood for that
	put     []entry  // names
	make    []Object // objects, new or not
	change  []Object // objects, if they are there
	gone    []changelog.FID
	lost    []changelog.FID // gone unless they have a name
	left    changelog.FID   // gone with all that is below
	records []*changelog.Record
}

// rows makes the rows of a delta.
func (d *delta) rows() *changes {
	c := &changes{left: d.left, records: d.log}
	for _, n := range d.nameOrder {
		o := d.names[n]
		switch {
		case !o.fid.IsZero():
			c.put = append(c.put, entry{n, o.fid, o.last})
		case o.clear:
			c.drop = append(c.drop, n)
		default:
			for _, f := range o.not {
				c.dropIf = append(c.dropIf, entry{n, f, o.last})
			}
		}
	}
	for _, f := range d.objOrder {
		o := d.objs[f]
		switch {
		case o.gone:
			c.gone = append(c.gone, f)
		case o.made && o.known:
			c.make = append(c.make, o.Object)
		case o.known:
			c.change = append(c.change, o.Object)
		}
	}
	for f := range d.lost {
		c.lost = append(c.lost, f)
	}
	return c
}
