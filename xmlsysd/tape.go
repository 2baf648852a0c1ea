// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "strconv"

// Tape is what one section has read: elements that open and close, and leaves, in
// the order of the model. Their texts are as the kernel gave them; who writes XML
// escapes them. A tape that is filled again and again allocates nothing.
//
//	t.Open(stat, now)
//	t.Open(cpu, Stamp{}, id)
//	t.Leaf(user, text)
//	t.Close()
//	t.Close()
type Tape struct {
	entries []Entry
	attrs   []Range
	text    []byte
	open    int
}

// Stamp is a time, in s and us since the epoch; the zero value is none.
type Stamp struct {
	Sec  int64
	Usec int32
}

// Entry is a step of a tape.
type Entry struct {
	Kind  EntryKind
	Node  NodeID
	Time  Stamp // of elements with AttrTime
	Text  Range // of leaves
	attrs Range // in Tape.attrs
}

// EntryKind is what a step of a tape does.
type EntryKind uint8

// Steps.
const (
	OpenElement EntryKind = iota
	CloseElement
	LeafElement // opens, has a text, closes
)

// Range is a part of a tape's text.
type Range struct{ from, to uint32 }

// Reset empties a tape.
func (t *Tape) Reset() {
	t.entries, t.attrs, t.text, t.open = t.entries[:0], t.attrs[:0], t.text[:0], 0
}

// Open begins an element. Its attributes, but for the time, are given in the order
// of their constants.
func (t *Tape) Open(n NodeID, at Stamp, attrs ...[]byte) {
	t.open++
	t.entries = append(t.entries, Entry{Kind: OpenElement, Node: n, Time: at, attrs: t.keepAttrs(attrs)})
}

// Close ends the element that was opened last.
func (t *Tape) Close() {
	t.open--
	t.entries = append(t.entries, Entry{Kind: CloseElement})
}

// Leaf adds a leaf with a text.
func (t *Tape) Leaf(n NodeID, text []byte) {
	t.entries = append(t.entries, Entry{Kind: LeafElement, Node: n, Text: t.keep(text)})
}

// LeafAt adds a leaf with a time, and attributes as in Open.
func (t *Tape) LeafAt(n NodeID, at Stamp, text []byte, attrs ...[]byte) {
	a := t.keepAttrs(attrs)
	t.entries = append(t.entries, Entry{Kind: LeafElement, Node: n, Time: at, Text: t.keep(text), attrs: a})
}

// Uint adds a leaf with a number.
func (t *Tape) Uint(n NodeID, v uint64) {
	from := uint32(len(t.text))
	t.text = strconv.AppendUint(t.text, v, 10)
	t.entries = append(t.entries, Entry{Kind: LeafElement, Node: n, Text: Range{from, uint32(len(t.text))}})
}

// Int adds a leaf with a number.
func (t *Tape) Int(n NodeID, v int64) {
	from := uint32(len(t.text))
	t.text = strconv.AppendInt(t.text, v, 10)
	t.entries = append(t.entries, Entry{Kind: LeafElement, Node: n, Text: Range{from, uint32(len(t.text))}})
}

// Mark returns a place to which Cut goes back.
func (t *Tape) Mark() TapeMark { return TapeMark{len(t.entries), len(t.attrs), len(t.text), t.open} }

// Cut drops what was added since a mark: an element that turned out to be gone.
func (t *Tape) Cut(m TapeMark) {
	t.entries, t.attrs, t.text, t.open = t.entries[:m.entries], t.attrs[:m.attrs], t.text[:m.text], m.open
}

// TapeMark is a place on a tape.
type TapeMark struct{ entries, attrs, text, open int }

// Entries returns the steps, valid until the tape is changed.
func (t *Tape) Entries() []Entry { return t.entries }

// Text returns a text of the tape, valid until the tape is changed.
func (t *Tape) Text(r Range) []byte { return t.text[r.from:r.to] }

// Attr returns an attribute of an entry by its place among those of the node that
// are not the time.
func (t *Tape) Attr(e *Entry, i int) []byte {
	return t.Text(t.attrs[int(e.attrs.from)+i])
}

// NumAttrs returns how many attributes an entry was given.
func (t *Tape) NumAttrs(e *Entry) int { return int(e.attrs.to - e.attrs.from) }

func (t *Tape) keep(b []byte) Range {
	from := uint32(len(t.text))
	t.text = append(t.text, b...)
	return Range{from, uint32(len(t.text))}
}

func (t *Tape) keepAttrs(attrs [][]byte) Range {
	from := uint32(len(t.attrs))
	for _, a := range attrs {
		t.attrs = append(t.attrs, t.keep(a))
	}
	return Range{from, uint32(len(t.attrs))}
}
