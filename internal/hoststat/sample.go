// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// reader reads a section. It is called by one goroutine at a time.
type reader interface {
	// read adds the section's elements to r.tape. After an error of parsing what
	// was added is used all the same, and after others it is not; in any case as
	// many elements must be closed as were opened.
	read(r *request) error
}

// closer is a reader that keeps files open.
type closer interface{ close() }

// request is what a reader is asked, and where it answers.
type request struct {
	tape  *xmlsysd.Tape
	at    xmlsysd.Stamp // now
	now   time.Time     // the same, for differences
	need  need          // details that are wanted
	since time.Time     // when the message was asked for: what is read later may be shared within it
	bytes int           // what was read, for the account

	maxAge time.Duration // Query.MaxAge, for sources that a reader shares between sections

	// Of sections of their own only.
	query *Query
	tasks *taskHistory
}

// need says which details of a section are wanted.
type need uint8

// needWhole tells a section that a source which it shares with another section is
// read by that one, too, in the same message. It is no detail of the section.
const needWhole need = 1 << 7

// detail is an element of a section that costs more than the rest.
type detail struct {
	node xmlsysd.NodeID
	bit  need
}

// sample is what a section gave at a moment.
type sample struct {
	tape xmlsysd.Tape
	at   time.Time
	need need
	err  error // of parsing: the tape is used all the same
	refs int   // guarded by section.mu
}

// Samples are the tapes of a message. They belong to a session, which fills them
// anew with its next message.
type Samples struct {
	parts []Part
}

// Part is a section of a message.
type Part struct {
	Node   xmlsysd.NodeID
	Tape   *xmlsysd.Tape
	At     time.Time // when it was read, which may be before the message was asked for
	origin *section
	sample *sample
}

// Parts returns the tapes in the order of a message, valid until Release. A tape
// holds all elements of its section that were read, also such that are not wanted.
func (s *Samples) Parts() []Part { return s.parts }

// Release gives the tapes back.
func (s *Samples) Release() {
	for i := range s.parts {
		if p := &s.parts[i]; p.origin != nil {
			p.origin.release(p.sample)
		}
		s.parts[i] = Part{}
	}
	s.parts = s.parts[:0]
}

func stampOf(t time.Time) xmlsysd.Stamp {
	ns := t.UnixNano()
	return xmlsysd.Stamp{Sec: ns / 1e9, Usec: int32(ns % 1e9 / 1e3)}
}
