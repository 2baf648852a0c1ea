// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "strconv"

// Tapes are the sections of a message, read back from its body: what one host has
// sent can be handled like what another reads itself. They are filled again and
// again, and allocate little once their buffers have grown.
//
// Elements that the model does not know are left out, and what is below them.
// Kernels' names become nodes of the model as they come, so that a hostile host
// could use up the bounded number of them: messages of other hosts need a model of
// their own.
type Tapes struct {
	model    *Model
	scanner  Scanner
	children map[childKey]NodeID // of all nodes, those that kernels name included
	known    int                 // nodes of the model that children has
	list     []Section
	at       [MaxDepth + 1]place // by depth: the elements that are open
	attrs    [len(attrNames)][]byte
	entries  int

	// Of the leaf that is open.
	kept      [len(attrNames)][]byte
	leafAttrs [][]byte // a part of kept
}

// Section is what a message has of a section.
type Section struct {
	Node NodeID
	Tape *Tape
}

type childKey struct {
	parent NodeID
	tag    string
}

// place is an element that is open in a document.
type place struct {
	node NodeID
	time Stamp
	leaf bool
}

// maxEntries bounds the elements of a message on tapes.
const maxEntries = 1 << 20

// NewTapes returns tapes for messages as a model has them.
func NewTapes(m *Model) *Tapes {
	t := &Tapes{model: m, children: make(map[childKey]NodeID)}
	t.learn()
	return t
}

// learn takes in the nodes that the model has by now.
func (t *Tapes) learn() {
	for id, n := range t.model.all()[t.known:] {
		if id += t.known; id > 0 {
			t.children[childKey{n.Parent, n.Tag}] = NodeID(id)
		}
	}
	t.known = t.model.Len()
}

// Read takes the body of a message. It returns a [*ProtocolError] for what is no
// document; there are no sections then.
func (t *Tapes) Read(body []byte) error {
	t.list, t.entries = t.list[:0], 0
	t.scanner.Reset(body)
	err := t.read()
	if err != nil {
		t.list = t.list[:0]
	}
	return err
}

// Sections returns the sections in the order of the message, valid until the next
// Read.
func (t *Tapes) Sections() []Section { return t.list }

// read goes through the document. tape is nil outside of sections, depth is how
// many of the open elements are in the model.
func (t *Tapes) read() error {
	s := &t.scanner
	var tape *Tape
	depth := 0
	for {
		token, err := s.Next()
		switch {
		case err != nil:
			return err
		case token == EOF:
			return nil
		case token == End:
			if s.depth != depth-1 {
				continue // of an element that was left out
			}
			if depth--; tape != nil {
				tape = t.end(tape, depth)
			}
		case s.depth != depth+1:
		case depth == 0:
			if string(s.name) != t.model.Node(Root).Tag {
				return s.fail(ErrSyntax, "the root xmlsysd")
			}
			t.at[1], depth = place{node: Root}, 1
		default:
			id, ok := t.find(t.at[depth].node)
			if !ok {
				continue
			}
			if t.entries++; t.entries > maxEntries {
				return s.fail(ErrTooLong, "at most a million elements")
			}
			depth++
			tape = t.begin(tape, depth, id)
		}
	}
}

// find returns the node of the element that begins, below another one.
func (t *Tapes) find(parent NodeID) (NodeID, bool) {
	name := t.scanner.name
	if id, ok := t.children[childKey{parent, string(name)}]; ok {
		return id, true
	}
	if t.known != t.model.Len() {
		t.learn() // another reader may have added it
		if id, ok := t.children[childKey{parent, string(name)}]; ok {
			return id, true
		}
	}
	key := string(name)
	if known, ok := kernelNames[key]; ok {
		key = known
	}
	id, ok := t.model.Named(parent, key, string(t.scanner.Attr("units")))
	if ok {
		t.learn()
		t.children[childKey{parent, string(name)}] = id // which a name that is no tag is not found by
	}
	return id, ok
}

// begin puts an element on a tape, a new one if a section begins.
func (t *Tapes) begin(tape *Tape, depth int, id NodeID) *Tape {
	n := t.model.Node(id)
	p := place{node: id, leaf: n.Leaf}
	if n.Attrs&AttrTime != 0 {
		p.time = stampOf(&t.scanner)
	}
	t.at[depth] = p
	if tape == nil {
		if n.Section == "" && n.Path != rawPath {
			return nil
		}
		tape = t.next(id)
	}
	if n.Leaf {
		t.keep(n) // the text comes with the end
		return tape
	}
	tape.Open(id, p.time, t.attributes(n)...)
	return tape
}

// keep copies the attributes of a leaf until its end.
func (t *Tapes) keep(n *Node) {
	all := t.attributes(n)
	for i, a := range all {
		t.kept[i] = append(t.kept[i][:0], a...)
	}
	t.leafAttrs = t.kept[:len(all)]
}

// kernelNames are the names of the kernel's that are no tags, by the tags that they
// become: all that Linux 6 has.
var kernelNames = map[string]string{
	"Active_anon": "Active(anon)", "Inactive_anon": "Inactive(anon)", "Active_file": "Active(file)", "Inactive_file": "Inactive(file)",
}

// rawPath is the element of raw files, which is a section without a name.
const rawPath = "proc/file"

// next returns an empty tape.
func (t *Tapes) next(id NodeID) *Tape {
	if len(t.list) < cap(t.list) {
		t.list = t.list[:len(t.list)+1]
	} else {
		t.list = append(t.list, Section{Tape: new(Tape)})
	}
	last := &t.list[len(t.list)-1]
	if last.Tape == nil {
		last.Tape = new(Tape)
	}
	last.Node = id
	last.Tape.Reset()
	return last.Tape
}

// attributes returns those of the element that begins in the order of their
// constants, without the time; empty ones for those that are missing.
func (t *Tapes) attributes(n *Node) [][]byte {
	all := t.attrs[:0]
	for bit, name := range attrNames {
		if n.Attrs&(1<<bit) != 0 {
			all = append(all, t.scanner.Attr(name))
		}
	}
	return all
}

// end ends the element at a depth above the given one. It returns nil when that was
// the section.
func (t *Tapes) end(tape *Tape, depth int) *Tape {
	p := &t.at[depth+1]
	if p.leaf {
		tape.LeafAt(p.node, p.time, t.scanner.Text(), t.leafAttrs...)
	} else {
		tape.Close()
	}
	if tape.open == 0 {
		return nil
	}
	return tape
}

// stampOf reads the time of the element that begins, the zero value for none.
func stampOf(s *Scanner) Stamp {
	sec, err1 := strconv.ParseInt(string(s.Attr("tv_sec")), 10, 64)
	usec, err2 := strconv.ParseInt(string(s.Attr("tv_usec")), 10, 32)
	if err1 != nil || err2 != nil || usec < 0 || usec > 999999 {
		return Stamp{}
	}
	return Stamp{sec, int32(usec)}
}
