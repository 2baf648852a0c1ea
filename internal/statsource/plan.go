// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// role is what an element of the document is in a trace.
type role uint8

const (
	group  role = iota // its leaves are those of what it is in
	leaf               // a field
	record             // an event
	list               // an element of a sequence: one of several within one of several, without lists itself
)

// identity are the attributes that tell elements apart.
const identity = xmlsysd.AttrID | xmlsysd.AttrDevType | xmlsysd.AttrDevID | xmlsysd.AttrPath

// keyNames are they in the order in which elements have them.
var keyNames = [...]struct {
	attr xmlsysd.Attrs
	name string
}{{xmlsysd.AttrID, "id"}, {xmlsysd.AttrDevType, "devtype"}, {xmlsysd.AttrDevID, "devid"}, {xmlsysd.AttrPath, "path"}}

// keyKind is what an attribute of an element is.
func keyKind(n *nodeInfo, attr xmlsysd.Attrs) xmlsysd.Kind {
	if attr == xmlsysd.AttrID && n.Numbered {
		return xmlsysd.Count
	}
	return xmlsysd.Text
}

// nodeInfo is what a plan knows of an element.
type nodeInfo struct {
	*xmlsysd.Node

	id     xmlsysd.NodeID
	role   role
	within bool             // it is an element of a list, or below one
	owner  xmlsysd.NodeID   // record that it is in, or is
	field  string           // name, of leaves and lists
	lists  []xmlsysd.NodeID // right below it
	leaves []xmlsysd.NodeID // of lists: those of an element
}

// plan says what the elements of a model are. It has one user at a time.
type plan struct {
	model *xmlsysd.Model
	nodes []nodeInfo
	lists []bool // by node: there are elements of lists below that are told apart
}

func newPlan(m *xmlsysd.Model) *plan {
	p := &plan{model: m, lists: make([]bool, m.Len())}
	for i := range m.Len() {
		if n := m.Node(xmlsysd.NodeID(i)); n.Attrs&identity != 0 {
			for id := n.Parent; id != xmlsysd.Root; id = m.Node(id).Parent {
				p.lists[id] = true
			}
		}
	}
	p.extend()
	return p
}

// hasLists tells whether there are elements of lists below an element. What the
// kernel names has none.
func (p *plan) hasLists(id xmlsysd.NodeID) bool { return int(id) < len(p.lists) && p.lists[id] }

// of returns what is known of an element, which the model may have got since.
func (p *plan) of(id xmlsysd.NodeID) *nodeInfo {
	if int(id) >= len(p.nodes) {
		p.extend()
	}
	return &p.nodes[id]
}

// extend takes in what the model has got.
func (p *plan) extend() {
	for n := len(p.nodes); n < p.model.Len(); n++ {
		id := xmlsysd.NodeID(n)
		info := nodeInfo{Node: p.model.Node(id), id: id, owner: xmlsysd.Root}
		if id != xmlsysd.Root {
			p.place(id, &info)
		}
		p.nodes = append(p.nodes, info)
	}
}

// place finds out what an element is from what is above it.
func (p *plan) place(id xmlsysd.NodeID, info *nodeInfo) {
	parent := &p.nodes[info.Parent]
	keyed := info.Attrs&identity != 0
	info.within, info.owner = parent.within || keyed, parent.owner
	switch {
	case keyed && parent.within && !p.hasLists(id):
		info.role = list
		info.field = p.fieldName(info)
		parent.lists = append(parent.lists, id)
		if info.Leaf {
			info.leaves = append(info.leaves, id)
		}
	case keyed || !parent.within && (info.Section != "" || info.Attrs != 0):
		info.role, info.owner = record, id
		info.field = withUnit(info.Tag, info.Unit)
	case info.Leaf:
		info.role = leaf
		info.field = p.fieldName(info)
		if l := p.listOf(info.Parent); l != nil {
			l.leaves = append(l.leaves, id)
		}
	}
}

// listOf returns the list of which an element, or one above it, is an element; nil
// where that is none.
func (p *plan) listOf(id xmlsysd.NodeID) *nodeInfo {
	for ; id != xmlsysd.Root; id = p.nodes[id].Parent {
		switch n := &p.nodes[id]; n.role {
		case list:
			return n
		case record:
			return nil
		}
	}
	return nil
}

// fieldName is the path from the event, or from the element of a list, and the unit.
func (p *plan) fieldName(info *nodeInfo) string {
	name := info.Tag
	for id := info.Parent; p.nodes[id].role == group && id != xmlsysd.Root; id = p.nodes[id].Parent {
		name = p.nodes[id].Tag + "_" + name
	}
	return withUnit(name, info.Unit)
}

// withUnit puts a unit behind a name that does not end with it.
func withUnit(name, unit string) string {
	unit = strings.Map(letter, unit)
	if unit == "" || name == unit || strings.HasSuffix(name, "_"+unit) {
		return name
	}
	return name + "_" + unit
}

// letter leaves what may be in a name.
func letter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

// events calls a function with the events of which something is wanted.
func (p *plan) events(wants func(xmlsysd.NodeID) bool, f func(*nodeInfo)) {
	p.extend()
	wanted := make([]bool, len(p.nodes))
	for i := range p.nodes {
		n := &p.nodes[i]
		if (n.Leaf || n.Names) && n.owner != xmlsysd.Root && wants(xmlsysd.NodeID(i)) {
			wanted[n.owner] = true
		}
	}
	for i := range p.nodes {
		if wanted[i] {
			f(&p.nodes[i])
		}
	}
}
