// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "strconv"

// indentation is what each level of a document adds before its elements.
const indentation = "  "

const (
	declaration = `<?xml version="1.0"?>` + "\n"
	rootFoot    = "</xmlsysd>\n"
)

// Encoder writes messages: the selected leaves of tapes as a document, in the
// frame in which it goes over the wire. It allocates nothing once its buffer is
// as large as its messages.
//
//	e.Begin()
//	e.Add(tape) // of each section, in the order of the model
//	conn.Write(e.Finish())
type Encoder struct {
	// Of the following messages.
	Init     bool     // the root says that the session has been initialised
	Compact  bool     // no white space between elements
	Encoding Encoding // of the body on the wire

	sel *Selection
	buf []byte   // room for the header, then the body
	out packer   // bodies that are compressed
	in  []NodeID // containers that are open: proc, net

	// Of the tape that is being added.
	open    []int32 // entries of the elements that are open
	written int     // how many of them have their tags in buf
}

// NewEncoder returns an encoder of what a selection selects.
func NewEncoder(sel *Selection) *Encoder { return &Encoder{sel: sel} }

// Begin drops what there is of a message and begins a new one.
func (e *Encoder) Begin() {
	e.in = e.in[:0]
	e.buf = append(e.room(), declaration...)
	if e.Init {
		e.buf = append(e.buf, `<xmlsysd init="1">`...)
	} else {
		e.buf = append(e.buf, `<xmlsysd>`...)
	}
	e.newline()
}

// Add writes the selected leaves of a tape, and the elements around them.
func (e *Encoder) Add(t *Tape) {
	s := e.sel
	e.open, e.written = e.open[:0], 0
	for i := 0; i < len(t.entries); i++ {
		en := &t.entries[i]
		switch {
		case en.Kind == CloseElement:
			e.close(t)
		case !s.Wants(en.Node):
			if en.Kind == OpenElement {
				i = t.skip(i)
			}
		case en.Kind == OpenElement:
			e.open = append(e.open, int32(i))
		case s.leaves[en.Node].when == nil || e.chosen(t, i):
			e.leaf(t, en)
		}
	}
	for len(e.open) > 0 {
		e.close(t)
	}
}

// skip returns the place of the close that belongs to an open.
func (t *Tape) skip(at int) int {
	for depth := 0; at < len(t.entries); at++ {
		switch t.entries[at].Kind {
		case OpenElement:
			depth++
		case CloseElement:
			if depth--; depth == 0 {
				return at
			}
		}
	}
	return at
}

// chosen decides about a leaf by attributes.
func (e *Encoder) chosen(t *Tape, at int) bool {
	leaf := &t.entries[at]
	n := len(e.open)
	e.open = append(e.open, int32(at))
	base := e.sel.nodes[leaf.Node].Depth - n
	ok := e.sel.selects(e.sel.leaves[leaf.Node], t, e.open, base)
	e.open = e.open[:n]
	return ok
}

func (e *Encoder) leaf(t *Tape, en *Entry) {
	if e.written < len(e.open) || e.written == 0 {
		e.enter(t, en)
	}
	n := e.sel.nodes[en.Node]
	e.head(n, t, en)
	e.buf = appendText(e.buf, t.Text(en.Text))
	e.foot(n, false)
}

// enter writes the tags of the elements that are open around a leaf.
func (e *Encoder) enter(t *Tape, leaf *Entry) {
	if e.written == 0 {
		top := leaf
		if len(e.open) > 0 {
			top = &t.entries[e.open[0]]
		}
		e.contain(e.sel.nodes[top.Node].Parent)
	}
	for ; e.written < len(e.open); e.written++ {
		en := &t.entries[e.open[e.written]]
		e.head(e.sel.nodes[en.Node], t, en)
		e.newline()
	}
}

// close ends the element that was opened last.
func (e *Encoder) close(t *Tape) {
	n := len(e.open) - 1
	if n < 0 {
		return
	}
	if e.written > n {
		e.foot(e.sel.nodes[t.entries[e.open[n]].Node], true)
		e.written = n
	}
	e.open = e.open[:n]
}

// contain makes the open containers those down to a node.
func (e *Encoder) contain(id NodeID) {
	depth := e.sel.nodes[id].Depth
	for len(e.in) > depth || len(e.in) > 0 && !e.below(id, e.in[len(e.in)-1]) {
		e.foot(e.sel.nodes[e.in[len(e.in)-1]], true)
		e.in = e.in[:len(e.in)-1]
	}
	for len(e.in) < depth {
		next := id
		for e.sel.nodes[next].Depth > len(e.in)+1 {
			next = e.sel.nodes[next].Parent
		}
		e.head(e.sel.nodes[next], nil, nil)
		e.newline()
		e.in = append(e.in, next)
	}
}

// below tells whether a node is another one or below it.
func (e *Encoder) below(id, top NodeID) bool {
	for id != top && id != Root {
		id = e.sel.nodes[id].Parent
	}
	return id == top
}

// head writes an opening tag.
func (e *Encoder) head(n *Node, t *Tape, en *Entry) {
	head := n.head
	if e.Compact {
		head = head[n.Depth*len(indentation):]
	}
	e.buf = append(e.buf, head...)
	if n.Attrs == 0 {
		return
	}
	place := 0
	for i, name := range attrNames {
		if n.Attrs&(1<<i) == 0 || place >= t.NumAttrs(en) {
			continue
		}
		e.buf = append(e.buf, ' ')
		e.buf = append(e.buf, name...)
		e.buf = append(e.buf, '=', '"')
		e.buf = appendAttr(e.buf, t.Attr(en, place))
		e.buf = append(e.buf, '"')
		place++
	}
	if n.Attrs&AttrTime != 0 && en.Time != (Stamp{}) {
		e.buf = append(e.buf, ` tv_sec="`...)
		e.buf = strconv.AppendInt(e.buf, en.Time.Sec, 10)
		e.buf = append(e.buf, `" tv_usec="`...)
		e.buf = strconv.AppendInt(e.buf, int64(en.Time.Usec), 10)
		e.buf = append(e.buf, '"')
	}
	e.buf = append(e.buf, n.tail...)
}

// foot writes a closing tag, of an element on a line of its own.
func (e *Encoder) foot(n *Node, line bool) {
	foot := n.foot
	if e.Compact {
		foot = foot[:len(foot)-1]
	} else if line {
		for range n.Depth {
			e.buf = append(e.buf, indentation...)
		}
	}
	e.buf = append(e.buf, foot...)
}

func (e *Encoder) newline() {
	if !e.Compact {
		e.buf = append(e.buf, '\n')
	}
}

// Finish ends the message and returns it with its frame, valid until the next
// Begin.
func (e *Encoder) Finish() []byte {
	e.contain(Root)
	e.buf = append(e.buf, rootFoot...)
	return e.frame()
}

// Len returns the bytes of the body so far.
func (e *Encoder) Len() int { return len(e.buf) - headerRoom }

// Mark returns a place to which Cut goes back.
func (e *Encoder) Mark() EncoderMark {
	m := EncoderMark{len: len(e.buf), depth: len(e.in)}
	copy(m.in[:], e.in)
	return m
}

// Cut drops the tapes that were added since a mark: a section that makes a
// message too long.
func (e *Encoder) Cut(m EncoderMark) {
	e.buf, e.in = e.buf[:m.len], append(e.in[:0], m.in[:m.depth]...)
}

// EncoderMark is a place in a message, between two tapes.
type EncoderMark struct {
	len, depth int
	in         [4]NodeID
}

// Release gives back the memory of messages: of a session that is idle.
func (e *Encoder) Release() { e.buf, e.out = nil, packer{} }
