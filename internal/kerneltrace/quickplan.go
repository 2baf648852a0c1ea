// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

// quickPlan is how [Converter.quick] makes a payload: it copies a block of the
// record, whatever number of its bytes count, then does what the shape says, all
// of it for every event of the shape. What an event needs not is done to no
// effect: that costs less than a branch that the processor does not foresee.
type quickPlan struct {
	minLen uint32 // bytes of the record's fixed part; more than any for events that are not quick
	block  uint8  // where the first block is in the record
	fixed  uint8  // bytes of the payload that blocks bring
	shape  shape
	before bool // there is something to do before the payload

	adds   [2]quickAdd  // of shapeText and shapeTexts; the first also of shapeString
	texts  [2]quickSpan // of these
	copies [2]quickSpan // of shapeBlocks2 and shapeBlocks3

	// Of shapeString.
	str       uint8 // the field that tells where the string is
	tail      uint8 // where the bytes behind it are
	tailBytes uint8
}

// quickSpan is where bytes are in the record and in the payload.
type quickSpan struct{ src, dst uint8 }

// quickAdd is a number that a constant is added to.
type quickAdd struct {
	quickSpan
	n int32
}

// shape is what a payload consists of.
type shape uint8

const (
	shapeBlock shape = iota
	shapeText        // a block with a text of 16 bytes; up to two numbers to add to
	shapeTexts       // the same with two texts
	shapeBlocks2
	shapeBlocks3
	shapeString // a block, a string, a short block with a number to add to
	shapeSteps  // anything: the plan's steps
)

const (
	block      = 64
	shortBlock = 32   // behind a string
	quickText  = 16   // a string and its end are at most as long
	reach      = 256  // where fields end that a plan knows by small numbers
	maxQuick   = 2048 // most bytes of an event
	maxPlain   = 28 * 4
)

// window is what quick may read of a record and write of a payload: a block from
// any place that a byte tells.
type window [reach + block]byte

// spare is how many bytes there are behind a page's data and behind a packet.
const spare = recordWord + len(window{})

// PageBuffer makes a buffer for pages of a size that [Converter.Page] converts where
// they are.
func PageBuffer(bytes int) []byte { return make([]byte, bytes, bytes+spare) }

// makeQuick finds the shape, that of steps when no other fits.
func (p *plan) makeQuick(contexts bool) {
	q := &p.quick
	q.minLen, q.shape, q.before = uint32(p.minLen), shapeSteps, contexts || p.feed.kind != feedNothing
	if p.room+maxPlain*p.dynamic > maxQuick {
		q.minLen = 1 << 31
	}
	// What the table of tasks learns from must not be given up half-way.
	if p.minLen > reach || p.fixed > block || p.feed.kind != feedNothing {
		return
	}
	if len(p.copies) > 0 {
		q.block = uint8(p.copies[0].src)
	}
	copies, fixes, ops := len(p.copies), len(p.texts)+len(p.adds), len(p.ops)
	switch {
	case copies <= 1 && fixes == 0 && ops == 0:
		q.shape = shapeBlock
	case copies <= 1 && fixes == 0:
		q.makeString(p.ops)
	case copies == 1 && ops == 0:
		q.makeTexts(p)
	case copies <= 3 && fixes == 0 && ops == 0:
		q.makeBlocks(p.copies)
	}
	if q.shape != shapeSteps {
		q.fixed = uint8(p.fixed)
	}
}

// makeTexts is for a block with things to correct. One number is corrected twice;
// where there is none, nothing is added to the block's first bytes.
func (q *quickPlan) makeTexts(p *plan) {
	if len(p.texts) > 2 || len(p.texts) == 0 || len(p.adds) > 2 {
		return
	}
	q.shape = shapeText + shape(len(p.texts)-1)
	for i, t := range p.texts {
		q.texts[i] = quickSpan{uint8(t.src), uint8(t.dst)}
	}
	for i := range q.adds {
		q.adds[i].src = q.block
		if len(p.adds) > 0 {
			a := p.adds[min(i, len(p.adds)-1)]
			q.adds[i] = quickAdd{quickSpan{uint8(a.src), uint8(a.dst)}, a.n}
		}
	}
}

// makeBlocks is for more than one block.
func (q *quickPlan) makeBlocks(copies []span) {
	q.shape = shapeBlocks2 + shape(len(copies)-2)
	for i, s := range copies[1:] {
		q.copies[i] = quickSpan{uint8(s.src), uint8(s.dst)}
	}
}

// makeString is for a string with at most a short block behind it, in which at
// most one number is added to.
func (q *quickPlan) makeString(ops []op) {
	if ops[0].kind != opString {
		return
	}
	str, ops := ops[0], ops[1:]
	var tail op
	if len(ops) > 0 && ops[0].kind == opCopy && ops[0].n <= shortBlock {
		tail, ops = ops[0], ops[1:]
	}
	add := quickAdd{quickSpan{uint8(tail.src), 0}, 0}
	if tail.n > 0 && len(ops) > 0 && ops[0].kind == opAdd32 {
		add, ops = quickAdd{quickSpan{uint8(ops[0].src), uint8(ops[0].at)}, ops[0].add}, ops[1:]
	}
	if len(ops) == 0 {
		q.shape, q.str, q.tail, q.tailBytes, q.adds[0] = shapeString, uint8(str.src), uint8(tail.src), uint8(tail.n), add
	}
}
