// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"fmt"
	"strings"
)

// Slots are what a client wants of messages: leaves, and lists with columns. They
// are made once and read by any number of readings.
//
//	var want xmlsysd.Slots
//	load := want.Leaf("proc/loadavg/load1")
//	nets := want.List("proc/net/dev/interface", "devtype", "devid")
//	rx := want.Column(nets, "receive/bytes")
type Slots struct {
	root   slotNode
	leaves int
	lists  []listPlan
}

// Slot is the place of a leaf in a [Reading].
type Slot int

// List is the place of a list in a [Reading].
type List int

// Column is the place of a leaf in each row of a list.
type Column int

// noSlot is the place of what is not wanted.
const noSlot = -1

// slotNode is an element of which something is wanted.
type slotNode struct {
	tag      string
	children []*slotNode
	leaf     int // slot, or column below an element of a list
	stamp    int // slot of the time
	list     int // list that elements of the kind are rows of
	inList   int // list that the element is below or a row of
}

type listPlan struct {
	node    *slotNode
	keys    []string // attributes that tell the rows apart
	columns int
}

// Leaf returns the slot of the text of a leaf. It panics, like the others, when a
// path contradicts an earlier one: paths are a part of the program.
func (s *Slots) Leaf(path string) Slot {
	n := s.node(&s.rootNode().root, path)
	if n.inList != noSlot {
		panic(fmt.Sprintf("xmlsysd: leaf %s is below a list", path))
	}
	if n.leaf == noSlot {
		n.leaf = s.leaves
		s.leaves++
	}
	return Slot(n.leaf)
}

// Stamp returns the slot of the time at which an element's source was read.
func (s *Slots) Stamp(path string) Slot {
	n := s.node(&s.rootNode().root, path)
	if n.inList != noSlot {
		panic(fmt.Sprintf("xmlsysd: time of %s, which is below a list", path))
	}
	if n.stamp == noSlot {
		n.stamp = s.leaves
		s.leaves += 2
	}
	return Slot(n.stamp)
}

// List returns the list of the elements of a path. The attributes that tell them
// apart are the keys of its rows; none given, it is id.
func (s *Slots) List(path string, keys ...string) List {
	n := s.node(&s.rootNode().root, path)
	if n.list != noSlot {
		return List(n.list)
	}
	if n.inList != noSlot || len(n.children) > 0 {
		panic(fmt.Sprintf("xmlsysd: list %s within another, or after what is below it", path))
	}
	if len(keys) == 0 {
		keys = []string{"id"}
	}
	n.list = len(s.lists)
	n.inList = n.list
	s.lists = append(s.lists, listPlan{node: n, keys: keys})
	return List(n.list)
}

// Column returns the column of a leaf by its path below the elements of a list.
// An empty path is the text of the elements themselves.
func (s *Slots) Column(l List, path string) Column {
	plan := &s.lists[l]
	n := s.node(plan.node, path)
	if n.leaf == noSlot {
		n.leaf = plan.columns
		plan.columns++
	}
	return Column(n.leaf)
}

// rootNode makes the zero value of Slots ready.
func (s *Slots) rootNode() *Slots {
	if s.root.tag == "" {
		s.root = newSlotNode("xmlsysd", noSlot)
	}
	return s
}

func newSlotNode(tag string, inList int) slotNode {
	return slotNode{tag: tag, leaf: noSlot, stamp: noSlot, list: noSlot, inList: inList}
}

// node returns the node at a path below another one.
func (s *Slots) node(n *slotNode, path string) *slotNode {
	for tag := range strings.SplitSeq(path, "/") {
		if tag == "" {
			continue
		}
		next := n.child(tag)
		if next == nil {
			made := newSlotNode(tag, n.inList)
			next = &made
			n.children = append(n.children, next)
		}
		n = next
	}
	return n
}

func (n *slotNode) child(tag string) *slotNode {
	for _, c := range n.children {
		if c.tag == tag {
			return c
		}
	}
	return nil
}

// find is child for a tag of a document. It begins behind the one that was found
// last, since elements of a message follow each other in an order.
func (n *slotNode) find(tag []byte, last int) (*slotNode, int) {
	for i := range n.children {
		at := last + i
		if at >= len(n.children) {
			at -= len(n.children)
		}
		if c := n.children[at]; len(c.tag) == len(tag) && c.tag == string(tag) {
			return c, at
		}
	}
	return nil, last
}
