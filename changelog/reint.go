// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "strconv"

// Reint is the block of Lustre's MDS_REINT requests, from which a metadata server
// can repeat the change: 136 bytes, little-endian. Fields tells what is in it.
type Reint [136]byte

// ReintOp is the operation of a Reint.
type ReintOp uint32

// Operations.
const (
	ReintNone     ReintOp = 0
	ReintSetattr  ReintOp = 1
	ReintCreate   ReintOp = 2
	ReintLink     ReintOp = 3
	ReintUnlink   ReintOp = 4
	ReintRename   ReintOp = 5
	ReintOpen     ReintOp = 6
	ReintSetxattr ReintOp = 7
	ReintRmentry  ReintOp = 8
	ReintMigrate  ReintOp = 9
	ReintResync   ReintOp = 10
)

// reintOps are the operations of the types of records.
var reintOps = [numTypes]ReintOp{
	Create: ReintCreate, Mkdir: ReintCreate, Softlink: ReintCreate, Mknod: ReintCreate, Hardlink: ReintLink,
	Unlink: ReintUnlink, Rmdir: ReintUnlink, Rename: ReintRename, Open: ReintOpen, DeniedOpen: ReintOpen,
	Close: ReintSetattr, Trunc: ReintSetattr, Setattr: ReintSetattr, Mtime: ReintSetattr, Ctime: ReintSetattr,
	Atime: ReintSetattr, Setxattr: ReintSetxattr, Migrate: ReintMigrate, Resync: ReintResync,
}

// BiasDataModified is the bias of a CLOSE.
const BiasDataModified = 1 << 9

// ReintFields are the fields of a Reint. Those that its operation does not have are
// zero; ids that nobody knows are Unknown. Times are in seconds since 1970.
type ReintFields struct {
	Op                   ReintOp
	FSUID, FSGID         uint32
	SuppGID1, SuppGID2   uint32
	FID1, FID2           FID // in the order of the table in docs/format/changelog.md
	Valid                Valid
	UID, GID             uint32
	Size, Blocks         uint64
	Time                 int64
	Mtime, Atime, Ctime  int64
	Rdev                 uint64 // minor&0xff | major<<8 | minor>>8<<20, as Linux has it
	AttrFlags, Mode      uint32
	Bias, Project, Umask uint32
	Flags                uint64 // of the open, or of setxattr
	XattrSize            uint32

	// Of a Lustre client's requests; weir leaves them 0.
	Capability, LayoutVersion uint32
	OpenHandle, Epoch         uint64
	Mirror, Reserved          uint16
}

// field visits a place in a block: it reads it into a field or writes it.
type field struct {
	b     *Reint
	write bool
}

func (f field) u32(at int, v *uint32) {
	if f.write {
		le.PutUint32(f.b[at:], *v)
	} else {
		*v = le.Uint32(f.b[at:])
	}
}

func (f field) u64(at int, v *uint64) {
	if f.write {
		le.PutUint64(f.b[at:], *v)
	} else {
		*v = le.Uint64(f.b[at:])
	}
}

func (f field) s64(at int, v *int64) {
	u := uint64(*v)
	f.u64(at, &u)
	*v = int64(u)
}

func (f field) fid(at int, v *FID) {
	f.u64(at, &v.Seq)
	f.u32(at+8, &v.OID)
	f.u32(at+12, &v.Ver)
}

// visit goes over the fields that the operation of v has. The table is in
// docs/format/changelog.md.
func (f field) visit(v *ReintFields) bool {
	op := uint32(v.Op)
	f.u32(0, &op)
	v.Op = ReintOp(op)
	f.u32(4, &v.Capability)
	f.u32(8, &v.FSUID)
	f.u32(16, &v.FSGID)
	f.u32(24, &v.SuppGID1)
	f.u32(32, &v.SuppGID2)
	f.fid(40, &v.FID1)
	switch v.Op {
	case ReintSetattr:
		f.setattr(v)
	case ReintCreate, ReintOpen:
		f.u32(12, &v.LayoutVersion)
		f.fid(56, &v.FID2)
		f.u64(72, &v.OpenHandle)
		f.s64(80, &v.Time)
		f.u64(88, &v.Rdev)
		f.u64(96, &v.Epoch)
		f.u32(112, &v.Mode)
		f.u32(116, &v.Bias)
		f.u64(120, &v.Flags)
		f.u32(128, &v.Umask)
	case ReintLink:
		f.fid(56, &v.FID2)
		f.s64(72, &v.Time)
		f.u32(112, &v.Bias)
	case ReintUnlink, ReintRename:
		f.fid(56, &v.FID2)
		f.s64(72, &v.Time)
		f.u32(112, &v.Bias)
		f.u32(116, &v.Mode)
	case ReintSetxattr:
		f.valid(72, v)
		f.s64(80, &v.Time)
		f.u32(112, &v.XattrSize)
		low := uint32(v.Flags)
		f.u32(116, &low)
		v.Flags = uint64(low)
	case ReintRmentry, ReintMigrate, ReintResync:
		f.template(v)
	default:
		return false
	}
	return true
}

func (f field) valid(at int, v *ReintFields) {
	u := uint64(v.Valid)
	f.u64(at, &u)
	v.Valid = Valid(u)
}

func (f field) setattr(v *ReintFields) {
	f.valid(56, v)
	f.u32(64, &v.UID)
	f.u32(68, &v.GID)
	f.u64(72, &v.Size)
	f.u64(80, &v.Blocks)
	f.s64(88, &v.Mtime)
	f.s64(96, &v.Atime)
	f.s64(104, &v.Ctime)
	f.u32(112, &v.AttrFlags)
	f.u32(116, &v.Mode)
	f.u32(120, &v.Bias)
	f.u32(124, &v.Project)
}

// template is the layout of operations without one of their own.
func (f field) template(v *ReintFields) {
	f.fid(56, &v.FID2)
	f.s64(72, &v.Mtime)
	f.s64(80, &v.Atime)
	f.s64(88, &v.Ctime)
	f.u64(96, &v.Size)
	f.u64(104, &v.Blocks)
	f.u32(112, &v.Bias)
	f.u32(116, &v.Mode)
	f.u64(120, &v.Flags)
	f.u32(128, &v.Umask)
}

// Fields returns what is in a block. Errors are of type *Error.
func (b *Reint) Fields() (ReintFields, error) {
	var v ReintFields
	if !(field{b: b}).visit(&v) {
		return ReintFields{}, &Error{
			Form: "reint block", Field: "opcode", Got: strconv.FormatUint(uint64(v.Op), 10), Want: "1 to 10",
		}
	}
	v.Mirror, v.Reserved = le.Uint16(b[132:]), le.Uint16(b[134:])
	return v, nil
}

// Block lays the fields out. It is false for operations that have no block.
func (v ReintFields) Block() (Reint, bool) {
	var b Reint
	if !(field{b: &b, write: true}).visit(&v) {
		return Reint{}, false
	}
	le.PutUint16(b[132:], v.Mirror)
	le.PutUint16(b[134:], v.Reserved)
	return b, true
}

// MakeReint makes the record's reint block of its other fields: with attributes as
// they were when the object was looked at, and what nobody knows as Unknown or 0. It
// is false, and the record without a block, for types that have none.
func (r *Record) MakeReint() bool {
	var ok bool
	r.Reint, ok = r.reintFields().Block()
	if ok {
		r.Has |= HasReint
	} else {
		r.Has &^= HasReint
	}
	return ok
}

func (r *Record) reintFields() ReintFields {
	v := ReintFields{FSUID: Unknown, FSGID: Unknown, SuppGID1: Unknown, SuppGID2: Unknown, UID: Unknown, GID: Unknown}
	if r.Type < numTypes {
		v.Op = reintOps[r.Type]
	}
	v.FSUID, v.FSGID = r.Actor()
	v.Time = seconds(r.Time)
	v.FID1, v.FID2 = r.reintFIDs(v.Op)
	if r.Has&HasAttr != 0 {
		a := &r.Attr
		v.Valid, v.UID, v.GID, v.Size, v.Blocks, v.Mode = a.Valid, a.UID, a.GID, a.Size, a.Blocks, a.Mode
		v.Mtime, v.Atime, v.Ctime = seconds(a.Mtime), seconds(a.Atime), seconds(a.Ctime)
		v.Rdev = uint64(a.RdevMinor&0xFF) | uint64(a.RdevMajor)<<8 | uint64(a.RdevMinor>>8)<<20
	}
	switch {
	case r.Type == Close:
		v.Bias = BiasDataModified
	case v.Op == ReintOpen && r.Has&HasOpen != 0:
		v.Flags = uint64(r.Open)
	}
	return v
}

// reintFIDs returns the objects of an operation in the order of its block.
func (r *Record) reintFIDs(op ReintOp) (first, second FID) {
	switch op {
	case ReintCreate, ReintOpen, ReintUnlink:
		return r.Parent, r.Target
	case ReintRename:
		return r.SourceParent, r.Parent
	case ReintSetattr, ReintSetxattr:
		return r.Target, FID{}
	}
	return r.Target, r.Parent
}

// Actor returns the ids that the change was made with, as well as they are known.
func (r *Record) Actor() (uid, gid uint32) {
	uid, gid = Unknown, Unknown
	if r.Has&HasProc != 0 {
		uid, gid = r.Proc.FSUID, r.Proc.FSGID
	}
	if r.Has&HasUser != 0 {
		if uid == Unknown {
			uid = r.UID
		}
		if gid == Unknown {
			gid = r.GID
		}
	}
	return uid, gid
}

// seconds rounds down.
func seconds(ns int64) int64 {
	s := ns / 1e9
	if ns%1e9 < 0 {
		s--
	}
	return s
}
