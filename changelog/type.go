// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"strconv"
	"strings"
)

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

// typeNames are the words of the text form, which masks have too.
var typeNames = [numTypes]string{
	"MARK", "CREAT", "MKDIR", "HLINK", "SLINK", "MKNOD", "UNLNK", "RMDIR", "RENME", "RNMTO", "OPEN", "CLOSE", "LYOUT",
	"TRUNC", "SATTR", "XATTR", "HSM", "MTIME", "CTIME", "ATIME", "MIGRT", "FLRW", "RESYNC", "GXATR", "NOPEN",
}

// String returns the word of the text form, as CREAT.
func (t Type) String() string {
	if t < numTypes {
		return typeNames[t]
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// ParseType reads the word of the text form, in any case.
func ParseType(word string) (Type, error) {
	t, ok := typeOf(word)
	if !ok {
		return 0, &Error{Form: "type", Got: quoted(word), Want: "a type of records, as CREAT"}
	}
	return t, nil
}

func typeOf(word string) (Type, bool) {
	for t, name := range typeNames {
		if len(word) == len(name) && strings.EqualFold(word, name) {
			return Type(t), true
		}
	}
	return 0, false
}

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
