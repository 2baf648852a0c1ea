// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"github.com/weir-io/weir/changelog"
)

// begin begins the next record: on the object f at a name, by an actor. The record is
// the worker's and good until the next begin.
func (w *worker) begin(at name, f changelog.FID, by *actor) *changelog.Record {
	r := &w.record
	*r = changelog.Record{
		Index: w.batch.Next(), Time: w.time,
		Target: f, Parent: at.parent, Name: append(w.nameBuf[:0], at.name...),
	}
	if len(at.name) > 0 {
		if r.Path = w.index.appendPath(w.pathBuf[:0], at.parent, r.Name); r.Path != nil {
			w.pathBuf = r.Path
		}
	}
	by.sign(r)
	return r
}

// from adds to a record of a rename what was renamed, and where it was.
func (w *worker) from(r *changelog.Record, f changelog.FID, at name) {
	r.Source, r.SourceParent, r.SourceName = f, at.parent, append(w.sourceBuf[:0], at.name...)
	if r.SourcePath = w.index.appendPath(w.sourcePathBuf[:0], at.parent, r.SourceName); r.SourcePath != nil {
		w.sourcePathBuf = r.SourcePath
	}
}

// describe adds what an object is like, marks what differs from the index, and has the
// index take it over but for the number of links, which it counts itself.
func (w *worker) describe(r *changelog.Record, o *object, l *look) {
	if l.gone {
		r.Flags |= changelog.FlagGone
		return
	}
	a := &r.Attr
	*a = changelog.Attr{
		Mode: l.Type | l.Mode, Links: l.Links, UID: l.UID, GID: l.GID,
		Size: l.Size, Blocks: l.Blocks, Atime: l.Atime, Mtime: l.Mtime, Ctime: l.Ctime,
		RdevMajor: l.RdevMajor, RdevMinor: l.RdevMinor,
	}
	for _, d := range [...]struct {
		differs bool
		bit     changelog.Valid
	}{
		{!o.exists || o.Mode != l.Mode, changelog.ValidMode},
		{!o.exists || o.UID != l.UID, changelog.ValidUID},
		{!o.exists || o.GID != l.GID, changelog.ValidGID},
		{!o.exists || o.Size != l.Size, changelog.ValidSize},
		{!o.exists || o.Blocks != l.Blocks, changelog.ValidBlocks},
		{!o.exists || o.Atime != l.Atime, changelog.ValidAtime},
		{!o.exists || o.Mtime != l.Mtime, changelog.ValidMtime},
		{!o.exists || o.Ctime != l.Ctime, changelog.ValidCtime},
	} {
		if d.differs {
			a.Valid |= d.bit
		}
	}
	r.Has |= changelog.HasAttr
	links, last, hash := o.Links, o.Last, o.XattrHash
	o.Object = l.Object
	o.Links, o.Last, o.XattrHash = links, last, hash
}

// emit appends a record to the batch if a feed wants its type. o is the object that it
// is about and has the record before of; it is about others, too.
func (w *worker) emit(r *changelog.Record, o *object, others ...*object) error {
	if w.silent {
		return nil
	}
	if w.mask&(1<<r.Type) == 0 {
		w.count.masked++
		return nil
	}
	r.Prev, o.Last = o.Last, r.Index
	for _, other := range others {
		other.Last = r.Index
	}
	w.append(r)
	return nil
}

// append appends a record to the batch.
func (w *worker) append(r *changelog.Record) {
	w.batch.Append(func(b []byte) []byte { return changelog.AppendNative(b, r) })
	w.count.records[r.Type]++
	switch {
	case r.Type != changelog.Mark && r.Has&changelog.HasProc != 0:
		w.count.by[r.Proc.By]++
	case r.Type != changelog.Mark:
		w.count.by[changelog.ByNone]++
	case r.Mark.Kind == changelog.MarkGap:
		w.count.countGap(r.Mark.Reason)
	}
	if r.Flags&changelog.FlagSynth != 0 {
		w.count.synthetic++
	}
	if r.Flags&changelog.FlagMerged != 0 {
		w.count.merged++
	}
}

// ownerDidIt takes an object's owner for who made it.
func (w *worker) ownerDidIt(r *changelog.Record, l *look) {
	r.UID, r.GID = l.UID, changelog.Unknown
	if r.Has&changelog.HasProc == 0 {
		r.Proc = nobody(0).proc // zeros would be root's
	}
	r.Has |= changelog.HasUser | changelog.HasProc
	r.Proc.By = changelog.ByOwner
}

// recall adds what the index knows of an object that may be gone.
func (w *worker) recall(r *changelog.Record, o *object) {
	if !o.exists || r.Has&changelog.HasAttr != 0 {
		return
	}
	r.Attr = changelog.Attr{
		Mode: o.Type | o.Mode, Links: o.Links, UID: o.UID, GID: o.GID,
		Size: o.Size, Blocks: o.Blocks, Atime: o.Atime, Mtime: o.Mtime, Ctime: o.Ctime,
		RdevMajor: o.RdevMajor, RdevMinor: o.RdevMinor,
	}
	r.Has |= changelog.HasAttr
}
