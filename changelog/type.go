// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// Type is what a record tells of, with Lustre's numbers.
type Type uint32

// Types of records.
const (
	Mark Type = iota
	Create
	Mkdir
	Hardlink
	Softlink
	Mknod
	Unlink
	Rmdir
	Rename
	Ext // second half of a rename; never made here
	Open
	Close
	Layout
	Trunc
	Setattr
	Setxattr
	HSM
	Mtime
	Ctime
	Atime
	Migrate
	FLRWrite
	Resync
	Getxattr
	DeniedOpen
	numTypes
)

// Flags are the low 12 bits of a record's flags.
type Flags uint16

// Flags of records.
const (
	FlagLast     Flags = 0x001 // UNLNK, RMDIR: the last link is gone; RENME: the victim's
	FlagExchange Flags = 0x004 // RENME: source and target changed places
	FlagSynth    Flags = 0x100 // made by a look-up or a rescan
	FlagMerged   Flags = 0x200 // the kernel folded several operations into one event
	FlagPartial  Flags = 0x400 // something is hidden from this reader
	FlagGone     Flags = 0x800 // the object was gone when it was looked at
)

// What an object was opened for.
const (
	OpenRead  uint32 = 1
	OpenWrite uint32 = 2
	OpenExec  uint32 = 4
)
