// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

// plan is how the record of an event becomes its payload in the trace: copies,
// corrections of what they brought, then steps that depend on the record.
type plan struct {
	quick   quickPlan // the same for most records
	id      uint32    // in the trace
	minLen  int       // bytes of a record's fixed part
	fixed   int       // bytes of the payload that copies bring
	room    int       // most bytes that the event takes, header, context and slack included,
	dynamic int       // and that many times the record's length
	copies  []span    // in the order of the payload
	texts   []span    // of 16 bytes: zero what is behind their ends
	adds    []span    // of 4 bytes: add n
	ops     []op      // what comes behind the fixed bytes, in order
	feed    feed      // what it tells the table of tasks
	stack   stackKind
	frames  op // of a stack: where they are
}

// span is a number of bytes of a record that have a fixed place in the payload.
type span struct{ src, dst, n int32 }

// slack is how many bytes a copy may write behind its end, as it goes by blocks.
const slack = 32

// op is a step of a plan.
type op struct {
	kind opKind
	flag bool
	at   int16 // of a text or an address: offset from the begin of what the last copy brought
	src  int32 // offset in the record
	n    int32 // bytes of a copy or of an element
	add  int32
}

type opKind uint8

const (
	opCopy opKind = iota // n bytes

	// What works on the bytes that the last copy brought.
	opText  // of n bytes: zero what is behind the end
	opAdd32 // add to an integer
	opHash  // replace an address

	// What makes bytes of its own.
	opString      // __data_loc of characters: a string
	opRelString   // __rel_loc
	opSequence    // __data_loc of elements: their number and they
	opRelSequence // __rel_loc
	opOpenString  // up to the record's end
	opOpenSequence
	opStack     // number of addresses in an int at src, they at src + at
	opUserStack // addresses up to the first 0
	opLocText16 // __data_loc of characters: a text of 16 bytes
	opTID       // thread of the record
	opGroup     // process of the thread that src names; with flag: the thread itself when not known
	opRWBS      // text of n bytes that says what a request of a block device does: a set of bits
)

// stackKind tells the records of stacks from other events.
type stackKind uint8

const (
	noStack stackKind = iota
	kernelStack
	userStack
	numStacks = 2
)
