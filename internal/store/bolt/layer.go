// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weir-io/weir/internal/store"
)

// layer is changes that lie over the tree or over another layer: a transaction over
// those that are written with it, and these over the tree.
type layer struct {
	below  func(path string) *node
	nodes  map[string]*node    // nil for a deleted node
	dirty  map[string]struct{} // paths whose pair in the file changes
	events []store.Event
}

func newLayer(below func(string) *node) *layer {
	return &layer{below: below, nodes: make(map[string]*node), dirty: make(map[string]struct{})}
}

// node returns the node of a path, nil if there is none.
func (l *layer) node(path string) *node {
	if n, ok := l.nodes[path]; ok {
		return n
	}
	return l.below(path)
}

// put replaces a node, and in the file if that has it or shall have it.
func (l *layer) put(path string, n *node, persistent bool) {
	l.nodes[path] = n
	if persistent {
		l.dirty[path] = struct{}{}
	}
}

// merge takes over the changes of the layer above.
func (l *layer) merge(above *layer) {
	maps.Copy(l.nodes, above.nodes)
	maps.Copy(l.dirty, above.dirty)
	l.events = append(l.events, above.events...)
}

// apply makes an operation of a session in a transaction.
func (l *layer) apply(op *store.Op, session, transaction int64) (store.Result, error) {
	if op.Kind == store.KindCreate {
		return l.create(op, session, transaction)
	}
	n := l.node(op.Path)
	switch {
	case n == nil:
		return store.Result{}, store.ErrNoNode
	case op.Version != store.AnyVersion && op.Version != n.stat.Version:
		return store.Result{}, fmt.Errorf("%w: %d", store.ErrBadVersion, n.stat.Version)
	}
	switch op.Kind {
	case store.KindCheck:
		return store.Result{}, nil
	case store.KindSet:
		changed := *n
		changed.data = slices.Clone(op.Data)
		changed.stat.Version++
		changed.stat.Modified = transaction
		l.put(op.Path, &changed, n.stat.Owner == 0)
		l.events = append(l.events, store.Event{Change: store.Changed, Path: op.Path})
		return store.Result{Stat: changed.stat}, nil
	case store.KindDelete:
		return store.Result{}, l.delete(op.Path, n)
	}
	return store.Result{}, fmt.Errorf("operation of kind %d", op.Kind)
}

func (l *layer) create(op *store.Op, session, transaction int64) (store.Result, error) {
	at := store.Parent(op.Path)
	parent := l.node(at)
	switch {
	case parent == nil:
		return store.Result{}, fmt.Errorf("its parent: %w", store.ErrNoNode)
	case parent.stat.Owner != 0:
		return store.Result{}, store.ErrEphemeral
	}
	path := op.Path
	if op.Mode&store.Sequential != 0 {
		path = fmt.Sprintf("%s%010d", path, parent.names)
	}
	if l.node(path) != nil {
		return store.Result{}, store.ErrNodeExists
	}
	n := &node{data: slices.Clone(op.Data), stat: store.Stat{Created: transaction, Modified: transaction}}
	if op.Mode&store.Ephemeral != 0 {
		n.stat.Owner = session
	}
	heir := *parent
	heir.stat.Children++
	heir.names++
	l.put(at, &heir, true)
	l.put(path, n, n.stat.Owner == 0)
	l.events = append(l.events, store.Event{Change: store.Created, Path: path}, store.Event{Change: store.ChildrenChanged, Path: at})
	return store.Result{Path: path}, nil
}

func (l *layer) delete(path string, n *node) error {
	switch {
	case path == "/":
		return fmt.Errorf("%w: the root stays", store.ErrBadPath)
	case n.stat.Children > 0:
		return store.ErrNotEmpty
	}
	at := store.Parent(path)
	heir := *l.node(at)
	heir.stat.Children--
	l.put(at, &heir, false)
	l.put(path, nil, n.stat.Owner == 0)
	l.events = append(l.events, store.Event{Change: store.Deleted, Path: path}, store.Event{Change: store.ChildrenChanged, Path: at})
	return nil
}
