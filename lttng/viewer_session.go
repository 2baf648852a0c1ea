// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Trace formats of [ViewerSession]; they differ from those of [CreateSession].
const (
	ViewerFormatCTF1 uint32 = 0 // CTF 1.8
	ViewerFormatCTF2 uint32 = 1 // CTF 2
)

const (
	viewerSessionPrefix   = 20
	viewerHostLen         = MaxFixedHost + 1
	viewerNameLen         = MaxSessionName + 1
	viewerSessionLen      = viewerSessionPrefix + viewerHostLen + viewerNameLen // 339
	sizedViewerSessionLen = 32
	maxViewerText         = 4096 // of a sized name; protects the client
)

// ViewerSession is an entry of the reply to LIST_SESSIONS.
type ViewerSession struct {
	ID          SessionID
	LiveTimer   uint32 // µs, 0 = not live
	Clients     uint32 // attached viewers
	Streams     uint32 // published streams, metadata included
	Hostname    string // of the traced host
	Name        string
	TraceFormat uint32 // from minor 15: [ViewerFormatCTF1], [ViewerFormatCTF2]
}

// ParseViewerSession reads one entry in the layout of minor and returns the
// bytes it took.
func ParseViewerSession(b []byte, minor Minor) (ViewerSession, int, error) {
	const op = "LIST_SESSIONS entry"
	want := viewerSessionLen
	if minor >= MinorTraceFormat {
		want = sizedViewerSessionLen
	}
	if len(b) < want {
		return ViewerSession{}, 0, shortError(op, b, want)
	}
	be := binary.BigEndian
	s := ViewerSession{
		ID:        SessionID(be.Uint64(b)),
		LiveTimer: be.Uint32(b[8:]),
		Clients:   be.Uint32(b[12:]),
		Streams:   be.Uint32(b[16:]),
	}
	if minor >= MinorTraceFormat {
		return s.parseSized(b)
	}
	var err error
	host := b[viewerSessionPrefix:][:viewerHostLen]
	s.Hostname, err = field{op, "hostname", viewerSessionPrefix}.fixed(host)
	if err != nil {
		return ViewerSession{}, 0, err
	}
	const nameAt = viewerSessionPrefix + viewerHostLen
	s.Name, err = field{op, "session name", nameAt}.fixed(b[nameAt:][:viewerNameLen])
	if err != nil {
		return ViewerSession{}, 0, err
	}
	return s, viewerSessionLen, nil
}

// parseSized completes s from the layout of minor 15, whose names have no NUL.
func (s ViewerSession) parseSized(b []byte) (ViewerSession, int, error) {
	const op = "LIST_SESSIONS entry"
	be := binary.BigEndian
	hostLen, nameLen := be.Uint32(b[20:]), be.Uint32(b[24:])
	s.TraceFormat = be.Uint32(b[28:])
	for _, f := range []struct {
		name string
		n    uint32
	}{{"hostname", hostLen}, {"session name", nameLen}} {
		if f.n > maxViewerText {
			return ViewerSession{}, 0, field{op, f.name, sizedViewerSessionLen}.fail(
				ErrTooLong, int(f.n), maxViewerText)
		}
	}
	nameAt := sizedViewerSessionLen + int(hostLen)
	end := nameAt + int(nameLen)
	if len(b) < end {
		return ViewerSession{}, 0, shortError(op, b, end)
	}
	s.Hostname = string(b[sizedViewerSessionLen:nameAt])
	s.Name = string(b[nameAt:end])
	return s, end, nil
}

// Append appends the entry in the layout of minor. Below 15 the names are cut
// to [MaxFixedHost] and [MaxSessionName] bytes.
func (s ViewerSession) Append(b []byte, minor Minor) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(s.ID))
	b = be.AppendUint32(b, s.LiveTimer)
	b = be.AppendUint32(b, s.Clients)
	b = be.AppendUint32(b, s.Streams)
	if minor < MinorTraceFormat {
		b = appendFixed(b, s.Hostname, viewerHostLen)
		return appendFixed(b, s.Name, viewerNameLen)
	}
	b = be.AppendUint32(b, uint32(len(s.Hostname)))
	b = be.AppendUint32(b, uint32(len(s.Name)))
	b = be.AppendUint32(b, s.TraceFormat)
	b = append(b, s.Hostname...)
	return append(b, s.Name...)
}

// SessionList is the reply of LIST_SESSIONS.
type SessionList struct{ Sessions []ViewerSession }

// ParseSessionList reads the reply in the layout of minor and returns the bytes
// it took.
func ParseSessionList(b []byte, minor Minor) (SessionList, int, error) {
	if len(b) < 4 {
		return SessionList{}, 0, shortError("LIST_SESSIONS reply", b, 4)
	}
	n := 4
	var l SessionList
	for range binary.BigEndian.Uint32(b) {
		s, used, err := ParseViewerSession(b[n:], minor)
		if err != nil {
			return SessionList{}, 0, shiftError(err, n)
		}
		l.Sessions = append(l.Sessions, s)
		n += used
	}
	return l, n, nil
}

// Append appends the reply in the layout of minor.
func (l SessionList) Append(b []byte, minor Minor) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.Sessions)))
	for _, s := range l.Sessions {
		b = s.Append(b, minor)
	}
	return b
}

const attachRequestLen = 20

// AttachRequest is the payload of ATTACH_SESSION.
type AttachRequest struct {
	Session SessionID
	Offset  uint64 // unused, 0
	Seek    Seek
}

// ParseAttachRequest reads the payload.
func ParseAttachRequest(b []byte) (AttachRequest, error) {
	if len(b) < attachRequestLen {
		return AttachRequest{}, shortError("ATTACH_SESSION", b, attachRequestLen)
	}
	return AttachRequest{
		Session: SessionID(binary.BigEndian.Uint64(b)),
		Offset:  binary.BigEndian.Uint64(b[8:]),
		Seek:    Seek(binary.BigEndian.Uint32(b[16:])),
	}, nil
}

// Append appends the payload to b.
func (m AttachRequest) Append(b []byte) []byte {
	b = appendTwoU64(b, uint64(m.Session), m.Offset)
	return binary.BigEndian.AppendUint32(b, uint32(m.Seek))
}

// AppendStatus appends the reply of the viewers' CREATE_SESSION and of
// DETACH_SESSION.
func AppendStatus[S CreateStatus | DetachStatus](b []byte, status S) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(status))
}

// ParseStatus reads the reply of the viewers' CREATE_SESSION or of
// DETACH_SESSION and returns the bytes it took.
func ParseStatus[S CreateStatus | DetachStatus](b []byte) (S, int, error) {
	if len(b) < 4 {
		return 0, 0, shortError("viewer status", b, 4)
	}
	return S(binary.BigEndian.Uint32(b)), 4, nil
}
