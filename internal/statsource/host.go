// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// Host is who reads the host. The floor above joins it with package hoststat.
type Host interface {
	// Model is that of the tapes.
	Model() *xmlsysd.Model
	// Sections are all there are, in the order of the document.
	Sections() []Section
	// Hidden are elements that are not shown, with all below them.
	Hidden() []xmlsysd.NodeID
	// NewReader returns a reader, which is to be closed.
	NewReader() Reader
}

// Section is a part of the document that is read at once.
type Section struct {
	Node   xmlsysd.NodeID
	Name   string // short; may be empty
	Source string // what is read, for people
	Slow   bool   // it is read every few seconds by itself
}

// Reader reads sections for one user, who does one thing after the other.
type Reader interface {
	// Read reads the sections of which something is wanted, or takes what was read
	// for somebody else and is not older than age. Raw are rules about files by
	// path, which are read if there are some. When ctx ends, what was read until
	// then is returned. The parts, in the order of the document, are valid until
	// Release, which comes before the next Read.
	Read(ctx context.Context, wants func(xmlsysd.NodeID) bool, age time.Duration, raw []xmlsysd.RawRule) []Part
	Release()
	Close()
}

// Part is a section that was read.
type Part struct {
	Node xmlsysd.NodeID
	Tape *xmlsysd.Tape
	At   time.Time // with a reading of the monotonic clock
}
