// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/store"
)

func testVersions(t *testing.T, b Backend) {
	s := newStand(t, b)
	path := s.create("node", "one", store.Persistent)
	if path != s.at("node") {
		t.Errorf("create returned %s, want %s", path, s.at("node"))
	}
	data, first, err := s.Get(s.ctx, path, nil)
	if err != nil || string(data) != "one" || first.Version != 0 || first.Owner != 0 || first.Created != first.Modified {
		t.Fatalf("a new node: got %q, %+v, %v", data, first, err)
	}
	for version := range int32(3) {
		stat, err := s.Set(s.ctx, path, fmt.Append(nil, version), version)
		if err != nil || stat.Version != version+1 {
			t.Fatalf("set of version %d: got %+v, %v", version, stat, err)
		}
	}
	if _, err := s.Set(s.ctx, path, []byte("late"), 2); err == nil {
		t.Error("set of an old version: no error")
	}
	_, err = s.Set(s.ctx, path, []byte("late"), 2)
	s.want("set of an old version", err, store.ErrBadVersion)
	s.want("delete of an old version", s.Delete(s.ctx, path, 2), store.ErrBadVersion)
	s.wantData(path, "2")
	if stat, err := s.Set(s.ctx, path, nil, store.AnyVersion); err != nil || stat.Version != 4 || stat.Created != first.Created || stat.Modified <= first.Modified {
		t.Errorf("set of any version: got %+v, %v after %+v", stat, err, first)
	}
	s.wantData(path, "")
	if err := s.Delete(s.ctx, path, 4); err != nil {
		t.Errorf("delete: %v", err)
	}
	s.wantAbsent(path)
	s.create("node", "again", store.Persistent)
	if _, stat, err := s.Get(s.ctx, path, nil); err != nil || stat.Version != 0 || stat.Created <= first.Created {
		t.Errorf("a node made anew: got %+v, %v, the first had %+v", stat, err, first)
	}
}

func testErrors(t *testing.T, b Backend) {
	s := newStand(t, b)
	parent := s.create("parent", "", store.Persistent)
	s.create("parent/child", "", store.Persistent)
	_, err := s.Create(s.ctx, parent, nil, store.Persistent)
	s.want("create what exists", err, store.ErrNodeExists)
	var failed *store.Error
	if !errors.As(err, &failed) || failed.Path != parent || failed.Op != "create" {
		t.Errorf("create what exists: got error %#v, want one of creating %s", err, parent)
	}
	_, err = s.Create(s.ctx, s.at("none/child"), nil, store.Persistent)
	s.want("create without a parent", err, store.ErrNoNode)
	_, err = s.Set(s.ctx, s.at("none"), nil, store.AnyVersion)
	s.want("set what is absent", err, store.ErrNoNode)
	s.want("delete what is absent", s.Delete(s.ctx, s.at("none"), store.AnyVersion), store.ErrNoNode)
	s.want("delete a parent", s.Delete(s.ctx, parent, store.AnyVersion), store.ErrNotEmpty)
	s.want("delete the root", s.Delete(s.ctx, "/", store.AnyVersion), store.ErrBadPath)
	_, _, err = s.Get(s.ctx, s.at("none"), nil)
	s.want("get what is absent", err, store.ErrNoNode)
	if !errors.As(err, &failed) || failed.Path != s.at("none") || failed.Op != "get" {
		t.Errorf("get what is absent: got error %#v, want one of getting %s", err, s.at("none"))
	}
	_, err = s.Children(s.ctx, s.at("none"), nil)
	s.want("children of what is absent", err, store.ErrNoNode)
	names, err := s.Children(s.ctx, parent, nil)
	if err != nil || !slices.Equal(names, []string{"child"}) {
		t.Errorf("children: got %q, %v", names, err)
	}
	if stat, ok, err := s.Exists(s.ctx, parent, nil); !ok || err != nil || stat.Children != 1 {
		t.Errorf("exists: got %+v, %v, %v, want one child", stat, ok, err)
	}
}

func testMulti(t *testing.T, b Backend) {
	s := newStand(t, b)
	a, child := s.at("a"), s.at("a/b")
	results, err := s.Multi(s.ctx,
		store.Create(a, []byte("1"), store.Persistent),
		store.Create(child, []byte("2"), store.Persistent),
		store.Check(child, 0),
		store.Set(a, []byte("3"), 0),
		store.Set(a, []byte("4"), 1),
		store.Create(s.at("a/s-"), nil, store.Sequential),
		store.Create(s.at("gone"), nil, store.Persistent),
		store.Delete(s.at("gone"), 0),
	)
	if err != nil {
		t.Fatalf("multi: %v", err)
	}
	if results[1].Path != child || results[4].Stat.Version != 2 || results[5].Path != s.at("a/s-0000000001") {
		t.Errorf("multi: got %+v", results)
	}
	s.wantData(a, "4")
	s.wantAbsent(s.at("gone"))
	_, first, _ := s.Get(s.ctx, child, nil)
	if _, second, _ := s.Get(s.ctx, a, nil); second.Created != first.Created {
		t.Errorf("two nodes of a transaction: made by %d and %d", first.Created, second.Created)
	}
	if _, err := s.Multi(s.ctx, store.Delete(child, 0), store.Delete(s.at("a/s-0000000001"), 0), store.Delete(a, 2)); err != nil {
		t.Errorf("delete a tree: %v", err)
	}
	s.wantAbsent(a)
	if results, err := s.Multi(s.ctx); err != nil || len(results) != 0 {
		t.Errorf("multi of nothing: got %v, %v", results, err)
	}
}

func testMultiRollsBack(t *testing.T, b Backend) {
	s := newStand(t, b)
	kept := s.create("kept", "old", store.Persistent)
	s.create("parent", "", store.Persistent)
	s.create("parent/child", "", store.Persistent)
	before := []store.Op{
		store.Create(s.at("new"), nil, store.Persistent), store.Set(kept, []byte("new"), 0),
		store.Create(s.at("parent/s-"), nil, store.Sequential),
	}
	after := store.Create(s.at("later"), nil, store.Persistent)
	for _, c := range []struct {
		name string
		bad  store.Op
		kind error
	}{
		{"check of a version", store.Check(kept, 0), store.ErrBadVersion},
		{"check of what is absent", store.Check(s.at("none"), 0), store.ErrNoNode},
		{"set of a version", store.Set(kept, nil, 7), store.ErrBadVersion},
		{"delete of a parent", store.Delete(s.at("parent"), 0), store.ErrNotEmpty},
		{"create of what the transaction made", store.Create(s.at("new"), nil, store.Persistent), store.ErrNodeExists},
	} {
		_, err := s.Multi(s.ctx, append(slices.Clone(before), c.bad, after)...)
		s.want(c.name, err, c.kind)
		var failed *store.Error
		if !errors.As(err, &failed) || failed.Index != len(before) || failed.Path != c.bad.Path {
			t.Errorf("%s: got error %#v, want one of operation %d on %s", c.name, err, len(before), c.bad.Path)
		}
		s.wantData(kept, "old")
		s.wantAbsent(s.at("new"))
		s.wantAbsent(s.at("later"))
		if names, err := s.Children(s.ctx, s.at("parent"), nil); err != nil || len(names) != 1 {
			t.Errorf("%s: children are %q, %v, want the one that was there", c.name, names, err)
		}
	}
	if path := s.create("parent/s-", "", store.Sequential); path != s.at("parent/s-0000000001") {
		t.Errorf("a number after transactions that failed: got %s, want 1", path)
	}
}

func testSequential(t *testing.T, b Backend) {
	s := newStand(t, b)
	s.create("plain", "", store.Persistent)
	if got := s.create("", "", store.Sequential); got != s.at("0000000001") {
		t.Errorf("a number alone: got %s", got)
	}
	last := s.create("x-", "", store.Sequential)
	if last != s.at("x-0000000002") {
		t.Errorf("a number after two children: got %s", last)
	}
	if err := s.Delete(s.ctx, last, 0); err != nil {
		t.Fatal(err)
	}
	if got := s.create("x-", "", store.Sequential|store.Ephemeral); got != s.at("x-0000000003") {
		t.Errorf("a number after one was deleted: got %s", got)
	}
}

func testSizes(t *testing.T, b Backend) {
	s := newStand(t, b)
	large := strings.Repeat("0123456789", store.MaxRequest/10-20)
	path := s.create("large", large, store.Persistent)
	s.wantData(path, large)
	_, err := s.Set(s.ctx, path, make([]byte, store.MaxRequest), store.AnyVersion)
	s.want("set of more than is taken", err, store.ErrTooLarge)
	s.wantData(path, large)
	ops := []store.Op{store.Create(s.at("many"), nil, store.Persistent)}
	for i := 0; store.Size(ops...) < store.MaxRequest-400; i++ {
		ops = append(ops, store.Create(s.at(fmt.Sprintf("many/%06d", i)), bytes.Repeat([]byte("x"), 100), store.Persistent))
	}
	if _, err := s.Multi(s.ctx, ops...); err != nil {
		t.Fatalf("a transaction of %d operations and %d bytes: %v", len(ops), store.Size(ops...), err)
	}
	if names, err := s.Children(s.ctx, s.at("many"), nil); err != nil || len(names) != len(ops)-1 {
		t.Errorf("after it: %d children, %v, want %d", len(names), err, len(ops)-1)
	}
	_, err = s.Multi(s.ctx, append(ops, store.Set(path, make([]byte, 1000), store.AnyVersion))...)
	s.want("a transaction of more than is taken", err, store.ErrTooLarge)
}

func testNames(t *testing.T, b Backend) {
	s := newStand(t, b)
	good := []string{
		"eth0.100", "a b", "...", "..x", ".x", "-", "ä€", "fa:16:3e:00:00:01,9c1f,0000000001", "%2f", "\\", "zookeeper",
		strings.Repeat("n", 255), "port:7b1f", "*?[]{}$`'\"",
	}
	for _, name := range good {
		s.wantData(s.create(name, name, store.Persistent), name)
	}
	names, err := s.Children(s.ctx, s.root, nil)
	slices.Sort(names)
	slices.Sort(good)
	if err != nil || !slices.Equal(names, good) {
		t.Errorf("children: got %q, %v, want %q", names, err, good)
	}
	for _, path := range []string{
		"", "x", s.root + "/", s.root + "//x", s.at("."), s.at(".."), s.at("../x"), s.at("./x"), s.at("\x00"), s.at("a\nb"),
		s.at("\u0085"), s.at("\uf000"), s.at("\ufffd"), s.at("\xff"), s.at("𝄞"), s.at(strings.Repeat("n", 5000)),
	} {
		_, err := s.Create(s.ctx, path, nil, store.Persistent)
		s.want(fmt.Sprintf("create %q", path), err, store.ErrBadPath)
		_, _, err = s.Get(s.ctx, path, nil)
		s.want(fmt.Sprintf("get %q", path), err, store.ErrBadPath)
	}
	_, err = s.Multi(s.ctx, store.Create(s.at("fine"), nil, store.Persistent), store.Create(s.at("a/"), nil, store.Persistent))
	s.want("a transaction with one bad path", err, store.ErrBadPath)
	s.wantAbsent(s.at("fine"))
}
