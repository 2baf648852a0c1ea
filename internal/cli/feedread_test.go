// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIndexRange(t *testing.T) {
	for _, c := range []struct {
		args     []string
		from, to uint64
		refused  bool
	}{
		{nil, 0, 1<<64 - 1, false},
		{[]string{"5"}, 5, 1<<64 - 1, false},
		{[]string{"5", "5"}, 5, 5, false},
		{[]string{"6", "5"}, 0, 0, true},
		{[]string{"-1"}, 0, 0, true},
		{[]string{"1", "18446744073709551616"}, 0, 0, true},
		{[]string{"x"}, 0, 0, true},
	} {
		from, to, err := indexRange(c.args)
		if (err != nil) != c.refused || from != c.from || to != c.to {
			t.Errorf("%q: got %d to %d, %v, want %d to %d, refused %v", c.args, from, to, err, c.from, c.to, c.refused)
		}
	}
}

// A feed of another directory is not a mirror's, whatever it is called.
func TestSameDirectory(t *testing.T) {
	root := t.TempDir()
	a, b, link := filepath.Join(root, "a"), filepath.Join(root, "b"), filepath.Join(root, "link")
	for _, err := range []error{os.Mkdir(a, 0o700), os.Mkdir(b, 0o700), os.Symlink(a, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !sameDirectory(a, link) || sameDirectory(a, b) || sameDirectory(filepath.Join(root, "none"), a) {
		t.Error("a directory is itself by a link, and no other")
	}
}
