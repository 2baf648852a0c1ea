// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strings"
)

// Position is a place in the metadata. It counts from the begin of the first
// batch, through all batches that were accepted.
type Position struct {
	Line   int // from 1
	Column int // bytes, from 1
	Offset int // bytes, from 0
}

// Error says what is wrong with a metadata text and where.
type Error struct {
	Position
	Msg  string // what was being read, "" for plain syntax
	Got  string // "": Msg says it
	Want string // "": nothing would do in this place
}

// Error gives the message on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tsdl: line %d, column %d: ", e.Line, e.Column)
	b.WriteString(e.Msg)
	if e.Msg != "" && (e.Got != "" || e.Want != "") {
		b.WriteString(": ")
	}
	if e.Got != "" {
		b.WriteString("got " + e.Got)
	}
	if e.Want != "" {
		if e.Got != "" {
			b.WriteString(", ")
		}
		b.WriteString("want " + e.Want)
	}
	return b.String()
}

// Warning is a remark on metadata that were accepted.
type Warning struct {
	Position
	Msg string
}

// String gives the remark on one line.
func (w Warning) String() string {
	return fmt.Sprintf("line %d, column %d: %s", w.Line, w.Column, w.Msg)
}

// MaxWarnings is how many warnings a parser keeps; later ones are dropped, and
// the last one kept says so.
const MaxWarnings = 200

// UnsupportedError names what a schema declares and CTF 1.8 cannot say.
type UnsupportedError struct {
	Scope string // where the field is, such as "event.fields"; "" outside fields
	Path  string // the field in the scope: names joined with dots; "": the scope itself
	What  string // what it is
}

// Error gives the message on one line.
func (e *UnsupportedError) Error() string {
	where := e.Scope
	if e.Path != "" {
		where += "." + e.Path
	}
	if where == "" {
		return "tsdl: CTF 1.8 has no " + e.What
	}
	return fmt.Sprintf("tsdl: %s: CTF 1.8 has no %s", where, e.What)
}

// mark is a place whose line is known, so that the lines of places behind it
// need no count from the begin.
type mark struct{ off, lines, lineStart int }

// position turns an offset in the batch's text into a place in the metadata.
func (b *batch) position(off int) Position {
	off = min(off, len(b.src))
	if off < b.mark.off {
		b.mark = mark{}
	}
	m := &b.mark
	between := b.src[m.off:off]
	if n := strings.Count(between, "\n"); n > 0 {
		m.lines += n
		m.lineStart = m.off + strings.LastIndexByte(between, '\n') + 1
	}
	m.off = off
	column := off - m.lineStart
	if m.lines == 0 {
		column += b.p.end.Column
	}
	return Position{b.p.end.Line + m.lines + 1, column + 1, b.p.end.Offset + off}
}

// unexpected is the syntax error that another token was wanted than the current.
func (b *batch) unexpected(want string) error {
	return &Error{Position: b.position(b.tok.pos), Got: b.describe(b.tok), Want: want}
}

// failf is an error at an offset.
func (b *batch) failf(off int, format string, args ...any) error {
	return &Error{Position: b.position(off), Msg: fmt.Sprintf(format, args...)}
}

// mismatch is an error at an offset about something that has another value.
func (b *batch) mismatch(off int, what, got, want string) error {
	return &Error{Position: b.position(off), Msg: what, Got: got, Want: want}
}

func (b *batch) warnf(off int, format string, args ...any) {
	switch n := len(b.p.warnings) + len(b.warnings); {
	case n < MaxWarnings-1:
		b.warnings = append(b.warnings, Warning{b.position(off), fmt.Sprintf(format, args...)})
	case n == MaxWarnings-1:
		b.warnings = append(b.warnings, Warning{b.position(off), "further warnings are not kept"})
	}
}
