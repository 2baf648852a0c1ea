// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"encoding/binary"
	"strconv"
)

// ViewerCommand is the number of a viewer's request.
type ViewerCommand uint32

// Viewer commands. CONNECT comes first on every connection.
const (
	ViewerConnect       ViewerCommand = 1
	ViewerListSessions  ViewerCommand = 2
	ViewerAttachSession ViewerCommand = 3
	ViewerGetNextIndex  ViewerCommand = 4
	ViewerGetPacket     ViewerCommand = 5
	ViewerGetMetadata   ViewerCommand = 6
	ViewerGetNewStreams ViewerCommand = 7
	ViewerCreateSession ViewerCommand = 8
	ViewerDetachSession ViewerCommand = 9
)

// String returns the protocol's name of the command, or its number.
func (c ViewerCommand) String() string {
	switch c {
	case ViewerConnect:
		return "CONNECT"
	case ViewerListSessions:
		return "LIST_SESSIONS"
	case ViewerAttachSession:
		return "ATTACH_SESSION"
	case ViewerGetNextIndex:
		return "GET_NEXT_INDEX"
	case ViewerGetPacket:
		return "GET_PACKET"
	case ViewerGetMetadata:
		return "GET_METADATA"
	case ViewerGetNewStreams:
		return "GET_NEW_STREAMS"
	case ViewerCreateSession:
		return "CREATE_SESSION"
	case ViewerDetachSession:
		return "DETACH_SESSION"
	}
	return "viewer command " + strconv.FormatUint(uint64(c), 10)
}

// RequestLen returns the payload bytes of the command, -1 for an unknown one.
// A receiver goes by it and ignores the header's size: Trace Compass announces
// wrong sizes.
func (c ViewerCommand) RequestLen() int {
	switch c {
	case ViewerConnect:
		return viewerConnectLen
	case ViewerAttachSession:
		return attachRequestLen
	case ViewerGetPacket:
		return packetRequestLen
	case ViewerGetNextIndex, ViewerGetMetadata, ViewerGetNewStreams, ViewerDetachSession:
		return 8
	case ViewerListSessions, ViewerCreateSession:
		return 0
	}
	return -1
}

// ViewerHeader precedes each viewer request. Replies have no header.
type ViewerHeader struct {
	DataSize   uint64 // bytes of the request; not to be trusted, see [ViewerCommand.RequestLen]
	Cmd        ViewerCommand
	CmdVersion uint32 // sent 0, ignored
}

// ParseViewerHeader reads the first [ViewerHeaderLen] bytes of b.
func ParseViewerHeader(b []byte) (ViewerHeader, error) {
	if len(b) < ViewerHeaderLen {
		return ViewerHeader{}, shortError("viewer header", b, ViewerHeaderLen)
	}
	return ViewerHeader{
		DataSize:   binary.BigEndian.Uint64(b),
		Cmd:        ViewerCommand(binary.BigEndian.Uint32(b[8:])),
		CmdVersion: binary.BigEndian.Uint32(b[12:]),
	}, nil
}

// Append appends the header to b.
func (h ViewerHeader) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.DataSize)
	b = binary.BigEndian.AppendUint32(b, uint32(h.Cmd))
	return binary.BigEndian.AppendUint32(b, h.CmdVersion)
}

// AppendViewerRequest appends a whole viewer request: the header of cmd, then
// what payload appends, its length filled in. A nil payload is an empty one.
func AppendViewerRequest(b []byte, cmd ViewerCommand, payload func([]byte) []byte) []byte {
	start := len(b)
	b = ViewerHeader{Cmd: cmd}.Append(b)
	if payload != nil {
		b = payload(b)
	}
	binary.BigEndian.PutUint64(b[start:], uint64(len(b)-start-ViewerHeaderLen))
	return b
}

// Connection types in [ViewerConnectMsg].
const (
	ViewerTypeCommand      uint32 = 1
	ViewerTypeNotification uint32 = 2
)

const viewerConnectLen = 20

// ViewerConnectMsg is the request and the reply of CONNECT. A relay answers
// with its own minor, not with the smaller one.
type ViewerConnectMsg struct {
	ViewerSessionID uint64 // ignored in the request; counts from 1 in the reply
	Major, Minor    uint32
	Type            uint32 // 0 in the reply
}

// ParseViewerConnectMsg reads a CONNECT payload or reply.
func ParseViewerConnectMsg(b []byte) (ViewerConnectMsg, int, error) {
	if len(b) < viewerConnectLen {
		return ViewerConnectMsg{}, 0, shortError("CONNECT", b, viewerConnectLen)
	}
	be := binary.BigEndian
	return ViewerConnectMsg{
		ViewerSessionID: be.Uint64(b),
		Major:           be.Uint32(b[8:]),
		Minor:           be.Uint32(b[12:]),
		Type:            be.Uint32(b[16:]),
	}, viewerConnectLen, nil
}

// Append appends the payload or reply to b.
func (m ViewerConnectMsg) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, m.ViewerSessionID)
	b = be.AppendUint32(b, m.Major)
	b = be.AppendUint32(b, m.Minor)
	return be.AppendUint32(b, m.Type)
}

// ViewerStreamRequest is the payload of GET_NEXT_INDEX and GET_METADATA.
type ViewerStreamRequest struct{ Stream StreamID }

// ParseViewerStreamRequest reads the payload.
func ParseViewerStreamRequest(b []byte) (ViewerStreamRequest, error) {
	v, err := parseU64("viewer stream request", b)
	return ViewerStreamRequest{StreamID(v)}, err
}

// Append appends the payload to b.
func (m ViewerStreamRequest) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Stream))
}

// ViewerSessionRequest is the payload of GET_NEW_STREAMS and DETACH_SESSION.
type ViewerSessionRequest struct{ Session SessionID }

// ParseViewerSessionRequest reads the payload.
func ParseViewerSessionRequest(b []byte) (ViewerSessionRequest, error) {
	v, err := parseU64("viewer session request", b)
	return ViewerSessionRequest{SessionID(v)}, err
}

// Append appends the payload to b.
func (m ViewerSessionRequest) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(m.Session))
}
