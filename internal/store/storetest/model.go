// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

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
	s := newStand(t, b)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 30 { // a server on a disk is slow; the others have been drawn already
			return
		}
		root := s.create("run-", "", store.Sequential)
		paths := []string{root + "/a", root + "/b", root + "/a/x", root + "/a/y", root + "/a/x/z"}
		op := rapid.Custom(func(rt *rapid.T) store.Op {
			path := rapid.SampledFrom(paths).Draw(rt, "path")
			version := rapid.Int32Range(-1, 2).Draw(rt, "version")
			data := []byte(rapid.StringMatching("[a-z]{0,3}").Draw(rt, "data"))
			return rapid.SampledFrom([]store.Op{
				store.Create(path, data, store.Persistent), store.Create(path, data, store.Persistent),
				store.Set(path, data, version), store.Delete(path, version), store.Check(path, version),
			}).Draw(rt, "op")
		})
		m := model{root: {}}
		for _, ops := range rapid.SliceOfN(rapid.SliceOfN(op, 1, 4), 1, 12).Draw(rt, "transactions") {
			next, at, want := m.multi(ops)
			_, got := s.Multi(s.ctx, ops...)
			if !errors.Is(got, want) || (got == nil) != (want == nil) {
				rt.Fatalf("multi %v: got %v, want %v", ops, got, want)
			}
			var failed *store.Error
			if errors.As(got, &failed) && failed.Index != at {
				rt.Fatalf("multi %v: got an error of operation %d, want %d", ops, failed.Index, at)
			}
			m = next
			s.compare(rt, m, append(paths, root))
		}
	})
}

// compare compares nodes with the model.
func (s *stand) compare(rt *rapid.T, m model, paths []string) {
	for _, path := range paths {
		want, ok := m[path]
		data, stat, err := s.Get(s.ctx, path, nil)
		if !ok {
			if !errors.Is(err, store.ErrNoNode) {
				rt.Fatalf("%s: got %q, %v, want that there is none", path, data, err)
			}
			continue
		}
		names, childErr := s.Children(s.ctx, path, nil)
		slices.Sort(names)
		if err != nil || childErr != nil || string(data) != want.data || stat.Version != want.version || !slices.Equal(names, m.children(path)) || stat.Children != len(names) {
			rt.Fatalf("%s: got %q, %+v, %q, %v, %v, want %+v and %q", path, data, stat, names, err, childErr, want, m.children(path))
		}
	}
}
