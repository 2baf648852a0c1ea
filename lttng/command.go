// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "strconv"

// Command is the number of a control request.
type Command uint32

// Control commands. Numbers 4, 12, 14 and 15 are reserved; no relay ever
// implemented them.
const (
	CmdAddStream        Command = 1
	CmdCreateSession    Command = 2
	CmdStartData        Command = 3
	CmdUpdateSyncInfo   Command = 4
	CmdVersion          Command = 5
	CmdSendMetadata     Command = 6
	CmdCloseStream      Command = 7
	CmdDataPending      Command = 8
	CmdQuiescentControl Command = 9
	CmdBeginDataPending Command = 10
	CmdEndDataPending   Command = 11
	CmdAddIndex         Command = 12
	CmdSendIndex        Command = 13
	CmdCloseIndex       Command = 14
	CmdListSessions     Command = 15
	CmdStreamsSent      Command = 16
	CmdResetMetadata    Command = 17
	CmdRotateStreams    Command = 18
	CmdCreateTraceChunk Command = 19
	CmdCloseTraceChunk  Command = 20
	CmdTraceChunkExists Command = 21
	CmdGetConfiguration Command = 22
)

// String returns the protocol's name of the command, or its number.
func (c Command) String() string {
	switch c {
	case CmdAddStream:
		return "ADD_STREAM"
	case CmdCreateSession:
		return "CREATE_SESSION"
	case CmdStartData:
		return "START_DATA"
	case CmdUpdateSyncInfo:
		return "UPDATE_SYNC_INFO"
	case CmdVersion:
		return "VERSION"
	case CmdSendMetadata:
		return "SEND_METADATA"
	case CmdCloseStream:
		return "CLOSE_STREAM"
	case CmdDataPending:
		return "DATA_PENDING"
	case CmdQuiescentControl:
		return "QUIESCENT_CONTROL"
	case CmdBeginDataPending:
		return "BEGIN_DATA_PENDING"
	case CmdEndDataPending:
		return "END_DATA_PENDING"
	case CmdAddIndex:
		return "ADD_INDEX"
	case CmdSendIndex:
		return "SEND_INDEX"
	case CmdCloseIndex:
		return "CLOSE_INDEX"
	case CmdListSessions:
		return "LIST_SESSIONS"
	case CmdStreamsSent:
		return "STREAMS_SENT"
	case CmdResetMetadata:
		return "RESET_METADATA"
	case CmdRotateStreams:
		return "ROTATE_STREAMS"
	case CmdCreateTraceChunk:
		return "CREATE_TRACE_CHUNK"
	case CmdCloseTraceChunk:
		return "CLOSE_TRACE_CHUNK"
	case CmdTraceChunkExists:
		return "TRACE_CHUNK_EXISTS"
	case CmdGetConfiguration:
		return "GET_CONFIGURATION"
	case CmdResume:
		return "RESUME"
	case CmdToken:
		return "TOKEN"
	case CmdUDPOpen:
		return "UDP_OPEN"
	case CmdUDPStatus:
		return "UDP_STATUS"
	case CmdUDPAbandon:
		return "UDP_ABANDON"
	}
	return "command " + strconv.FormatUint(uint64(c), 10)
}

// Payload limits by kind of command, in bytes.
const (
	smallPayloadLimit    = 8 << 10  // names and fixed layouts
	rotatePayloadLimit   = 1 << 20  // 65535 streams
	metadataPayloadLimit = 16 << 20 // one SEND_METADATA
)

// PayloadLimit returns the most payload bytes worth receiving for cmd. The
// protocol allows [MaxControlPayload] for every command; a receiver that takes
// that at its word can be filled up by idle peers. Above the limit the peer
// cannot be a producer.
func PayloadLimit(cmd Command) uint64 {
	switch cmd {
	case CmdSendMetadata:
		return metadataPayloadLimit
	case CmdRotateStreams:
		return rotatePayloadLimit
	case CmdResume:
		return resumePayloadLimit
	}
	return smallPayloadLimit
}

// ReplyCode is the status in a control reply.
type ReplyCode uint32

// Reply codes. The pending values answer DATA_PENDING and END_DATA_PENDING
// only.
const (
	ReplyOK              ReplyCode = 10
	ReplyUnknown         ReplyCode = 11  // generic failure, unknown command
	ReplyFatal           ReplyCode = 25  // CREATE_SESSION refused
	ReplyNoMemory        ReplyCode = 26  // CLOSE_TRACE_CHUNK of an unknown chunk
	ReplyInvalid         ReplyCode = 97  // bad chunk name, bad close command
	ReplyInvalidProtocol ReplyCode = 152 // unknown chunk or query flags
	ReplyFileCreation    ReplyCode = 153 // ROTATE_STREAMS twice, or a file error

	ReplyNotPending     ReplyCode = 0
	ReplyPending        ReplyCode = 1
	ReplyPendingUnknown ReplyCode = 0xffffffff // no such stream
)

// String returns a short name of the code, or its number.
func (c ReplyCode) String() string {
	switch c {
	case ReplyOK:
		return "OK"
	case ReplyUnknown:
		return "UNKNOWN"
	case ReplyFatal:
		return "FATAL"
	case ReplyNoMemory:
		return "NO_MEMORY"
	case ReplyInvalid:
		return "INVALID"
	case ReplyInvalidProtocol:
		return "INVALID_PROTOCOL"
	case ReplyFileCreation:
		return "FILE_CREATION_ERROR"
	case ReplyNotPending:
		return "NOT_PENDING"
	case ReplyPending:
		return "PENDING"
	case ReplyPendingUnknown:
		return "PENDING_UNKNOWN"
	}
	return "code " + strconv.FormatUint(uint64(c), 10)
}
