// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"encoding/binary"
	"hash/crc32"
)

// DatagramHeaderLen is the length of the header of a [Datagram], in bytes.
const DatagramHeaderLen = 56

// Bounds of a datagram's payload, in bytes: the least that is worth a header,
// the most that UDP carries, and what fits into the smallest path of IPv6.
const (
	MinDatagramPayload     = 128
	MaxDatagramPayload     = 65507 - DatagramHeaderLen
	DefaultDatagramPayload = 1176
)

const (
	datagramMagic   = 0x57554450 // "WUDP"
	datagramVersion = 1

	datagramCRCOffset = 52
)

// DatagramType says what a [Datagram] is for.
type DatagramType uint8

// Types of datagrams. Those of other types are ignored.
const (
	DatagramData      DatagramType = 1 // a piece of a packet
	DatagramHeartbeat DatagramType = 2 // shows the way, and keeps it open
	DatagramEnd       DatagramType = 3 // of a stream: nobody sends it, CLOSE_STREAM tells
)

// DatagramFlags are a [Datagram]'s flags.
type DatagramFlags uint16

// Flags of datagrams.
const (
	DatagramAgain DatagramFlags = 1 // sent before
	DatagramLast  DatagramFlags = 2 // with the end of the packet
)

// Datagram is a piece of a packet that goes by UDP. Pieces of a packet are of
// the size that UDP_OPEN has told, but for the last one.
type Datagram struct {
	Type       DatagramType
	Token      uint64 // of UDP_OPEN
	Number     uint64 // rises by one with each datagram of a session
	Stream     StreamID
	NetSeqNum  uint64
	PacketSize uint32 // of the whole packet
	Offset     uint32 // of the payload in the packet
	Flags      DatagramFlags
	Payload    []byte
}

// castagnoli is the polynomial for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// DatagramToken returns the token of what looks like a datagram, for who wants
// to know whose it is before looking closer.
func DatagramToken(b []byte) (token uint64, ok bool) {
	if len(b) < DatagramHeaderLen || binary.BigEndian.Uint32(b) != datagramMagic {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[8:]), true
}

// ParseDatagram reads a datagram. The payload is a part of b.
func ParseDatagram(b []byte) (Datagram, error) {
	const op = "datagram"
	if len(b) < DatagramHeaderLen {
		return Datagram{}, shortError(op, b, DatagramHeaderLen)
	}
	be := binary.BigEndian
	wrong := func(name string, off int, got uint64, reason error) (Datagram, error) {
		return Datagram{}, &ProtocolError{Op: op, Field: name, Offset: off, Got: got, Err: reason}
	}
	if got := be.Uint32(b); got != datagramMagic {
		return wrong("magic", 0, uint64(got), ErrForeign)
	}
	if b[4] != datagramVersion {
		return wrong("version", 4, uint64(b[4]), ErrForeign)
	}
	if got := be.Uint16(b[6:]); got != DatagramHeaderLen {
		return wrong("header length", 6, uint64(got), ErrForeign)
	}
	d := Datagram{
		Type: DatagramType(b[5]), Token: be.Uint64(b[8:]), Number: be.Uint64(b[16:]),
		Stream: StreamID(be.Uint64(b[24:])), NetSeqNum: be.Uint64(b[32:]),
		PacketSize: be.Uint32(b[40:]), Offset: be.Uint32(b[44:]), Flags: DatagramFlags(be.Uint16(b[50:])),
		Payload: b[DatagramHeaderLen:],
	}
	switch n := DatagramHeaderLen + int(be.Uint16(b[48:])); {
	case len(b) < n:
		return Datagram{}, shortError(op, b, n)
	case len(b) > n:
		return wrong("fragment length", 48, uint64(n-DatagramHeaderLen), ErrLayout)
	}
	if uint64(d.Offset)+uint64(len(d.Payload)) > uint64(d.PacketSize) {
		return wrong("fragment offset", 44, uint64(d.Offset), ErrLayout)
	}
	if got := be.Uint32(b[datagramCRCOffset:]); got != datagramCRC(b) {
		return wrong("checksum", datagramCRCOffset, uint64(got), ErrChecksum)
	}
	return d, nil
}

// datagramCRC is the checksum of a datagram, whatever stands in its field.
func datagramCRC(b []byte) uint32 {
	var zero [DatagramHeaderLen - datagramCRCOffset]byte
	sum := crc32.Update(0, castagnoli, b[:datagramCRCOffset])
	sum = crc32.Update(sum, castagnoli, zero[:])
	return crc32.Update(sum, castagnoli, b[DatagramHeaderLen:])
}

// Append appends the datagram to b. The payload is at most [MaxDatagramPayload]
// bytes long.
func (d Datagram) Append(b []byte) []byte {
	be := binary.BigEndian
	start := len(b)
	b = be.AppendUint32(b, datagramMagic)
	b = append(b, datagramVersion, byte(d.Type))
	b = be.AppendUint16(b, DatagramHeaderLen)
	b = be.AppendUint64(b, d.Token)
	b = be.AppendUint64(b, d.Number)
	b = appendTwoU64(b, uint64(d.Stream), d.NetSeqNum)
	b = be.AppendUint32(b, d.PacketSize)
	b = be.AppendUint32(b, d.Offset)
	b = be.AppendUint16(b, uint16(len(d.Payload)))
	b = be.AppendUint16(b, uint16(d.Flags))
	b = be.AppendUint32(b, 0)
	b = append(b, d.Payload...)
	be.PutUint32(b[start+datagramCRCOffset:], datagramCRC(b[start:]))
	return b
}

// RenumberDatagram makes a datagram that was written by Append one that is sent
// again.
func RenumberDatagram(b []byte, number uint64) {
	be := binary.BigEndian
	be.PutUint64(b[16:], number)
	be.PutUint16(b[50:], be.Uint16(b[50:])|uint16(DatagramAgain))
	be.PutUint32(b[datagramCRCOffset:], datagramCRC(b))
}
