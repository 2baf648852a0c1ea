// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Control messages of [ExtUDP], by which packets come in datagrams.

// Limits of UDP_STATUS.
const (
	MaxUDPStreams = 16 // of one request
	MaxUDPRanges  = 64 // of a stream in the reply

	udpOpenLen         = 16
	udpOpenReplyLen    = 24
	udpStatusLen       = 4 // before the streams
	udpSentLen         = 16
	udpStatusReplyLen  = 12 // before the streams
	udpStreamLen       = 20 // before the ranges
	udpRangeLen        = 16
	udpAbandonLen      = 24
	udpAbandonReplyLen = 8
)

// MaxUDPStatusReply is the length of the longest reply of UDP_STATUS, in bytes.
const MaxUDPStatusReply = udpStatusReplyLen + MaxUDPStreams*(udpStreamLen+MaxUDPRanges*udpRangeLen)

// UDPOpen is the payload of UDP_OPEN: packets of this session come in datagrams.
type UDPOpen struct {
	// AnySource: the datagrams may come from another address than the control
	// connection.
	AnySource bool
	Payload   uint32 // bytes of a packet in each datagram but the last one
	Window    uint64 // bytes that may be under way
}

const udpAnySource uint32 = 1 // flag

// ParseUDPOpen reads a UDP_OPEN payload.
func ParseUDPOpen(b []byte) (UDPOpen, error) {
	if len(b) < udpOpenLen {
		return UDPOpen{}, shortError("UDP_OPEN", b, udpOpenLen)
	}
	be := binary.BigEndian
	return UDPOpen{be.Uint32(b)&udpAnySource != 0, be.Uint32(b[4:]), be.Uint64(b[8:])}, nil
}

// Append appends the payload to b.
func (m UDPOpen) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, flagOf(m.AnySource, udpAnySource))
	b = be.AppendUint32(b, m.Payload)
	return be.AppendUint64(b, m.Window)
}

func flagOf(set bool, flag uint32) uint32 {
	if set {
		return flag
	}
	return 0
}

// UDPOpenReply is the reply of UDP_OPEN.
type UDPOpenReply struct {
	Code   ReplyCode
	Port   uint16
	Token  uint64 // of all datagrams
	Window uint64 // that the relay keeps place for: as asked, or less
}

// ParseUDPOpenReply reads the reply and returns the bytes it took.
func ParseUDPOpenReply(b []byte) (UDPOpenReply, int, error) {
	if len(b) < udpOpenReplyLen {
		return UDPOpenReply{}, 0, shortError("UDP_OPEN reply", b, udpOpenReplyLen)
	}
	be := binary.BigEndian
	return UDPOpenReply{ReplyCode(be.Uint32(b)), be.Uint16(b[4:]), be.Uint64(b[8:]), be.Uint64(b[16:])}, udpOpenReplyLen, nil
}

// Append appends the reply to b.
func (r UDPOpenReply) Append(b []byte) []byte {
	be := binary.BigEndian
	b = AppendCode(b, r.Code)
	b = be.AppendUint16(b, r.Port)
	b = be.AppendUint16(b, 0)
	return appendTwoU64(b, r.Token, r.Window)
}

// UDPStatus is the payload of UDP_STATUS: what has come of these streams?
// Without streams it asks whether datagrams come at all.
type UDPStatus struct{ Streams []UDPSent }

// UDPSent tells how far a stream was sent.
type UDPSent struct {
	Stream StreamID
	Last   uint64 // net_seq_num, [NoSeq] before the first packet
}

// ParseUDPStatus reads a UDP_STATUS payload.
func ParseUDPStatus(b []byte) (UDPStatus, error) {
	const op = "UDP_STATUS"
	if len(b) < udpStatusLen {
		return UDPStatus{}, shortError(op, b, udpStatusLen)
	}
	be := binary.BigEndian
	n := be.Uint32(b)
	if n > MaxUDPStreams {
		return UDPStatus{}, field{op, "stream count", 0}.fail(ErrTooLong, int(min(n, 1<<31-1)), MaxUDPStreams)
	}
	size := udpStatusLen + int(n)*udpSentLen
	if len(b) < size {
		return UDPStatus{}, shortError(op, b, size)
	}
	var m UDPStatus
	for at := udpStatusLen; at < size; at += udpSentLen {
		m.Streams = append(m.Streams, UDPSent{StreamID(be.Uint64(b[at:])), be.Uint64(b[at+8:])})
	}
	return m, nil
}

// Append appends the payload to b.
func (m UDPStatus) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Streams)))
	for _, s := range m.Streams {
		b = appendTwoU64(b, uint64(s.Stream), s.Last)
	}
	return b
}

// UDPStatusReply is the reply of UDP_STATUS.
type UDPStatusReply struct {
	Code    ReplyCode
	Heard   bool // a datagram has come
	Streams []UDPArrived
}

// UDPArrived tells what has come of a stream.
type UDPArrived struct {
	Stream   StreamID
	Complete uint64     // net_seq_num up to which nothing is missing, [NoSeq] before the first packet
	Missing  []UDPRange // the first ones
}

// UDPRange is a piece of a packet.
type UDPRange struct {
	NetSeqNum      uint64
	Offset, Length uint32 // nothing has come of the packet: 0 and 2^32-1
}

const udpHeard uint32 = 1 // flag

// ParseUDPStatusReply reads the reply and returns the bytes it took.
func ParseUDPStatusReply(b []byte) (UDPStatusReply, int, error) {
	const op = "UDP_STATUS reply"
	if len(b) < udpStatusReplyLen {
		return UDPStatusReply{}, 0, shortError(op, b, udpStatusReplyLen)
	}
	be := binary.BigEndian
	r := UDPStatusReply{Code: ReplyCode(be.Uint32(b)), Heard: be.Uint32(b[4:])&udpHeard != 0}
	n := be.Uint32(b[8:])
	if n > MaxUDPStreams {
		return UDPStatusReply{}, 0, field{op, "stream count", 8}.fail(ErrTooLong, int(min(n, 1<<31-1)), MaxUDPStreams)
	}
	at := udpStatusReplyLen
	for ; n > 0; n-- {
		if len(b) < at+udpStreamLen {
			return UDPStatusReply{}, 0, shortError(op, b, at+udpStreamLen)
		}
		s := UDPArrived{Stream: StreamID(be.Uint64(b[at:])), Complete: be.Uint64(b[at+8:])}
		ranges := be.Uint32(b[at+16:])
		if ranges > MaxUDPRanges {
			return UDPStatusReply{}, 0, field{op, "range count", at + 16}.fail(ErrTooLong, int(min(ranges, 1<<31-1)), MaxUDPRanges)
		}
		at += udpStreamLen
		end := at + int(ranges)*udpRangeLen
		if len(b) < end {
			return UDPStatusReply{}, 0, shortError(op, b, end)
		}
		for ; at < end; at += udpRangeLen {
			s.Missing = append(s.Missing, UDPRange{be.Uint64(b[at:]), be.Uint32(b[at+8:]), be.Uint32(b[at+12:])})
		}
		r.Streams = append(r.Streams, s)
	}
	return r, at, nil
}

// Append appends the reply to b.
func (r UDPStatusReply) Append(b []byte) []byte {
	be := binary.BigEndian
	b = AppendCode(b, r.Code)
	b = be.AppendUint32(b, flagOf(r.Heard, udpHeard))
	b = be.AppendUint32(b, uint32(len(r.Streams)))
	for _, s := range r.Streams {
		b = appendTwoU64(b, uint64(s.Stream), s.Complete)
		b = be.AppendUint32(b, uint32(len(s.Missing)))
		for _, m := range s.Missing {
			b = be.AppendUint64(b, m.NetSeqNum)
			b = be.AppendUint32(b, m.Offset)
			b = be.AppendUint32(b, m.Length)
		}
	}
	return b
}

// UDPAbandon is the payload of UDP_ABANDON: the rest of a packet will not come.
// It names the first packet of the stream that is not complete.
type UDPAbandon struct {
	Stream       StreamID
	NetSeqNum    uint64
	PacketSeqNum uint64
}

// ParseUDPAbandon reads a UDP_ABANDON payload.
func ParseUDPAbandon(b []byte) (UDPAbandon, error) {
	if len(b) < udpAbandonLen {
		return UDPAbandon{}, shortError("UDP_ABANDON", b, udpAbandonLen)
	}
	be := binary.BigEndian
	return UDPAbandon{StreamID(be.Uint64(b)), be.Uint64(b[8:]), be.Uint64(b[16:])}, nil
}

// Append appends the payload to b.
func (m UDPAbandon) Append(b []byte) []byte {
	b = appendTwoU64(b, uint64(m.Stream), m.NetSeqNum)
	return binary.BigEndian.AppendUint64(b, m.PacketSeqNum)
}

// UDPAbandonReply is the reply of UDP_ABANDON.
type UDPAbandonReply struct {
	Code     ReplyCode
	Complete bool // it had come meanwhile: the index is wanted
}

const udpComplete uint32 = 1 // flag

// ParseUDPAbandonReply reads the reply and returns the bytes it took.
func ParseUDPAbandonReply(b []byte) (UDPAbandonReply, int, error) {
	if len(b) < udpAbandonReplyLen {
		return UDPAbandonReply{}, 0, shortError("UDP_ABANDON reply", b, udpAbandonReplyLen)
	}
	be := binary.BigEndian
	return UDPAbandonReply{ReplyCode(be.Uint32(b)), be.Uint32(b[4:])&udpComplete != 0}, udpAbandonReplyLen, nil
}

// Append appends the reply to b.
func (r UDPAbandonReply) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(AppendCode(b, r.Code), flagOf(r.Complete, udpComplete))
}
