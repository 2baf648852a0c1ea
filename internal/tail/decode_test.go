// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample returns a table with two files in two directories, one of which is
// being renamed.
func sample(t testing.TB) []byte {
	t.Helper()
	table, err := Create(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	var slots []*Slot
	for range 3 {
		s, err := table.Slot()
		if err != nil {
			t.Fatal(err)
		}
		slots = append(slots, s)
	}
	a, b := table.Dir("/traces/a"), table.Dir("/traces/b")
	slots[0].Follow(a, "ust/ch_0", 1, 2, 4096)
	slots[1].Follow(a, "gone", 1, 2, 4096)
	slots[1].Idle()
	slots[2].Follow(b, "ust/metadata", 3, 4, 8192)
	var content []byte
	err = b.Rename("/traces/c", func() (err error) {
		content, err = os.ReadFile(table.Path())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decodeBytes(b []byte) (*image, error) {
	return decode(bytes.NewReader(b), int64(len(b)), "table")
}

func TestDecode(t *testing.T) {
	m, err := decodeBytes(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []followed{{0, "ust/ch_0", 1, 2, 4096}, {1, "ust/metadata", 3, 4, 8192}}
	if diff := cmp.Diff(want, m.files, cmp.AllowUnexported(followed{})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	dirs := map[uint32]directory{0: {current: "/traces/a"}, 1: {"/traces/b", "/traces/c"}}
	if diff := cmp.Diff(dirs, m.dirs, cmp.AllowUnexported(directory{})); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	if m.pid != os.Getpid() || m.state != tableOpen {
		t.Errorf("pid %d, state %d, want %d and %d", m.pid, m.state, os.Getpid(), tableOpen)
	}
}

func TestDecodeCutAtEveryByte(t *testing.T) {
	b := sample(t)
	for n := range b {
		m, err := decodeBytes(b[:n])
		if n == 0 {
			if err != nil || m.state != tableNew {
				t.Errorf("decode of an empty table = %+v, %v, want a new one", m, err)
			}
			continue
		}
		corrupt, ok := errors.AsType[*CorruptError](err)
		if !ok || corrupt.Offset != int64(n) || corrupt.Got != uint64(n) {
			t.Fatalf("decode of %d bytes = %v, want the file length refused", n, err)
		}
	}
}

func TestDecodeShrinkingTable(t *testing.T) {
	b := sample(t)
	full, err := decodeBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	end := newLayout(3).dir(2) // of the last record used
	for n := range end {
		_, err := decode(bytes.NewReader(b[:n]), int64(len(b)), "table")
		if _, ok := errors.AsType[*CorruptError](err); !ok {
			t.Fatalf("decode of the first %d bytes = %v, want a CorruptError", n, err)
		}
	}
	m, err := decode(bytes.NewReader(b[:end]), int64(len(b)), "table")
	if err != nil || len(m.files) != len(full.files) {
		t.Errorf("decode of all records = %v, want none missing", err)
	}
}

// Zeros behind any byte, or a wrong byte anywhere, never make a table name a
// file that it did not name.
func TestDecodeDamageNamesNoOtherFile(t *testing.T) {
	b := sample(t)
	whole, err := decodeBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	names := func(m *image) (all []string) {
		for _, f := range m.files {
			d := m.dirs[f.dir]
			all = append(all, filepath.Join(d.current, f.rel))
			if d.other != "" {
				all = append(all, filepath.Join(d.other, f.rel))
			}
		}
		return all
	}
	for _, name := range names(whole) {
		known[name] = true
	}
	check := func(what string, at int, b []byte) {
		m, err := decodeBytes(b)
		if err != nil {
			if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatalf("%s at %d: %v, want a CorruptError", what, at, err)
			}
			return
		}
		for _, name := range names(m) {
			if !known[name] {
				t.Fatalf("%s at %d: table names %s", what, at, name)
			}
		}
	}
	end := int(newLayout(3).dir(2))
	for at := range end {
		damaged := bytes.Clone(b)
		for _, flip := range []byte{1, 0x80, 0xff} {
			damaged[at] = b[at] ^ flip
			check("damage", at, damaged)
		}
	}
	damaged := bytes.Clone(b)
	for at := end - 1; at >= 0; at-- {
		damaged[at] = 0
		check("zeros", at, damaged)
	}
}

func TestRecoverTouchesNothingOfCorruptTable(t *testing.T) {
	table := newTable(t, 2)
	dir := t.TempDir()
	d := table.Dir(dir)
	for _, rel := range []string{"a", "b"} {
		writeFile(t, filepath.Join(dir, rel), zeros(100))
		follow(t, newSlot(t, table), d, dir, rel, 10)
	}
	whole, err := os.ReadFile(died(t, table))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tails-1")
	for n := 1; n < len(whole); n += 1009 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Recover(path, logger(t)); err == nil {
			t.Fatalf("Recover of the first %d bytes = nil error", n)
		}
		wantSize(t, path, int64(n))
	}
	second := bytes.Clone(whole)
	second[table.layout.slot(1)+slotRel] ^= 1
	if err := os.WriteFile(path, second, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Recover(path, logger(t))
	corrupt, ok := errors.AsType[*CorruptError](err)
	if want := table.layout.slot(1) + slotCRC; !ok || corrupt.Offset != want || corrupt.Path != path {
		t.Errorf("Recover = %v, want the checksum at offset %d of %s refused", err, want, path)
	}
	for _, rel := range []string{"a", "b"} {
		wantSize(t, filepath.Join(dir, rel), 100)
	}
}

// A table is made, used and closed in steps between which the process may die.
func TestDecodeTornHeaders(t *testing.T) {
	b := sample(t)
	fresh := make([]byte, len(b))
	if m, err := decodeBytes(fresh); err != nil || m.state != tableNew {
		t.Errorf("decode of zeros = %+v, %v, want a new table", m, err)
	}
	for n := range headerState {
		// The magic is written first, so only that may be torn with others missing.
		copy(fresh, b[:n])
		m, err := decodeBytes(fresh)
		if n >= 8 && (err != nil || m.state != tableNew) {
			t.Errorf("decode with %d bytes of header = %+v, %v, want a new table", n, m, err)
		}
		if _, ok := errors.AsType[*CorruptError](err); err != nil && !ok {
			t.Errorf("decode with %d bytes of header = %v, want a CorruptError", n, err)
		}
	}
}

func TestDecodeReadError(t *testing.T) {
	if _, err := decode(failing{}, newLayout(3).size(), "table"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("decode = %v, want %v", err, os.ErrPermission)
	}
}

// failing cannot be read.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, os.ErrPermission }

func FuzzDecode(f *testing.F) {
	b := sample(f)
	f.Add(b, uint32(0), byte(0))
	f.Add(b[:headerLen], uint32(headerState), byte(tableClean))
	f.Add([]byte(nil), uint32(0), byte(0))
	for _, at := range []int64{0, headerSlots, headerCRC, headerSlotTop, headerDirTop, headerLen, headerLen + slotRelLen, newLayout(3).dir(1)} {
		f.Add(b, uint32(at), byte(0xff))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint32, flip byte) {
		if len(b) > 0 {
			b = bytes.Clone(b)
			b[int(at)%len(b)] ^= flip
		}
		m, err := decodeBytes(b)
		if err != nil {
			if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatalf("decode = %v, want a CorruptError", err)
			}
			return
		}
		for _, file := range m.files {
			if _, ok := m.dirs[file.dir]; !ok || file.committed < 0 || len(file.rel) == 0 {
				t.Fatalf("decode names %+v, directories %+v", file, m.dirs)
			}
		}
	})
}

func FuzzReadIndexEnd(f *testing.F) {
	f.Add(packetIndex(72, 8, 16, 24), int64(24))
	f.Add(packetIndex(56, 8), int64(7))
	f.Add([]byte("short"), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, dataEnd int64) {
		if dataEnd < 0 {
			return
		}
		end, err := readIndexEnd(bytes.NewReader(b), int64(len(b)), dataEnd, "x")
		if err != nil {
			if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatalf("readIndexEnd = %v, want a CorruptError", err)
			}
			return
		}
		if end.keep < indexHeaderLen || end.keep > int64(len(b)) || end.data < 0 || end.data > dataEnd {
			t.Fatalf("readIndexEnd = %+v of %d bytes with %d of data", end, len(b), dataEnd)
		}
		again, err := readIndexEnd(bytes.NewReader(b[:end.keep]), end.keep, dataEnd, "x")
		if err != nil || again.keep != end.keep || again.data != end.data {
			t.Fatalf("after the cut: %+v, %v, want %+v", again, err, end)
		}
	})
}
