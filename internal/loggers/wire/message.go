// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Error tells what is wrong with a message.
type Error struct {
	Message string // what it was taken for
	Offset  int    // of the member, in bytes
	Got     any
	Want    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("agent: %s, offset %d: got %v, want %s", e.Message, e.Offset, e.Got, e.Want)
}

var be = binary.BigEndian

// Domain is whose loggers an agent has.
type Domain uint32

// Domains.
const (
	JUL    Domain = 3 // java.util.logging
	Log4j  Domain = 4
	Python Domain = 5
)

// String is the domain's name in commands.
func (d Domain) String() string {
	switch d {
	case JUL:
		return "jul"
	case Log4j:
		return "log4j"
	case Python:
		return "python"
	}
	return fmt.Sprintf("domain %d", uint32(d))
}

// Version of the protocol.
const (
	Major = 2
	Minor = 0
)

// RegistrationLen is the size of a registration.
const RegistrationLen = 16

// Registration is what an agent says first.
type Registration struct {
	Domain       Domain
	PID          uint32
	Major, Minor uint32
}

// Append appends the message.
func (r *Registration) Append(b []byte) []byte {
	for _, v := range [...]uint32{uint32(r.Domain), r.PID, r.Major, r.Minor} {
		b = be.AppendUint32(b, v)
	}
	return b
}

// ParseRegistration reads the message. A later minor version is none the worse.
func ParseRegistration(b []byte) (Registration, error) {
	const what = "registration"
	if len(b) != RegistrationLen {
		return Registration{}, &Error{what, 0, len(b), fmt.Sprintf("%d bytes", RegistrationLen)}
	}
	r := Registration{Domain(be.Uint32(b)), be.Uint32(b[4:]), be.Uint32(b[8:]), be.Uint32(b[12:])}
	switch {
	case r.Domain < JUL || r.Domain > Python:
		return r, &Error{what, 0, uint32(r.Domain), "domain 3 (jul), 4 (log4j) or 5 (python)"}
	case r.PID == 0 || r.PID > 1<<31-1:
		return r, &Error{what, 4, r.PID, "a process"}
	case r.Major != Major:
		return r, &Error{what, 8, fmt.Sprintf("version %d.%d", r.Major, r.Minor), fmt.Sprintf("%d.x", Major)}
	}
	return r, nil
}

// Status is how a command has ended.
type Status uint32

// Statuses.
const (
	OK            Status = 1
	Invalid       Status = 2
	UnknownLogger Status = 3
)

// Error tells what went wrong.
func (s Status) Error() string {
	switch s {
	case OK:
		return "done"
	case Invalid:
		return "not understood by the agent"
	case UnknownLogger:
		return "no such logger"
	}
	return fmt.Sprintf("status %d", uint32(s))
}

// StatusLen is the size of a status.
const StatusLen = 4

// ParseStatus reads a status. One that says that the command failed is no error of the
// message.
func ParseStatus(b []byte) (Status, error) {
	if len(b) != StatusLen {
		return 0, &Error{"status", 0, len(b), fmt.Sprintf("%d bytes", StatusLen)}
	}
	s := Status(be.Uint32(b))
	if s < OK || s > UnknownLogger {
		return s, &Error{"status", 0, uint32(s), "1 to 3"}
	}
	return s, nil
}

// Limits of a list of loggers.
const (
	MaxLoggers   = 1 << 15
	MaxListBytes = 1 << 20
)

// ListLen is the size of what follows the status of a list.
const ListLen = 8

// List says how long the names are that follow, and how many.
type List struct{ Len, Count uint32 }

// ParseList reads it.
func ParseList(b []byte) (List, error) {
	const what = "list of loggers"
	if len(b) != ListLen {
		return List{}, &Error{what, 4, len(b), fmt.Sprintf("%d bytes", ListLen)}
	}
	l := List{be.Uint32(b), be.Uint32(b[4:])}
	switch {
	case l.Len > MaxListBytes:
		return l, &Error{what, 4, fmt.Sprintf("%d bytes", l.Len), fmt.Sprintf("at most %d", MaxListBytes)}
	case l.Count > MaxLoggers || l.Count > l.Len:
		return l, &Error{what, 8, fmt.Sprintf("%d names in %d bytes", l.Count, l.Len), fmt.Sprintf("at most %d, one a byte", MaxLoggers)}
	}
	return l, nil
}

// ParseNames reads the names of a list.
func (l List) ParseNames(b []byte) ([]string, error) {
	const what = "list of loggers"
	if len(b) != int(l.Len) {
		return nil, &Error{what, 12, len(b), fmt.Sprintf("%d bytes", l.Len)}
	}
	names := make([]string, 0, l.Count)
	at := 0
	for at < len(b) {
		n := bytes.IndexByte(b[at:], 0)
		if n < 0 {
			return nil, &Error{what, 12 + at, "a name without end", "a zero byte"}
		}
		if len(names) == int(l.Count) {
			return nil, &Error{what, 12 + at, "one more name", fmt.Sprintf("%d names", l.Count)}
		}
		names = append(names, string(b[at:at+n]))
		at += n + 1
	}
	if len(names) != int(l.Count) {
		return nil, &Error{what, 12 + at, fmt.Sprintf("%d names", len(names)), fmt.Sprint(l.Count)}
	}
	return names, nil
}

// AppendList appends a status and a list.
func AppendList(b []byte, s Status, names []string) []byte {
	n := 0
	for _, name := range names {
		n += len(name) + 1
	}
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, uint32(s)), uint32(n)), uint32(len(names)))
	for _, name := range names {
		b = append(append(b, name...), 0)
	}
	return b
}
