// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Limits of names in [AddStream], in bytes without the NUL.
const (
	MaxChannelName = 263
	MaxStreamPath  = 254

	channelFieldLen   = 264
	pathFieldLen      = 4096
	firstStreamLen    = channelFieldLen + pathFieldLen // minor 1
	fixedStreamLen    = firstStreamLen + 16            // minors 2 to 10
	sizedStreamLen    = 32                             // minor 11, before the names
	metadataHeaderLen = 12
)

// AddStream is the payload of ADD_STREAM. Below minor 11 Path names the whole
// directory (/HOST/SESSION-TIME//ust/…), from 11 on the part in the chunk.
type AddStream struct {
	Channel        string // file name; exactly "metadata" for the metadata stream
	Path           string
	TracefileSize  uint64  // bytes, 0 = unlimited; from minor 2
	TracefileCount uint64  // files, 0 = unlimited; from minor 2
	Chunk          ChunkID // informative; from minor 11
}

// ParseAddStream reads the layout of minor. It checks lengths and final NULs,
// but does not judge whether the names are safe in a path.
func ParseAddStream(b []byte, minor Minor) (AddStream, error) {
	if minor < MinorChunks {
		return parseFixedStream(b, minor)
	}
	return parseSizedStream(b)
}

func parseFixedStream(b []byte, minor Minor) (m AddStream, err error) {
	const op = "ADD_STREAM"
	want := firstStreamLen
	if minor >= MinorTracefiles {
		want = fixedStreamLen
	}
	if len(b) < want {
		return m, shortError(op, b, want)
	}
	m.Channel, err = field{op, "channel name", 0}.fixed(b[:channelFieldLen])
	if err != nil {
		return AddStream{}, err
	}
	path := field{op, "path", channelFieldLen}
	if m.Path, err = path.fixed(b[channelFieldLen:firstStreamLen]); err != nil {
		return AddStream{}, err
	}
	if len(m.Path) > MaxStreamPath {
		return AddStream{}, path.fail(ErrTooLong, len(m.Path)+1, MaxStreamPath+1)
	}
	if minor >= MinorTracefiles {
		m.TracefileSize = binary.BigEndian.Uint64(b[firstStreamLen:])
		m.TracefileCount = binary.BigEndian.Uint64(b[firstStreamLen+8:])
	}
	return m, nil
}

func parseSizedStream(b []byte) (m AddStream, err error) {
	const op = "ADD_STREAM"
	if len(b) < sizedStreamLen {
		return m, shortError(op, b, sizedStreamLen)
	}
	be := binary.BigEndian
	m.TracefileSize = be.Uint64(b[8:])
	m.TracefileCount = be.Uint64(b[16:])
	m.Chunk = ChunkID(be.Uint64(b[24:]))
	channelLen, pathLen := be.Uint32(b), be.Uint32(b[4:])
	off := sizedStreamLen
	m.Channel, err = field{op, "channel name", off}.sized(b[off:], channelLen, MaxChannelName+1)
	if err != nil {
		return AddStream{}, err
	}
	off += int(channelLen)
	m.Path, err = field{op, "path", off}.sized(b[off:], pathLen, MaxStreamPath+1)
	if err != nil {
		return AddStream{}, err
	}
	return m, nil
}

// Append appends the payload in the layout of minor. Names are treated as in
// [CreateSession.Append].
func (m AddStream) Append(b []byte, minor Minor) []byte {
	be := binary.BigEndian
	if minor < MinorChunks {
		b = appendFixed(b, m.Channel, channelFieldLen)
		b = appendFixed(b, m.Path, pathFieldLen)
		if minor < MinorTracefiles {
			return b
		}
		b = be.AppendUint64(b, m.TracefileSize)
		return be.AppendUint64(b, m.TracefileCount)
	}
	b = be.AppendUint32(b, sizeZ(m.Channel))
	b = be.AppendUint32(b, sizeZ(m.Path))
	b = be.AppendUint64(b, m.TracefileSize)
	b = be.AppendUint64(b, m.TracefileCount)
	b = be.AppendUint64(b, uint64(m.Chunk))
	b = appendZ(b, m.Channel)
	return appendZ(b, m.Path)
}

// Metadata is the payload of SEND_METADATA, the one request without a reply.
type Metadata struct {
	Stream  StreamID
	Padding uint32 // zero bytes the receiver adds itself, not transmitted
	Content []byte
}

// ParseMetadata reads a SEND_METADATA payload. Content shares b's memory.
func ParseMetadata(b []byte) (Metadata, error) {
	if len(b) < metadataHeaderLen {
		return Metadata{}, shortError("SEND_METADATA", b, metadataHeaderLen)
	}
	return Metadata{
		Stream:  StreamID(binary.BigEndian.Uint64(b)),
		Padding: binary.BigEndian.Uint32(b[8:]),
		Content: b[metadataHeaderLen:],
	}, nil
}

// Append appends the payload to b.
func (m Metadata) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Stream))
	b = binary.BigEndian.AppendUint32(b, m.Padding)
	return append(b, m.Content...)
}

// ResetMetadata is the payload of RESET_METADATA: the stream's metadata so far
// is void, the whole follows anew.
type ResetMetadata struct {
	Stream  StreamID
	Version uint64 // informative
}

// ParseResetMetadata reads a RESET_METADATA payload.
func ParseResetMetadata(b []byte) (ResetMetadata, error) {
	s, v, err := parseTwoU64("RESET_METADATA", b)
	return ResetMetadata{StreamID(s), v}, err
}

// Append appends the payload to b.
func (m ResetMetadata) Append(b []byte) []byte {
	return appendTwoU64(b, uint64(m.Stream), m.Version)
}

// CloseStream is the payload of CLOSE_STREAM.
type CloseStream struct {
	Stream        StreamID
	LastNetSeqNum uint64 // [NoSeq]: none was sent, always so for metadata
}

// ParseCloseStream reads a CLOSE_STREAM payload.
func ParseCloseStream(b []byte) (CloseStream, error) {
	s, v, err := parseTwoU64("CLOSE_STREAM", b)
	return CloseStream{StreamID(s), v}, err
}

// Append appends the payload to b.
func (m CloseStream) Append(b []byte) []byte {
	return appendTwoU64(b, uint64(m.Stream), m.LastNetSeqNum)
}

func parseU64(op string, b []byte) (uint64, error) {
	if len(b) < 8 {
		return 0, shortError(op, b, 8)
	}
	return binary.BigEndian.Uint64(b), nil
}

func parseTwoU64(op string, b []byte) (v, w uint64, err error) {
	if len(b) < 16 {
		return 0, 0, shortError(op, b, 16)
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), nil
}

func appendTwoU64(b []byte, v, w uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, v), w)
}
