// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"encoding/binary"
	"strings"
)

// What weir's relays and producers say to each other beyond LTTng's protocol
// 2.15. A producer asks with [ExtensionQuery] in GET_CONFIGURATION whether the
// relay knows any of it; lttng-relayd refuses the question and goes on as if it
// had not been asked. The bytes are in docs/protocol/weir-extensions.md.

// Extensions is a set of extensions of the protocol.
type Extensions uint32

// Extensions of weir.
const (
	// ExtResume: a producer that comes back goes on in the files that it left.
	ExtResume Extensions = 1 << iota
	// ExtToken: the data connection says whose it is.
	ExtToken
	// ExtUDP: packets come in datagrams.
	ExtUDP

	// AllExtensions are those that this package knows.
	AllExtensions = ExtResume | ExtToken | ExtUDP
)

// Has reports whether all of want are in the set.
func (e Extensions) Has(want Extensions) bool { return e&want == want }

// String names the extensions.
func (e Extensions) String() string {
	var names []string
	for _, x := range []struct {
		bit  Extensions
		name string
	}{{ExtResume, "resume"}, {ExtToken, "token"}, {ExtUDP, "udp"}} {
		if e.Has(x.bit) {
			names = append(names, x.name)
			e &^= x.bit
		}
	}
	if e != 0 {
		names = append(names, "unknown")
	}
	return strings.Join(names, ",")
}

// extensionMark is the upper half of the question: "weir".
const extensionMark = 0x77656972 << 32

// ExtensionQuery returns the query flags of a GET_CONFIGURATION that asks for
// extensions.
func ExtensionQuery(want Extensions) uint64 { return extensionMark | uint64(want) }

// QueriedExtensions returns the extensions that query flags ask for; ok is
// false when they are no such question.
func QueriedExtensions(flags uint64) (want Extensions, ok bool) {
	if flags&^(1<<32-1) != extensionMark {
		return 0, false
	}
	return Extensions(flags), true
}

// ExtensionFlags returns the flags of a [ConfigurationReply] that grant
// extensions, to be joined with the others.
func ExtensionFlags(granted Extensions) uint64 { return uint64(granted) << 32 }

// Extensions returns what a reply grants.
func (r ConfigurationReply) Extensions() Extensions {
	if r.Code != ReplyOK {
		return 0
	}
	return Extensions(r.Flags >> 32)
}

// Commands of the extensions. LTTng reserves the numbers from 10000 on for such.
const (
	CmdResume     Command = 10000
	CmdToken      Command = 10001
	CmdUDPOpen    Command = 10002
	CmdUDPStatus  Command = 10003
	CmdUDPAbandon Command = 10004
)

// Limits of [Resume].
const (
	MaxResumeStreams = 128 // of one request

	resumeLen        = 4 // before the streams
	resumeReplyLen   = 20
	resumedStreamLen = 16
)

// resumePayloadLimit has room for the most streams with the longest names.
const resumePayloadLimit = resumeLen + MaxResumeStreams*(sizedStreamLen+MaxChannelName+1+MaxStreamPath+1)

// Resume is the payload of RESUME: the streams that are to go on. Those of which
// nothing is stored begin.
type Resume struct{ Streams []AddStream }

// ParseResume reads a RESUME payload.
func ParseResume(b []byte) (Resume, error) {
	const op = "RESUME"
	if len(b) < resumeLen {
		return Resume{}, shortError(op, b, resumeLen)
	}
	n := binary.BigEndian.Uint32(b)
	if n > MaxResumeStreams {
		return Resume{}, field{op, "stream count", 0}.fail(ErrTooLong, int(min(n, 1<<31-1)), MaxResumeStreams)
	}
	var m Resume
	for off := resumeLen; n > 0; n-- {
		s, err := parseSizedStream(b[off:])
		if err != nil {
			return Resume{}, within(err, op, off)
		}
		m.Streams = append(m.Streams, s)
		off += sizedStreamLen + int(binary.BigEndian.Uint32(b[off:])) + int(binary.BigEndian.Uint32(b[off+4:]))
	}
	return m, nil
}

// within says of an error in a part of a message where that is in the whole.
func within(err error, op string, off int) error {
	if e, ok := err.(*ProtocolError); ok {
		e.Op = op
		e.Offset += off
	}
	return err
}

// Append appends the payload to b.
func (m Resume) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Streams)))
	for _, s := range m.Streams {
		b = s.Append(b, MinorChunks)
	}
	return b
}

// ResumeReply is the reply of RESUME.
type ResumeReply struct {
	// Code is [ReplyOK], or [ReplyPending]: not yet, ask again;
	// [ReplyInvalid]: nothing is stored of the session.
	Code    ReplyCode
	Chunk   ChunkID // in which the streams go on
	Rotated bool    // earlier chunks are in the archives
	Streams []ResumedStream
}

// ResumedStream is a stream that goes on.
type ResumedStream struct {
	Stream StreamID
	Next   uint64 // number of the first packet that is not stored
}

const resumeRotated uint32 = 1 // flag

// ParseResumeReply reads the reply and returns the bytes it took.
func ParseResumeReply(b []byte) (ResumeReply, int, error) {
	const op = "RESUME reply"
	if len(b) < resumeReplyLen {
		return ResumeReply{}, 0, shortError(op, b, resumeReplyLen)
	}
	be := binary.BigEndian
	r := ResumeReply{Code: ReplyCode(be.Uint32(b)), Chunk: ChunkID(be.Uint64(b[8:])), Rotated: be.Uint32(b[16:])&resumeRotated != 0}
	n := be.Uint32(b[4:])
	if n > MaxResumeStreams {
		return ResumeReply{}, 0, field{op, "stream count", 4}.fail(ErrTooLong, int(min(n, 1<<31-1)), MaxResumeStreams)
	}
	size := resumeReplyLen + int(n)*resumedStreamLen
	if len(b) < size {
		return ResumeReply{}, 0, shortError(op, b, size)
	}
	for at := resumeReplyLen; at < size; at += resumedStreamLen {
		r.Streams = append(r.Streams, ResumedStream{StreamID(be.Uint64(b[at:])), be.Uint64(b[at+8:])})
	}
	return r, size, nil
}

// Append appends the reply to b.
func (r ResumeReply) Append(b []byte) []byte {
	be := binary.BigEndian
	b = AppendCode(b, r.Code)
	b = be.AppendUint32(b, uint32(len(r.Streams)))
	b = be.AppendUint64(b, uint64(r.Chunk))
	var flags uint32
	if r.Rotated {
		flags = resumeRotated
	}
	b = be.AppendUint32(b, flags)
	for _, s := range r.Streams {
		b = appendTwoU64(b, uint64(s.Stream), s.Next)
	}
	return b
}

// Token says whose a data connection is. It is drawn by the relay for each
// session that asks, and good for one data connection.
type Token [16]byte

// TokenFrameLen is the length of a [TokenFrame], in bytes.
const TokenFrameLen = DataHeaderLen + len(Token{})

// tokenCircuit is the circuit id of a token's frame: "weirtokn".
const tokenCircuit = 0x77656972746f6b6e

// TokenReply is the reply of TOKEN, whose request is empty.
type TokenReply struct {
	Code  ReplyCode
	Token Token // zero on failure
}

const tokenReplyLen = codeReplyLen + len(Token{})

// ParseTokenReply reads the reply and returns the bytes it took.
func ParseTokenReply(b []byte) (TokenReply, int, error) {
	if len(b) < tokenReplyLen {
		return TokenReply{}, 0, shortError("TOKEN reply", b, tokenReplyLen)
	}
	return TokenReply{ReplyCode(binary.BigEndian.Uint32(b)), Token(b[codeReplyLen:])}, tokenReplyLen, nil
}

// Append appends the reply to b.
func (r TokenReply) Append(b []byte) []byte { return append(AppendCode(b, r.Code), r.Token[:]...) }

// IsToken reports whether what follows the header is a token. To a relay without
// the extension it is a packet of a stream that nobody has.
func (h DataHeader) IsToken() bool {
	return h.Stream == NoStream && h.CircuitID == tokenCircuit && h.DataSize == uint32(len(Token{}))
}

// TokenFrame is the first thing on a data connection with a token. It is
// answered, on the data connection, by a code: the only bytes that ever flow
// there from the relay.
type TokenFrame struct{ Token Token }

// ParseTokenFrame reads a frame whose header [DataHeader.IsToken].
func ParseTokenFrame(b []byte) (TokenFrame, error) {
	if len(b) < TokenFrameLen {
		return TokenFrame{}, shortError("token", b, TokenFrameLen)
	}
	return TokenFrame{Token(b[DataHeaderLen:])}, nil
}

// Append appends the frame to b.
func (f TokenFrame) Append(b []byte) []byte {
	h := DataHeader{CircuitID: tokenCircuit, Stream: NoStream, DataSize: uint32(len(f.Token))}
	return append(h.Append(b), f.Token[:]...)
}
