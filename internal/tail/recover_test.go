// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zeros is the content of data files whose packets do not matter.
func zeros(n int) []byte { return make([]byte, n) }

// recoverTwice recovers a table, checks that its file is gone and that the
// repaired files need nothing more, and returns the report.
func recoverTwice(t *testing.T, path string) Report {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Recover(path, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	wantGone(t, path)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Recover(path, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	want := rep
	want.Repairs = nil
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("second Recover differs (-want +got):\n%s", diff)
	}
	return rep
}

func TestRecoverCuts(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	d := table.Dir(dir)
	files := []struct {
		rel             string
		size, committed int64
		want            int64
	}{
		{"ust/uid/0/64-bit/ch_0", 5000, 4096, 4096},
		{"ust/uid/0/64-bit/ch_1", 4096, 4096, 4096},
		{"ust/uid/0/64-bit/ch_2", 100, 4096, 100},
		{"ust/uid/0/64-bit/metadata", 77, 70, 70},
		{"kernel/ch_0", 1, 1, 1},
	}
	var want []Repair
	for _, f := range files {
		path := filepath.Join(dir, f.rel)
		writeFile(t, path, zeros(int(f.size)))
		s := newSlot(t, table)
		follow(t, s, d, dir, f.rel, 0)
		s.Commit(f.committed)
		if f.want < f.size {
			want = append(want, Repair{Path: path, Cut: f.size - f.want, Size: f.want})
		}
	}
	rep := recoverTwice(t, died(t, table))
	for _, f := range files {
		wantSize(t, filepath.Join(dir, f.rel), f.want)
	}
	if diff := cmp.Diff(want, rep.Repairs); diff != "" {
		t.Errorf("repairs (-want +got):\n%s", diff)
	}
	if rep.PID != os.Getpid() || rep.Followed != len(files) || rep.Short != 1 || rep.Missing != 0 || rep.OtherBoot {
		t.Errorf("report = %+v", rep)
	}
}

// Readers refuse a whole tree for one metadata file that holds nothing, and pass
// over a directory without one.
func TestRecoverRemovesEmptyMetadata(t *testing.T) {
	for _, tt := range []struct {
		name            string
		follow          bool // the metadata has a slot
		size, committed int64
		gone            bool
	}{
		{"cut to nothing", true, 77, 0, true},
		{"followed and empty", true, 0, 0, true},
		{"too new to be followed", false, 0, 0, true},
		{"not followed, not empty", false, 5, 0, false},
		{"whole", true, 5, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newTable(t, 8)
			dir := t.TempDir()
			d := table.Dir(dir)
			writeFile(t, filepath.Join(dir, "ust/ch_0"), zeros(10))
			data := newSlot(t, table)
			follow(t, data, d, dir, "ust/ch_0", 10)
			path := filepath.Join(dir, "ust/metadata")
			writeFile(t, path, zeros(int(tt.size)))
			if tt.follow {
				follow(t, newSlot(t, table), d, dir, "ust/metadata", tt.committed)
			}
			rep, err := Recover(died(t, table), logger(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); os.IsNotExist(err) != tt.gone {
				t.Errorf("metadata: %v, want it gone: %v", err, tt.gone)
			}
			removed := slices.ContainsFunc(rep.Repairs, func(r Repair) bool { return r.Removed && r.Path == path })
			if removed != tt.gone {
				t.Errorf("repairs %+v, want the removal in it: %v", rep.Repairs, tt.gone)
			}
			wantSize(t, filepath.Join(dir, "ust/ch_0"), 10)
		})
	}
}

func TestRecoverLeavesIdleAndReleased(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	d := table.Dir(dir)
	for i, end := range []func(*Slot){(*Slot).Idle, (*Slot).Release} {
		rel := fmt.Sprint("ch_", i)
		writeFile(t, filepath.Join(dir, rel), zeros(100))
		s := newSlot(t, table)
		follow(t, s, d, dir, rel, 10)
		end(s)
	}
	if rep := recoverTwice(t, died(t, table)); rep.Followed != 0 {
		t.Errorf("report = %+v, want no file followed", rep)
	}
	for i := range 2 {
		wantSize(t, filepath.Join(dir, fmt.Sprint("ch_", i)), 100)
	}
}

func TestRecoverFindsRenamedDirectory(t *testing.T) {
	for _, c := range []struct {
		name        string
		move, crash bool // the directory was moved; the crash came within Rename
	}{
		{"before the move", false, true},
		{"after the move", true, true},
		{"after Rename", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := newTable(t, 8)
			top := t.TempDir()
			from, to := filepath.Join(top, "from"), filepath.Join(top, "archives", "to")
			writeFile(t, filepath.Join(from, "ch_0"), zeros(100))
			writeFile(t, filepath.Join(top, "archives", "x"), nil)
			d, s := table.Dir(from), newSlot(t, table)
			follow(t, s, d, from, "ch_0", 64)
			var path string
			err := d.Rename(to, func() error {
				if c.move {
					if err := os.Rename(from, to); err != nil {
						return err
					}
				}
				if c.crash {
					path = died(t, table)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !c.crash {
				path = died(t, table)
			}
			recoverTwice(t, path)
			where := from
			if c.move {
				where = to
			}
			wantSize(t, filepath.Join(where, "ch_0"), 64)
		})
	}
}

// A rotation may move the files of a directory one by one.
func TestRecoverFindsFilesUnderBothPaths(t *testing.T) {
	table := newTable(t, 8)
	top := t.TempDir()
	d := table.Dir(top)
	for _, rel := range []string{"a/ch", "b/ch"} {
		writeFile(t, filepath.Join(top, rel), zeros(100))
		follow(t, newSlot(t, table), d, top, rel, 64)
	}
	old := filepath.Join(top, ".tmp_old_chunk")
	err := d.Rename(old, func() error {
		if err := os.Mkdir(old, 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(top, "a"), filepath.Join(old, "a")); err != nil {
			return err
		}
		recoverTwice(t, died(t, table))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSize(t, filepath.Join(old, "a/ch"), 64)
	wantSize(t, filepath.Join(top, "b/ch"), 64)
}

func TestRecoverLeavesOtherFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	writeFile(t, outside, zeros(100))
	link := func(target string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "sub")), os.Symlink(target, filepath.Join(dir, "sub"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name    string
		rel     string
		replace func(t *testing.T, dir string)
		keeps   string // a file of 100 bytes afterwards, below dir unless absolute
	}{
		{"another inode", "sub/ch", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "sub/new"), zeros(100))
			if err := os.Rename(filepath.Join(dir, "sub/new"), filepath.Join(dir, "sub/ch")); err != nil {
				t.Fatal(err)
			}
		}, "sub/ch"},
		{"directory out", "sub/secret", link(filepath.Dir(outside)), outside},
		{"file out", "sub", link(outside), outside},
		{"loop", "sub", link("sub"), outside},
		{"directory in its place", "sub/ch", func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(filepath.Join(dir, "sub/ch")), os.Mkdir(filepath.Join(dir, "sub/ch"), 0o755)); err != nil {
				t.Fatal(err)
			}
		}, outside},
		{"file instead of its directory", "sub/ch", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "sub")); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "sub"), zeros(100))
		}, "sub"},
		{"tree gone", "sub/ch", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, outside},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := newTable(t, 8)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, c.rel), zeros(100))
			d, s := table.Dir(dir), newSlot(t, table)
			// A path that leads out is recorded with the target's own inode: only
			// the path can refuse it.
			if c.keeps == outside {
				follow(t, s, d, filepath.Dir(outside), "secret", 0)
				at := table.layout.slot(s.index)
				m := decodeFile(t, table.Path()).files[0]
				putSlot(table.mem[at:at+slotLen], m.dev, m.ino, d.index, c.rel)
			} else {
				follow(t, s, d, dir, c.rel, 0)
			}
			c.replace(t, dir)
			rep := recoverTwice(t, died(t, table))
			if rep.Missing != 1 || len(rep.Repairs) != 0 {
				t.Errorf("report = %+v, want one file missing and none cut", rep)
			}
			keeps := c.keeps
			if !filepath.IsAbs(keeps) {
				keeps = filepath.Join(dir, keeps)
			}
			wantSize(t, keeps, 100)
		})
	}
}

func TestRecoverOtherBoot(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(100))
	follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
	path := died(t, table)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	putHeader(b, table.layout, [bootLen]byte{1, 2, 3}, 4711)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	rep := recoverTwice(t, path)
	if !rep.OtherBoot || rep.PID != 4711 {
		t.Errorf("report = %+v, want another boot and pid 4711", rep)
	}
	wantSize(t, filepath.Join(dir, "ch"), 100)
}

func TestRecoverRefusesForeignTables(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(path string) error
	}{
		{"writable by others", func(path string) error { return os.Chmod(path, 0o666) }},
		{"second name", func(path string) error { return os.Link(path, path+"x") }},
		{"symbolic link", func(path string) error {
			return errors.Join(os.Rename(path, path+"x"), os.Symlink(path+"x", path))
		}},
		{"directory", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }},
		{"another user's", func(path string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(path, 0o666) // only root can give a file away
			}
			return os.Chown(path, 12345, -1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := newTable(t, 8)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "ch"), zeros(100))
			follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
			path := died(t, table)
			if err := c.alter(path); err != nil {
				t.Fatal(err)
			}
			if _, err := Recover(path, logger(t)); err == nil {
				t.Error("Recover = nil error")
			}
			wantSize(t, filepath.Join(dir, "ch"), 100)
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRecoverAll(t *testing.T) {
	if reports, err := RecoverAll(filepath.Join(t.TempDir(), "absent"), logger(t)); err != nil || reports != nil {
		t.Errorf("RecoverAll(absent) = %v, %v, want nothing", reports, err)
	}
	table := newTable(t, 8) // stays in use
	runDir := filepath.Dir(table.Path())
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(100))
	follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
	if err := os.Rename(died(t, table), filepath.Join(runDir, "tails-1")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(runDir, "live.port"), nil)
	if err := os.WriteFile(filepath.Join(runDir, "tails-2"), nil, 0o600); err != nil { // killed while making it
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(runDir, "tails-3"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	guarded := Report{Table: filepath.Join(runDir, "tails-4"), PID: 4, Followed: 1, Repairs: []Repair{{Path: "/x", Cut: 1, Size: 2}}}
	if err := leaveReport(guarded); err != nil {
		t.Fatal(err)
	}
	reports, err := RecoverAll(runDir, logger(t))
	if corrupt, ok := errors.AsType[*CorruptError](err); !ok || corrupt.Offset != 7 {
		t.Errorf("RecoverAll = %v, want the damage of tails-3 at offset 7", err)
	}
	want := []Report{
		guarded,
		{Table: filepath.Join(runDir, "tails-1"), PID: os.Getpid(), Followed: 1, Repairs: []Repair{{Path: filepath.Join(dir, "ch"), Cut: 90, Size: 10}}},
		{Table: filepath.Join(runDir, "tails-2")},
		{Table: filepath.Join(runDir, "tails-3")},
	}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	wantSize(t, filepath.Join(dir, "ch"), 10)
	wantNames(t, runDir, "live.port", "tails-3", filepath.Base(table.Path()))
}

// wantNames checks what a directory holds.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names in %s (-want +got):\n%s", dir, diff)
	}
}

func TestRecoverKeepsTableAfterFailure(t *testing.T) {
	table := newTable(t, 8)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(100))
	follow(t, newSlot(t, table), table.Dir(dir), dir, "ch", 10)
	path := died(t, table)
	// A name that no file system takes is an error, not a directory that is gone.
	at := table.layout.dir(0)
	long := "/" + string(bytes.Repeat([]byte("y"), 300))
	putPath(table.mem[at+pathAt(false):], long)
	failing := died(t, table)
	if _, err := Recover(failing, logger(t)); err == nil {
		t.Error("Recover of an impossible directory = nil error")
	}
	if _, err := os.Stat(failing); err != nil {
		t.Errorf("table after failure: %v", err)
	}
	if _, err := Recover(path, logger(t)); err != nil {
		t.Error(err)
	}
	wantSize(t, filepath.Join(dir, "ch"), 10)
	if _, err := Recover(path, logger(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Recover of no table = %v, want %v", err, fs.ErrNotExist)
	}
}
