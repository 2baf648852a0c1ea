// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

const (
	viewerPathLen    = 4096
	viewerChannelLen = 255
	viewerStreamLen  = 20 + viewerPathLen + viewerChannelLen // 4371
	streamListLen    = 8                                     // before the streams
)

// ViewerStream is an entry of the replies to ATTACH_SESSION and
// GET_NEW_STREAMS.
type ViewerStream struct {
	ID       StreamID
	TraceID  uint64 // of the CTF trace, unique in the relay
	Metadata bool
	Path     string // relative, for instance ust/uid/0/64-bit
	Channel  string // channel and CPU, for instance ch0_1
}

// ParseViewerStream reads one entry and returns the bytes it took.
func ParseViewerStream(b []byte) (ViewerStream, int, error) {
	const op = "viewer stream"
	if len(b) < viewerStreamLen {
		return ViewerStream{}, 0, shortError(op, b, viewerStreamLen)
	}
	be := binary.BigEndian
	s := ViewerStream{
		ID:       StreamID(be.Uint64(b)),
		TraceID:  be.Uint64(b[8:]),
		Metadata: be.Uint32(b[16:]) != 0,
	}
	var err error
	if s.Path, err = (field{op, "path", 20}).fixed(b[20:][:viewerPathLen]); err != nil {
		return ViewerStream{}, 0, err
	}
	const channelAt = 20 + viewerPathLen
	s.Channel, err = field{op, "channel name", channelAt}.fixed(b[channelAt:][:viewerChannelLen])
	if err != nil {
		return ViewerStream{}, 0, err
	}
	return s, viewerStreamLen, nil
}

// Append appends the entry to b; names are cut to 4095 and 254 bytes.
func (s ViewerStream) Append(b []byte) []byte {
	b = appendTwoU64(b, uint64(s.ID), s.TraceID)
	var metadata uint32
	if s.Metadata {
		metadata = 1
	}
	b = binary.BigEndian.AppendUint32(b, metadata)
	b = appendFixed(b, s.Path, viewerPathLen)
	return appendFixed(b, s.Channel, viewerChannelLen)
}

// AttachReply is the reply of ATTACH_SESSION. Streams follow only [AttachOK].
type AttachReply struct {
	Status  AttachStatus
	Streams []ViewerStream
}

// ParseAttachReply reads the reply and returns the bytes it took.
func ParseAttachReply(b []byte) (AttachReply, int, error) {
	status, streams, n, err := parseStreamList("ATTACH_SESSION reply", b, uint32(AttachOK))
	return AttachReply{AttachStatus(status), streams}, n, err
}

// Append appends the reply to b; streams are left out unless the status is OK.
func (r AttachReply) Append(b []byte) []byte {
	return appendStreamList(b, uint32(r.Status), r.Status == AttachOK, r.Streams)
}

// NewStreamsReply is the reply of GET_NEW_STREAMS. Streams follow only
// [NewStreamsOK].
type NewStreamsReply struct {
	Status  NewStreamsStatus
	Streams []ViewerStream
}

// ParseNewStreamsReply reads the reply and returns the bytes it took.
func ParseNewStreamsReply(b []byte) (NewStreamsReply, int, error) {
	status, streams, n, err := parseStreamList("GET_NEW_STREAMS reply", b, uint32(NewStreamsOK))
	return NewStreamsReply{NewStreamsStatus(status), streams}, n, err
}

// Append appends the reply to b; streams are left out unless the status is OK.
func (r NewStreamsReply) Append(b []byte) []byte {
	return appendStreamList(b, uint32(r.Status), r.Status == NewStreamsOK, r.Streams)
}

func parseStreamList(op string, b []byte, ok uint32) (uint32, []ViewerStream, int, error) {
	if len(b) < streamListLen {
		return 0, nil, 0, shortError(op, b, streamListLen)
	}
	status, count := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if status != ok {
		return status, nil, streamListLen, nil
	}
	n := streamListLen
	var streams []ViewerStream
	for range count {
		s, used, err := ParseViewerStream(b[n:])
		if err != nil {
			return 0, nil, 0, shiftError(err, n)
		}
		streams = append(streams, s)
		n += used
	}
	return status, streams, n, nil
}

func appendStreamList(b []byte, status uint32, ok bool, streams []ViewerStream) []byte {
	if !ok {
		streams = nil
	}
	b = binary.BigEndian.AppendUint32(b, status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(streams)))
	for _, s := range streams {
		b = s.Append(b)
	}
	return b
}
