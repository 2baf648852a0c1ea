// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// NodeID names a [Node] of the model. The root's is [Root]; ids of elements in one
// subtree that is not the kernel's to name follow each other.
type NodeID uint32

// Root is the node of the document element, xmlsysd.
const Root NodeID = 0

// Class says in which selections a leaf is without being named.
type Class uint8

// Classes of leaves. Reference section 8.1.
const (
	Legacy   Class = iota // the message of 2002, which init selects
	Cheap                 // in "default" and "all"
	Costly                // in "all"
	Explicit              // only where its own name is spelled out
)

// Kind says what the text of a leaf is. The schema calls them cnt, int, dec and
// string.
type Kind uint8

// Kinds of texts.
const (
	Count   Kind = iota // digits
	Integer             // digits, perhaps behind a minus sign
	Decimal             // the same, perhaps with a fraction
	Text                // anything
)

// Attrs are the attributes of an element kind that say which of several it is,
// and when its source was read.
type Attrs uint8

// Attributes, in the order in which they are written.
const (
	AttrID Attrs = 1 << iota
	AttrDevType
	AttrDevID
	AttrPath
	AttrTime // tv_sec and tv_usec
)

// Node is a kind of element: all elements of a path without its predicates.
type Node struct {
	Parent   NodeID
	Depth    int    // of the root 0
	Tag      string // element name
	Path     string // tags without the root's, as in "proc/stat/cpu/user"
	Key      string // the kernel's name where it names the element, before it was made a tag
	Attrs    Attrs
	Numbered bool   // the id is a number
	Unit     string // units attribute; empty: none
	Kind     Kind   // of the text; where the kernel names the children, of theirs
	Class    Class
	Leaf     bool   // has text, no elements
	Names    bool   // the kernel names its children
	Section  string // short name of a section, empty elsewhere
	Part     string // short name of what is no section

	head, tail string // what an Encoder writes before and behind the attributes
	foot       string // and behind the content
}

//go:embed tree.txt
var tree string

// maxNamed bounds the nodes that are added for names of the kernel's, so that a
// host with an odd kernel or a hostile fixture cannot fill the memory.
const maxNamed = 8192

// Model is the tree of nodes.
type Model struct {
	mu    sync.RWMutex
	nodes []*Node                   // guarded by mu; grows only, nodes are immutable
	paths map[string]NodeID         // guarded by mu
	named map[nameKey]NodeID        // guarded by mu; children that the kernel names
	taken map[NodeID]map[string]int // guarded by mu; tags below such a parent
}

type nameKey struct {
	parent NodeID
	key    string
}

// NewModel returns the model of this version of the protocol.
func NewModel() *Model {
	m, err := parseTree(tree)
	if err != nil {
		panic(err) // the file is a part of the program
	}
	return m
}

// Node returns a node.
func (m *Model) Node(id NodeID) *Node {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.nodes[id]
}

// Len returns the number of nodes; ids are below it.
func (m *Model) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.nodes)
}

// Find returns the node of a path such as "proc/stat/cpu/user".
func (m *Model) Find(path string) (NodeID, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	id, ok := m.paths[path]
	return id, ok
}

// all returns the nodes that there are by now, by their ids, to be read only.
func (m *Model) all() []*Node {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.nodes[:len(m.nodes):len(m.nodes)]
}

// homes returns the paths of the elements that have a short name.
func (m *Model) homes(short string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []string
	for _, n := range m.nodes {
		if short != "" && (n.Section == short || n.Part == short) {
			all = append(all, n.Path)
		}
	}
	return all
}

// Must is Find for paths that are written in the program.
func (m *Model) Must(path string) NodeID {
	id, ok := m.Find(path)
	if !ok {
		panic("xmlsysd: no element " + path)
	}
	return id
}

// Named returns the leaf below a node whose children the kernel names. It reports
// false when there are too many of them already, or nothing of the key can be in a
// tag. Readers keep what they get: it takes a lock.
func (m *Model) Named(parent NodeID, key, unit string) (NodeID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := nameKey{parent, key}
	if id, ok := m.named[k]; ok {
		return id, true
	}
	tag := TagOf(key)
	if tag == "" || len(m.named) >= maxNamed || !m.nodes[parent].Names {
		return 0, false
	}
	taken := m.taken[parent]
	if taken == nil {
		taken = make(map[string]int)
		m.taken[parent] = taken
	}
	taken[tag]++
	if n := taken[tag]; n > 1 {
		tag = fmt.Sprintf("%s_%d", tag, n)
	}
	p := m.nodes[parent]
	id := m.add(Node{Parent: parent, Tag: tag, Key: key, Unit: unit, Kind: p.Kind, Class: p.Class, Leaf: true})
	m.named[k] = id
	return id, true
}

// TagOf makes a name of the kernel's a tag: runs of other characters than ASCII
// letters, digits and underscores become one underscore, none at the end, and a
// digit does not come first. Reference section 8.2.
func TagOf(key string) string {
	var b strings.Builder
	gap := false
	for i := range len(key) {
		c := key[i]
		switch letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'; {
		case letter || c >= '0' && c <= '9':
			if gap || !letter && b.Len() == 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteByte(c)
		default:
			gap = true
		}
	}
	return strings.TrimRight(b.String(), "_")
}

// add puts a node below its parent, m.mu held.
func (m *Model) add(n Node) NodeID {
	id := NodeID(len(m.nodes))
	if id != Root {
		p := m.nodes[n.Parent]
		n.Depth = p.Depth + 1
		if n.Path = n.Tag; n.Parent != Root {
			n.Path = p.Path + "/" + n.Tag
		}
		m.paths[n.Path] = id
	}
	n.render()
	m.nodes = append(m.nodes, &n)
	return id
}

// render makes the tags of a node: all but the attributes that entries have.
func (n *Node) render() {
	n.head = strings.Repeat(indentation, n.Depth) + "<" + n.Tag
	n.foot = "</" + n.Tag + ">\n"
	if n.Unit != "" {
		n.tail = ` units="` + string(appendAttr(nil, []byte(n.Unit))) + `"`
	}
	n.tail += ">"
	if n.Attrs == 0 {
		n.head, n.tail = n.head+n.tail, ""
	}
}

func parseTree(text string) (*Model, error) {
	m := &Model{paths: make(map[string]NodeID), named: make(map[nameKey]NodeID), taken: make(map[NodeID]map[string]int)}
	m.add(Node{Tag: "xmlsysd"})
	m.nodes[Root].Leaf = false
	var above []NodeID // by depth, from the root
	above = append(above, Root)
	for number, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		depth := (len(line)-len(strings.TrimLeft(line, " ")))/2 + 1
		if depth > len(above) {
			return nil, fmt.Errorf("tree line %d: indented by %d, want at most %d", number+1, depth, len(above))
		}
		parent := m.nodes[above[depth-1]]
		n := Node{Parent: above[depth-1], Tag: words[0], Class: parent.Class, Leaf: true}
		for _, w := range words[1:] {
			if err := n.flag(w); err != nil {
				return nil, fmt.Errorf("tree line %d: %w", number+1, err)
			}
		}
		parent.Leaf = false
		above = append(above[:depth], m.add(n))
	}
	return m, nil
}

// flag takes a word of a line of the tree.
func (n *Node) flag(w string) error {
	attrs := map[string]Attrs{"@id": AttrID, "@devtype": AttrDevType, "@devid": AttrDevID, "@path": AttrPath, "@tv": AttrTime}
	classes := map[string]Class{"L": Legacy, "A": Cheap, "B": Costly, "X": Explicit}
	kinds := map[string]Kind{"int": Integer, "dec": Decimal, "text": Text}
	name, value, _ := strings.Cut(w, "=")
	a, isAttr := attrs[w]
	c, isClass := classes[w]
	k, isKind := kinds[w]
	switch {
	case isAttr:
		n.Attrs |= a
	case isClass:
		n.Class = c
	case isKind:
		n.Kind = k
	case w == "numbered":
		n.Numbered = true
	case w[0] == '(' && w[len(w)-1] == ')':
		n.Unit = w[1 : len(w)-1]
	case name == "section":
		n.Section = value
	case name == "part":
		n.Part = value
	case w == "names":
		n.Names, n.Leaf = true, false
	default:
		return fmt.Errorf("%q means nothing", w)
	}
	return nil
}
