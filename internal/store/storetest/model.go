// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/store"
)

// model is what a part of a tree is, said as plainly as possible: versions and data by
// path.
type model map[string]modelNode

type modelNode struct {
	data    string
	version int32
}

// multi makes operations on a copy, and returns that unless one fails.
func (m model) multi(ops []store.Op) (model, int, error) {
	next := maps.Clone(m)
	for i, op := range ops {
		if err := next.apply(op); err != nil {
			return m, i, err
		}
	}
	return next, 0, nil
}

func (m model) apply(op store.Op) error {
	n, ok := m[op.Path]
	switch {
	case op.Kind == store.KindCreate:
		if _, parent := m[store.Parent(op.Path)]; !parent {
			return store.ErrNoNode
		}
		if ok {
			return store.ErrNodeExists
		}
		m[op.Path] = modelNode{data: string(op.Data)}
		return nil
	case !ok:
		return store.ErrNoNode
	case op.Version != store.AnyVersion && op.Version != n.version:
		return store.ErrBadVersion
	case op.Kind == store.KindSet:
		m[op.Path] = modelNode{string(op.Data), n.version + 1}
	case op.Kind == store.KindDelete:
		if len(m.children(op.Path)) > 0 {
			return store.ErrNotEmpty
		}
		delete(m, op.Path)
	}
	return nil
}

func (m model) children(path string) []string {
	var names []string
	for p := range m {
		if name, below := strings.CutPrefix(p, path+"/"); below && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// testModel makes random transactions and compares the tree with the model.
func testModel(t *testing.T, b Backend) {
	const runs, transactions = 10, 12
	s := newStand(t, b)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range runs {
		root := s.create("run-", "", store.Sequential)
		paths := []string{root + "/a", root + "/b", root + "/a/x", root + "/a/y", root + "/a/x/z"}
		m := model{root: {}}
		for range transactions {
			ops := make([]store.Op, 1+r.IntN(4))
			for i := range ops {
				ops[i] = randomOp(r, paths)
			}
			next, at, want := m.multi(ops)
			_, got := s.Multi(s.ctx, ops...)
			if !errors.Is(got, want) || (got == nil) != (want == nil) {
				t.Fatalf("multi %v: got %v, want %v", ops, got, want)
			}
			var failed *store.Error
			if errors.As(got, &failed) && failed.Index != at {
				t.Fatalf("multi %v: got an error of operation %d, want %d", ops, failed.Index, at)
			}
			m = next
			s.compare(m, append(paths, root))
		}
	}
}

// randomOp returns an operation that may go well.
func randomOp(r *rand.Rand, paths []string) store.Op {
	path, version, data := paths[r.IntN(len(paths))], r.Int32N(4)-1, []byte("abc")[:r.IntN(4)]
	switch r.IntN(5) {
	case 0:
		return store.Set(path, data, version)
	case 1:
		return store.Delete(path, version)
	case 2:
		return store.Check(path, version)
	default:
		return store.Create(path, data, store.Persistent)
	}
}

// compare compares nodes with the model.
func (s *stand) compare(m model, paths []string) {
	s.Helper()
	for _, path := range paths {
		want, ok := m[path]
		data, stat, err := s.Get(s.ctx, path, nil)
		if !ok {
			if !errors.Is(err, store.ErrNoNode) {
				s.Fatalf("%s: got %q, %v, want that there is none", path, data, err)
			}
			continue
		}
		names, childErr := s.Children(s.ctx, path, nil)
		slices.Sort(names)
		if err != nil || childErr != nil || string(data) != want.data || stat.Version != want.version || !slices.Equal(names, m.children(path)) || stat.Children != len(names) {
			s.Fatalf("%s: got %q, %+v, %q, %v, %v, want %+v and %q", path, data, stat, names, err, childErr, want, m.children(path))
		}
	}
}
