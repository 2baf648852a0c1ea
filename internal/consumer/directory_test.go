// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// read returns a file's bytes.
func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numbers returns the packet numbers of an index, with their offsets.
func numbers(t *testing.T, path ...string) (seq, offsets []uint64) {
	t.Helper()
	b := read(t, path...)
	h, err := ctf.ParseIndexHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[ctf.IndexHeaderLen:]; len(b) > 0; b = b[h.RecordLen:] {
		e, err := ctf.ParseIndexEntry(b, h.RecordLen)
		if err != nil {
			t.Fatal(err)
		}
		seq, offsets = append(seq, e.PacketSeqNum), append(offsets, e.Offset)
	}
	return seq, offsets
}

func give(t *testing.T, w packetWriter, n uint64, size int) {
	t.Helper()
	info := ctf.PacketInfo{Sequence: n, Size: uint64(size) * 8, ContentSize: uint64(size) * 8}
	if err := w.write(bytes.Repeat([]byte{byte(n)}, size), info); err != nil {
		t.Fatal(err)
	}
}

func TestDirectory(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	d, err := newDirectory(openDir(t, first), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.metadata([]byte("one ")); err != nil {
		t.Fatal(err)
	}
	s := &stream{channel: &channel{Channel: handover.Channel{Name: "ch"}}, cpu: 3}
	w, err := d.writer(s)
	if err != nil {
		t.Fatal(err)
	}
	give(t, w, 0, 10)
	give(t, w, 1, 20)
	m, err := d.prepare(openDir(t, second))
	if err != nil {
		t.Fatal(err)
	}
	m.commit()
	if err := d.metadata([]byte("two ")); err != nil {
		t.Fatal(err)
	}
	give(t, w, 2, 30)
	if err := d.regenerate([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := d.metadata([]byte(" more")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, first, "metadata")); got != "one " {
		t.Errorf("metadata of the first chunk: %q", got)
	}
	if got := string(read(t, second, "metadata")); got != "new more" {
		t.Errorf("metadata of the second chunk: %q", got)
	}
	if b := read(t, first, "ch_3"); len(b) != 30 || b[9] != 0 || b[10] != 1 {
		t.Errorf("first chunk: %v", b)
	}
	seq, offsets := numbers(t, first, "index", "ch_3.idx")
	if !slices.Equal(seq, []uint64{0, 1}) || !slices.Equal(offsets, []uint64{0, 10}) {
		t.Errorf("index of the first chunk: %v at %v", seq, offsets)
	}
	if seq, offsets := numbers(t, second, "index", "ch_3.idx"); !slices.Equal(seq, []uint64{2}) || offsets[0] != 0 {
		t.Errorf("index of the second chunk: %v at %v", seq, offsets)
	}
}

func TestDirectoryOfLimitedFiles(t *testing.T) {
	dir := t.TempDir()
	d, err := newDirectory(openDir(t, dir), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{channel: &channel{Channel: handover.Channel{Name: "ch", TracefileBytes: 100, TracefileCount: 2}}}
	w, err := d.writer(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(7) {
		give(t, w, i, 40) // two a file
	}
	give(t, w, 7, 200) // larger than a file may be: one of its own
	if _, err := d.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"ch_0_0", "ch_0_1", "index", "metadata"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if seq, _ := numbers(t, dir, "index", "ch_0_0.idx"); !slices.Equal(seq, []uint64{7}) {
		t.Errorf("packets in file 0: %v", seq)
	}
	if seq, _ := numbers(t, dir, "index", "ch_0_1.idx"); !slices.Equal(seq, []uint64{6}) {
		t.Errorf("packets in file 1: %v", seq)
	}
}

// TestDirectoryFollowsNoLink checks that nothing is written through what another
// has put in a file's place.
func TestDirectoryFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(dir, "metadata")); err != nil {
		t.Fatal(err)
	}
	if _, err := newDirectory(openDir(t, dir), 0); err == nil {
		t.Error("a link was taken for a new file")
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("the link's target was made")
	}
}

// TestAlarmOfFiles has files watched that can hang, and only those.
func TestAlarmOfFiles(t *testing.T) {
	watched := func(place string) (watched, memory bool) {
		t.Helper()
		place, err := os.MkdirTemp(place, "weir-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(place)
		dir := openDir(t, place)
		memory = inMemory(dir)
		d, err := newDirectory(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		w, err := d.writer(&stream{channel: &channel{Channel: handover.Channel{Name: "ch"}}})
		if err != nil {
			t.Fatal(err)
		}
		give(t, w, 0, 10)
		if _, err := d.close(t.Context()); err != nil {
			t.Error(err)
		}
		return w.(*fileWriter).hang.armed, memory
	}
	if watched, memory := watched("/dev/shm"); watched || !memory {
		t.Errorf("/dev/shm: memory %v, watched %v", memory, watched)
	}
	if watched, memory := watched(t.TempDir()); watched == memory {
		t.Errorf("directory of tests: memory %v, watched %v", memory, watched)
	}
}
