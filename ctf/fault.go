// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "strconv"

// fault says why a plan stopped.
type fault struct {
	kind  faultKind
	pos   uint64 // bits from the window's first bit
	field string
	got   uint64
	want  uint64
}

type faultKind uint8

const (
	noFault      faultKind = iota
	faultShort             // the field goes behind the window; got: bits needed
	faultOption            // no option of a variant for the tag got
	faultOrder             // two byte orders meet within a byte
	faultTooMany           // more than want values in one event
	faultVarint            // a variable-length integer of more than 64 bits
	faultEventID           // no event class of the id got
)

// endOfContent is what a decoder got that needs more.
const endOfContent = "the end of the packet's content"

// text says what a fault means.
func (f *fault) text() (got, want string) {
	switch f.kind {
	case faultOption:
		return strconv.FormatUint(f.got, 10), "a tag that chooses an option"
	case faultOrder:
		return "another byte order", "that of the bits before in the same byte"
	case faultTooMany:
		return strconv.FormatUint(f.got, 10) + " values", "at most " + strconv.FormatUint(f.want, 10) + " in an event"
	case faultEventID:
		return strconv.FormatUint(f.got, 10), "the id of an event class of the stream"
	case faultVarint:
		return "more than 64 bits", "a variable-length integer of at most 64 bits"
	default:
		return endOfContent, strconv.FormatUint(f.got, 10) + " bits more"
	}
}
