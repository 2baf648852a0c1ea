// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// name is an entry of a directory.
type name struct {
	parent changelog.FID
	name   string
}

// entry is a row of weir_ent.
type entry struct {
	name
	fid  changelog.FID
	last uint64 // index of the record that it is from
}

// Object is what an object is like: a row of weir_obj.
type Object struct {
	FID                 changelog.FID
	Mode                uint32 // with the bits of its type
	Links               uint32
	UID, GID            uint32
	Size, Blocks        uint64 // blocks of 512 bytes
	Atime, Mtime, Ctime int64  // nanoseconds since 1970
	Rdev                uint64
	Link                []byte // target of a symbolic link; nil: unknown, or none

	last uint64
}

// IsDir reports whether it is a directory.
func (o *Object) IsDir() bool { return o.Mode&unix.S_IFMT == unix.S_IFDIR }

// kind is the letter of the object's type, as filters of feeds have it.
func (o *Object) kind() string {
	switch o.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "d"
	case unix.S_IFLNK:
		return "l"
	case unix.S_IFIFO:
		return "p"
	case unix.S_IFSOCK:
		return "s"
	case unix.S_IFBLK:
		return "b"
	case unix.S_IFCHR:
		return "c"
	}
	return "f"
}

// permissions are the mode without the type.
func (o *Object) permissions() int64 { return int64(o.Mode &^ unix.S_IFMT) }

// objectOf is an object as a record has it.
func objectOf(f changelog.FID, r *changelog.Record) Object {
	a := &r.Attr
	return Object{
		FID: f, Mode: a.Mode, Links: a.Links, UID: a.UID, GID: a.GID, Size: a.Size, Blocks: a.Blocks,
		Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime, Rdev: unix.Mkdev(a.RdevMajor, a.RdevMinor),
		Link: r.Link, last: r.Index,
	}
}

// fidBytes is a FID in the tables: 16 bytes, big-endian, so that hex() of them reads
// like the text form and neighbours on the disk are neighbours in the index.
func fidBytes(f changelog.FID) []byte {
	b := make([]byte, 0, 16)
	b = binary.BigEndian.AppendUint64(b, f.Seq)
	b = binary.BigEndian.AppendUint32(b, f.OID)
	return binary.BigEndian.AppendUint32(b, f.Ver)
}

// fidOrNull is fidBytes, NULL for the zero FID.
func fidOrNull(f changelog.FID) any {
	if f.IsZero() {
		return nil
	}
	return fidBytes(f)
}

// parseFID is the reverse of fidBytes.
func parseFID(b []byte) (changelog.FID, bool) {
	if len(b) != 16 {
		return changelog.FID{}, false
	}
	return changelog.FID{
		Seq: binary.BigEndian.Uint64(b), OID: binary.BigEndian.Uint32(b[8:]), Ver: binary.BigEndian.Uint32(b[12:]),
	}, true
}

// bytesOrNull is a text of bytes, NULL if there is none.
func bytesOrNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// The columns of the tables, in the order of values.
var (
	entryColumns  = []string{"pfid", "name", "fid", "last", "seen"}
	objectColumns = []string{
		"fid", "type", "mode", "uid", "gid", "size", "blocks", "nlink", "atime", "mtime", "ctime", "rdev", "link", "last", "seen",
	}
	logColumns = []string{
		"index", "time", "type", "flags", "tfid", "pfid", "sfid", "spfid", "name", "sname", "path", "spath",
		"uid", "gid", "nid", "job", "pid", "comm", "by", "size", "json",
	}
)

func (e *entry) values(dst []any, seen int64) []any {
	return append(dst, fidBytes(e.parent), []byte(e.name.name), fidBytes(e.fid), int64(e.last), seen)
}

func (o *Object) values(dst []any, seen int64) []any {
	return append(dst, fidBytes(o.FID), o.kind(), o.permissions(), int64(o.UID), int64(o.GID), int64(o.Size), int64(o.Blocks),
		int64(o.Links), o.Atime, o.Mtime, o.Ctime, int64(o.Rdev), bytesOrNull(o.Link), int64(o.last), seen)
}

// logValues are the row of weir_log of a record.
func logValues(dst []any, r *changelog.Record) []any {
	dst = append(dst, int64(r.Index), r.Time, r.Type.String(), int64(r.Flags),
		fidOrNull(r.Target), fidOrNull(r.Parent), fidOrNull(r.Source), fidOrNull(r.SourceParent),
		bytesOrNull(r.Name), bytesOrNull(r.SourceName), bytesOrNull(r.Path), bytesOrNull(r.SourcePath))
	dst = appendActor(dst, r)
	var size any
	if r.Has&changelog.HasAttr != 0 {
		size = int64(r.Attr.Size)
	}
	return append(dst, size, string(changelog.AppendJSON(nil, r)))
}

// byNames are the words of the JSON form for how a process was found.
var byNames = map[changelog.By]string{
	changelog.ByPidfd: "pidfd", changelog.ByProc: "proc", changelog.ByBPF: "bpf", changelog.ByAudit: "audit", changelog.ByOwner: "owner",
}

// appendActor appends who did it; NULL stands for what is unknown.
func appendActor(dst []any, r *changelog.Record) []any {
	var uid, gid, nid, pid, comm, by any
	if r.Has&changelog.HasUser != 0 {
		uid, gid = idOrNull(r.UID), idOrNull(r.GID)
	}
	if r.Has&changelog.HasNID != 0 {
		nid = r.NID.String()
	}
	if r.Has&changelog.HasProc != 0 {
		pid = idOrNull(r.Proc.PID)
		if c := commOf(&r.Proc); len(c) > 0 {
			comm = c
		}
		if w, ok := byNames[r.Proc.By]; ok {
			by = w
		}
	}
	return append(dst, uid, gid, nid, bytesOrNull(r.Job), pid, comm, by)
}

func idOrNull(id uint32) any {
	if id == changelog.Unknown {
		return nil
	}
	return int64(id)
}

func commOf(p *changelog.Proc) []byte {
	for i, c := range p.Comm {
		if c == 0 {
			return append([]byte(nil), p.Comm[:i]...)
		}
	}
	return append([]byte(nil), p.Comm[:]...)
}
