// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/handover"
)

// TestTree writes two parts into directories of their own, one of which comes later, and
// takes both to the next chunk.
func TestTree(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	tr := newTree(openDir(t, first), 0)
	var told []error
	tr.onFailure = func(err error) { told = append(told, err) }
	c := &channel{Channel: handover.Channel{Name: "ch"}}
	for i, place := range []string{"0/64-bit", "7/64-bit"} {
		p := part{place: place}
		if err := tr.metadata(p, []byte(place)); err != nil {
			t.Fatal(err)
		}
		w, err := tr.writer(&stream{channel: c, in: p})
		if err != nil {
			t.Fatal(err)
		}
		give(t, w, uint64(i), 10)
	}
	if wait, err := tr.rotate(handover.Chunk{ID: 1}, openDir(t, second)); err != nil || wait() != nil {
		t.Fatal(err)
	}
	if err := tr.metadata(part{place: "7/64-bit"}, []byte(" more")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		first + "/0/64-bit/metadata": "0/64-bit", first + "/7/64-bit/metadata": "7/64-bit",
		second + "/0/64-bit/metadata": "0/64-bit", second + "/7/64-bit/metadata": "7/64-bit more",
	} {
		if got := string(read(t, path)); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for i, place := range []string{"0", "7"} {
		if got, _ := numbers(t, first, place, "64-bit/index/ch_0.idx"); len(got) != 1 || got[0] != uint64(i) {
			t.Errorf("packets of user %s: %v", place, got)
		}
	}
	// What is wrong with one is told until it is with none.
	bad := errors.New("no room")
	tr.failed(tr.parts[0].directory, bad)
	tr.failed(tr.parts[1].directory, bad)
	tr.failed(tr.parts[0].directory, nil)
	if len(told) != 2 {
		t.Errorf("told %v while a part fails", told)
	}
	if tr.failed(tr.parts[1].directory, nil); len(told) != 3 || told[2] != nil {
		t.Errorf("told %v, want that all is well", told)
	}
	if _, err := tr.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A place of a part that is a link leads nowhere else.
func TestTreeLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, "0")); err != nil {
		t.Fatal(err)
	}
	tr := newTree(openDir(t, dir), 0)
	if err := tr.metadata(part{place: "0/64-bit"}, []byte("text")); err == nil {
		t.Error("a link is followed")
	}
	if all, err := os.ReadDir(elsewhere); err != nil || len(all) > 0 {
		t.Errorf("behind the link: %v, %v", all, err)
	}
	if _, err := tr.close(t.Context()); err != nil {
		t.Error(err)
	}
}
