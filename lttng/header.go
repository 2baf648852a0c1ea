// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// All integers of all messages are big-endian; structures have no holes, with
// the one exception of ROTATE_STREAMS.

// Sizes, versions and ports of the protocol.
const (
	ControlHeaderLen  = 24        // bytes before a control payload
	DataHeaderLen     = 32        // bytes before a packet on the data connection
	ViewerHeaderLen   = 16        // bytes before a viewer's payload
	MaxControlPayload = 128 << 20 // bytes; a larger announcement ends the connection

	MajorVersion = 2
	MinorVersion = 15

	DefaultControlPort = 5342
	DefaultDataPort    = 5343
	DefaultViewerPort  = 5344
)

// StreamID is the relay's handle of a stream, from 1, over all sessions.
type StreamID uint64

// SessionID is the relay's number of a session, from 1.
type SessionID uint64

// ChunkID numbers the trace chunks of one session, from 0.
type ChunkID uint64

// Minor is the negotiated minor version: the smaller one of both ends.
type Minor uint32

// First minors that know a feature.
const (
	MinorTracefiles    Minor = 2  // tracefile size and count in ADD_STREAM
	MinorIndexes       Minor = 4  // named CREATE_SESSION, SEND_INDEX, live
	MinorIndexInstance Minor = 8  // instance and packet number in SEND_INDEX
	MinorChunks        Minor = 11 // sized names, trace chunks, rotation
	MinorConfiguration Minor = 12 // GET_CONFIGURATION, clear
	MinorTraceFormat   Minor = 15 // trace format in CREATE_SESSION
)

// NoSeq is the network sequence number of a stream that sent no packet.
const NoSeq = ^uint64(0)

// ControlHeader precedes each control request. Replies have no header.
type ControlHeader struct {
	CircuitID  uint64 // sent 0, ignored
	DataSize   uint64 // payload bytes that follow
	Cmd        Command
	CmdVersion uint32 // sent 0, ignored
}

// ParseControlHeader reads the first [ControlHeaderLen] bytes of b. It does not
// judge DataSize: see [MaxControlPayload] and [PayloadLimit].
func ParseControlHeader(b []byte) (ControlHeader, error) {
	if len(b) < ControlHeaderLen {
		return ControlHeader{}, shortError("control header", b, ControlHeaderLen)
	}
	be := binary.BigEndian
	return ControlHeader{
		CircuitID:  be.Uint64(b),
		DataSize:   be.Uint64(b[8:]),
		Cmd:        Command(be.Uint32(b[16:])),
		CmdVersion: be.Uint32(b[20:]),
	}, nil
}

// Append appends the header to b.
func (h ControlHeader) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, h.CircuitID)
	b = be.AppendUint64(b, h.DataSize)
	b = be.AppendUint32(b, uint32(h.Cmd))
	return be.AppendUint32(b, h.CmdVersion)
}

// AppendRequest appends a whole control request: the header of cmd, then what
// payload appends, its length filled in. A nil payload is an empty one.
func AppendRequest(b []byte, cmd Command, payload func([]byte) []byte) []byte {
	start := len(b)
	b = ControlHeader{Cmd: cmd}.Append(b)
	if payload != nil {
		b = payload(b)
	}
	binary.BigEndian.PutUint64(b[start+8:], uint64(len(b)-start-ControlHeaderLen))
	return b
}

// DataHeader precedes each packet on the data connection. Nothing is answered.
type DataHeader struct {
	CircuitID   uint64 // sent 0, ignored
	Stream      StreamID
	NetSeqNum   uint64 // from 0, +1 for each packet of the stream
	DataSize    uint32 // bytes that follow
	PaddingSize uint32 // zero bytes the receiver adds itself, not transmitted
}

// ParseDataHeader reads the first [DataHeaderLen] bytes of b.
func ParseDataHeader(b []byte) (DataHeader, error) {
	if len(b) < DataHeaderLen {
		return DataHeader{}, shortError("data header", b, DataHeaderLen)
	}
	be := binary.BigEndian
	return DataHeader{
		CircuitID:   be.Uint64(b),
		Stream:      StreamID(be.Uint64(b[8:])),
		NetSeqNum:   be.Uint64(b[16:]),
		DataSize:    be.Uint32(b[24:]),
		PaddingSize: be.Uint32(b[28:]),
	}, nil
}

// Append appends the header to b.
func (h DataHeader) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, h.CircuitID)
	b = be.AppendUint64(b, uint64(h.Stream))
	b = be.AppendUint64(b, h.NetSeqNum)
	b = be.AppendUint32(b, h.DataSize)
	return be.AppendUint32(b, h.PaddingSize)
}

// StoredBytes returns the bytes the packet takes in its file. The sum of the
// two sizes may exceed 32 bits.
func (h DataHeader) StoredBytes() uint64 {
	return uint64(h.DataSize) + uint64(h.PaddingSize)
}
