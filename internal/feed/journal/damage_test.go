// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/changelog"
)

// damage flips a bit of the largest file of a store that match takes.
func damage(t *testing.T, dir, match string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, match))
	if err != nil {
		t.Fatal(err)
	}
	var largest string
	var text []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > len(text) {
			largest, text = name, b
		}
	}
	if text == nil {
		t.Fatalf("there is no %s to damage", match)
	}
	text[len(text)/3] ^= 0x40
	if err := os.WriteFile(largest, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// verifyTest takes the records of these tests for good.
func verifyTest(index uint64, rec []byte) error {
	if !bytes.Equal(rec, record(index)) && string(rec) != "lost" {
		return fmt.Errorf("record is %q", rec)
	}
	return nil
}

// A damaged file is told with its path, and Repair leaves what is good.
func TestDamagedTable(t *testing.T) {
	for _, fill := range []bool{false, true} {
		t.Run(fmt.Sprint("filler ", fill), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "feeds")
			opts := Options{MemTableBytes: 64 << 10, Verify: verifyTest}
			d, j := openTest(t, dir, opts)
			var b Batch
			for next := uint64(1); next <= 6000; next = b.Next() {
				b.Reset(next)
				fillIndexed(&b, 500)
				if err := j.Apply(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.PutFeed(t.Context(), Feed{ID: 3, Source: sourceA, Cancelled: 5900}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(d.db.Flush(), d.Close()); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, "*.sst")
			err := checkStore(t, dir, opts)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || filepath.Ext(corrupt.Path) != ".sst" || !bytes.Contains([]byte(err.Error()), []byte(RepairCommand)) {
				t.Fatalf("Check: %v, want a CorruptError with the path of a table and the command", err)
			}
			var lost Substitute
			if fill {
				lost = func(UUID, uint64, uint64, uint64) []byte { return []byte("lost") }
			}
			old, all, err := Repair(t.Context(), dir, opts, lost)
			if err != nil || len(all) != 1 {
				t.Fatalf("Repair = %v, %v", all, err)
			}
			if _, err := os.Stat(old); err != nil {
				t.Errorf("the old files: %v", err)
			}
			repaired := all[0]
			t.Logf("%+v", repaired)
			if repaired.Fault == nil || repaired.WasLast != 6000 || repaired.Lost == 0 && !repaired.IndexDropped {
				t.Errorf("Repair = %+v, want a fault of 6000", repaired)
			}
			if want := repaired.WasLast - repaired.Lost; !fill && repaired.Last != want || fill && repaired.Last != 6000 {
				t.Errorf("Repair = %+v", repaired)
			}
			if err := checkStore(t, dir, opts); err != nil {
				t.Fatal(err)
			}
			d, j = openTest(t, dir, opts)
			b.Reset(repaired.Last + 1)
			appendRecords(&b, 5)
			if err := j.Apply(t.Context(), &b); err != nil {
				t.Error(err)
			}
			feeds, err := d.Feeds()
			if err != nil || len(feeds) != 1 || feeds[0].Cancelled != min(5900, repaired.Last) {
				t.Errorf("Feeds = %v, %v", feeds, err)
			}
		})
	}
}

// checkStore opens a store, checks its journal and closes it.
func checkStore(t *testing.T, dir string, opts Options) error {
	t.Helper()
	d, err := openDatabase(dir, opts)
	if err != nil {
		return err
	}
	j, err := d.Open(sourceA)
	if err == nil {
		err = j.Check(t.Context(), nil)
	}
	closed := d.Close()
	if err == nil {
		err = closed
	}
	return err
}

// Tables that are cut, missing or nothing but zeros keep a store from being opened, and
// not from being repaired.
func TestTablesThatCannotBeOpened(t *testing.T) {
	for what, spoil := range map[string]func(path string, size int64) error{
		"cut":     func(path string, size int64) error { return os.Truncate(path, size/2) },
		"emptied": func(path string, _ int64) error { return os.Truncate(path, 0) },
		"missing": func(path string, _ int64) error { return os.Remove(path) },
		"zeros": func(path string, size int64) error {
			return errors.Join(os.Truncate(path, 0), os.Truncate(path, size))
		},
	} {
		t.Run(what, func(t *testing.T) {
			lost := uint64(0)
			for n := 0; ; n++ {
				more, ok := repairSpoilt(t, n, spoil)
				if !ok {
					break
				}
				lost += more
			}
			if lost == 0 {
				t.Error("no record was in any of the tables")
			}
		})
	}
}

// repairSpoilt spoils the n-th table of a store, if there are as many, repairs that and
// returns how many records are lost.
func repairSpoilt(t *testing.T, n int, spoil func(path string, size int64) error) (lost uint64, ok bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "feeds")
	opts := Options{MemTableBytes: 64 << 10, Verify: verifyTest}
	d, j := openTest(t, dir, opts)
	var b Batch
	for next := uint64(1); next <= 4000; next = b.Next() {
		b.Reset(next)
		fillIndexed(&b, 500)
		b.SetMeta("value", []byte("v"))
		if err := j.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	err := d.PutFeed(t.Context(), Feed{ID: 3, Source: sourceA, Cancelled: 3900})
	if err := errors.Join(err, d.db.Flush(), d.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || n >= len(tables) {
		return 0, false
	}
	info, err := os.Stat(tables[n])
	if err == nil {
		err = spoil(tables[n], info.Size())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := checkStore(t, dir, opts); err == nil {
		t.Errorf("table %d: Check found nothing", n)
	}
	_, all, err := Repair(t.Context(), dir, opts, func(UUID, uint64, uint64, uint64) []byte { return []byte("lost") })
	if err != nil {
		t.Errorf("table %d: Repair: %v", n, err)
		return 0, true
	}
	for i := range all { // none where the table had that there is a journal
		lost += all[i].Lost
		if r := &all[i]; r.Last < 4000 || r.Lost > 0 && r.Fault == nil {
			t.Errorf("table %d: Repair = %+v, want 4000 records or more, and a fault if some are lost", n, r)
		}
	}
	if err := checkStore(t, dir, opts); err != nil {
		t.Errorf("table %d: after the repair: %v", n, err)
	}
	return lost, true
}

// The number of the last journal may be lost with its table, and the journals may not.
func TestRepairWithoutTheNumberOfJournals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "feeds")
	opts := Options{Verify: verifyTest}
	d, j := openTest(t, dir, opts)
	var b Batch
	b.Reset(1)
	fillIndexed(&b, 10)
	pb := d.db.NewBatch()
	err := errors.Join(j.Apply(t.Context(), &b), pb.Delete(appendMeta(nil, metaNumber), nil))
	if err := errors.Join(err, d.commit(t.Context(), pb, func(uint64) {}), d.Close()); err != nil {
		t.Fatal(err)
	}
	_, all, err := Repair(t.Context(), dir, opts, nil)
	if err != nil || len(all) != 1 || all[0].Last != 10 {
		t.Errorf("Repair = %+v, %v, want the journal and its 10 records", all, err)
	}
	d, _ = openTest(t, dir, opts)
	if _, err := d.Open(UUID{2}); err != nil {
		t.Fatal(err)
	}
	if got := d.sources[UUID{2}].number; got != 2 {
		t.Errorf("the next journal has number %d, want 2", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedManifest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "feeds")
	d, _ := openTest(t, dir, Options{})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, "MANIFEST-*")
	_, err := OpenStore(dir, Options{})
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || !bytes.Contains([]byte(corrupt.Path), []byte(dir)) {
		t.Errorf("OpenStore: %v, want a CorruptError in %s", err, dir)
	}
	if _, _, err := Repair(t.Context(), dir, Options{}, nil); !errors.As(err, &corrupt) {
		t.Errorf("Repair: %v, want a CorruptError: nothing can be read", err)
	}
	old, err := SetAside(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err != nil {
		t.Errorf("the old files: %v", err)
	}
	d, _ = openTest(t, dir, Options{})
	if _, err := SetAside(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("SetAside of a store that is open: %v, want %v", err, ErrLocked)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// What Check says is wrong when keys are changed behind the journal's back.
func TestCheckTells(t *testing.T) {
	f := changelog.FID{Seq: 103}
	for _, tt := range []struct {
		name       string
		key, value []byte // of journal 1; no value: deleted
	}{
		{"record missing", appendIndexed(nil, keyRecord, 1, 3), nil},
		{"last record missing", appendIndexed(nil, keyRecord, 1, 10), nil},
		{"record too many", appendIndexed(nil, keyRecord, 1, 11), record(11)},
		{"record bad", appendIndexed(nil, keyRecord, 1, 4), []byte("x")},
		{"record too long", appendIndexed(nil, keyRecord, 1, 4), []byte("lost")},
		{"name without link", appendDirent(nil, 1, changelog.FID{Seq: 1}, []byte("x")), appendFID(nil, f)},
		{"name of another object", appendDirent(nil, 1, changelog.FID{Seq: 1}, record(3)), appendFID(nil, changelog.FID{Seq: 104})},
		{"link without name", appendDirent(nil, 1, changelog.FID{Seq: 1}, record(3)), nil},
		{"link to no object", appendObject(nil, keyObject, 1, f), nil},
		{"link to no object at the end", appendObject(nil, keyObject, 1, changelog.FID{Seq: 110}), nil},
		{"object malformed", appendObject(nil, keyObject, 1, f), []byte{objectForm}},
		{"feed ahead", appendFeed(nil, 1), (&Feed{Source: sourceA, Cancelled: 11}).append(nil)},
		{"feed malformed", appendFeed(nil, 1), []byte{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, j := openTest(t, t.TempDir(), Options{Verify: verifyTest})
			var b Batch
			b.Reset(1)
			fillIndexed(&b, 10)
			if err := j.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			if err := j.Check(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			pb := d.db.NewBatch()
			if tt.value == nil {
				pb.Delete(tt.key, nil)
			} else {
				pb.Set(tt.key, tt.value, nil)
			}
			if err := d.commit(t.Context(), pb, func(uint64) {}); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			if err := j.Check(t.Context(), nil); !errors.As(err, &corrupt) || corrupt.Key == "" {
				t.Errorf("Check: %v, want a CorruptError with a key", err)
			}
		})
	}
}
