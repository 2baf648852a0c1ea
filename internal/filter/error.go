// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
)

// Error says where an expression is wrong.
type Error struct {
	Text   string // the whole expression
	Offset int    // of the first wrong byte in Text; len(Text) at its end
	Got    string // what is there, as a phrase
	Want   string // what should be there, as a phrase
}

// Error returns one line.
func (e *Error) Error() string {
	return fmt.Sprintf("filter: offset %d: got %s, want %s", e.Offset, e.Got, e.Want)
}

// Caret returns the line of the expression that is wrong and below it a caret
// that points to the place, without a newline at the end.
func (e *Error) Caret() string {
	start := strings.LastIndexByte(e.Text[:e.Offset], '\n') + 1
	line := e.Text[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	var b strings.Builder
	b.WriteString(line)
	b.WriteByte('\n')
	for _, r := range e.Text[start:e.Offset] {
		if r != '\t' { // a tab is as wide as the tab above it
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteByte('^')
	return b.String()
}
