// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weir-io/weir/internal/store"
)

// node is a node of the tree. It does not change once it is in the tree: who changes
// it puts a copy there.
type node struct {
	data  []byte
	stat  store.Stat
	names uint32 // children it ever had: the number of its next sequential child
}

// persistent reports whether there is a node and it is one of the file.
func (n *node) persistent() bool { return n != nil && n.stat.Owner == 0 }

// nodeHeaderLen is the length of the numbers before a node's data: version, names,
// created, modified.
const nodeHeaderLen = 4 + 4 + 8 + 8

// append appends what the file holds of a node.
func (n *node) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(n.stat.Version))
	b = binary.BigEndian.AppendUint32(b, n.names)
	b = binary.BigEndian.AppendUint64(b, uint64(n.stat.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(n.stat.Modified))
	return append(b, n.data...)
}

// parseNode reads what append writes, and copies it.
func parseNode(b []byte) (*node, error) {
	if len(b) < nodeHeaderLen {
		return nil, fmt.Errorf("%d bytes, want at least %d", len(b), nodeHeaderLen)
	}
	return &node{
		stat: store.Stat{
			Version:  int32(binary.BigEndian.Uint32(b)),
			Created:  int64(binary.BigEndian.Uint64(b[8:])),
			Modified: int64(binary.BigEndian.Uint64(b[16:])),
		},
		names: binary.BigEndian.Uint32(b[4:]),
		data:  slices.Clone(b[nodeHeaderLen:]),
	}, nil
}
