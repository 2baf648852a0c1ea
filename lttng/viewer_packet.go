// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

const (
	nextIndexLen     = 64
	packetRequestLen = 20
	packetReplyLen   = 12
	metadataReplyLen = 12
)

// NextIndexReply is the reply of GET_NEXT_INDEX.
type NextIndexReply struct {
	Offset          uint64 // to be quoted in GET_PACKET
	PacketSize      uint64 // bits
	ContentSize     uint64 // bits
	TimestampBegin  uint64 // trace clock units, as is TimestampEnd
	TimestampEnd    uint64 // with [IndexInactive]: no event up to then
	EventsDiscarded uint64 // cumulative
	StreamClass     uint64 // CTF stream id, not a relay handle
	Status          NextIndexStatus
	Flags           uint32 // [FlagNewMetadata], [FlagNewStream]
}

// ParseNextIndexReply reads the reply and returns the bytes it took.
func ParseNextIndexReply(b []byte) (NextIndexReply, int, error) {
	if len(b) < nextIndexLen {
		return NextIndexReply{}, 0, shortError("GET_NEXT_INDEX reply", b, nextIndexLen)
	}
	be := binary.BigEndian
	return NextIndexReply{
		Offset:          be.Uint64(b),
		PacketSize:      be.Uint64(b[8:]),
		ContentSize:     be.Uint64(b[16:]),
		TimestampBegin:  be.Uint64(b[24:]),
		TimestampEnd:    be.Uint64(b[32:]),
		EventsDiscarded: be.Uint64(b[40:]),
		StreamClass:     be.Uint64(b[48:]),
		Status:          NextIndexStatus(be.Uint32(b[56:])),
		Flags:           be.Uint32(b[60:]),
	}, nextIndexLen, nil
}

// Append appends the reply to b.
func (r NextIndexReply) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, r.Offset)
	b = be.AppendUint64(b, r.PacketSize)
	b = be.AppendUint64(b, r.ContentSize)
	b = be.AppendUint64(b, r.TimestampBegin)
	b = be.AppendUint64(b, r.TimestampEnd)
	b = be.AppendUint64(b, r.EventsDiscarded)
	b = be.AppendUint64(b, r.StreamClass)
	b = be.AppendUint32(b, uint32(r.Status))
	return be.AppendUint32(b, r.Flags)
}

// PacketRequest is the payload of GET_PACKET: any range of bytes.
type PacketRequest struct {
	Stream StreamID
	Offset uint64
	Len    uint32 // bytes
}

// ParsePacketRequest reads the payload.
func ParsePacketRequest(b []byte) (PacketRequest, error) {
	if len(b) < packetRequestLen {
		return PacketRequest{}, shortError("GET_PACKET", b, packetRequestLen)
	}
	return PacketRequest{
		Stream: StreamID(binary.BigEndian.Uint64(b)),
		Offset: binary.BigEndian.Uint64(b[8:]),
		Len:    binary.BigEndian.Uint32(b[16:]),
	}, nil
}

// Append appends the payload to b.
func (m PacketRequest) Append(b []byte) []byte {
	b = appendTwoU64(b, uint64(m.Stream), m.Offset)
	return binary.BigEndian.AppendUint32(b, m.Len)
}

// PacketReply heads the reply of GET_PACKET. Len bytes of data follow
// [PacketOK].
type PacketReply struct {
	Status PacketStatus
	Len    uint32 // bytes
	Flags  uint32 // as in [NextIndexReply]
}

// ParsePacketReply reads the head of the reply and returns the bytes it took.
func ParsePacketReply(b []byte) (PacketReply, int, error) {
	if len(b) < packetReplyLen {
		return PacketReply{}, 0, shortError("GET_PACKET reply", b, packetReplyLen)
	}
	return PacketReply{
		Status: PacketStatus(binary.BigEndian.Uint32(b)),
		Len:    binary.BigEndian.Uint32(b[4:]),
		Flags:  binary.BigEndian.Uint32(b[8:]),
	}, packetReplyLen, nil
}

// Append appends the head of the reply to b.
func (r PacketReply) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.Status))
	b = binary.BigEndian.AppendUint32(b, r.Len)
	return binary.BigEndian.AppendUint32(b, r.Flags)
}

// MetadataReply heads the reply of GET_METADATA. Len bytes follow.
type MetadataReply struct {
	Len    uint64 // bytes; 0 unless the status is [MetadataOK]
	Status MetadataStatus
}

// ParseMetadataReply reads the head of the reply and returns the bytes it took.
func ParseMetadataReply(b []byte) (MetadataReply, int, error) {
	if len(b) < metadataReplyLen {
		return MetadataReply{}, 0, shortError("GET_METADATA reply", b, metadataReplyLen)
	}
	return MetadataReply{
		Len:    binary.BigEndian.Uint64(b),
		Status: MetadataStatus(binary.BigEndian.Uint32(b[8:])),
	}, metadataReplyLen, nil
}

// Append appends the head of the reply to b.
func (r MetadataReply) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, r.Len)
	return binary.BigEndian.AppendUint32(b, uint32(r.Status))
}
