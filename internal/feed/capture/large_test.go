// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

var entries = flag.Int("entries", 20_000, "entries of the large directory; 1000000 take minutes")

// TestLargeDirectory fills a directory, changes it while nobody watches, moves it and
// empties it: each time the records make of what was before what is on the disk.
func TestLargeDirectory(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := memory(t)
	p := &replay{names: map[name]changelog.FID{}}
	path := func(i int) string { return fs.Path("large", fmt.Sprintf("%07d", i)) }
	step := func(s *watched, what string, most int) {
		t.Helper()
		begun := time.Now()
		n := 0
		for _, r := range s.records() {
			must(t, p.apply(&r))
			n++
		}
		compareNames(t, p.names, onDisk(t, fs.Dir))
		if n > most {
			t.Errorf("%s: got %d records, want %d at most", what, n, most)
		}
		t.Logf("%s: %d records, %v after the last change", what, n, time.Since(begun))
	}
	t.Run("filled", func(t *testing.T) {
		s := watch(t, store, fs.Dir)
		must(t, os.Mkdir(fs.Path("large"), 0o700))
		for i := range *entries {
			must(t, unix.Mknod(path(i), unix.S_IFREG|0o600, 0))
		}
		step(s, "filled", *entries+2)
	})
	_, err := os.Stat(path(*entries - 1))
	must(t, err)
	_, from := boundsOf(t, store, fs.Dir)
	for i := 0; i < *entries; i += 10 {
		must(t, os.Remove(path(i)), os.Rename(path(i+1), path(*entries+i)), unix.Mknod(path(2**entries+i), unix.S_IFREG|0o600, 0))
	}
	t.Run("changed while nobody watched", func(t *testing.T) {
		s := watch(t, store, fs.Dir)
		s.from = from + 1
		step(s, "changed", *entries/10*3+20)
	})
	t.Run("moved and emptied", func(t *testing.T) {
		_, from := boundsOf(t, store, fs.Dir)
		s := watch(t, store, fs.Dir)
		s.from = from + 1
		step(s, "started again", 20)
		must(t, os.Rename(fs.Path("large"), fs.Path("moved")))
		step(s, "moved", 1)
		must(t, os.RemoveAll(fs.Path("moved")))
		step(s, "emptied", *entries+2)
	})
}

// boundsOf returns the first and last index of a file system's journal.
func boundsOf(t *testing.T, store journal.Store, dir string) (first, last uint64) {
	t.Helper()
	id, _, err := Identify(dir)
	must(t, err)
	j, err := store.Open(id)
	must(t, err)
	return j.Bounds()
}
