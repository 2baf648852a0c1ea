// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"strconv"
)

// maxRows bounds the rows of all lists of a message.
const maxRows = 1 << 16

// Reading is what a message has of what a client wants. It is filled again and
// again, and what it returns is a part of the message that it was filled from: it
// lasts as long as that does, and not beyond the next. It allocates nothing once
// its buffers have grown.
type Reading struct {
	slots   *Slots
	scanner Scanner
	values  [][]byte // texts by slot: parts of the document or of kept, nil for none
	lists   []rows
	kept    []byte // texts that are not in the document as they are
	path    [MaxDepth + 1]step
	total   int // rows
}

type rows struct {
	count int
	keys  [][]byte
	cells [][]byte
}

// step is an element on the way to where the scanner is.
type step struct {
	node *slotNode
	last int // place of the child that was found last
}

// NewReading returns a reading of what is wanted. What is wanted may not change
// afterwards.
func NewReading(s *Slots) *Reading {
	s.rootNode()
	return &Reading{slots: s, values: make([][]byte, s.leaves), lists: make([]rows, len(s.lists))}
}

// Read takes the body of a message. It returns a [*ProtocolError] for what is no
// document; the reading then has nothing. Where an element that is no list is
// there twice, the last one counts.
func (r *Reading) Read(doc []byte) error {
	r.reset()
	r.scanner.Reset(doc)
	err := r.read()
	if err != nil {
		r.reset()
	}
	return err
}

func (r *Reading) reset() {
	clear(r.values)
	for i := range r.lists {
		l := &r.lists[i]
		l.count, l.keys, l.cells = 0, l.keys[:0], l.cells[:0]
	}
	r.kept, r.total = r.kept[:0], 0
}

func (r *Reading) read() error {
	s := &r.scanner
	at := step{node: &r.slots.root} // what the scanner is in
	depth := 0                      // of that element, as far as it is wanted
	for {
		token, err := s.Next()
		if err != nil {
			return err
		}
		switch token {
		case EOF:
			return nil
		case Start:
			if s.depth != depth+1 { // below what is not wanted
				s.leaf()
				continue
			}
			if depth == 0 {
				if string(s.name) != at.node.tag {
					return s.fail(ErrSyntax, "the root xmlsysd")
				}
				depth = 1
				continue
			}
			next, place := at.node.find(s.name, at.last)
			if next == nil {
				s.leaf()
				continue
			}
			at.last = place + 1
			if err := r.begin(next); err != nil {
				return err
			}
			if len(next.children) == 0 && s.leaf() {
				r.end(next)
				continue
			}
			r.path[depth] = at
			at = step{node: next}
			depth++
		default:
			if s.depth != depth-1 {
				continue
			}
			r.end(at.node)
			if depth--; depth > 0 {
				at = r.path[depth]
			}
		}
	}
}

// begin takes the attributes of an element.
func (r *Reading) begin(n *slotNode) error {
	if n.stamp != noSlot {
		r.values[n.stamp] = r.keep(r.scanner.Attr("tv_sec"))
		r.values[n.stamp+1] = r.keep(r.scanner.Attr("tv_usec"))
	}
	if n.list == noSlot {
		return nil
	}
	if r.total++; r.total > maxRows {
		return r.scanner.fail(ErrTooLong, "at most 65536 elements of lists")
	}
	plan, l := &r.slots.lists[n.list], &r.lists[n.list]
	l.count++
	for _, key := range plan.keys {
		l.keys = append(l.keys, r.keep(r.scanner.Attr(key)))
	}
	for range plan.columns {
		l.cells = append(l.cells, nil)
	}
	return nil
}

// end takes the text of an element, if it is a leaf that is wanted.
func (r *Reading) end(n *slotNode) {
	if n.leaf == noSlot {
		return
	}
	v := r.keep(r.scanner.text)
	if v == nil {
		v = []byte{} // it is there
	}
	if n.inList == noSlot {
		r.values[n.leaf] = v
		return
	}
	l, columns := &r.lists[n.inList], r.slots.lists[n.inList].columns
	l.cells[(l.count-1)*columns+n.leaf] = v
}

// keep makes a text of the scanner last. Most are parts of the document.
func (r *Reading) keep(b []byte) []byte {
	if len(r.scanner.buf) == 0 || len(b) == 0 {
		return b
	}
	from := len(r.kept)
	r.kept = append(r.kept, b...)
	return r.kept[from:len(r.kept):len(r.kept)]
}

// Text returns the text of a leaf, nil if the message does not have it.
func (r *Reading) Text(s Slot) []byte { return r.values[s] }

// Uint returns the number of a leaf. It reports false when the message does not
// have it, or it is no such number.
func (r *Reading) Uint(s Slot) (uint64, bool) { return parseUint(r.values[s]) }

// Float returns the number of a leaf, as Uint does.
func (r *Reading) Float(s Slot) (float64, bool) { return parseFloat(r.values[s]) }

// Stamp returns the time of an element, of a slot that is one of a time.
func (r *Reading) Stamp(s Slot) (Stamp, bool) {
	sec, ok := parseUint(r.values[s])
	usec, ok2 := parseUint(r.values[s+1])
	if !ok || !ok2 || usec > 999999 || sec > 1<<62 {
		return Stamp{}, false
	}
	return Stamp{int64(sec), int32(usec)}, true
}

// Rows returns the number of rows of a list.
func (r *Reading) Rows(l List) int { return r.lists[l].count }

// Key returns an attribute that tells rows apart, by its place in [Slots.List].
func (r *Reading) Key(l List, row, key int) []byte {
	return r.lists[l].keys[row*len(r.slots.lists[l].keys)+key]
}

// Row returns the row whose keys are these, or -1.
func (r *Reading) Row(l List, keys ...string) int {
	n := len(r.slots.lists[l].keys)
	for row := range r.lists[l].count {
		same := len(keys) == n
		for i := 0; same && i < n; i++ {
			same = string(r.Key(l, row, i)) == keys[i]
		}
		if same {
			return row
		}
	}
	return -1
}

// CellText returns the text of a leaf of a row, nil if the message has none.
func (r *Reading) CellText(l List, row int, c Column) []byte {
	return r.lists[l].cells[row*r.slots.lists[l].columns+int(c)]
}

// CellUint returns the number of a leaf of a row, as Uint does.
func (r *Reading) CellUint(l List, row int, c Column) (uint64, bool) {
	return parseUint(r.CellText(l, row, c))
}

// CellFloat returns the number of a leaf of a row, as Uint does.
func (r *Reading) CellFloat(l List, row int, c Column) (float64, bool) {
	return parseFloat(r.CellText(l, row, c))
}

// parseUint is strconv's without its allocation, and takes blanks around.
func parseUint(b []byte) (uint64, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || v > (1<<64-1-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}

func parseFloat(b []byte) (float64, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 64 || !decimal(b) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil
}

// decimal tells a number of the protocol: no exponent, no name of an infinity.
func decimal(b []byte) bool {
	for i, c := range b {
		if (c < '0' || c > '9') && c != '.' && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}
