// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start is the start of the process in the tests of the scan: later than what
// they write.
func start() time.Time { return time.Now().Add(time.Hour) }

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func never(string) bool { return false }

// scan runs a scanner and sorts its findings.
func scan(t *testing.T, dir string, before time.Time, active func(string) bool) ScanReport {
	t.Helper()
	s := NewScanner(openRoot(t, dir), logger(t), before, active)
	rep, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Progress != s.Progress() {
		t.Errorf("Progress = %+v, report says %+v", s.Progress(), rep.Progress)
	}
	slices.SortFunc(rep.Findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return rep
}

// damagedTree makes a tree with every kind of damage beside what is sound.
func damagedTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(rel string, content []byte) { writeFile(t, filepath.Join(dir, rel), content) }
	write("host/s1/ust/whole", zeros(64))
	write("host/s1/ust/index/whole.idx", packetIndex(72, 40, 24))
	write("host/s1/ust/ahead", zeros(63))
	write("host/s1/ust/index/ahead.idx", packetIndex(72, 40, 24))
	write("host/s1/ust/zeros", zeros(40))
	write("host/s1/ust/index/zeros.idx", append(packetIndex(56, 40), zeros(112)...))
	write("host/s1/ust/behind", zeros(100))
	write("host/s1/ust/index/behind.idx", packetIndex(72, 40, 24))
	write("host/s1/ust/damaged", zeros(40))
	write("host/s1/ust/index/damaged.idx", zeros(88))
	write("host/s1/ust/index/orphan.idx", packetIndex(72, 40))
	write("host/s1/ust/metadata", []byte("/* CTF 1.8 */"))
	write("host/s1/ust/index/notes.txt", zeros(3))
	write("host/s2/.tmp_old_chunk/ust/ch", zeros(8))
	write("host/s2/.tmp_old_chunk/ust/index/ch.idx", packetIndex(72, 16))
	write("host/s2/.tmp_new_chunk/ust/metadata", nil)
	return dir
}

func TestScan(t *testing.T) {
	dir := damagedTree(t)
	const s1, s2 = "host/s1/ust/", "host/s2/"
	want := []Finding{
		{ChunkLeftover, s2 + ".tmp_new_chunk", 0},
		{ChunkLeftover, s2 + ".tmp_old_chunk", 0},
		{IndexCut, s2 + ".tmp_old_chunk/ust/index/ch.idx", 72},
		{DataBeyondIndex, s2 + ".tmp_old_chunk/ust/ch", 8},
		{DataBeyondIndex, s1 + "ahead", 23},
		{IndexCut, s1 + "index/ahead.idx", 72},
		{DataBeyondIndex, s1 + "behind", 36},
		{IndexDamaged, s1 + "index/damaged.idx", 88},
		{IndexWithoutData, s1 + "index/orphan.idx", 88},
		{IndexCut, s1 + "index/zeros.idx", 112},
	}
	slices.SortFunc(want, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	rep := scan(t, dir, start(), nil)
	if diff := cmp.Diff(want, rep.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if want := (Progress{Dirs: 11, Indexes: 7, Cut: 3, Findings: 10}); rep.Progress != want {
		t.Errorf("progress = %+v, want %+v", rep.Progress, want)
	}
	for rel, want := range map[string]int64{
		"whole.idx": 160, "ahead.idx": 88, "zeros.idx": 72, "behind.idx": 160, "damaged.idx": 88, "orphan.idx": 88,
	} {
		wantSize(t, filepath.Join(dir, s1, "index", rel), want)
	}
	for rel, want := range map[string]int64{"whole": 64, "ahead": 63, "behind": 100} {
		wantSize(t, filepath.Join(dir, s1, rel), want)
	}
	if again := scan(t, dir, start(), nil); again.Cut != 0 {
		t.Errorf("second scan cut %d files, want none", again.Cut)
	}
}

func TestScanLeavesWhatIsWritten(t *testing.T) {
	for _, c := range []struct {
		name   string
		before time.Time
		active func(string) bool
	}{
		{"active", start(), func(rel string) bool { return strings.HasPrefix(rel, "host/") }},
		{"young", time.Now().Add(-time.Hour), never},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := damagedTree(t)
			rep := scan(t, dir, c.before, c.active)
			if rep.Skipped != 7 || rep.Cut != 0 || rep.Indexes != 0 {
				t.Errorf("progress = %+v, want 7 skipped and none touched", rep.Progress)
			}
			wantSize(t, filepath.Join(dir, "host/s1/ust/index/ahead.idx"), 160)
		})
	}
	rep, err := Scan(t.Context(), openRoot(t, damagedTree(t)), logger(t), never)
	if err != nil || rep.Cut != 3 {
		t.Errorf("Scan = %+v, %v, want 3 files cut", rep.Progress, err)
	}
}

// A session that begins to be written while its index is examined is left alone.
func TestScanAsksAgainBeforeCut(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "index/ch.idx"), packetIndex(72, 40))
	writeFile(t, filepath.Join(dir, "ch"), zeros(8))
	asked := 0
	rep := scan(t, dir, start(), func(string) bool { asked++; return asked > 1 })
	if asked != 2 || rep.Cut != 0 {
		t.Errorf("asked %d times and cut %d files, want 2 and 0", asked, rep.Cut)
	}
	wantSize(t, filepath.Join(dir, "index/ch.idx"), 88)
}

func TestScanFollowsNoLink(t *testing.T) {
	outside := damagedTree(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ch"), zeros(8))
	index := filepath.Join(outside, "host/s1/ust/index/ahead.idx")
	if err := errors.Join(
		os.Symlink(outside, filepath.Join(dir, "out")),
		os.Mkdir(filepath.Join(dir, "index"), 0o755),
		os.Symlink(index, filepath.Join(dir, "index/ch.idx")),
	); err != nil {
		t.Fatal(err)
	}
	if rep := scan(t, dir, start(), nil); rep.Findings != nil || rep.Dirs != 2 {
		t.Errorf("report = %+v, want nothing found in two directories", rep)
	}
	wantSize(t, index, 160)
}

func TestScanBounds(t *testing.T) {
	dir := t.TempDir()
	deep := strings.Repeat("d/", scanDepth+1)
	if err := os.MkdirAll(filepath.Join(dir, deep), 0o755); err != nil {
		t.Fatal(err)
	}
	rep := scan(t, dir, start(), nil)
	want := []Finding{{TooDeep, path.Clean(deep), 0}}
	if diff := cmp.Diff(want, rep.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	many := t.TempDir()
	for i := range scanFindings + 50 {
		writeFile(t, filepath.Join(many, "index", strings.Repeat("x", 1+i/200)+string(rune('0'+i%200))+".idx"), nil)
	}
	rep = scan(t, many, start(), nil)
	if len(rep.Findings) != scanFindings || rep.Progress.Findings != scanFindings+50 {
		t.Errorf("%d findings listed of %d, want %d of %d", len(rep.Findings), rep.Progress.Findings, scanFindings, scanFindings+50)
	}
}

func TestScanErrors(t *testing.T) {
	dir := damagedTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := NewScanner(openRoot(t, dir), logger(t), start(), func(string) bool { cancel(); return false })
	if _, err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	if got := s.Progress().Indexes; got > 1 {
		t.Errorf("%d index files examined after the cancel", got)
	}
	root := openRoot(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	rep, err := NewScanner(root, logger(t), start(), nil).Run(t.Context())
	if len(rep.Findings) != 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run below a removed root = %+v, %v, want nothing", rep, err)
	}
}
