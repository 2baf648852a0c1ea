// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// tries is how often a transaction is tried that others get in the way of.
const tries = 10

// change makes a transaction. f reads what it needs and says what changes; it is
// called again when what it has read is of the past when the transaction comes to the
// store. Who changes the same objects through this inventory waits for its turn, so
// that only other inventories get in the way.
func (v *Inventory) change(ctx context.Context, objects []any, f func(t *tx) error) error {
	leave, err := v.turns.enter(ctx, objects)
	if err != nil {
		return err
	}
	defer leave()
	for range tries {
		s, err := v.tie(ctx)
		if err != nil {
			return err
		}
		t := &tx{ctx: ctx, session: s, paths: v.paths, nodes: make(map[string]*entry)}
		if err := f(t); err != nil {
			return unanswered(err)
		}
		switch err := t.commit(); {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrTooLarge):
			return &Error{Object: "transaction", Reason: err.Error(), Err: ErrConflict}
		case !stale(err):
			return unanswered(err)
		}
	}
	return &Error{Object: "transaction", Reason: fmt.Sprintf("gave up after %d tries", tries), Err: ErrBusy}
}

// stale reports whether an error says that others have changed what was read.
func stale(err error) bool {
	for _, kind := range []error{store.ErrBadVersion, store.ErrNoNode, store.ErrNodeExists, store.ErrNotEmpty} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// entry is a node as a transaction sees it.
type entry struct {
	stored  bool // it is in the store, of version
	version int32
	exists  bool // it is there after the transaction
	changed bool // its data are
	data    []byte
}

// tx is a transaction that is being made. Reads see what it has changed. All that it
// has read and not changed has to be as it was when it comes to the store.
type tx struct {
	ctx     context.Context // of the operation that this is
	session store.Session
	paths   paths
	nodes   map[string]*entry
	order   []string // paths of nodes, in the order of their first use
	lost    error    // of the first write that could not be noted
}

// node reads a node, once.
func (t *tx) node(path string) (*entry, error) {
	if e := t.nodes[path]; e != nil {
		return e, nil
	}
	data, stat, err := t.session.Get(t.ctx, path, nil)
	e := &entry{stored: err == nil, exists: err == nil, version: stat.Version, data: data}
	if err != nil && !errors.Is(err, store.ErrNoNode) {
		return nil, err
	}
	t.nodes[path] = e
	t.order = append(t.order, path)
	return e, nil
}

// load reads a node's value, and reports whether it is there.
func (t *tx) load(path string, value any) (bool, error) {
	e, err := t.node(path)
	if err != nil || !e.exists {
		return false, err
	}
	if err := decode(e.data, value); err != nil {
		return false, fmt.Errorf("node %s: %w", path, err)
	}
	return true, nil
}

func (t *tx) exists(path string) (bool, error) {
	e, err := t.node(path)
	return err == nil && e.exists, err
}

// put writes a node, which is made if it is not there.
func (t *tx) put(path string, value any) error {
	data, err := encode(value)
	if err != nil {
		return err
	}
	e, err := t.node(path)
	if err != nil {
		return err
	}
	e.exists, e.changed, e.data = true, true, data
	return nil
}

// create makes a node that must not be there; else the transaction is tried again.
func (t *tx) create(path string, value any) error {
	data, err := encode(value)
	if err != nil {
		return err
	}
	if e := t.nodes[path]; e != nil {
		e.exists, e.changed, e.data = true, true, data
		return nil
	}
	t.nodes[path] = &entry{exists: true, changed: true, data: data}
	t.order = append(t.order, path)
	return nil
}

// encode returns the data of a value, and none of nil. What it returns can be read
// again: the rules of reading are those of the objects.
func encode(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	return json.Marshal(value)
}

// decode reads a value. Those of objects look themselves whether it is JSON, so that
// each byte is not looked at three times.
func decode(data []byte, value any) error {
	if u, ok := value.(json.Unmarshaler); ok {
		return u.UnmarshalJSON(bytes.TrimSpace(data))
	}
	return json.Unmarshal(data, value)
}

// ensure makes a node without data unless it is there.
func (t *tx) ensure(path string) {
	e, err := t.node(path)
	if err != nil {
		t.lost = errors.Join(t.lost, err)
		return
	}
	if !e.exists {
		e.exists, e.changed, e.data = true, true, nil
	}
}

// touch makes the transaction one of those that change a node one after the other.
func (t *tx) touch(path string) error {
	e, err := t.node(path)
	if err == nil && e.exists {
		e.changed = true
	}
	return err
}

// remove removes a node if it is there.
func (t *tx) remove(path string) error {
	e, err := t.node(path)
	if err == nil {
		e.exists = false
	}
	return err
}

// removeTree removes a node, which is there, and all below it.
func (t *tx) removeTree(path string) error {
	names, err := t.children(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.removeTree(path + "/" + name); err != nil {
			return err
		}
	}
	if e := t.nodes[path]; e != nil {
		e.exists = false
		return nil
	}
	t.nodes[path] = &entry{stored: true, version: store.AnyVersion}
	t.order = append(t.order, path)
	return nil
}

// children returns the names of a node's children, in order; none if it is not there.
func (t *tx) children(path string) ([]string, error) {
	names, err := t.session.Children(t.ctx, path, nil)
	if err != nil && !errors.Is(err, store.ErrNoNode) {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		e := t.nodes[path+"/"+name]
		return e != nil && !e.exists
	})
	for p, e := range t.nodes {
		if name, below := strings.CutPrefix(p, path+"/"); below && e.exists && !e.stored && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ids returns the children of a node that are ids.
func (t *tx) ids(path string) ([]topology.ID, error) {
	names, err := t.children(path)
	if err != nil {
		return nil, err
	}
	return parseIDs(names), nil
}

// parseIDs returns the ids among names; others can be there by hand.
func parseIDs(names []string) []topology.ID {
	ids := make([]topology.ID, 0, len(names))
	for _, name := range names {
		if id, err := topology.ParseID(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// ops returns the operations: nodes are made from the top down, and removed from the
// bottom up.
func (t *tx) ops() []store.Op {
	var creates, sets, checks, deletes []store.Op
	for _, path := range t.order {
		switch e := t.nodes[path]; {
		case !e.stored && e.exists:
			creates = append(creates, store.Create(path, e.data, store.Persistent))
		case e.stored && !e.exists:
			deletes = append(deletes, store.Delete(path, e.version))
		case e.stored && e.changed:
			sets = append(sets, store.Set(path, e.data, e.version))
		case e.stored:
			checks = append(checks, store.Check(path, e.version))
		}
	}
	if len(creates)+len(sets)+len(deletes) == 0 {
		return nil
	}
	byPath := func(a, b store.Op) int { return strings.Compare(a.Path, b.Path) }
	slices.SortStableFunc(creates, byPath)
	slices.SortStableFunc(deletes, func(a, b store.Op) int { return byPath(b, a) })
	return slices.Concat(checks, creates, sets, deletes)
}

// commit has the store make the transaction.
func (t *tx) commit() error {
	if t.lost != nil {
		return t.lost
	}
	ops := t.ops()
	if len(ops) == 0 {
		return nil
	}
	_, err := t.session.Multi(t.ctx, ops...)
	return err
}

// same reports whether two values are written alike.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
