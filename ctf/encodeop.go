// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// encCode is what one step of an encoding plan does.
type encCode uint8

// Steps. Byte-aligned fields of fixed size form a run: encRun checks once that
// there is room for all its bytes, the stores behind it only put.
const (
	encRun   encCode = iota // n bytes begin at the position, which is on a byte boundary
	encZero                 // n bytes of zero within a run, the padding between fields
	encAlign                // to n bits from the start of the packet; the steps so far have no word
	encU8                   // stores of a run: off bytes from its start
	encI8
	encU16
	encU32
	encU64
	encI16
	encI32
	encU16BE
	encU32BE
	encU64BE
	encI16BE
	encI32BE
	encBytes // n bytes of a text or blob

	encBits    // size bits at the position
	encLEB     // variable-length integer
	encString  // bytes and a code unit (size bytes) of zero
	encDynamic // bytes, as many as ref or n says
	encArray   // elements, as many as ref or n says
	encVariant // the option that ref chooses
	encOption  // a field that is there when ref says so
	encKeep    // the word becomes the value of ref
	encClock   // the word, of size bits, updates the clock
)

// encOp is one step. It is small, so that those of an event are close together.
type encOp struct {
	code    encCode
	size    uint8 // bits of an integer; bytes of a code unit
	signed  bool
	fixed   bool // an encBytes or encDynamic that is filled up with zeros; an encLEB of full length
	order   schema.ByteOrder
	reverse bool
	slot    uint32 // word, counted from the start of the row
	off     uint32 // bytes from the start of the run
	ref     uint32 // index of a value that other fields need, or encNoRef
	n       uint64
	*encMore
}

// encMore is what few steps need, or only errors do.
type encMore struct {
	field    string    // path of the step's field
	needs    string    // the field that ref is
	sub      *encBlock // elements, or the optional field
	options  []*encBlock
	variant  *schema.Variant
	optional *schema.Optional
}

// encNoRef is the ref of a step whose length is fixed.
const encNoRef = ^uint32(0)

// encBlock is the plan of one struct, element or option: its steps and the words
// of its row.
type encBlock struct {
	ops    []encOp
	width  int
	leaves []encLeaf // one for each word
	kinds  []encKind // theirs
}

// encKind is what a producer has to give for a word.
type encKind uint8

const (
	kindUint encKind = iota
	kindInt
	kindFloat32
	kindFloat64
	kindString // ended by zero
	kindText
	kindBlob
	kindArray
	kindVariant
	kindOptional
)

// String names the call that gives a value of the kind.
func (k encKind) String() string {
	return [...]string{"Uint", "Int", "Float", "Float", "String", "String or Bytes", "Bytes", "Array", "Option", "Present"}[k]
}

// encLeaf is what a word of a row stands for.
type encLeaf struct {
	kind    encKind
	name    string // path, for errors
	role    schema.Role
	class   schema.Class
	sub     *encBlock // of an array's elements or an optional field
	options []*encBlock
}

// encStores gives the step that stores a byte-aligned integer of a size, where
// one does.
func encStores(size uint8, order schema.ByteOrder, signed bool) (encCode, bool) {
	big := order == schema.BigEndian
	pick := func(le, be, sle, sbe encCode) (encCode, bool) {
		switch {
		case signed && big:
			return sbe, true
		case signed:
			return sle, true
		case big:
			return be, true
		default:
			return le, true
		}
	}
	switch size {
	case 8:
		return pick(encU8, encU8, encI8, encI8)
	case 16:
		return pick(encU16, encU16BE, encI16, encI16BE)
	case 32:
		return pick(encU32, encU32BE, encI32, encI32BE)
	case 64:
		return pick(encU64, encU64BE, encU64, encU64BE)
	default:
		return 0, false
	}
}
