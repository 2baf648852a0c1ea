// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
)

// session opens a session.
func session(t testing.TB, d *bolt.DB) store.Session {
	t.Helper()
	s, err := d.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a process has written the next one finds: data, versions, numbers of children
// and of transactions. Ephemeral nodes are gone.
func TestReopen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control.db")
	ctx := t.Context()
	d, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, d)
	if _, err := s.Multi(ctx,
		store.Create("/a", []byte("x"), store.Persistent), store.Set("/a", []byte("y"), 0),
		store.Create("/a/s-", nil, store.Sequential), store.Create("/a/s-", nil, store.Sequential|store.Ephemeral),
		store.Create("/b", nil, store.Persistent)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "/b", store.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing else of these transactions is in the file
		if _, err := s.Create(ctx, "/a/s-", nil, store.Sequential|store.Ephemeral); err != nil {
			t.Fatal(err)
		}
	}
	_, before, err := s.Get(ctx, "/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if _, err := d.Session(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a session of a closed store: got %v, want %v", err, store.ErrUnavailable)
	}

	s = session(t, openDB(t, file))
	data, stat, err := s.Get(ctx, "/a", nil)
	before.Children -= 3 // the ephemeral ones
	if err != nil || string(data) != "y" || stat != before {
		t.Errorf("got %q, %+v, %v, want y, %+v", data, stat, err, before)
	}
	if _, ok, err := s.Exists(ctx, "/b", nil); ok || err != nil {
		t.Errorf("what was deleted: got %v, %v", ok, err)
	}
	path, err := s.Create(ctx, "/a/s-", nil, store.Sequential)
	if err != nil || path != "/a/s-0000000004" {
		t.Errorf("the next number: got %s, %v, want 4", path, err)
	}
	if stat, _, err := s.Exists(ctx, path, nil); err != nil || stat.Created <= before.Modified {
		t.Errorf("the next transaction: got %d, %v, want more than %d", stat.Created, err, before.Modified)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || !slices.Equal(files, []string{file, file + ".journal"}) {
		t.Errorf("files: got %q, %v, want the store's and its journal alone", files, err)
	}
}

func TestLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control.db")
	openDB(t, file)
	if _, err := bolt.Open(file, bolt.Options{LockTimeout: time.Millisecond}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("got %v, want %v", err, bolt.ErrLocked)
	}
}

// A file that no store has written is said to be, with what is wrong with it.
func TestCorrupt(t *testing.T) {
	good := func(tx *bbolt.Tx) (nodes, meta *bbolt.Bucket) {
		return tx.Bucket([]byte("nodes")), tx.Bucket([]byte("store"))
	}
	for name, c := range map[string]struct {
		node  string
		spoil func(tx *bbolt.Tx) error
	}{
		"no nodes": {"", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("nodes")) }},
		"a format to come": {"", func(tx *bbolt.Tx) error {
			_, meta := good(tx)
			return meta.Put([]byte("format"), []byte{0, 0, 0, 0, 0, 0, 0, 3})
		}},
		"a short format": {"", func(tx *bbolt.Tx) error {
			_, meta := good(tx)
			return meta.Put([]byte("format"), []byte{1})
		}},
		"a short node": {"/x", func(tx *bbolt.Tx) error {
			nodes, _ := good(tx)
			return nodes.Put([]byte("/x"), make([]byte, 23))
		}},
		"a node without a parent": {"/x/y", func(tx *bbolt.Tx) error {
			nodes, _ := good(tx)
			return nodes.Put([]byte("/x/y"), make([]byte, 24))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "control.db")
			d, err := bolt.Open(file, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := bbolt.Open(file, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(b.Update(c.spoil), b.Close()); err != nil {
				t.Fatal(err)
			}
			wantCorrupt(t, file, c.node)
		})
	}
	file := filepath.Join(t.TempDir(), "control.db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("no store "), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	wantCorrupt(t, file, "")
}

func wantCorrupt(t *testing.T, file, node string) {
	t.Helper()
	d, err := bolt.Open(file, bolt.Options{})
	var corrupt *bolt.CorruptError
	if !errors.As(err, &corrupt) || corrupt.File != file || corrupt.Node != node {
		t.Errorf("got %v, %v, want an error of node %q of %s", d, err, node, file)
	}
}

func TestNoDirectory(t *testing.T) {
	if _, err := bolt.Open(filepath.Join(t.TempDir(), "none", "control.db"), bolt.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

// A session with a time-out lives as long as its client calls, and ends the time-out
// after the last call.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		d := openDB(t, filepath.Join(t.TempDir(), "control.db"))
		s, err := d.Open(timeout)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), "/alive", nil, store.Ephemeral); err != nil {
			t.Fatal(err)
		}
		calls := []func() error{
			s.Touch,
			func() error { _, _, err := s.Get(t.Context(), "/", nil); return err },
			func() error { _, err := s.Set(t.Context(), "/alive", nil, store.AnyVersion); return err },
		}
		for i := range 12 {
			<-time.After(timeout - time.Millisecond)
			if err := calls[i%len(calls)](); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		last := time.Now()
		<-s.Done()
		if took := time.Since(last); took != timeout {
			t.Errorf("it ended after %v, want %v", took, timeout)
		}
		if err := s.Touch(); !errors.Is(err, store.ErrSessionExpired) {
			t.Errorf("touch: got %v, want %v", err, store.ErrSessionExpired)
		}
		if _, ok, err := session(t, d).Exists(t.Context(), "/alive", nil); ok || err != nil {
			t.Errorf("its node: got %v, %v, want that it is gone", ok, err)
		}
	})
}
