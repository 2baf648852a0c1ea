// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// Attr is what an object was like when it was looked at, which may be later than
// the record. Times are in nanoseconds since 1970; Blocks are of 512 bytes.
type Attr struct {
	Valid                Valid // what changed
	Mode                 uint32
	Links                uint32
	UID, GID             uint32
	Size, Blocks         uint64
	Atime, Mtime, Ctime  int64
	RdevMajor, RdevMinor uint32
}

// Valid names attributes, with Lustre's bits.
type Valid uint64

// Attributes.
const (
	ValidMode     Valid = 0x1
	ValidUID      Valid = 0x2
	ValidGID      Valid = 0x4
	ValidSize     Valid = 0x8
	ValidAtime    Valid = 0x10
	ValidMtime    Valid = 0x20
	ValidCtime    Valid = 0x40
	ValidAtimeSet Valid = 0x80
	ValidMtimeSet Valid = 0x100
	ValidFlags    Valid = 0x400
	ValidFromOpen Valid = 0x4000
	ValidBlocks   Valid = 0x8000
	ValidProject  Valid = 0x10000
)

// Proc is the process that did it. Numbers that are not known are Unknown.
type Proc struct {
	PID, TID, PPID uint32
	LoginUID       uint32 // of the audit system
	FSUID, FSGID   uint32
	Cgroup         uint64
	By             By
	Comm           [16]byte // up to the first NUL
}

// Unknown is an id that nobody could tell.
const Unknown = 0xFFFFFFFF

// By says how the process was found.
type By uint8

// Ways to find a process.
const (
	ByNone By = iota
	ByPidfd
	ByProc
	ByBPF
	ByAudit
	ByOwner // the creator of an object is its owner
)
