// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/client/feed"
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

func TestFilterFlags(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  string // empty: none is named; "refused"
	}{
		{nil, ""},
		{[]string{"null"}, "null"},
		{[]string{` {"types":"CREAT"}`}, `{"types":"CREAT"}`},
		{[]string{"types=CREAT"}, `{"types":"CREAT"}`},
		{[]string{"null", "types=CREAT"}, "refused"},
		{[]string{"nul"}, "refused"},
	} {
		got, err := feedFilter(c.flags)
		if err != nil {
			got = []byte("refused")
		}
		if string(got) != c.want {
			t.Errorf("%q: got %s, %v, want %s", c.flags, got, err, c.want)
		}
	}
}

func TestFeedBounds(t *testing.T) {
	for _, c := range []struct {
		info feed.Info
		want string
	}{
		{feed.Info{}, "none"},
		{feed.Info{AbortSize: 77, AbortTimeout: feed.Seconds(time.Hour)}, "1h0m0s, 77 records"},
		{feed.Info{AbortBytes: 1000}, "1000 bytes"},
		{feed.Info{AbortProduct: 50}, "50 seconds times records"},
	} {
		if got := feedBounds(&c.info); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
