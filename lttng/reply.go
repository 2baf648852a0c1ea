// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Replies have no header: who asks has to know what to expect. Each parser
// returns the bytes it used; with fewer bytes than the reply has it fails with
// ErrShort, and is to be called again with more.

const (
	codeReplyLen    = 4
	shortSessionLen = 12 // minors 1 to 10
	sessionReplyLen = 16 // minor 11, before the path
	streamReplyLen  = 12
	configReplyLen  = 12
	closeReplyLen   = 8 // before the path
	existsReplyLen  = 5
)

// AppendCode appends the reply of all commands that answer with a code alone.
func AppendCode(b []byte, code ReplyCode) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

// ParseCode reads a code and returns the 4 bytes it took.
func ParseCode(b []byte) (ReplyCode, int, error) {
	if len(b) < codeReplyLen {
		return 0, 0, shortError("reply code", b, codeReplyLen)
	}
	return ReplyCode(binary.BigEndian.Uint32(b)), codeReplyLen, nil
}

// ParseVersionReply reads the reply of VERSION and returns the bytes it took.
func ParseVersionReply(b []byte) (Version, int, error) {
	v, err := ParseVersion(b)
	if err != nil {
		return v, 0, err
	}
	return v, versionLen, nil
}

// SessionReply is the reply of CREATE_SESSION.
type SessionReply struct {
	Session SessionID
	Code    ReplyCode
	Path    string // below the output directory; "" on failure and below minor 11
}

// ParseSessionReply reads the layout of minor and returns the bytes it took.
func ParseSessionReply(b []byte, minor Minor) (SessionReply, int, error) {
	const op = "CREATE_SESSION reply"
	if len(b) < shortSessionLen {
		return SessionReply{}, 0, shortError(op, b, shortSessionLen)
	}
	r := SessionReply{
		Session: SessionID(binary.BigEndian.Uint64(b)),
		Code:    ReplyCode(binary.BigEndian.Uint32(b[8:])),
	}
	if minor < MinorChunks {
		return r, shortSessionLen, nil
	}
	path, n, err := parseReplyPath(op, b, shortSessionLen)
	if err != nil {
		return SessionReply{}, 0, err
	}
	r.Path = path
	return r, n, nil
}

// Append appends the reply in the layout of minor.
func (r SessionReply) Append(b []byte, minor Minor) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.Session))
	b = AppendCode(b, r.Code)
	if minor < MinorChunks {
		return b
	}
	return appendReplyPath(b, r.Path)
}

// StreamReply is the reply of ADD_STREAM.
type StreamReply struct {
	Stream StreamID // all bits set if refused before a handle was drawn
	Code   ReplyCode
}

// NoStream is the handle in a [StreamReply] that refuses the request.
const NoStream = ^StreamID(0)

// ParseStreamReply reads the reply and returns the bytes it took.
func ParseStreamReply(b []byte) (StreamReply, int, error) {
	if len(b) < streamReplyLen {
		return StreamReply{}, 0, shortError("ADD_STREAM reply", b, streamReplyLen)
	}
	return StreamReply{
		Stream: StreamID(binary.BigEndian.Uint64(b)),
		Code:   ReplyCode(binary.BigEndian.Uint32(b[8:])),
	}, streamReplyLen, nil
}

// Append appends the reply to b.
func (r StreamReply) Append(b []byte) []byte {
	return AppendCode(binary.BigEndian.AppendUint64(b, uint64(r.Stream)), r.Code)
}

// ConfigurationReply is the reply of GET_CONFIGURATION.
type ConfigurationReply struct {
	Code  ReplyCode
	Flags uint64 // see [ConfigClearAllowed] and [ExtensionFlags]
}

// ParseConfigurationReply reads the reply and returns the bytes it took.
func ParseConfigurationReply(b []byte) (ConfigurationReply, int, error) {
	if len(b) < configReplyLen {
		return ConfigurationReply{}, 0, shortError("GET_CONFIGURATION reply", b, configReplyLen)
	}
	return ConfigurationReply{
		Code:  ReplyCode(binary.BigEndian.Uint32(b)),
		Flags: binary.BigEndian.Uint64(b[4:]),
	}, configReplyLen, nil
}

// Append appends the reply to b.
func (r ConfigurationReply) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(AppendCode(b, r.Code), r.Flags)
}

// CloseChunkReply is the reply of CLOSE_TRACE_CHUNK.
type CloseChunkReply struct {
	Code ReplyCode
	Path string // of the closed chunk, below the output directory; "" on failure
}

// ParseCloseChunkReply reads the reply and returns the bytes it took.
func ParseCloseChunkReply(b []byte) (CloseChunkReply, int, error) {
	const op = "CLOSE_TRACE_CHUNK reply"
	if len(b) < closeReplyLen {
		return CloseChunkReply{}, 0, shortError(op, b, closeReplyLen)
	}
	path, n, err := parseReplyPath(op, b, codeReplyLen)
	if err != nil {
		return CloseChunkReply{}, 0, err
	}
	return CloseChunkReply{ReplyCode(binary.BigEndian.Uint32(b)), path}, n, nil
}

// Append appends the reply to b.
func (r CloseChunkReply) Append(b []byte) []byte {
	return appendReplyPath(AppendCode(b, r.Code), r.Path)
}

// ChunkExistsReply is the reply of TRACE_CHUNK_EXISTS.
type ChunkExistsReply struct {
	Code   ReplyCode
	Exists bool
}

// ParseChunkExistsReply reads the reply and returns the bytes it took.
func ParseChunkExistsReply(b []byte) (ChunkExistsReply, int, error) {
	if len(b) < existsReplyLen {
		return ChunkExistsReply{}, 0, shortError("TRACE_CHUNK_EXISTS reply", b, existsReplyLen)
	}
	return ChunkExistsReply{ReplyCode(binary.BigEndian.Uint32(b)), b[4] != 0}, existsReplyLen, nil
}

// Append appends the reply to b.
func (r ChunkExistsReply) Append(b []byte) []byte {
	return appendBool(AppendCode(b, r.Code), r.Exists)
}

// parseReplyPath reads a length at off and the path behind it; n counts from
// the start of b.
func parseReplyPath(op string, b []byte, off int) (path string, n int, err error) {
	if len(b) < off+4 {
		return "", 0, shortError(op, b, off+4)
	}
	size := binary.BigEndian.Uint32(b[off:])
	off += 4
	if size == 0 {
		return "", off, nil
	}
	path, err = field{op, "path", off}.sized(b[off:], size, MaxReplyPath+1)
	if err != nil {
		return "", 0, err
	}
	return path, off + int(size), nil
}

// appendReplyPath writes no path at all for "": clients read the announced
// bytes even when the code says failure.
func appendReplyPath(b []byte, path string) []byte {
	if trimNUL(path) == "" {
		return binary.BigEndian.AppendUint32(b, 0)
	}
	return appendZ(binary.BigEndian.AppendUint32(b, sizeZ(path)), path)
}
