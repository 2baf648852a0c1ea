// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a killed conversion has left behind goes with the next one to the same
// place; what others work on, or is not of conversions, stays.
func TestLeftOversAreSwept(t *testing.T) {
	dir := t.TempDir()
	place := filepath.Join(dir, "out")
	begin := func(place string) *output {
		t.Helper()
		o, err := newOutput(place)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(o.root, "metadata"), nil, 0o666))
		return o
	}
	killed, at, other := begin(place), begin(place), begin(filepath.Join(dir, "other"))
	check(t, killed.lock.Close())
	check(t, other.lock.Close())
	var strange []string
	for _, name := range []string{".out.convert-", ".out.convert-1x", ".out.convert-12"} {
		strange = append(strange, filepath.Join(dir, name))
		check(t, os.MkdirAll(filepath.Join(dir, name, "mine"), 0o777))
	}
	link := filepath.Join(dir, ".out.convert-7")
	check(t, os.Symlink(t.TempDir(), link))

	last := begin(place)
	for path, want := range map[string]bool{
		killed.hidden: false, at.root: true, other.root: true, last.root: true, link: true,
		strange[0]: true, strange[1]: true, strange[2]: true,
	} {
		if _, err := os.Lstat(path); want != (err == nil) {
			t.Errorf("%s: %v, want it there: %v", filepath.Base(path), err, want)
		}
	}
	check(t, last.finish())
	names, err := os.ReadDir(place)
	if err != nil || len(names) != 1 {
		t.Errorf("output: %v, %v", names, err)
	}
	check(t, at.remove())
	check(t, other.remove())
	var left []string
	names, err = os.ReadDir(dir)
	check(t, err)
	for _, n := range names {
		left = append(left, n.Name())
	}
	want := []string{".out.convert-", ".out.convert-12", ".out.convert-1x", ".out.convert-7", "out"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
