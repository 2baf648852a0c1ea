// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"
	"fmt"
)

// IndexMagic begins each packet index file. All integers are big-endian.
const IndexMagic = 0xC1F1DCC1

// Sizes and versions of index files.
const (
	IndexHeaderLen      = 16 // bytes
	IndexMajor          = 1
	IndexRecordLen      = 56 // bytes of a record of version 1.0
	IndexRecordLenMinor = 72 // bytes of a record of version 1.1

	// MaxIndexRecordLen bounds what a reader has to hold for one record.
	MaxIndexRecordLen = 4096
)

// IndexRecordLenOf returns the record length of index version 1.minor.
func IndexRecordLenOf(minor uint32) uint32 {
	if minor == 0 {
		return IndexRecordLen
	}
	return IndexRecordLenMinor
}

// IndexHeader begins a packet index file, after the magic.
type IndexHeader struct {
	Major     uint32 // 1
	Minor     uint32 // 0, or 1: records carry instance and packet number
	RecordLen uint32 // bytes
}

// IndexError says what is wrong with the bytes of an index file.
type IndexError struct {
	Field  string
	Offset int // from the start of the parsed bytes
	Got    uint64
	Want   uint64
}

// Error gives the message on one line.
func (e *IndexError) Error() string {
	return fmt.Sprintf("ctf: packet index: %s at offset %d: got %#x, want %#x",
		e.Field, e.Offset, e.Got, e.Want)
}

// AppendIndexHeader appends the header of an index file of version 1.minor.
func AppendIndexHeader(b []byte, minor uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, IndexMagic)
	b = binary.BigEndian.AppendUint32(b, IndexMajor)
	b = binary.BigEndian.AppendUint32(b, minor)
	return binary.BigEndian.AppendUint32(b, IndexRecordLenOf(minor))
}

// ParseIndexHeader reads the first [IndexHeaderLen] bytes of an index file. It
// accepts any minor of major 1, and records longer than those of version 1.1 up
// to [MaxIndexRecordLen], whose end is then unknown to this package. Errors are
// of type [*IndexError].
func ParseIndexHeader(b []byte) (IndexHeader, error) {
	if len(b) < IndexHeaderLen {
		return IndexHeader{}, &IndexError{"header length", 0, uint64(len(b)), IndexHeaderLen}
	}
	be := binary.BigEndian
	if magic := be.Uint32(b); magic != IndexMagic {
		return IndexHeader{}, &IndexError{"magic", 0, uint64(magic), IndexMagic}
	}
	h := IndexHeader{be.Uint32(b[4:]), be.Uint32(b[8:]), be.Uint32(b[12:])}
	if h.Major != IndexMajor {
		return IndexHeader{}, &IndexError{"major", 4, uint64(h.Major), IndexMajor}
	}
	if want := IndexRecordLenOf(h.Minor); h.RecordLen < want {
		return IndexHeader{}, &IndexError{"record length", 12, uint64(h.RecordLen), uint64(want)}
	}
	if h.RecordLen > MaxIndexRecordLen {
		return IndexHeader{}, &IndexError{"record length", 12, uint64(h.RecordLen), MaxIndexRecordLen}
	}
	return h, nil
}

// IndexEntry is a record of an index file: one packet.
type IndexEntry struct {
	Offset          uint64 // bytes, in the data file
	PacketSize      uint64 // bits
	ContentSize     uint64 // bits
	TimestampBegin  uint64 // trace clock units, as is TimestampEnd
	TimestampEnd    uint64
	EventsDiscarded uint64 // cumulative
	StreamClass     uint64 // CTF stream id
	InstanceID      uint64 // CPU number; version 1.1
	PacketSeqNum    uint64 // version 1.1
}

// Append appends the record in recordLen bytes: without its last two fields
// below [IndexRecordLenMinor], with zero bytes behind them above.
func (e IndexEntry) Append(b []byte, recordLen uint32) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, e.Offset)
	b = be.AppendUint64(b, e.PacketSize)
	b = be.AppendUint64(b, e.ContentSize)
	b = be.AppendUint64(b, e.TimestampBegin)
	b = be.AppendUint64(b, e.TimestampEnd)
	b = be.AppendUint64(b, e.EventsDiscarded)
	b = be.AppendUint64(b, e.StreamClass)
	if recordLen < IndexRecordLenMinor {
		return append(b, make([]byte, max(recordLen, IndexRecordLen)-IndexRecordLen)...)
	}
	b = be.AppendUint64(b, e.InstanceID)
	b = be.AppendUint64(b, e.PacketSeqNum)
	return append(b, make([]byte, recordLen-IndexRecordLenMinor)...)
}

// ParseIndexEntry reads one record of recordLen bytes, as the header says.
// Errors are of type [*IndexError].
func ParseIndexEntry(b []byte, recordLen uint32) (IndexEntry, error) {
	if recordLen < IndexRecordLen {
		return IndexEntry{}, &IndexError{"record length", 0, uint64(recordLen), IndexRecordLen}
	}
	if uint64(len(b)) < uint64(recordLen) {
		return IndexEntry{}, &IndexError{"record", 0, uint64(len(b)), uint64(recordLen)}
	}
	be := binary.BigEndian
	e := IndexEntry{
		Offset:          be.Uint64(b),
		PacketSize:      be.Uint64(b[8:]),
		ContentSize:     be.Uint64(b[16:]),
		TimestampBegin:  be.Uint64(b[24:]),
		TimestampEnd:    be.Uint64(b[32:]),
		EventsDiscarded: be.Uint64(b[40:]),
		StreamClass:     be.Uint64(b[48:]),
	}
	if recordLen >= IndexRecordLenMinor {
		e.InstanceID = be.Uint64(b[56:])
		e.PacketSeqNum = be.Uint64(b[64:])
	}
	return e, nil
}
