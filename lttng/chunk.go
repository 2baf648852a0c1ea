// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"encoding/binary"
	"strconv"
)

const (
	// MaxChunkName is the limit of an override name, in bytes without the NUL.
	MaxChunkName = 254

	// CreateChunkLen is the length of the CREATE_TRACE_CHUNK payload before
	// the override name.
	CreateChunkLen = 20
	closeChunkLen  = 21
)

// CreateTraceChunk is the payload of CREATE_TRACE_CHUNK.
type CreateTraceChunk struct {
	Chunk        ChunkID
	CreationTime uint64 // s since the epoch
	OverrideName string // directory of a snapshot; "" for none
}

// ParseCreateTraceChunk reads a CREATE_TRACE_CHUNK payload. It does not judge
// whether the name is safe in a path.
func ParseCreateTraceChunk(b []byte) (CreateTraceChunk, error) {
	const op = "CREATE_TRACE_CHUNK"
	if len(b) < CreateChunkLen {
		return CreateTraceChunk{}, shortError(op, b, CreateChunkLen)
	}
	m := CreateTraceChunk{
		Chunk:        ChunkID(binary.BigEndian.Uint64(b)),
		CreationTime: binary.BigEndian.Uint64(b[8:]),
	}
	n := binary.BigEndian.Uint32(b[16:])
	if n == 0 {
		return m, nil
	}
	name := field{op, "override name", CreateChunkLen}
	var err error
	if m.OverrideName, err = name.sized(b[CreateChunkLen:], n, MaxChunkName+1); err != nil {
		return CreateTraceChunk{}, err
	}
	if m.OverrideName == "" {
		return CreateTraceChunk{}, name.fail(ErrEmpty, int(n), 0)
	}
	return m, nil
}

// Append appends the payload to b.
func (m CreateTraceChunk) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Chunk))
	b = binary.BigEndian.AppendUint64(b, m.CreationTime)
	if trimNUL(m.OverrideName) == "" {
		return binary.BigEndian.AppendUint32(b, 0)
	}
	b = binary.BigEndian.AppendUint32(b, sizeZ(m.OverrideName))
	return appendZ(b, m.OverrideName)
}

// CloseCommand is what shall happen to a closed chunk once nobody uses it.
type CloseCommand uint32

// Close commands.
const (
	CloseMove    CloseCommand = 0 // to archives/
	CloseNothing CloseCommand = 1
	CloseDelete  CloseCommand = 2 // from minor 12
)

// String returns a short name of the command, or its number.
func (c CloseCommand) String() string {
	switch c {
	case CloseMove:
		return "MOVE_TO_COMPLETED"
	case CloseNothing:
		return "NO_OPERATION"
	case CloseDelete:
		return "DELETE"
	}
	return "close command " + strconv.FormatUint(uint64(c), 10)
}

// CloseTraceChunk is the payload of CLOSE_TRACE_CHUNK.
type CloseTraceChunk struct {
	Chunk      ChunkID
	CloseTime  uint64 // s since the epoch
	HasCommand bool
	Command    CloseCommand // any number; the receiver judges it
}

// ParseCloseTraceChunk reads a CLOSE_TRACE_CHUNK payload.
func ParseCloseTraceChunk(b []byte) (CloseTraceChunk, error) {
	if len(b) < closeChunkLen {
		return CloseTraceChunk{}, shortError("CLOSE_TRACE_CHUNK", b, closeChunkLen)
	}
	return CloseTraceChunk{
		Chunk:      ChunkID(binary.BigEndian.Uint64(b)),
		CloseTime:  binary.BigEndian.Uint64(b[8:]),
		HasCommand: b[16] != 0,
		Command:    CloseCommand(binary.BigEndian.Uint32(b[17:])),
	}, nil
}

// Append appends the payload to b.
func (m CloseTraceChunk) Append(b []byte) []byte {
	b = appendTwoU64(b, uint64(m.Chunk), m.CloseTime)
	b = appendBool(b, m.HasCommand)
	return binary.BigEndian.AppendUint32(b, uint32(m.Command))
}

// TraceChunkExists is the payload of TRACE_CHUNK_EXISTS.
type TraceChunkExists struct{ Chunk ChunkID }

// ParseTraceChunkExists reads a TRACE_CHUNK_EXISTS payload.
func ParseTraceChunkExists(b []byte) (TraceChunkExists, error) {
	v, err := parseU64("TRACE_CHUNK_EXISTS", b)
	return TraceChunkExists{ChunkID(v)}, err
}

// Append appends the payload to b.
func (m TraceChunkExists) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Chunk))
}
