// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// NameLen is the size of the names of events, fields and patterns, with the zero byte
// at their end.
const NameLen = 256

// Error tells what is wrong with a message.
type Error struct {
	Message string // what it was taken for
	Offset  int    // of the member, in bytes
	Got     any
	Want    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("ust: %s, offset %d: got %v, want %s", e.Message, e.Offset, e.Got, e.Want)
}

// short tells that a message is not complete.
func short(message string, got, want int) error {
	return &Error{message, 0, got, fmt.Sprintf("%d bytes", want)}
}

var le = binary.LittleEndian

// text reads a text with a zero byte at its end from the n bytes at an offset.
func text(message string, b []byte, at, n int) (string, error) {
	field := b[at : at+n]
	end := bytes.IndexByte(field, 0)
	if end < 0 {
		return "", &Error{message, at, "a text without end", fmt.Sprintf("a zero byte within %d", n)}
	}
	return string(field[:end]), nil
}

// appendText appends a text, cut so that a zero byte follows within n bytes.
func appendText(b []byte, s string, n int) []byte {
	s = s[:min(len(s), n-1)]
	b = append(b, s...)
	return append(b, make([]byte, n-len(s))...)
}

func appendPad(b []byte, n int) []byte { return append(b, make([]byte, n)...) }
