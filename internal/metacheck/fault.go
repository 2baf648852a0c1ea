// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metacheck

import (
	"errors"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/ctf2"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/tracestore"
)

// Fault says what is wrong with the metadata of a trace.
type Fault struct {
	Trace     string // path within the session
	Unchecked bool   // nothing is known to be wrong, but the rest was not checked
	Message   string // all of it on one line

	// Where, and what: as far as the error tells.
	Line, Column int    // of a text of CTF 1.8, from 1
	Offset       int64  // bytes: in the text, or in the fragments
	Path         string // of the JSON value in a fragment
	Got, Want    string

	trace *tracestore.Trace
}

// maxMessage bounds what a fault repeats of a stranger's text, in bytes.
const maxMessage = 1024

// fault describes an error; base is where the batch began in the stored bytes.
func (t *checkedTrace) failure(err error, base int64) *Fault {
	f := &Fault{Trace: t.path, Message: short(err.Error()), Offset: base, trace: t.trace}
	if e, ok := errors.AsType[*tsdl.Error](err); ok {
		f.Line, f.Column, f.Offset = e.Line, e.Column, int64(e.Offset)
		f.Got, f.Want = short(e.Got), short(e.Want)
	}
	if e, ok := errors.AsType[*ctf2.Error](err); ok {
		f.Offset, f.Path = e.Offset, short(e.Path)
		f.Got, f.Want = short(e.Got), short(e.Want)
	}
	if e, ok := errors.AsType[*ctf.MetadataError](err); ok {
		f.Offset = base + int64(e.Offset)
		f.Got, f.Want = short(e.Got), short(e.Want)
	}
	return f
}

func short(s string) string {
	if len(s) > maxMessage {
		return s[:maxMessage] + "..."
	}
	return s
}
