// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// opcode is what one step of a decoding plan does.
type opcode uint8

// Steps. Fields at known distances from a byte boundary form a run: opRun
// checks once that all its bytes are there, the loads behind it only pick.
const (
	opRun opcode = iota // n bytes begin at the position, which is on a byte boundary
	opU8                // loads of a run: off bytes from its start
	opI8
	opU16
	opU32
	opU64
	opI16
	opI32
	opU16BE
	opU32BE
	opU64BE
	opI16BE
	opI32BE
	opExtent // n bytes of the run as a text or blob

	opBits    // size bits at the position, by order
	opAlign   // to n bits from the start of the packet
	opLEB     // variable-length integer
	opString  // bytes to a code unit (size bytes) of zero
	opDynamic // as many bytes as ref says
	opArray   // n elements
	opSeq     // as many elements as ref says
	opVariant // the option that ref chooses
	opOption  // a field that is there when ref says so
	opKeep    // the word becomes the value of ref
	opMark    // the same, and of several values it is the last one
	opLatest  // the last one of the values in among becomes the value of ref
	opClock   // the word, of size bits, updates the clock
)

// op is one step.
type op struct {
	code   opcode
	size   uint8 // bits of an integer; bytes of a code unit
	signed bool
	bits   bitOrder
	slot   uint32 // word, counted from the start of the row
	off    uint32 // bytes from the start of the run
	ref    uint32 // index of a value that other fields need
	n      uint64
	*opRest
}

// opRest is what few steps need, apart so that the others are small.
type opRest struct {
	field  string // for errors
	sub    *block // elements, or the optional field
	choice *choice
	among  []uint32
}

// bitOrder is how the bits of opBits lie.
type bitOrder uint8

const (
	bitsLE bitOrder = iota
	bitsBE
	bitsLEReversed
	bitsBEReversed
)

// block is the plan of one struct or element: its steps and the words of its row.
type block struct {
	ops   []op
	width int
	// minBits is the least that a field of this plan takes, so that the length
	// of a sequence can be held against what is left of the packet.
	minBits uint64
}

// choice is what opVariant and opOption choose from.
type choice struct {
	variant  *schema.Variant
	optional *schema.Optional
	options  []*block
}

// loads gives the step that loads a byte-aligned integer of a size, where one does.
func loads(size uint8, order schema.ByteOrder, signed bool) (opcode, bool) {
	type key struct {
		size   uint8
		big    bool
		signed bool
	}
	code, ok := map[key]opcode{
		{8, false, false}: opU8, {8, true, false}: opU8,
		{8, false, true}: opI8, {8, true, true}: opI8,
		{16, false, false}: opU16, {16, true, false}: opU16BE,
		{16, false, true}: opI16, {16, true, true}: opI16BE,
		{32, false, false}: opU32, {32, true, false}: opU32BE,
		{32, false, true}: opI32, {32, true, true}: opI32BE,
		{64, false, false}: opU64, {64, true, false}: opU64BE,
		{64, false, true}: opU64, {64, true, true}: opU64BE,
	}[key{size, order == schema.BigEndian, signed}]
	return code, ok
}
