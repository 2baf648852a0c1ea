// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "strconv"

// statusName returns names[v], or kind and the number.
func statusName(kind string, v uint32, names ...string) string {
	if uint64(v) < uint64(len(names)) && names[v] != "" {
		return names[v]
	}
	return kind + " status " + strconv.FormatUint(uint64(v), 10)
}

// CreateStatus answers the viewers' CREATE_SESSION.
type CreateStatus uint32

// Statuses of CREATE_SESSION.
const (
	CreateOK    CreateStatus = 1
	CreateError CreateStatus = 2
)

// String returns a short name of the status, or its number.
func (s CreateStatus) String() string {
	return statusName("create", uint32(s), "", "OK", "ERR")
}

// AttachStatus answers ATTACH_SESSION.
type AttachStatus uint32

// Statuses of ATTACH_SESSION.
const (
	AttachOK        AttachStatus = 1
	AttachAlready   AttachStatus = 2 // somebody is attached
	AttachUnknown   AttachStatus = 3 // no such session, or it is closed
	AttachNotLive   AttachStatus = 4
	AttachSeekError AttachStatus = 5
	AttachNoSession AttachStatus = 6 // no CREATE_SESSION before
)

// String returns a short name of the status, or its number.
func (s AttachStatus) String() string {
	return statusName("attach", uint32(s),
		"", "OK", "ALREADY", "UNK", "NOT_LIVE", "SEEK_ERR", "NO_SESSION")
}

// NewStreamsStatus answers GET_NEW_STREAMS.
type NewStreamsStatus uint32

// Statuses of GET_NEW_STREAMS.
const (
	NewStreamsOK     NewStreamsStatus = 1 // the count may be 0
	NewStreamsNone   NewStreamsStatus = 2
	NewStreamsError  NewStreamsStatus = 3
	NewStreamsHangup NewStreamsStatus = 4 // session closed and read to its end
)

// String returns a short name of the status, or its number.
func (s NewStreamsStatus) String() string {
	return statusName("new streams", uint32(s), "", "OK", "NO_NEW", "ERR", "HUP")
}

// NextIndexStatus answers GET_NEXT_INDEX.
type NextIndexStatus uint32

// Statuses of GET_NEXT_INDEX.
const (
	IndexOK       NextIndexStatus = 1
	IndexRetry    NextIndexStatus = 2 // nothing yet, no promise about time
	IndexHangup   NextIndexStatus = 3 // stream read to its end
	IndexError    NextIndexStatus = 4
	IndexInactive NextIndexStatus = 5 // no event up to TimestampEnd
	IndexEOF      NextIndexStatus = 6 // never sent; fatal to viewers
)

// String returns a short name of the status, or its number.
func (s NextIndexStatus) String() string {
	return statusName("index", uint32(s), "", "OK", "RETRY", "HUP", "ERR", "INACTIVE", "EOF")
}

// PacketStatus answers GET_PACKET.
type PacketStatus uint32

// Statuses of GET_PACKET.
const (
	PacketOK    PacketStatus = 1
	PacketRetry PacketStatus = 2
	PacketError PacketStatus = 3
	PacketEOF   PacketStatus = 4
)

// String returns a short name of the status, or its number.
func (s PacketStatus) String() string {
	return statusName("packet", uint32(s), "", "OK", "RETRY", "ERR", "EOF")
}

// MetadataStatus answers GET_METADATA.
type MetadataStatus uint32

// Statuses of GET_METADATA.
const (
	MetadataOK    MetadataStatus = 1
	MetadataNone  MetadataStatus = 2 // nothing new
	MetadataError MetadataStatus = 3
)

// String returns a short name of the status, or its number.
func (s MetadataStatus) String() string {
	return statusName("metadata", uint32(s), "", "OK", "NO_NEW", "ERR")
}

// DetachStatus answers DETACH_SESSION.
type DetachStatus uint32

// Statuses of DETACH_SESSION.
const (
	DetachOK      DetachStatus = 1
	DetachUnknown DetachStatus = 2
	DetachError   DetachStatus = 3 // not attached
)

// String returns a short name of the status, or its number.
func (s DetachStatus) String() string {
	return statusName("detach", uint32(s), "", "OK", "UNK", "ERR")
}

// Seek is where a viewer wants to start reading.
type Seek uint32

// Seek positions.
const (
	SeekBeginning Seek = 1 // oldest packet still stored
	SeekLast      Seek = 2 // behind the newest complete packet
)

// String returns a short name of the position, or its number.
func (s Seek) String() string {
	switch s {
	case SeekBeginning:
		return "BEGINNING"
	case SeekLast:
		return "LAST"
	}
	return "seek " + strconv.FormatUint(uint64(s), 10)
}

// Flags in the replies of GET_NEXT_INDEX and GET_PACKET. Both are levels, not
// edges: set on every status for as long as they hold.
const (
	FlagNewMetadata uint32 = 1 << 0
	FlagNewStream   uint32 = 1 << 1
)
