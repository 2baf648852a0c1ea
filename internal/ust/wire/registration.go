// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Numbers of registrations.
const (
	Magic           = 0xC57C57C5
	RegistrationLen = 136

	OldestABI = 9 // major numbers of the ABI, of LTTng-UST 2.13
	NewestABI = 10
	MinorABI  = 0 // of either

	longBits = 64
	commLen  = 16
)

// Kinds of sockets.
const (
	CommandSocket = 0
	NotifySocket  = 1
)

// Registration is what a program says of itself on each of its two sockets.
type Registration struct {
	Major, Minor uint32
	PID, PPID    uint32
	UID, GID     uint32
	LongBits     uint32
	Align        [5]uint32 // in bits, of integers of 8, 16, 32 and 64 bits and of a long
	Socket       uint32
	Name         string // of the process
}

// NewRegistration is that of a program of this architecture.
func NewRegistration(socket uint32) Registration {
	return Registration{Major: OldestABI, Minor: MinorABI, LongBits: longBits, Align: [5]uint32{8, 8, 8, 8, 8}, Socket: socket}
}

// Append appends the message.
func (r *Registration) Append(b []byte) []byte {
	for _, v := range [...]uint32{
		Magic, r.Major, r.Minor, r.PID, r.PPID, r.UID, r.GID, r.LongBits,
		r.Align[0], r.Align[1], r.Align[2], r.Align[3], r.Align[4], r.Socket,
	} {
		b = le.AppendUint32(b, v)
	}
	b = appendText(b, r.Name, commLen)
	return appendPad(b, RegistrationLen-56-commLen)
}

// ParseRegistration reads the message. It takes any ABI: Check tells of those that
// are not served.
func ParseRegistration(b []byte) (r Registration, err error) {
	const what = "registration"
	if len(b) != RegistrationLen {
		return r, short(what, len(b), RegistrationLen)
	}
	if m := le.Uint32(b); m != Magic {
		return r, &Error{what, 0, fmt.Sprintf("magic %#x", m), fmt.Sprintf("%#x, little-endian", uint32(Magic))}
	}
	for i, p := range [...]*uint32{
		&r.Major, &r.Minor, &r.PID, &r.PPID, &r.UID, &r.GID, &r.LongBits,
		&r.Align[0], &r.Align[1], &r.Align[2], &r.Align[3], &r.Align[4], &r.Socket,
	} {
		*p = le.Uint32(b[4+4*i:])
	}
	if r.Socket > NotifySocket {
		return r, &Error{what, 52, r.Socket, "socket type 0 or 1"}
	}
	// The kernel's name of a process ends with a zero byte.
	r.Name, err = text(what, b, 56, commLen)
	return r, err
}

// Check tells why a program cannot be served.
func (r *Registration) Check() error {
	const what = "registration"
	switch {
	case r.Major < OldestABI || r.Major > NewestABI:
		return &Error{what, 4, fmt.Sprintf("ABI %d.%d", r.Major, r.Minor), fmt.Sprintf("ABI %d or %d", OldestABI, NewestABI)}
	case r.LongBits != longBits:
		return &Error{what, 28, fmt.Sprintf("a program of %d bits", r.LongBits), "64"}
	case r.Align != [5]uint32{8, 8, 8, 8, 8}:
		return &Error{what, 32, fmt.Sprintf("alignments %v", r.Align), "8 of all"}
	}
	return nil
}
