// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// unitSize returns the bytes of a code unit of an encoding.
func unitSize(e schema.Encoding) int {
	switch e {
	case schema.UTF16BE, schema.UTF16LE:
		return 2
	case schema.UTF32BE, schema.UTF32LE:
		return 4
	default:
		return 1
	}
}

// textLen returns the length of the text in b up to a code unit of zero, or
// that of b when there is none.
func textLen(b []byte, e schema.Encoding) int {
	n := unitSize(e)
	if n == 1 {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return i
		}
		return len(b)
	}
	for i := 0; i+n <= len(b); i += n {
		if !slices.ContainsFunc(b[i:i+n], func(c byte) bool { return c != 0 }) {
			return i
		}
	}
	return len(b)
}
