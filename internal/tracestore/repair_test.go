// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var anyTime = regexp.MustCompile(`\d{8}T\d{6}[+-]\d{4}-`)

// places lists the traces of a tree by the directory that they lie in, chunks
// without their times.
func (f *catalogFixture) places() []string {
	var all []string
	for _, name := range f.tree() {
		if dir, ok := strings.CutSuffix(name, "/ust/uid/0/64-bit/metadata"); ok {
			all = append(all, anyTime.ReplaceAllString(dir, ""))
		}
	}
	slices.Sort(all)
	return all
}

// A relay that was killed in a rotation leaves chunks in places that no reader
// of the tree expects.
func TestRepair(t *testing.T) {
	const s = "vm/s-20261120-080000"
	archive := archiveAt(s, time.Unix(1_000_000_000, 0), 4)
	follows := s + "/20261120T080000+0000-"
	tests := []struct {
		name       string
		have, want []string
	}{
		{"nothing to do", []string{s, follows + "3"}, []string{s, s + "/3"}},
		{"a domain died alone", []string{s, s + "/.tmp_new_chunk"}, []string{s, s + "/1"}},
		{"first rotation", []string{s + "/.tmp_old_chunk", s + "/.tmp_new_chunk"}, []string{s, s + "/1"}},
		{"first rotation, closed", []string{s + "/.tmp_old_chunk", follows + "1"}, []string{s + "/0", s + "/1"}},
		{
			"later rotation",
			[]string{archive, s + "/.tmp_old_chunk", s + "/.tmp_new_chunk"},
			[]string{s + "/5", s + "/6", s + "/archives/4"},
		},
		{
			"numbered",
			[]string{archive, s + "/.tmp_old_chunk-7", s + "/.tmp_new_chunk"},
			[]string{s + "/7", s + "/8", s + "/archives/4"},
		},
		{"a clear", []string{s + "/.weir-removed-1", s}, []string{s}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newCatalogFixture(t, ByHost)
			f.trace(10, tt.have...)
			for range 2 { // it does nothing a second time
				if _, err := f.catalog.Repair(t.Context(), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, f.places()); diff != "" {
					t.Errorf("traces differ (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What is young, or locked by another relay, is left alone.
func TestRepairLeavesOthersAlone(t *testing.T) {
	const dir = "vm/s-20261120-080000/.tmp_new_chunk"
	f := newCatalogFixture(t, ByHost)
	f.trace(10, dir)
	if n, err := f.catalog.Repair(t.Context(), time.Unix(0, 0)); n != 0 || err != nil {
		t.Errorf("Repair of a young chunk = %d, %v, want 0 and no error", n, err)
	}
	root, err := os.OpenRoot(filepath.Dir(filepath.Join(f.out, dir)))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	unlock, err := lockDir(root, unix.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if n, err := f.catalog.Repair(t.Context(), later); n != 0 || err != nil {
		t.Errorf("Repair of another's chunk = %d, %v, want 0 and no error", n, err)
	}
	unlock()
	if n, err := f.catalog.Repair(t.Context(), later); n != 1 || err != nil {
		t.Errorf("Repair = %d, %v, want 1 and no error", n, err)
	}
}
