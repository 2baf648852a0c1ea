// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"strconv"

	"github.com/weir-io/weir/xmlsysd"
)

// names are the leaves below an element whose children the kernel names. The
// kernel names them in the same order each time: a name is looked for where it was
// before.
type names struct {
	model  *xmlsysd.Model
	parent xmlsysd.NodeID
	keys   []string
	nodes  []xmlsysd.NodeID
	at     int            // where the next is expected
	index  map[string]int // place in keys
}

func newNames(m *xmlsysd.Model, path string) names {
	return names{model: m, parent: m.Must(path), index: make(map[string]int)}
}

// begin says that a text is read from its beginning.
func (n *names) begin() { n.at = 0 }

// node returns the leaf of a name. It reports false for names without one: there
// are too many, or nothing in it can be in a tag.
func (n *names) node(key []byte, unit string) (xmlsysd.NodeID, bool) {
	if n.at < len(n.keys) && n.keys[n.at] == string(key) {
		n.at++
		return n.nodes[n.at-1], n.nodes[n.at-1] != xmlsysd.Root
	}
	i, known := n.index[string(key)]
	if !known {
		if len(n.keys) >= maxNames {
			return xmlsysd.Root, false
		}
		id, ok := n.model.Named(n.parent, string(key), unit)
		if !ok {
			id = xmlsysd.Root
		}
		i = len(n.keys)
		n.keys, n.nodes = append(n.keys, string(key)), append(n.nodes, id)
		n.index[n.keys[i]] = i
	}
	n.at = i + 1
	return n.nodes[i], n.nodes[i] != xmlsysd.Root
}

// maxNames bounds the names of one element, whatever a file says.
const maxNames = 2048

// nodesOf returns the nodes of tags below a path, in their order.
func nodesOf(m *xmlsysd.Model, path string, tags ...string) []xmlsysd.NodeID {
	list := make([]xmlsysd.NodeID, len(tags))
	for i, t := range tags {
		list[i] = m.Must(path + "/" + t)
	}
	return list
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// digitRoom is room for a number's text, of which an attribute is made.
type digitRoom [20]byte

func (d *digitRoom) of(n uint64) []byte { return strconv.AppendUint(d[:0], n, 10) }
