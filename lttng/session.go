// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "encoding/binary"

// Trace formats of [CreateSession].
const (
	FormatCTF1 uint32 = 1 // CTF 1.8
	FormatCTF2 uint32 = 2 // CTF 2
)

// Limits of names in [CreateSession], in bytes without the NUL.
const (
	MaxSessionName  = 254
	MaxHostname     = 255 // sized layouts
	MaxFixedHost    = 63  // layout of minors 4 to 10 and of viewers below 15
	MaxBasePath     = 4095
	MaxReplyPath    = 4095
	fixedSessionLen = 327
	sizedSessionLen = 59 // minors 11 to 14, before the names
	formatFieldLen  = 4  // minor 15
)

// Version is the payload and the reply of VERSION. A relay answers with its own
// minor, not with the smaller one.
type Version struct{ Major, Minor uint32 }

const versionLen = 8

// ParseVersion reads a VERSION payload; bytes after it are ignored.
func ParseVersion(b []byte) (Version, error) {
	if len(b) < versionLen {
		return Version{}, shortError("VERSION", b, versionLen)
	}
	return Version{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}, nil
}

// Append appends the payload to b.
func (v Version) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, v.Major)
	return binary.BigEndian.AppendUint32(b, v.Minor)
}

// CreateSession is the payload of CREATE_SESSION. Minors 1 to 3 send nothing,
// minors 4 to 10 fixed-size names, the rest sized ones.
type CreateSession struct {
	Name      string
	Hostname  string
	LiveTimer uint32 // µs, 0 = not live
	Snapshot  bool

	// From minor 11 on.
	BasePath          string
	NameHasTime       bool // the name already carries the creation time
	SessiondUUID      [16]byte
	SessiondSessionID uint64
	CreationTime      uint64 // s since the epoch
	HasChunk          bool
	Chunk             ChunkID // current chunk, if HasChunk

	// From minor 15 on; 0 before.
	TraceFormat uint32
}

// ParseCreateSession reads the layout of minor. It checks lengths and final
// NULs, but does not judge whether the names are safe in a path.
func ParseCreateSession(b []byte, minor Minor) (CreateSession, error) {
	switch {
	case minor < MinorIndexes:
		return CreateSession{}, nil
	case minor < MinorChunks:
		return parseFixedSession(b)
	}
	return parseSizedSession(b, minor)
}

func parseFixedSession(b []byte) (m CreateSession, err error) {
	const op = "CREATE_SESSION"
	if len(b) < fixedSessionLen {
		return m, shortError(op, b, fixedSessionLen)
	}
	if m.Name, err = (field{op, "session name", 0}).fixed(b[:255]); err != nil {
		return CreateSession{}, err
	}
	if m.Hostname, err = (field{op, "hostname", 255}).fixed(b[255:319]); err != nil {
		return CreateSession{}, err
	}
	m.LiveTimer = binary.BigEndian.Uint32(b[319:])
	m.Snapshot = binary.BigEndian.Uint32(b[323:]) != 0
	return m, nil
}

func parseSizedSession(b []byte, minor Minor) (m CreateSession, err error) {
	const op = "CREATE_SESSION"
	off := sizedSessionLen
	if minor >= MinorTraceFormat {
		off += formatFieldLen
	}
	if len(b) < off {
		return m, shortError(op, b, off)
	}
	be := binary.BigEndian
	m = CreateSession{
		LiveTimer:         be.Uint32(b[12:]),
		Snapshot:          b[16] != 0,
		NameHasTime:       b[17] != 0,
		SessiondUUID:      [16]byte(b[18:34]),
		SessiondSessionID: be.Uint64(b[34:]),
		CreationTime:      be.Uint64(b[42:]),
		HasChunk:          b[50] != 0,
		Chunk:             ChunkID(be.Uint64(b[51:])),
	}
	if minor >= MinorTraceFormat {
		m.TraceFormat = be.Uint32(b[59:])
	}
	nameLen, hostLen, baseLen := be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:])
	m.Name, err = field{op, "session name", off}.sized(b[off:], nameLen, MaxSessionName+1)
	if err != nil {
		return CreateSession{}, err
	}
	off += int(nameLen)
	m.Hostname, err = field{op, "hostname", off}.sized(b[off:], hostLen, MaxHostname+1)
	if err != nil {
		return CreateSession{}, err
	}
	off += int(hostLen)
	if baseLen == 0 {
		return m, nil
	}
	m.BasePath, err = field{op, "base path", off}.sized(b[off:], baseLen, MaxBasePath+1)
	if err != nil {
		return CreateSession{}, err
	}
	return m, nil
}

// Append appends the payload in the layout of minor. An empty base path is
// written as a lone NUL, as producers do. Names are cut at a NUL, in the fixed
// layout also at the size of their field; longer names than the limits make a
// payload that parsers refuse.
func (m CreateSession) Append(b []byte, minor Minor) []byte {
	switch {
	case minor < MinorIndexes:
		return b
	case minor < MinorChunks:
		return m.appendFixed(b)
	}
	be := binary.BigEndian
	b = be.AppendUint32(b, sizeZ(m.Name))
	b = be.AppendUint32(b, sizeZ(m.Hostname))
	b = be.AppendUint32(b, sizeZ(m.BasePath))
	b = be.AppendUint32(b, m.LiveTimer)
	b = appendBool(b, m.Snapshot)
	b = appendBool(b, m.NameHasTime)
	b = append(b, m.SessiondUUID[:]...)
	b = be.AppendUint64(b, m.SessiondSessionID)
	b = be.AppendUint64(b, m.CreationTime)
	b = appendBool(b, m.HasChunk)
	b = be.AppendUint64(b, uint64(m.Chunk))
	if minor >= MinorTraceFormat {
		b = be.AppendUint32(b, m.TraceFormat)
	}
	b = appendZ(b, m.Name)
	b = appendZ(b, m.Hostname)
	return appendZ(b, m.BasePath)
}

func (m CreateSession) appendFixed(b []byte) []byte {
	b = appendFixed(b, m.Name, MaxSessionName+1)
	b = appendFixed(b, m.Hostname, MaxFixedHost+1)
	b = binary.BigEndian.AppendUint32(b, m.LiveTimer)
	var snapshot uint32
	if m.Snapshot {
		snapshot = 1
	}
	return binary.BigEndian.AppendUint32(b, snapshot)
}

// ConfigClearAllowed is the flag of [ConfigurationReply] for producers that may
// ask to delete a chunk.
const ConfigClearAllowed uint64 = 1

// GetConfiguration is the payload of GET_CONFIGURATION. QueryFlags must be 0, or
// weir's [ExtensionQuery].
type GetConfiguration struct{ QueryFlags uint64 }

// ParseGetConfiguration reads a GET_CONFIGURATION payload.
func ParseGetConfiguration(b []byte) (GetConfiguration, error) {
	v, err := parseU64("GET_CONFIGURATION", b)
	return GetConfiguration{v}, err
}

// Append appends the payload to b.
func (m GetConfiguration) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(b, m.QueryFlags)
}
