// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"errors"
	"fmt"
)

// Reasons a message is refused. A [*ProtocolError] wraps one of them.
var (
	// ErrShort reports bytes that end before the layout does. In a parser of
	// replies it means that more bytes have to be read first.
	ErrShort = errors.New("too short")
	// ErrUnterminated reports a name without its final NUL.
	ErrUnterminated = errors.New("not NUL-terminated")
	// ErrTooLong reports a name or count above the limit of its field.
	ErrTooLong = errors.New("too long")
	// ErrEmpty reports a name of no bytes where one was announced.
	ErrEmpty = errors.New("empty")
	// ErrLayout reports a length that belongs to no layout of the message.
	ErrLayout = errors.New("no layout of this length")
	// ErrForeign reports a datagram of another protocol.
	ErrForeign = errors.New("of another protocol")
	// ErrChecksum reports a datagram that was changed on its way.
	ErrChecksum = errors.New("checksum differs")
)

// ProtocolError says which field of which message could not be read. Got and
// Want are in bytes, save where Field is a count of elements. errors.Is finds
// the reason: [ErrShort], [ErrUnterminated], [ErrTooLong],
// [ErrEmpty], [ErrLayout], [ErrForeign] or [ErrChecksum].
type ProtocolError struct {
	Op     string // message, for instance "ADD_STREAM"
	Field  string // field, for instance "path"; "" for the message as a whole
	Offset int    // of the field from the start of the parsed bytes
	Got    uint64
	Want   uint64 // the least for ErrShort, the most for ErrTooLong, else 0
	Err    error
}

// Error gives the message on one line, without a final dot.
func (e *ProtocolError) Error() string {
	s := "lttng: " + e.Op
	if e.Field != "" {
		s += " " + e.Field
	}
	s += fmt.Sprintf(" at offset %d: %v: got %d", e.Offset, e.Err, e.Got)
	switch e.Err {
	case ErrShort:
		return s + fmt.Sprintf(", want %d", e.Want)
	case ErrTooLong:
		return s + fmt.Sprintf(", want at most %d", e.Want)
	}
	return s
}

// Unwrap returns the reason.
func (e *ProtocolError) Unwrap() error { return e.Err }

func shortError(op string, b []byte, want int) error {
	return &ProtocolError{Op: op, Got: uint64(len(b)), Want: uint64(want), Err: ErrShort}
}

// shiftError moves the offset of a nested element's error by n.
func shiftError(err error, n int) error {
	if p, ok := errors.AsType[*ProtocolError](err); ok {
		moved := *p
		moved.Offset += n
		return &moved
	}
	return err
}
