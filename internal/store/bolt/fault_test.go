// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/store"
)

// A journal that cannot be written is left for the store, and written again after that.
func TestJournalFails(t *testing.T) {
	d, s := openTest(t)
	ctx := t.Context()
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(ctx, path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	whole := d.journal.f
	broken, err := os.Open(d.journal.file) // not for writing
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	d.journal.f = broken
	var log bytes.Buffer
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	told := func(want int) {
		t.Helper()
		if got := strings.Count(log.String(), "cannot be written"); got != want {
			t.Errorf("that it fails was told %d times, want %d:\n%s", got, want, log.String())
		}
	}
	for _, path := range []string{"/c", "/e"} {
		if _, err := s.Create(ctx, path, nil, store.Persistent); err != nil {
			t.Errorf("with a journal that fails: %v", err)
		}
		told(1)
	}
	d.journal.f = whole
	freeze(t, d).wantTree(t, "with a journal that fails", d.tree())
	if _, err := s.Create(ctx, "/d", nil, store.Persistent); err != nil || d.journal.at == blockLen {
		t.Errorf("with a journal that goes again: %v, at byte %d", err, d.journal.at)
	}
	freeze(t, d).wantTree(t, "with a journal that goes again", d.tree())
	d.journal.f = broken
	if _, err := s.Create(ctx, "/f", nil, store.Persistent); err != nil {
		t.Error(err)
	}
	told(2)
	d.journal.f = whole
}

// After a checkpoint that fails nobody knows which store is on the disk. Each of them can be
// opened with the journal that is there.
func TestDoubtfulCheckpoint(t *testing.T) {
	d, s := openTest(t)
	create := func(path string, want error) {
		t.Helper()
		if _, err := s.Create(t.Context(), path, nil, store.Persistent); !errors.Is(err, want) {
			t.Fatalf("%s: got %v, want %v", path, err, want)
		}
	}
	doubtful := func(b *bbolt.DB, f func(*bbolt.Tx) error) error { // all is written, and not synced
		return errors.Join(b.Update(f), errors.New("no sync"))
	}
	for i, what := range []string{"the first", "a later one"} {
		before, old := d.tree(), []byte(nil)
		if i > 0 {
			old = freeze(t, d).store
			d.journal.spent = true
		}
		d.commit = doubtful
		refused := fmt.Sprint("/refused-", i)
		create(refused, store.ErrUnavailable)
		c := freeze(t, d)
		later, err := c.thaw(t)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, there := later.tree()[refused]; !there {
			t.Errorf("%s: the store that was written does not have its node", what)
		}
		if err := later.Close(); err != nil {
			t.Error(err)
		}
		if old != nil {
			crash{old, c.journal}.wantTree(t, what+", not written", before)
		}
		d.commit = (*bbolt.DB).Update
		create(fmt.Sprint("/good-", i), nil)
		freeze(t, d).wantTree(t, what+", made up for", d.tree())
		create(fmt.Sprint("/next-", i), nil)
		freeze(t, d).wantTree(t, what+", and gone on from", d.tree())
	}
	d.commit = doubtful
	c, want := freeze(t, d), d.tree()
	if err := d.Close(); err == nil {
		t.Error("closed without an error")
	}
	last, err := os.ReadFile(d.file + journalSuffix)
	if err != nil {
		t.Fatal(err)
	}
	crash{c.store, last}.wantTree(t, "the end, not written", want)
}

// After a transaction of bbolt that has failed there is no other before both of its first
// pages were written and synced again.
func TestHeadIsWrittenAgain(t *testing.T) {
	d, s := openTest(t)
	if _, err := s.Create(t.Context(), "/a", nil, store.Persistent); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no sync")
	var calls []string
	var lost error
	d.sync = func(f *os.File) error {
		calls = append(calls, "sync "+filepath.Base(f.Name()))
		return lost
	}
	d.commit = func(b *bbolt.DB, f func(*bbolt.Tx) error) error {
		calls = append(calls, "commit")
		return errors.Join(b.Update(f), lost)
	}
	for i, c := range []struct {
		lost error
		want []string
	}{
		{broken, []string{"commit"}},
		{broken, []string{"sync control.db"}},
		{nil, []string{"sync control.db", "commit"}},
		{nil, []string{"commit"}},
	} {
		calls, lost, d.journal.spent = nil, c.lost, true
		if _, err := s.Create(t.Context(), fmt.Sprint("/", i), nil, store.Persistent); (err != nil) != (lost != nil) {
			t.Errorf("transaction %d: %v", i, err)
		}
		if !slices.Equal(calls, c.want) {
			t.Errorf("transaction %d: got %q, want %q", i, calls, c.want)
		}
	}
	freeze(t, d).wantTree(t, "after all", d.tree())
}

// What a process has left that was killed is synced before anyone can read it.
func TestSyncedBeforeRead(t *testing.T) {
	d, s := openTest(t)
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(t.Context(), path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	killed := freeze(t, d)
	for _, name := range []string{"control.db", "control.db.journal"} {
		file := killed.write(t)
		broken := errors.New("no sync")
		got, err := Open(file, Options{sync: func(f *os.File) error {
			if filepath.Base(f.Name()) == name {
				return broken
			}
			return nil
		}})
		if err == nil {
			got.Close()
		}
		if !errors.Is(err, broken) {
			t.Errorf("when %s is not synced: got %v, want %v", name, err, broken)
		}
		if got, err = Open(file, Options{}); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got.tree(), d.tree()) {
			t.Errorf("then: got %v, want %v", got.tree(), d.tree())
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Where no journal can be made the store does without.
func TestNoJournal(t *testing.T) {
	d, s := openTest(t)
	if err := os.Mkdir(d.file+journalSuffix, 0o700); err != nil { // nothing can take its name
		t.Fatal(err)
	}
	for _, path := range []string{"/a", "/b"} {
		if _, err := s.Create(t.Context(), path, nil, store.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	if d.journal != nil {
		t.Fatal("there is a journal")
	}
	left, err := filepath.Glob(d.file + ".journal.*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	want := d.tree()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(d.file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := again.tree(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
