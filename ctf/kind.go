// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

// Kind is what a step of reading a stream found. Where several streams are
// merged and have things of the same time, the smaller kind comes first.
type Kind uint8

// Kinds, in the order of babeltrace2's merge.
const (
	StreamBegin Kind = iota + 1
	PacketBegin
	EventRecord
	DiscardedEvents
	PacketEnd
	Inactivity // nothing happens in the stream until a time
	DiscardedPackets
	StreamEnd
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case StreamBegin:
		return "stream begin"
	case PacketBegin:
		return "packet begin"
	case EventRecord:
		return "event"
	case DiscardedEvents:
		return "discarded events"
	case PacketEnd:
		return "packet end"
	case Inactivity:
		return "inactivity"
	case DiscardedPackets:
		return "discarded packets"
	case StreamEnd:
		return "stream end"
	default:
		return "unknown"
	}
}
