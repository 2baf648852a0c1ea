// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"bytes"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/ctf"
)

// eventPrefix begins the names of the events; what follows is a record's type.
const eventPrefix = "fs:"

// part is a set of fields that events of several types have.
type part uint16

const (
	partObject part = 1 << iota // the object and its place
	partActor                   // who did it
	partMoved                   // where the object was
	partLink                    // target of a symbolic link
	partDevice                  // numbers of a device
	partXattr                   // name of an extended attribute
	partOpen                    // what it was opened for
	partAttr                    // what the object is like
	partMark                    // what a mark tells
)

// layout is what events of a type have.
type layout struct {
	kind  changelog.Type
	parts part
}

const partsChange = partObject | partActor | partAttr

// layouts are the events that there are: what no file system of this host makes is
// none.
var layouts = [...]layout{
	{changelog.Mark, partMark},
	{changelog.Create, partsChange},
	{changelog.Mkdir, partsChange},
	{changelog.Hardlink, partsChange},
	{changelog.Softlink, partsChange | partLink},
	{changelog.Mknod, partsChange | partDevice},
	{changelog.Unlink, partsChange},
	{changelog.Rmdir, partsChange},
	{changelog.Rename, partsChange | partMoved},
	{changelog.Open, partsChange | partOpen},
	{changelog.Close, partsChange},
	{changelog.Trunc, partsChange},
	{changelog.Setattr, partsChange},
	{changelog.Setxattr, partsChange | partXattr},
	{changelog.Mtime, partsChange},
	{changelog.Ctime, partsChange},
	{changelog.Atime, partsChange},
	{changelog.Getxattr, partsChange | partXattr},
	{changelog.DeniedOpen, partsChange | partOpen},
}

// layoutOf finds the layout of a type; nil: there is no such event.
func layoutOf(kind changelog.Type) *layout {
	for i := range layouts {
		if layouts[i].kind == kind {
			return &layouts[i]
		}
	}
	return nil
}

// fields declares what write writes, in its order.
func (l *layout) fields() []ctf.Field {
	all := []ctf.Field{ctf.Uint("index", 64), ctf.Str("source"), ctf.Hex("flags", 16)}
	for _, p := range []struct {
		part   part
		fields []ctf.Field
	}{
		{partObject, []ctf.Field{ctf.Str("target"), ctf.Str("parent"), ctf.Str("name"), ctf.Str("path"), ctf.Uint("merged", 32)}},
		{partMoved, []ctf.Field{ctf.Str("moved"), ctf.Str("old_parent"), ctf.Str("old_name"), ctf.Str("old_path")}},
		{partActor, []ctf.Field{ctf.Int("uid", 64), ctf.Int("gid", 64), ctf.Int("pid", 64), ctf.Str("comm"), ctf.Str("by")}},
		{partLink, []ctf.Field{ctf.Str("link")}},
		{partDevice, []ctf.Field{ctf.Uint("major", 32), ctf.Uint("minor", 32)}},
		{partXattr, []ctf.Field{ctf.Str("xattr")}},
		{partOpen, []ctf.Field{ctf.Hex("open", 32)}},
		{partAttr, []ctf.Field{
			ctf.Hex("changed", 64), ctf.Octal("mode", 32), ctf.Uint("nlink", 32), ctf.Int("owner", 64), ctf.Int("group", 64),
			ctf.Uint("size", 64), ctf.Uint("blocks", 64), ctf.Int("atime", 64), ctf.Int("mtime", 64), ctf.Int("ctime", 64),
		}},
		{partMark, []ctf.Field{
			ctf.Str("kind"), ctf.Str("reason"), ctf.Uint("from", 64), ctf.Uint("to", 64), ctf.Uint("lost", 64),
			ctf.Uint("entries", 64), ctf.Uint("differences", 64), ctf.Uint("errno", 32),
		}},
	} {
		if l.parts&p.part != 0 {
			all = append(all, p.fields...)
		}
	}
	return all
}

// Values for what is not known: no path, and no name, is one of these.
const (
	noPath = "?"
	noName = "."
	noText = "?"
)

// maxPath is how many bytes of a path an event has, so that two fit into a packet.
const maxPath = 4096

// texts has room for one that is being made.
type texts struct{ b []byte }

// write writes a record as an event. It allocates nothing but what the texts grow by.
func (l *layout) write(w *ctf.EventWriter, x *texts, source string, r *changelog.Record) error {
	w.Uint(r.Index)
	w.String(source)
	w.Uint(uint64(r.Flags))
	if l.parts&partObject != 0 {
		x.fid(w, r.Target)
		x.fid(w, r.Parent)
		x.text(w, r.Name, noName)
		x.path(w, r.Path)
		w.Uint(uint64(max(r.Merged, 1)))
	}
	if l.parts&partMoved != 0 {
		x.fid(w, r.Source)
		x.fid(w, r.SourceParent)
		x.text(w, r.SourceName, noName)
		x.path(w, r.SourcePath)
	}
	if l.parts&partActor != 0 {
		writeActor(w, x, r)
	}
	if l.parts&partLink != 0 {
		x.text(w, r.Link, noText)
	}
	if l.parts&partDevice != 0 {
		w.Uint(uint64(r.Attr.RdevMajor))
		w.Uint(uint64(r.Attr.RdevMinor))
	}
	if l.parts&partXattr != 0 {
		x.text(w, r.Xattr, noText)
	}
	if l.parts&partOpen != 0 {
		w.Uint(uint64(r.Open))
	}
	if l.parts&partAttr != 0 {
		writeAttr(w, r)
	}
	if l.parts&partMark != 0 {
		writeMark(w, r.Mark)
	}
	return w.End()
}

// writeActor writes who did it.
func writeActor(w *ctf.EventWriter, x *texts, r *changelog.Record) {
	uid, gid := int64(-1), int64(-1)
	if r.Has&changelog.HasUser != 0 {
		uid, gid = id(r.UID), id(r.GID)
	}
	w.Int(uid)
	w.Int(gid)
	w.Int(pidOf(r))
	comm, by := []byte(nil), changelog.ByNone
	if r.Has&changelog.HasProc != 0 {
		comm, _, _ = bytes.Cut(r.Proc.Comm[:], []byte{0})
		by = r.Proc.By
	}
	x.text(w, comm, noText)
	w.String(by.String())
}

// pidOf is the process that did it, -1 if unknown.
func pidOf(r *changelog.Record) int64 {
	if r.Has&changelog.HasProc == 0 || r.Proc.PID == 0 {
		return -1
	}
	return id(r.Proc.PID)
}

// id makes a number that is not known -1.
func id(n uint32) int64 {
	if n == changelog.Unknown {
		return -1
	}
	return int64(n)
}

// writeAttr writes what the object is like; zeros, and owners of -1, where that is not
// known.
func writeAttr(w *ctf.EventWriter, r *changelog.Record) {
	a := &r.Attr
	if r.Has&changelog.HasAttr == 0 {
		a = &changelog.Attr{UID: changelog.Unknown, GID: changelog.Unknown}
	}
	w.Uint(uint64(a.Valid))
	w.Uint(uint64(a.Mode))
	w.Uint(uint64(a.Links))
	w.Int(id(a.UID))
	w.Int(id(a.GID))
	w.Uint(a.Size)
	w.Uint(a.Blocks)
	w.Int(a.Atime)
	w.Int(a.Mtime)
	w.Int(a.Ctime)
}

func writeMark(w *ctf.EventWriter, m *changelog.Marker) {
	reason := m.Reason
	if reason == "" {
		reason = noText
	}
	w.String(m.Kind.String())
	w.String(reason)
	w.Uint(m.From)
	w.Uint(m.To)
	w.Uint(m.Lost)
	w.Uint(m.Entries)
	w.Uint(m.Differences)
	w.Uint(uint64(m.Errno))
}

// fid writes an object's name.
func (x *texts) fid(w *ctf.EventWriter, f changelog.FID) {
	x.b = f.AppendText(x.b[:0])
	w.Bytes(x.b)
}

// text writes a text that is not empty, or what stands for one that is.
func (x *texts) text(w *ctf.EventWriter, b []byte, none string) {
	if len(b) == 0 {
		w.String(none)
		return
	}
	w.Bytes(b)
}

// path writes a path from the root of the file system, with a slash before it.
func (x *texts) path(w *ctf.EventWriter, path []byte) {
	if path == nil {
		w.String(noPath)
		return
	}
	x.b = append(append(x.b[:0], '/'), path[:min(len(path), maxPath-1)]...)
	w.Bytes(x.b)
}

// lost is how many events a gap stands for, one at least; 0: the record is no gap.
func lost(r *changelog.Record) uint64 {
	m := r.Mark
	switch {
	case m == nil || m.Kind != changelog.MarkGap:
		return 0
	case m.Lost > 0:
		return m.Lost
	case m.From > 0 && m.To >= m.From:
		return m.To - m.From + 1
	}
	return 1
}
