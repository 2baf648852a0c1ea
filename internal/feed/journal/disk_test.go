// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// smallLetters is a file system that lists names as some do that take no heed of case.
type smallLetters struct{ vfs.FS }

func (fs smallLetters) List(dir string) ([]string, error) {
	names, err := fs.FS.List(dir)
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	return names, err
}

func TestStoreWhereNamesHaveNoCase(t *testing.T) {
	opts := Options{FS: smallLetters{vfs.NewMem()}, CacheBytes: 1 << 20, MemTableBytes: 1 << 20}
	uuid := UUID{1}
	for range 3 { // the second and third find files of the one before
		s, err := OpenStore("feeds", opts)
		if err != nil {
			t.Fatal(err)
		}
		j, err := s.Open(uuid)
		if err != nil {
			t.Fatal(err)
		}
		_, last := j.Bounds()
		var b Batch
		b.Reset(last + 1)
		b.SetMeta("k", []byte("v"))
		if err := j.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if v, err := j.Meta("k"); err != nil || string(v) != "v" {
			t.Errorf("value: got %q, %v, want %q", v, err, "v")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
