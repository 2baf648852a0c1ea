// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newTable makes a table of its own directory, and closes it at the end.
func newTable(t *testing.T, capacity int) *Table {
	t.Helper()
	table, err := Create(t.TempDir(), capacity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func newSlot(t *testing.T, table *Table) *Slot {
	t.Helper()
	s, err := table.Slot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logger writes to the test's output.
func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// writeFile makes a file with its directories.
func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// follow makes the slot follow a file that exists.
func follow(t *testing.T, s *Slot, d *Dir, dir, rel string, committed int64) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, rel), &st); err != nil {
		t.Fatal(err)
	}
	s.Follow(d, rel, st.Dev, st.Ino, committed)
}

// died returns a copy of the table as it would be found if its writer were
// killed now.
func died(t *testing.T, table *Table) string {
	t.Helper()
	b, err := os.ReadFile(table.Path())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(table.Path()))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wantSize(t *testing.T, path string, want int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
	} else if info.Size() != want {
		t.Errorf("size of %s = %d, want %d", path, info.Size(), want)
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lstat(%s) = %v, want %v", path, err, fs.ErrNotExist)
	}
}

func TestCreateNamesAndClose(t *testing.T) {
	dir := t.TempDir()
	var tables []*Table
	for _, want := range []string{"tails-%d", "tails-%d.1", "tails-%d.2"} {
		table, err := Create(dir, 8)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
		if want := filepath.Join(dir, fmt.Sprintf(want, os.Getpid())); table.Path() != want {
			t.Errorf("Path = %s, want %s", table.Path(), want)
		}
		info, err := os.Stat(table.Path())
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 || info.Size() != newLayout(8).size() {
			t.Errorf("table has mode %v and %d bytes, want 0600 and %d", info.Mode(), info.Size(), newLayout(8).size())
		}
	}
	for _, table := range tables {
		if _, err := Recover(table.Path(), logger(t)); !errors.Is(err, ErrLocked) {
			t.Errorf("Recover while open = %v, want %v", err, ErrLocked)
		}
		for range 2 {
			if err := table.Close(); err != nil {
				t.Error(err)
			}
		}
		wantGone(t, table.Path())
	}
}

func TestCreateErrors(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "absent"), 8); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create in absent directory = %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := Create(t.TempDir(), maxSlots+1); err == nil {
		t.Error("Create above the largest capacity = nil error")
	}
}

func TestTableIsSparse(t *testing.T) {
	table := newTable(t, 0)
	for range 100 {
		newSlot(t, table)
		table.Dir("/d")
	}
	var st unix.Stat_t
	if err := unix.Stat(table.Path(), &st); err != nil {
		t.Fatal(err)
	}
	if want := newLayout(defaultCap).size(); st.Size != want {
		t.Errorf("size = %d, want %d", st.Size, want)
	}
	used := int64(headerLen + 100*slotLen + 100*dirLen)
	if disk := st.Blocks * 512; disk < used || disk > used+4*reserveStep {
		t.Errorf("%d bytes on disk for %d bytes used", disk, used)
	}
}

func TestCapacity(t *testing.T) {
	table := newTable(t, 2)
	a, b := newSlot(t, table), newSlot(t, table)
	c, err := table.Slot()
	if c != nil || !errors.Is(err, ErrFull) {
		t.Errorf("Slot beyond the capacity = %v, %v, want nil, %v", c, err, ErrFull)
	}
	if got, want := table.Stats(), (Stats{Slots: 2, Unprotected: 1}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	a.Release()
	a.Release() // counts once
	c = newSlot(t, table)
	if c.index != a.index {
		t.Errorf("slot %d was taken, want the released %d", c.index, a.index)
	}
	b.Release()
	c.Release()
	if got, want := table.Stats(), (Stats{Unprotected: 1}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestDirCapacityAndBadPaths(t *testing.T) {
	table := newTable(t, 2)
	for range newLayout(2).dirs {
		if table.Dir("/d") == nil {
			t.Fatal("Dir within the capacity = nil")
		}
	}
	for _, path := range []string{"/one-more", "relative", "/" + strings.Repeat("x", maxPath)} {
		if table.Dir(path) != nil {
			t.Errorf("Dir(%.20s) = a record, want nil", path)
		}
	}
	if got := table.Stats().Unprotected; got != 3 {
		t.Errorf("Unprotected = %d, want 3", got)
	}
}

func TestFollowRefuses(t *testing.T) {
	table := newTable(t, 2)
	other := newTable(t, 2)
	d, s := table.Dir("/d"), newSlot(t, table)
	bad := []struct {
		name string
		d    *Dir
		rel  string
		len  int64
	}{
		{"no directory", nil, "a", 0},
		{"directory of another table", other.Dir("/d"), "a", 0},
		{"empty path", d, "", 0},
		{"absolute path", d, "/etc/passwd", 0},
		{"path that leads out", d, "a/../../b", 0},
		{"long path", d, strings.Repeat("x", maxRel+1), 0},
		{"negative length", d, "a", -1},
	}
	for _, c := range bad {
		s.Follow(d, "good", 1, 2, 3)
		s.Follow(c.d, c.rel, 1, 2, c.len)
		if m := decodeFile(t, table.Path()); len(m.files) != 0 {
			t.Errorf("%s: table follows %+v, want nothing", c.name, m.files)
		}
	}
	if got := table.Stats().Unprotected; got != uint64(len(bad)) {
		t.Errorf("Unprotected = %d, want %d", got, len(bad))
	}
	s.Follow(d, strings.Repeat("x", maxRel), 1, 2, 3)
	if m := decodeFile(t, table.Path()); len(m.files) != 1 || len(m.files[0].rel) != maxRel {
		t.Errorf("table follows %+v, want the longest path", m.files)
	}
}

// decodeFile decodes a table file that must be valid.
func decodeFile(t *testing.T, path string) *image {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := decode(strings.NewReader(string(b)), int64(len(b)), path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDirRecordLivesAsLongAsFollowed(t *testing.T) {
	table := newTable(t, 4)
	d, s := table.Dir("/old"), newSlot(t, table)
	s.Follow(d, "a", 1, 2, 3)
	d.Release()
	if e := table.Dir("/new"); e.index == d.index {
		t.Error("record of a followed directory was taken again")
	}
	if got := decodeFile(t, table.Path()).dirs[d.index].current; got != "/old" {
		t.Errorf("directory = %q, want /old", got)
	}
	s.Idle()
	if e := table.Dir("/new"); e.index != d.index {
		t.Errorf("record %d was taken, want the released %d", e.index, d.index)
	}
	d.Release() // of a record that is another's now: no effect
	if err := d.Rename("/elsewhere", func() error { return nil }); err != nil {
		t.Error(err)
	}
	s.Follow(d, "a", 1, 2, 3)
	if m := decodeFile(t, table.Path()); len(m.files) != 0 {
		t.Errorf("table follows %+v in a released directory", m.files)
	}
}

func TestUseAfterClose(t *testing.T) {
	table := newTable(t, 4)
	d, s := table.Dir("/d"), newSlot(t, table)
	s.Follow(d, "a", 1, 2, 3)
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	s.Commit(9)
	s.Follow(d, "b", 1, 2, 3)
	if err := d.Rename("/e", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if _, err := table.Slot(); !errors.Is(err, ErrClosed) {
		t.Errorf("Slot after Close = %v, want %v", err, ErrClosed)
	}
	if table.mem == nil {
		t.Error("mapping ended with a slot taken: Commit would crash")
	}
	s.Release()
	d.Release()
	if table.mem != nil {
		t.Error("mapping stays after the last Release")
	}
	s.Idle()
	s.Release()
	d.Release()
}

func TestNilProtectsNothing(t *testing.T) {
	var table *Table
	s, err := table.Slot()
	if s != nil || err != nil {
		t.Errorf("Slot = %v, %v, want nil, nil", s, err)
	}
	d := table.Dir("/d")
	s.Follow(d, "a", 1, 2, 3)
	s.Commit(1)
	s.Idle()
	s.Release()
	called := false
	if err := d.Rename("/e", func() error { called = true; return fs.ErrExist }); !called || err != fs.ErrExist {
		t.Errorf("Rename called %v and returned %v", called, err)
	}
	d.Release()
	g, err := table.StartGuard("/absent", nil)
	if g != nil || err != nil || g.PID() != 0 || g.Exited() != nil || g.Stop() != nil {
		t.Errorf("StartGuard = %v, %v, want a nil guard that does nothing", g, err)
	}
	if table.Stats() != (Stats{}) || table.Path() != "" || table.Close() != nil {
		t.Error("nil table has a state")
	}
}

func TestRenameErrors(t *testing.T) {
	table := newTable(t, 4)
	d, s := table.Dir("/one"), newSlot(t, table)
	s.Follow(d, "a", 1, 2, 3)
	state := func() directory { return decodeFile(t, table.Path()).dirs[d.index] }
	err := d.Rename("/two", func() error {
		if got, want := state(), (directory{"/one", "/two"}); got != want {
			t.Errorf("during Rename: %+v, want %+v", got, want)
		}
		if err := d.Rename("/three", nil); !errors.Is(err, ErrRenaming) {
			t.Errorf("Rename within Rename = %v, want %v", err, ErrRenaming)
		}
		return fs.ErrPermission
	})
	if err != fs.ErrPermission {
		t.Errorf("Rename = %v, want %v", err, fs.ErrPermission)
	}
	if got, want := state(), (directory{"/one", "/two"}); got != want {
		t.Errorf("after an error: %+v, want %+v", got, want)
	}
	if err := d.Rename("/three", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if got, want := state(), (directory{current: "/three"}); got != want {
		t.Errorf("after Rename: %+v, want %+v", got, want)
	}
	if err := d.Rename("not absolute", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if got := table.Stats().Unprotected; got != 1 {
		t.Errorf("Unprotected = %d, want 1", got)
	}
}

func TestCommitAllocatesNothing(t *testing.T) {
	table := newTable(t, 4)
	d, s := table.Dir("/d"), newSlot(t, table)
	s.Follow(d, "a", 1, 2, 0)
	var n int64
	if got := testing.AllocsPerRun(1000, func() { n += 4096; s.Commit(n) }); got != 0 {
		t.Errorf("Commit allocates %v times, want 0", got)
	}
	if m := decodeFile(t, table.Path()); m.files[0].committed != n {
		t.Errorf("committed = %d, want %d", m.files[0].committed, n)
	}
}

func BenchmarkCommit(b *testing.B) {
	table, err := Create(b.TempDir(), 4)
	if err != nil {
		b.Fatal(err)
	}
	defer table.Close()
	s, err := table.Slot()
	if err != nil {
		b.Fatal(err)
	}
	s.Follow(table.Dir("/d"), "a", 1, 2, 0)
	var n int64
	b.ReportAllocs()
	for b.Loop() {
		n += 4096
		s.Commit(n)
	}
}
