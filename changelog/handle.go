// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "math"

// FSKind is a kind of file system whose file handles are FIDs in another order.
type FSKind uint8

// Kinds of file systems.
const (
	FSOther FSKind = iota // handles are kept in a table, next to FIDs with FIDTable
	FSExt4
	FSXFS
	FSBtrfs
	FSTmpfs
)

// String returns the kind's name as /proc/filesystems has it, "other" for those that
// are not told apart.
func (k FSKind) String() string {
	names := [...]string{"other", "ext4", "xfs", "btrfs", "tmpfs"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[FSOther]
}

// FIDTable is the bit in Seq of FIDs that stand for a row of a table of handles,
// because the handle does not fit into a FID.
const FIDTable uint64 = 1 << 63

// Types of file handles, as name_to_handle_at tells them, with their bytes in the
// machine's order, which is little-endian wherever weir runs.
const (
	HandleIno32 = 0x01 // ext4: u32 inode, u32 generation. tmpfs: u32 generation, u64 inode
	HandleIno64 = 0x81 // xfs: u64 inode, u32 generation
	HandleBtrfs = 0x4d // u64 object, u64 subvolume, u32 generation

	ext4HandleLen  = 8
	tmpfsHandleLen = 12
	xfsHandleLen   = 12
	btrfsHandleLen = 20
)

// Handle is a file handle as open_by_handle_at wants it.
type Handle struct {
	Type int32
	Len  int
	Data [btrfsHandleLen]byte // the first Len bytes
}

// Bytes returns the handle without its type.
func (h *Handle) Bytes() []byte { return h.Data[:h.Len:h.Len] }

// FIDOfHandle returns the FID of an object of ext4, xfs, btrfs or tmpfs. It is false
// for every other handle, and for one with numbers that a FID does not hold.
func FIDOfHandle(handleType int32, handle []byte) (FID, bool) {
	var f FID
	switch {
	case handleType == HandleIno32 && len(handle) == ext4HandleLen:
		f = FID{Seq: uint64(le.Uint32(handle)), Ver: le.Uint32(handle[4:])}
	case handleType == HandleIno32 && len(handle) == tmpfsHandleLen:
		f = FID{Seq: le.Uint64(handle[4:]), Ver: le.Uint32(handle)}
	case handleType == HandleIno64 && len(handle) == xfsHandleLen:
		f = FID{Seq: le.Uint64(handle), Ver: le.Uint32(handle[8:])}
	case handleType == HandleBtrfs && len(handle) == btrfsHandleLen:
		root := le.Uint64(handle[8:])
		if root > math.MaxUint32 {
			return FID{}, false
		}
		f = FID{Seq: le.Uint64(handle), OID: uint32(root), Ver: le.Uint32(handle[16:])}
	default:
		return FID{}, false
	}
	if f.Seq&FIDTable != 0 || f.IsZero() {
		return FID{}, false
	}
	return f, true
}

// HandleOf returns the file handle of an object. It is false for FIDs that no object
// of that kind of file system has, and for FSOther.
func HandleOf(f FID, kind FSKind) (Handle, bool) {
	var h Handle
	if f.IsZero() || f.Seq&FIDTable != 0 || f.OID != 0 && kind != FSBtrfs {
		return h, false
	}
	switch kind {
	case FSExt4:
		if f.Seq > math.MaxUint32 {
			return h, false
		}
		h.Type, h.Len = HandleIno32, ext4HandleLen
		le.PutUint32(h.Data[:], uint32(f.Seq))
		le.PutUint32(h.Data[4:], f.Ver)
	case FSXFS:
		h.Type, h.Len = HandleIno64, xfsHandleLen
		le.PutUint64(h.Data[:], f.Seq)
		le.PutUint32(h.Data[8:], f.Ver)
	case FSBtrfs:
		h.Type, h.Len = HandleBtrfs, btrfsHandleLen
		le.PutUint64(h.Data[:], f.Seq)
		le.PutUint64(h.Data[8:], uint64(f.OID))
		le.PutUint32(h.Data[16:], f.Ver)
	case FSTmpfs:
		h.Type, h.Len = HandleIno32, tmpfsHandleLen
		le.PutUint32(h.Data[:], f.Ver)
		le.PutUint64(h.Data[4:], f.Seq)
	default:
		return h, false
	}
	return h, true
}
