// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
)

// ErrTorn says that a file ends within a packet: its writer is at work still, or
// was killed. A [*PacketError] may be it.
var ErrTorn = errors.New("ctf: the file ends within the packet")

// PacketError says what is wrong with a packet, and where.
type PacketError struct {
	Stream string // name of the data stream, its file as a rule
	Packet uint64 // number of the packet in the stream, from 0
	Offset int64  // of the packet in its file, bytes; -1: not known
	Bit    uint64 // where in the packet, bits from its start
	Event  string // event class being decoded, "" for none
	Field  string // field being decoded, "" for none
	Got    string
	Want   string
	Err    error // what reading the file gave, or nil

	torn  bool // the file ends within it: more of that may mend it
	later bool // the metadata do not know its stream class: more of them may mend it
}

// Error gives the message on one line.
func (e *PacketError) Error() string {
	where := fmt.Sprintf("stream %s: packet %d", e.Stream, e.Packet)
	if e.Offset >= 0 {
		where += fmt.Sprintf(" at byte %d", e.Offset)
	}
	where += fmt.Sprintf(", bit %d", e.Bit)
	if e.Event != "" {
		where += ", event " + e.Event
	}
	if e.Field != "" {
		where += ", field " + e.Field
	}
	if e.Err != nil {
		return where + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: got %s, want %s", where, e.Got, e.Want)
}

// Is reports whether the error is [ErrTorn].
func (e *PacketError) Is(target error) bool { return e.torn && target == ErrTorn }

// Unwrap returns what reading the file gave.
func (e *PacketError) Unwrap() error { return e.Err }
