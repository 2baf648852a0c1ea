// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// PacketInfo is what is known of a packet without its events: from an index
// file, or from its header and context.
type PacketInfo struct {
	File   int    // index of the data file in the stream's Files
	Offset int64  // bytes from the start of the file
	Number uint64 // position in the stream, from 0

	// Sizes in bits, Size a multiple of 8. ContentSize counts from the start of
	// the packet.
	Size, ContentSize uint64

	// Values that the packet carries, where Has names them. Begin and End are
	// clock cycles.
	Has        PacketFields
	Begin, End uint64
	Discarded  uint64 // events lost until the packet's end, ever counting up
	Sequence   uint64 // packet_seq_num
	ClassID    uint64 // stream class
	InstanceID uint64 // stream instance
}

// PacketFields is a set of values that a packet can carry.
type PacketFields uint8

// Values of a packet.
const (
	HasBegin PacketFields = 1 << iota
	HasEnd
	HasDiscarded
	HasSequence
	HasClassID
	HasInstanceID
)

// Packet is the packet whose events are being read.
type Packet struct {
	PacketInfo
	Class *schema.Stream
	// Frame holds the scopes PacketHeader and PacketContext, one behind the
	// other.
	Frame
	contextAt int
	end       uint64 // bit where the context ends
	clock     uint64 // of the stream, there
}

// Start returns the index in Words of the first field of PacketHeader or
// PacketContext.
func (p *Packet) Start(s schema.Scope) int {
	if s == schema.PacketContext {
		return p.contextAt
	}
	return 0
}

// Scope returns the packet's header or context, and whether the trace has it.
func (p *Packet) Scope(s schema.Scope) (Value, bool) {
	st := p.Class.Struct(s)
	if st == nil {
		return Value{}, false
	}
	return Value{&p.Frame, st, p.Start(s)}, true
}
