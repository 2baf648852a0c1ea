// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"fmt"
	"strconv"
)

// Error tells where a record, or a text of one of its parts, is wrong.
type Error struct {
	Form   string // what was being read: "native record", "FID" and others
	Field  string // name of the field; empty if it is the whole
	Offset int    // byte in the input at which the field, or what is wrong in it, begins
	Got    string
	Want   string
}

// Error says on one line what of which form is wrong.
func (e *Error) Error() string {
	field := e.Field
	if field != "" {
		field += " "
	}
	return fmt.Sprintf("%s: %sat offset %d: got %s, want %s", e.Form, field, e.Offset, e.Got, e.Want)
}

// shown is how much of a wrong input an error repeats.
const shown = 64

// quoted is a wrong text as errors show it.
func quoted[T string | []byte](text T) string {
	if len(text) > shown {
		return strconv.Quote(string(text[:shown])) + "…"
	}
	return strconv.Quote(string(text))
}
