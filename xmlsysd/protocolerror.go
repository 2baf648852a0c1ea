// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"fmt"
)

// Reasons why a message is refused. A [*ProtocolError] wraps one of them.
var (
	// ErrTruncated reports bytes that end before the message does.
	ErrTruncated = errors.New("ends too early")
	// ErrTooLong reports a length, depth or count above its limit.
	ErrTooLong = errors.New("above the limit")
	// ErrSyntax reports what is no message.
	ErrSyntax = errors.New("not well formed")
)

// ProtocolError says what of a message could not be read. errors.Is finds the
// reason: [ErrTruncated], [ErrTooLong] or [ErrSyntax].
type ProtocolError struct {
	Op     string // "header", "body" or "document"
	Offset int    // bytes, in the header, or in the document after decompression
	Got    string // what is there, cut to a few bytes
	Want   string
	Err    error
}

// Error gives the reason on one line, without a final dot.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("xmlsysd: %s at offset %d: %v: got %q, want %s", e.Op, e.Offset, e.Err, e.Got, e.Want)
}

// Unwrap returns the reason.
func (e *ProtocolError) Unwrap() error { return e.Err }

// excerpt returns the bytes of b that an error shows.
func excerpt(b []byte, at int) string {
	const most = 24
	if at >= len(b) {
		return ""
	}
	return string(b[at:min(len(b), at+most)])
}
