// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/binary"
	"hash/crc32"
)

// Layout of the table file; see the package comment.
const (
	magic      = 0x7765697274_61696c // "weirtail"
	version    = 1
	headerLen  = 4096
	slotLen    = 640
	dirLen     = 2*pathLen + dirPaths
	bootLen    = 16
	maxSlots   = 1 << 20
	defaultCap = 65536

	headerSlots   = 20
	headerDirs    = 28
	headerBoot    = 32
	headerPID     = 48
	headerCRC     = 52
	headerState   = 56
	headerSlotTop = 60
	headerDirTop  = 64
	headerUsed    = 68 // bytes of the header that are read

	slotCRC       = 4
	slotCommitted = 8
	slotDev       = 16
	slotIno       = 24
	slotDir       = 32
	slotRelLen    = 36
	slotFixed     = 40 // end of the fields under the CRC
	slotRel       = 64
	maxRel        = slotLen - slotRel

	dirPaths = 64
	pathLen  = 4096
	pathText = 8
	maxPath  = pathLen - pathText
)

// States of the header.
const (
	tableNew   = 0
	tableOpen  = 1
	tableClean = 2
)

// States of a slot.
const (
	slotIdle    = 0
	slotFollows = 1
)

// Bits of a directory's state.
const (
	dirUsed   = 1
	dirSecond = 2
	dirOther  = 4
	dirBits   = dirUsed | dirSecond | dirOther
)

// layout is the size of a table.
type layout struct {
	slots, dirs uint32
}

// newLayout returns the layout of a table with the given number of slots. A
// session has one chunk directory and mostly more than eight open files; the
// constant serves small tables.
func newLayout(slots int) layout {
	return layout{slots: uint32(slots), dirs: uint32(slots/8 + 16)}
}

func (l layout) slot(i uint32) int64 { return headerLen + slotLen*int64(i) }
func (l layout) dir(i uint32) int64  { return l.slot(l.slots) + dirLen*int64(i) }
func (l layout) size() int64         { return l.dir(l.dirs) }

// castagnoli is the table of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// putHeader writes the unchanging part of the header.
func putHeader(b []byte, l layout, boot [bootLen]byte, pid int) {
	ne := binary.NativeEndian
	ne.PutUint64(b, magic)
	ne.PutUint32(b[8:], version)
	ne.PutUint32(b[12:], headerLen)
	ne.PutUint32(b[16:], slotLen)
	ne.PutUint32(b[headerSlots:], l.slots)
	ne.PutUint32(b[24:], dirLen)
	ne.PutUint32(b[headerDirs:], l.dirs)
	copy(b[headerBoot:headerPID], boot[:])
	ne.PutUint32(b[headerPID:], uint32(pid))
	ne.PutUint32(b[headerCRC:], crc32.Checksum(b[:headerCRC], castagnoli))
}

// putSlot writes a slot without its state and committed length.
func putSlot(b []byte, dev, ino uint64, dir uint32, rel string) {
	ne := binary.NativeEndian
	ne.PutUint64(b[slotDev:], dev)
	ne.PutUint64(b[slotIno:], ino)
	ne.PutUint32(b[slotDir:], dir)
	ne.PutUint32(b[slotRelLen:], uint32(len(rel)))
	copy(b[slotRel:], rel)
	ne.PutUint32(b[slotCRC:], slotSum(b, len(rel)))
}

// slotSum is the CRC of a slot whose path has n bytes.
func slotSum(b []byte, n int) uint32 {
	sum := crc32.Checksum(b[slotDev:slotFixed], castagnoli)
	return crc32.Update(sum, castagnoli, b[slotRel:slotRel+n])
}

// putPath writes one of a directory's paths.
func putPath(b []byte, path string) {
	ne := binary.NativeEndian
	ne.PutUint32(b, uint32(len(path)))
	n := copy(b[pathText:], path)
	ne.PutUint32(b[4:], crc32.Checksum(b[pathText:pathText+n], castagnoli))
}

// pathAt returns the offset of a directory's first or second path in its
// record.
func pathAt(second bool) int64 {
	if second {
		return dirPaths + pathLen
	}
	return dirPaths
}
