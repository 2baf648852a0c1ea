// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

const (
	shortIndexLen = 64 // minors 4 to 7
	indexLen      = 80 // minor 8
)

// Index is the payload of SEND_INDEX: it describes one packet of the data
// connection, or, as a live beacon, says that the stream is idle.
type Index struct {
	Stream          StreamID
	NetSeqNum       uint64 // of the packet; in a beacon of the last one sent
	PacketSize      uint64 // bits, content and padding; 0 in a beacon
	ContentSize     uint64 // bits
	TimestampBegin  uint64 // trace clock units, as is TimestampEnd
	TimestampEnd    uint64 // in a beacon: nothing happened up to then
	EventsDiscarded uint64 // cumulative
	StreamClass     uint64 // CTF stream id, not a relay handle
	InstanceID      uint64 // CPU number; from minor 8
	PacketSeqNum    uint64 // the tracer's count, used by rotations; from minor 8
}

// IsBeacon reports whether the index announces an idle live stream.
func (x Index) IsBeacon() bool { return x.PacketSize == 0 }

// ParseIndex reads the layout of minor: 64 bytes below 8, else 80.
func ParseIndex(b []byte, minor Minor) (Index, error) {
	want := indexLen
	if minor < MinorIndexInstance {
		want = shortIndexLen
	}
	if len(b) < want {
		return Index{}, shortError("SEND_INDEX", b, want)
	}
	be := binary.BigEndian
	x := Index{
		Stream:          StreamID(be.Uint64(b)),
		NetSeqNum:       be.Uint64(b[8:]),
		PacketSize:      be.Uint64(b[16:]),
		ContentSize:     be.Uint64(b[24:]),
		TimestampBegin:  be.Uint64(b[32:]),
		TimestampEnd:    be.Uint64(b[40:]),
		EventsDiscarded: be.Uint64(b[48:]),
		StreamClass:     be.Uint64(b[56:]),
	}
	if want == indexLen {
		x.InstanceID = be.Uint64(b[64:])
		x.PacketSeqNum = be.Uint64(b[72:])
	}
	return x, nil
}

// Append appends the payload in the layout of minor.
func (x Index) Append(b []byte, minor Minor) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(x.Stream))
	b = be.AppendUint64(b, x.NetSeqNum)
	b = be.AppendUint64(b, x.PacketSize)
	b = be.AppendUint64(b, x.ContentSize)
	b = be.AppendUint64(b, x.TimestampBegin)
	b = be.AppendUint64(b, x.TimestampEnd)
	b = be.AppendUint64(b, x.EventsDiscarded)
	b = be.AppendUint64(b, x.StreamClass)
	if minor < MinorIndexInstance {
		return b
	}
	b = be.AppendUint64(b, x.InstanceID)
	return be.AppendUint64(b, x.PacketSeqNum)
}
