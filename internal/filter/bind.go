// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "fmt"

// Scope says which frame of a row a field is in.
type Scope uint8

// The scopes.
const (
	EventScope  Scope = iota // of the event itself
	PacketScope              // of the packet that the event is in
)

// Frame holds the values of one scope. Every value has a slot, the index of
// its word, which is read as its [Kind] says. The word of an array whose
// length varies is start<<32 | count, where start is the index of the first
// word of its first element.
type Frame struct {
	Words []uint64
	Data  []byte // the bytes of strings
}

// Row is an event's values, a frame for each [Scope].
type Row [2]Frame

// Binding says where the value of a field is in the rows of a program.
type Binding struct {
	Kind  Kind
	Scope Scope
	Slot  int
	// Path leads on from the word at Slot through arrays whose length varies.
	Path []Element
	// Labels make a Signed or Unsigned field an enumeration: it can be
	// compared with strings, which are its labels, as well as with numbers.
	Labels []Label
	// Constant, if not nil, is the value for every row: an *Int, *Float or
	// *Text. What depends on nothing else is then decided by Compile.
	Constant Node
}

// Element leads from the word of an array to a word of one of its elements:
// start + Index*Width + Offset. An array with fewer elements lacks the field.
type Element struct {
	Index  uint32
	Width  uint32 // words of an element
	Offset uint32 // of the word in the element
}

// Label is a name of the values from Low to High of an enumeration, both of
// the field's kind and included. Names may have many ranges, and values many
// names.
type Label struct {
	Name      string
	Low, High uint64
}

// Resolver binds a field; false if the rows have no such field.
type Resolver func(*Field) (Binding, bool)

// Problem is a reason why a part of an expression holds for no row. It is no
// error: for the events of another type the same part may well hold.
type Problem struct {
	Offset int // of the field's first place with the problem
	Reason Reason
	Field  string // its name
}

// Reason says what kind of problem it is.
type Reason uint8

// The reasons.
const (
	Missing  Reason = iota // the rows have no such field
	Mismatch               // the field's kind does not fit the operator or the other side
	NoLabel                // the enumeration has no label like the string
)

// String returns the problem as a phrase.
func (p Problem) String() string {
	switch p.Reason {
	case Missing:
		return fmt.Sprintf("no field %s", p.Field)
	case NoLabel:
		return fmt.Sprintf("no such label of %s", p.Field)
	}
	return fmt.Sprintf("%s is of another kind", p.Field)
}

// bind returns the tree of n for this compilation: fields are resolved, and
// constants put in the place of theirs.
func (c *compiler) bind(n Node) Node {
	switch n := n.(type) {
	case *Int:
		if c.dialect == LTTng {
			return &Int{offset: n.offset, Value: n.Value, Base: n.Base}
		}
	case *Field:
		return c.bindField(n)
	case *Unary:
		return &Unary{offset: n.offset, Op: n.Op, X: c.bind(n.X)}
	case *Binary:
		return &Binary{offset: n.offset, Op: n.Op, X: c.bind(n.X), Y: c.bind(n.Y), typ: n.typ}
	}
	return n
}

func (c *compiler) bindField(f *Field) Node {
	b, ok := c.resolve(f)
	if !ok {
		c.problem(f, Missing)
		return f
	}
	if c.dialect == LTTng && b.Kind == Unsigned {
		b.Kind = Signed
	}
	switch v := b.Constant.(type) {
	case *Int:
		return &Int{offset: f.offset, Value: v.Value, Unsigned: v.Unsigned && c.dialect == View, Base: 10}
	case *Float:
		return &Float{offset: f.offset, Value: v.Value}
	case *Text:
		return &Text{offset: f.offset, Pattern: v.Pattern}
	}
	c.bindings[f] = &b
	return f
}

// locate returns the word of a field.
func (b *Binding) locate(row *Row) (uint64, bool) {
	words := row[b.Scope&1].Words
	at := uint64(b.Slot)
	if len(b.Path) > 0 {
		at = follow(b.Path, words, at)
	}
	if at >= uint64(len(words)) {
		return 0, false
	}
	return words[at], true
}

// follow returns the index of the word that a path leads to, or one behind the
// words.
func follow(path []Element, words []uint64, at uint64) uint64 {
	const none = 1<<64 - 1
	for _, e := range path {
		if at >= uint64(len(words)) {
			return none
		}
		start, count := words[at]>>32, words[at]&(1<<32-1)
		if uint64(e.Index) >= count {
			return none
		}
		at = start + uint64(e.Index)*uint64(e.Width) + uint64(e.Offset)
	}
	return at
}
