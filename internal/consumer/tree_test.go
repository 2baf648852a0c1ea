// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/peer"
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

// places are those of parts for tests.
var places = []string{"0/64-bit", "5/64-bit", "7/64-bit"}

// addParts makes a part with a stream at each of the places.
func addParts(t *testing.T, tr *tree) (writers []packetWriter) {
	t.Helper()
	c := &channel{Channel: handover.Channel{Name: "ch"}}
	for _, place := range places {
		p := part{place: place}
		if err := tr.metadata(p, []byte(place)); err != nil {
			t.Fatal(err)
		}
		w, err := tr.writer(&stream{channel: c, in: p})
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	return writers
}

// TestTreeRotatesOnFullDisk rotates to a file system that has no room for one of three
// parts, and to one that has none for the files of packets alone, which are made later.
func TestTreeRotatesOnFullDisk(t *testing.T) {
	const perPart = 6 // two directories that lead to it, that of indexes, metadata, a file and its index
	full := func(inodes int) string {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("nr_inodes=%d", inodes)); err != nil {
			peer.Lack(t, "a file system of its own: %v", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	first := t.TempDir()
	tr := newTree(openDir(t, first), 0)
	writers := addParts(t, tr)
	none, scarce := full(1+perPart+1), full(1+3*perPart-2)
	if _, err := tr.rotate(handover.Chunk{ID: 1}, openDir(t, none)); !noRoom(err) {
		t.Errorf("no room for a part: %v", err)
	}
	if left, err := os.ReadDir(none); err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %v, %v", left, err)
	}
	give(t, writers[2], 0, 10)
	if _, err := tr.rotate(handover.Chunk{ID: 1}, openDir(t, scarce)); err != nil {
		t.Fatal(err)
	}
	give(t, writers[0], 1, 10)
	if err := writers[2].write(make([]byte, 10), ctf.PacketInfo{Size: 80, ContentSize: 80}); !noRoom(err) {
		t.Errorf("a packet without room for its file: %v", err)
	}
	if err := syscall.Mount("tmpfs", scarce, "tmpfs", syscall.MS_REMOUNT, "nr_inodes=100"); err != nil {
		t.Fatal(err)
	}
	give(t, writers[2], 2, 10)
	if _, err := tr.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]uint64{first: 0, scarce: 2} {
		if got, _ := numbers(t, dir, places[2], "index/ch_0.idx"); !slices.Equal(got, []uint64{want}) {
			t.Errorf("packets %v, want %d", got, want)
		}
	}
}

// TestTreeRotatesAllOrNothing has a rotation fail at the last of three parts: all go on
// where they are, nothing of it stays, and the next one takes all along.
func TestTreeRotatesAllOrNothing(t *testing.T) {
	first, bad, good := t.TempDir(), t.TempDir(), t.TempDir()
	tr := newTree(openDir(t, first), 0)
	writers := addParts(t, tr)
	for in, spoil := range map[string]func(string) error{
		"file":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "7"), nil, 0o600) },
		"files": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "7/64-bit/metadata"), 0o700) },
		"index": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "7/64-bit/index/ch_0.idx"), 0o700) },
		"gone":  os.Remove,
	} {
		dir := filepath.Join(bad, in)
		root := openDir(t, dir)
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.rotate(handover.Chunk{ID: 1}, root); err == nil || in != "gone" && !strings.Contains(err.Error(), "part 7/64-bit") {
			t.Errorf("%s in the way: %v, want that part 7/64-bit fails", in, err)
		}
		if left, err := os.ReadDir(dir); in != "gone" && (err != nil || len(left) != 1 || left[0].Name() != "7") {
			t.Errorf("%s in the way: left %v, %v", in, left, err)
		}
	}
	for i, w := range writers {
		give(t, w, uint64(i), 10)
	}
	if _, err := tr.rotate(handover.Chunk{ID: 1}, openDir(t, good)); err != nil {
		t.Fatal(err)
	}
	for i, w := range writers {
		give(t, w, uint64(10+i), 10)
	}
	if _, err := tr.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, place := range places {
		before, _ := numbers(t, first, place, "index/ch_0.idx")
		after, _ := numbers(t, good, place, "index/ch_0.idx")
		if !slices.Equal(before, []uint64{uint64(i)}) || !slices.Equal(after, []uint64{uint64(10 + i)}) {
			t.Errorf("part %s: packets %v and %v, want %d and %d", place, before, after, i, 10+i)
		}
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
