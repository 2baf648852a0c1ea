// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/weir-io/weir/changelog"
	"pgregory.net/rapid"
)

// model is what a journal is to hold, said plainly.
type model struct {
	first, last uint64
	serial      uint64
	records     map[uint64]string
	objects     map[changelog.FID]Object
	dirents     map[string]changelog.FID // by parent and name, see direntName
	meta        map[string]string
	feeds       map[uint32]Feed
}

func newModel() *model {
	return &model{
		first: 1, records: map[uint64]string{}, objects: map[changelog.FID]Object{},
		dirents: map[string]changelog.FID{}, meta: map[string]string{}, feeds: map[uint32]Feed{},
	}
}

func direntName(parent changelog.FID, name []byte) string {
	return fmt.Sprintf("%d/%q", parent.Seq, name)
}

// small draws a FID of few, so that they meet.
func small(t *rapid.T, label string) changelog.FID {
	return changelog.FID{Seq: 1 + uint64(rapid.IntRange(0, 9).Draw(t, label)), Ver: 3}
}

// machine drives a store and its model.
type machine struct {
	t  *rapid.T
	fs vfs.FS
	d  *database
	j  *source
	m  *model
	b  Batch
}

func (m *machine) open() {
	opts := Options{FS: m.fs, CacheBytes: 1 << 20, MemTableBytes: 64 << 10, CacheEntries: 8}
	opts.VerifyObject = func(f changelog.FID, o *Object, names uint64) error {
		if o.Links != uint32(names) {
			return fmt.Errorf("%d links, %d names", o.Links, names)
		}
		return nil
	}
	var err error
	if m.d, err = openDatabase("feeds", opts); err != nil {
		m.t.Fatal(err)
	}
	j, err := m.d.Open(sourceA)
	if err != nil {
		m.t.Fatal(err)
	}
	m.j = j.(*source)
}

// link sets an object's number of links, in batch and model.
func (m *machine) link(f changelog.FID, by int) {
	o, had := m.m.objects[f]
	o.Links = uint32(int(o.Links) + by)
	o.Last = m.b.Next()
	if had && o.Links == 0 {
		delete(m.m.objects, f)
		m.b.DeleteObject(f)
		return
	}
	o.XattrHash = o.Last % 3
	m.m.objects[f] = o
	m.b.PutObject(f, &o)
}

func (m *machine) apply(t *rapid.T) {
	m.b.Reset(m.m.last + 1)
	for range rapid.IntRange(0, 40).Draw(t, "changes") {
		m.change(t)
	}
	if rapid.Bool().Draw(t, "meta") {
		m.m.meta["k"] = fmt.Sprint(m.b.Next())
		m.b.SetMeta("k", []byte(m.m.meta["k"]))
	}
	if rapid.Bool().Draw(t, "serial") {
		m.b.Serial = m.m.serial + 1
		m.m.serial++
	}
	m.m.last = m.b.Next() - 1
	if err := m.j.Apply(t.Context(), &m.b); err != nil {
		t.Fatal(err)
	}
}

// change appends a record, and lets a name go or stand for an object.
func (m *machine) change(t *rapid.T) {
	index := m.b.Next()
	m.m.records[index] = string(record(index))
	m.b.Append(func(p []byte) []byte { return append(p, record(index)...) })
	parent, f := small(t, "parent"), small(t, "object")
	name := []byte(rapid.SampledFrom([]string{"a", "b", "\xff\x00", "ab"}).Draw(t, "name"))
	key := direntName(parent, name)
	if old, ok := m.m.dirents[key]; ok {
		delete(m.m.dirents, key)
		m.b.DeleteDirent(parent, name, old)
		m.link(old, -1)
	}
	if rapid.IntRange(0, 2).Draw(t, "put") > 0 {
		m.m.dirents[key] = f
		m.b.PutDirent(parent, name, f)
		m.link(f, 1)
	}
}

func (m *machine) trim(t *rapid.T) {
	through := uint64(rapid.IntRange(0, int(m.m.last)+2).Draw(t, "through"))
	if err := m.j.Trim(t.Context(), through); err != nil {
		t.Fatal(err)
	}
	for i := m.m.first; i <= min(through, m.m.last); i++ {
		delete(m.m.records, i)
		m.m.first = i + 1
	}
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.d.Close(); err != nil {
		t.Fatal(err)
	}
	m.open()
}

func (m *machine) lookUp(t *rapid.T) {
	f := small(t, "object")
	var got Object
	found, err := m.j.Object(f, &got)
	want, has := m.m.objects[f]
	if err != nil || found != has || found && got != want {
		t.Fatalf("Object(%v) = %+v, %v, %v, want %+v, %v", f, got, found, err, want, has)
	}
	for _, name := range []string{"a", "b", "ab", "\xff\x00", "c"} {
		got, found, err := m.j.Dirent(f, []byte(name))
		want, has := m.m.dirents[direntName(f, []byte(name))]
		if err != nil || found != has || found && got != want {
			t.Fatalf("Dirent(%v, %q) = %v, %v, %v, want %v, %v", f, name, got, found, err, want, has)
		}
	}
}

func (m *machine) feed(t *rapid.T) {
	id := uint32(rapid.IntRange(1, 3).Draw(t, "feed"))
	if _, ok := m.m.feeds[id]; ok && rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		delete(m.m.feeds, id)
		if err := m.d.DeleteFeed(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return
	}
	f := Feed{ID: id, Source: sourceA, Cancelled: m.m.last, Document: []byte("{}")}
	m.m.feeds[id] = f
	if err := m.d.PutFeed(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) checkBounds(t *rapid.T) {
	if first, last := m.j.Bounds(); first != m.m.first || last != m.m.last || m.j.Serial() != m.m.serial {
		t.Fatalf("Bounds = %d, %d, serial %d, want %d, %d, %d", first, last, m.j.Serial(), m.m.first, m.m.last, m.m.serial)
	}
}

// check compares everything.
func (m *machine) check(t *rapid.T) {
	records := map[uint64]string{}
	bytes := 0
	c := Chunk{MaxRecords: 7, MaxBytes: 50}
	for from := uint64(1); from <= m.m.last; from = c.Next {
		if err := m.j.Read(from, &c); err != nil {
			t.Fatal(err)
		}
		at := 0
		for i, end := range c.Ends {
			records[c.First+uint64(i)] = string(c.Data[at:end])
			bytes += end - at
			at = end
		}
		if len(c.Ends) == 0 {
			break
		}
	}
	if diff := cmp.Diff(m.m.records, records); diff != "" {
		t.Fatalf("records differ (-want +got):\n%s", diff)
	}
	if m.m.first == 1 && m.j.BytesFrom(1) != int64(bytes) {
		t.Fatalf("BytesFrom(1) = %d, want %d", m.j.BytesFrom(1), bytes)
	}
	m.checkIndex(t)
	feeds, err := m.d.Feeds()
	if err != nil || len(feeds) != len(m.m.feeds) {
		t.Fatalf("Feeds = %v, %v, want %v", feeds, err, m.m.feeds)
	}
	for _, f := range feeds {
		if diff := cmp.Diff(m.m.feeds[f.ID], f); diff != "" {
			t.Fatalf("feed differs (-want +got):\n%s", diff)
		}
	}
	if err := m.j.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) checkIndex(t *rapid.T) {
	objects, dirents, links := map[changelog.FID]Object{}, map[string]changelog.FID{}, map[string]changelog.FID{}
	err := m.j.Objects(func(f changelog.FID, o *Object) bool { objects[f] = *o; return true })
	for seq := range 12 {
		f := changelog.FID{Seq: uint64(seq), Ver: 3}
		var names []string
		err = errors.Join(err, m.j.Children(f, func(name []byte, to changelog.FID) bool {
			names = append(names, string(name))
			dirents[direntName(f, name)] = to
			return true
		}), m.j.Links(f, func(parent changelog.FID, name []byte) bool {
			links[direntName(parent, name)] = f
			return true
		}))
		if !slices.IsSorted(names) {
			t.Fatalf("Children of %v are %q, want them in order", f, names)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(objects, m.m.objects) || !maps.Equal(dirents, m.m.dirents) || !maps.Equal(links, m.m.dirents) {
		t.Fatalf("objects %v, want %v\nnames %v, links %v, want %v", objects, m.m.objects, dirents, links, m.m.dirents)
	}
	if v, err := m.j.Meta("k"); err != nil || string(v) != m.m.meta["k"] {
		t.Fatalf("Meta = %q, %v, want %q", v, err, m.m.meta["k"])
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{t: t, fs: vfs.NewMem(), m: newModel()}
		m.open()
		defer func() { m.d.Close() }()
		defer m.check(t)
		t.Repeat(map[string]func(*rapid.T){
			"apply": m.apply, "apply again": m.apply, "trim": m.trim, "reopen": m.reopen,
			"look up": m.lookUp, "feed": m.feed, "check": m.check, "": m.checkBounds,
		})
	})
}
