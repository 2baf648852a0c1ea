// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/store"
)

// crash is the files of a store as a power failure may leave them.
type crash struct{ store, journal []byte }

// freeze returns the files of an open store as they are now.
func freeze(t *testing.T, d *DB) crash {
	t.Helper()
	var c crash
	var err, lost error
	c.store, err = os.ReadFile(d.file)
	c.journal, lost = os.ReadFile(d.file + journalSuffix)
	if err := errors.Join(err, lost); err != nil {
		t.Fatal(err)
	}
	return c
}

// thaw opens the files.
func (c crash) thaw(t *testing.T) (*DB, error) {
	t.Helper()
	return Open(c.write(t), Options{})
}

// write writes the files in a directory of their own.
func (c crash) write(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "control.db")
	if err := errors.Join(os.WriteFile(file, c.store, 0o600), os.WriteFile(file+journalSuffix, c.journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// tree is the data and versions of all persistent nodes.
func (d *DB) tree() map[string]string {
	all := make(map[string]string)
	for path, n := range d.nodes {
		if n.persistent() {
			children := slices.Sorted(maps.Keys(d.children[path]))
			all[path] = fmt.Sprintf("%x children %q of %d", n.append(nil), children, n.stat.Children)
		}
	}
	return all
}

// wantTree checks that a crash leaves a tree.
func (c crash) wantTree(t *testing.T, what string, want ...map[string]string) {
	t.Helper()
	d, err := c.thaw(t)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got := d.tree()
	if !slices.ContainsFunc(want, func(w map[string]string) bool { return maps.Equal(got, w) }) {
		t.Fatalf("%s: got %v, want one of %v", what, got, want)
	}
	// It goes on from there, and the next life has it too.
	s, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := s.Create(t.Context(), fmt.Sprintf("/on-%d", i), nil, store.Persistent); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	got = d.tree()
	if err := d.Close(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if d, err = Open(d.file, Options{}); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer d.Close()
	if next := d.tree(); !maps.Equal(next, got) {
		t.Fatalf("%s: the next life has %v, want %v", what, next, got)
	}
}

// A record that is cut at any byte, or of which the disk has some sectors and not others,
// is not there; all before it are, whole.
func TestTornJournal(t *testing.T) {
	d, s := openTest(t)
	ctx := t.Context()
	steps := [][]store.Op{
		{store.Create("/a", []byte("1"), store.Persistent)}, // begins the journal
		{store.Create("/a/b", make([]byte, 300), store.Persistent), store.Set("/a", []byte("2"), 0)},
		{store.Delete("/a/b", 0), store.Create("/a/c", []byte("3"), store.Persistent), store.Create("/a/s-", nil, store.Sequential)},
		{store.Set("/a", bytes.Repeat([]byte("4"), 9000), 1), store.Delete("/a/c", 0)}, // three blocks
	}
	var before, now crash
	var was, is map[string]string
	var from int64
	for _, ops := range steps {
		before, was = now, is
		if d.journal != nil {
			from = d.journal.at
		}
		if _, err := s.Multi(ctx, ops...); err != nil {
			t.Fatal(err)
		}
		now, is = freeze(t, d), d.tree()
	}
	to := d.journal.at
	now.wantTree(t, "whole", is)
	before.wantTree(t, "without the last", was)
	if !bytes.Equal(before.store, now.store) {
		t.Error("the last transaction was written into the store, want into its journal")
	}
	length := from + int64(binary.BigEndian.Uint32(now.journal[from+4:]))
	for at := from; at < length; at += 1 + (to-from)/80 {
		torn := crash{now.store, slices.Concat(now.journal[:at], before.journal[at:])}
		torn.wantTree(t, fmt.Sprintf("cut at byte %d of %d", at-from, length-from), was)
	}
	const sector = 512
	for range 60 {
		torn := crash{now.store, slices.Clone(before.journal)}
		for at := from; at < to; at += sector {
			if rand.IntN(2) == 0 {
				copy(torn.journal[at:at+sector], now.journal[at:])
			}
		}
		torn.wantTree(t, "some sectors", was, is)
	}
}

// What a checkpoint has put into the store is not made again from the journal, whichever of
// the two files is the older at a power failure in the middle of it.
func TestCheckpoint(t *testing.T) {
	d, s := openTest(t)
	ctx := t.Context()
	data := make([]byte, longestRecord/2)
	if _, err := s.Create(ctx, "/n", data, store.Persistent); err != nil {
		t.Fatal(err)
	}
	first := d.journal.epoch
	var before crash
	var was map[string]string
	for d.journal.epoch == first {
		before, was = freeze(t, d), d.tree()
		data = append(data[:0:0], data...)
		data[0]++
		if _, err := s.Set(ctx, "/n", data, store.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if d.journal.at != blockLen || len(d.pending) > 0 {
		t.Errorf("after a checkpoint: %d bytes and %d paths in the journal", d.journal.at, len(d.pending))
	}
	before.wantTree(t, "before", was)
	after := freeze(t, d)
	after.wantTree(t, "after", d.tree())
	crash{after.store, before.journal}.wantTree(t, "the journal is the older", d.tree())
	crash{before.store, after.journal}.wantTree(t, "the store is the older", was)
	for range 3 { // over what is left of the first epoch
		if _, err := s.Create(ctx, "/n/s-", nil, store.Sequential); err != nil {
			t.Fatal(err)
		}
	}
	later := freeze(t, d)
	later.wantTree(t, "later", d.tree())
	var corrupt *CorruptError // a store that is older than its journal was copied, and not with it
	if got, err := (crash{before.store, later.journal}).thaw(t); !errors.As(err, &corrupt) {
		t.Errorf("a store of before with a journal of later: got %v, %v, want that it is corrupt", got, err)
	}
	if info, err := os.Stat(d.journal.file); err != nil || info.Size() != journalLen {
		t.Errorf("the journal has %v, %v, want %d bytes", info.Size(), err, journalLen)
	}
}

// A transaction that is too long for the journal goes to the store, and takes along what
// the journal has.
func TestLongTransaction(t *testing.T) {
	d, s := openTest(t)
	ctx := t.Context()
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(ctx, path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	epoch := d.journal.epoch
	if _, err := s.Create(ctx, "/long", make([]byte, longestRecord), store.Persistent); err != nil {
		t.Fatal(err)
	}
	if d.journal.epoch == epoch {
		t.Error("it is in the journal")
	}
	c := freeze(t, d)
	c.wantTree(t, "a long one", d.tree())
	clear(c.journal[blockLen:])
	c.wantTree(t, "without what the journal had", d.tree())
}

// A journal that is damaged before its end, gone, or of another store is told of: what was
// answered is in it.
func TestDamagedJournal(t *testing.T) {
	d, s := openTest(t)
	for i := range 4 {
		if _, err := s.Create(t.Context(), fmt.Sprint("/", i), nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	good := freeze(t, d)
	wrong := func(t *testing.T, c crash, want string) {
		t.Helper()
		got, err := c.thaw(t)
		if err == nil {
			got.Close()
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("got %v, want one of a store that is corrupt: %s", err, want)
		}
	}
	for at, want := range map[int]string{
		0:                "it is no journal",
		20:               "it is no journal",
		blockLen + 30:    "record at byte 4096 is damaged: there is another at 8192",
		2*blockLen + 100: "", // the zeros behind a record
		2*blockLen + 2:   "record at byte 8192 is damaged: there is another at 12288",
	} {
		c := crash{good.store, slices.Clone(good.journal)}
		c.journal[at] ^= 1
		if want == "" {
			c.wantTree(t, "a bit behind a record", d.tree())
			continue
		}
		wrong(t, c, want)
	}
	for _, length := range []int{0, 20, blockLen, 2 * blockLen, journalLen - 1} { // after a block, all is whole that is there
		wrong(t, crash{good.store, good.journal[:length]}, fmt.Sprintf("it has %d bytes, want 4194304", length))
	}
	other, session := openTest(t)
	if _, err := session.Create(t.Context(), "/x", nil, store.Persistent); err != nil {
		t.Fatal(err)
	}
	wrong(t, crash{good.store, freeze(t, other).journal}, "the store has")
	file := filepath.Join(t.TempDir(), "control.db")
	if err := os.WriteFile(file, good.store, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil || !bytes.Contains([]byte(err.Error()), []byte(file+".journal: it is missing")) {
		t.Errorf("got %v, want that %s.journal is missing", err, file)
	}
	if err := errors.Join(os.Remove(file), os.WriteFile(file+journalSuffix, good.journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := Open(file, Options{}); !errors.As(err, &corrupt) || corrupt.File != file {
		t.Errorf("a journal without its store: got %v, want that %s is missing", err, file)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty store was made in its place: %v", err)
	}
}

// A node that was in the file, and is made again for a session, is not in the file.
func TestEphemeralInItsPlace(t *testing.T) {
	d, s := openTest(t)
	ctx := t.Context()
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(ctx, path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/a", "/b"} { // one in the store, one in the journal
		if _, err := s.Multi(ctx, store.Delete(path, 0), store.Create(path, nil, store.Ephemeral)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string) {
		t.Helper()
		freeze(t, d).wantTree(t, what, map[string]string{"/": d.without("/a", "/b")})
	}
	want("in the journal")
	d.journal.spent = true
	if _, err := s.Set(ctx, "/", nil, store.AnyVersion); err != nil {
		t.Fatal(err)
	}
	want("in the store")
}

// without returns what tree says of the root when it does not have some children.
func (d *DB) without(paths ...string) string {
	root := *d.nodes["/"]
	root.stat.Children -= len(paths)
	return fmt.Sprintf("%x children %q of %d", root.append(nil), []string{}, root.stat.Children)
}

// A store that was closed is one file of the format that every version knows.
func TestClosed(t *testing.T) {
	d, s := openTest(t)
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(context.Background(), path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	stored := func() (v uint64, journal []byte) {
		b, err := bbolt.Open(d.file, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.View(func(tx *bbolt.Tx) error {
			v = binary.BigEndian.Uint64(tx.Bucket(storeBucket).Get(formatKey))
			journal = bytes.Clone(tx.Bucket(storeBucket).Get(journalKey))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return v, journal
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if v, journal := stored(); v != format || journal != nil {
		t.Errorf("got format %d and journal %x, want %d and none", v, journal, format)
	}
	if _, err := os.Stat(d.file + journalSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal: got %v, want that it is gone", err)
	}
}
