// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Lengths of the ROTATE_STREAMS header: producers compiled for 64 and for 32
// bits align it differently, and some pack it. The length of the payload tells
// them apart.
const (
	rotateHeader64     = 20
	rotateHeader32     = 16
	rotateHeaderPacked = 13
	rotatePositionLen  = 16
)

// RotatePosition says where a stream turns to the new chunk.
type RotatePosition struct {
	Stream StreamID
	SeqNum uint64 // packet number ([Index].PacketSeqNum) that begins the new chunk
}

// RotateStreams is the payload of ROTATE_STREAMS. Without a chunk the streams
// leave theirs and get no other: the session is stopped.
type RotateStreams struct {
	HasChunk bool
	Chunk    ChunkID // the new chunk, if HasChunk
	Streams  []RotatePosition
}

// ParseRotateStreams reads any of the three layouts. The padding in the header
// is not looked at: producers send stack bytes in it. A length that fits none
// of the layouts is refused with [ErrLayout], before anything is allocated.
func ParseRotateStreams(b []byte) (RotateStreams, error) {
	const op = "ROTATE_STREAMS"
	if len(b) < rotateHeaderPacked {
		return RotateStreams{}, shortError(op, b, rotateHeaderPacked)
	}
	be := binary.BigEndian
	count := be.Uint32(b)
	header := int64(len(b)) - rotatePositionLen*int64(count)
	m := RotateStreams{HasChunk: b[4] != 0}
	switch header {
	case rotateHeader64:
		m.Chunk = ChunkID(be.Uint64(b[12:]))
	case rotateHeader32:
		m.Chunk = ChunkID(be.Uint64(b[8:]))
	case rotateHeaderPacked:
		m.Chunk = ChunkID(be.Uint64(b[5:]))
	default:
		return RotateStreams{}, &ProtocolError{
			Op: op, Field: "stream count", Got: uint64(count), Err: ErrLayout,
		}
	}
	m.Streams = make([]RotatePosition, count)
	for i := range m.Streams {
		p := b[int(header)+i*rotatePositionLen:]
		m.Streams[i] = RotatePosition{StreamID(be.Uint64(p)), be.Uint64(p[8:])}
	}
	return m, nil
}

// Append appends the payload in the layout of 64-bit producers, the only one
// all relays understand, with zero padding.
func (m RotateStreams) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, uint32(len(m.Streams)))
	b = appendBool(b, m.HasChunk)
	b = append(b, 0, 0, 0, 0, 0, 0, 0)
	b = be.AppendUint64(b, uint64(m.Chunk))
	for _, p := range m.Streams {
		b = appendTwoU64(b, uint64(p.Stream), p.SeqNum)
	}
	return b
}
