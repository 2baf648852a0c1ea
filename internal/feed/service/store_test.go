// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Where there is no store, none is made to be found in order.
func TestStoreThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, checked := Check(t.Context(), dir, func(int64) {})
	_, repaired := Repair(t.Context(), dir)
	_, begun := BeginAnew(dir)
	for what, err := range map[string]error{"check": checked, "repair": repaired, "repair --anew": begun} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", what, err, fs.ErrNotExist)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory: got %v, want none", err)
	}
}

// Records beside each other that are lost are one gap, wherever one begins to read it.
func TestRepairJoinsGaps(t *testing.T) {
	state := t.TempDir()
	store, err := journal.OpenStore(StoreDir(state), journal.Options{})
	must(t, err)
	j, err := store.Open(journal.UUID{1})
	must(t, err)
	var b journal.Batch
	b.Reset(1)
	good := map[uint64]bool{1: true, 2: true, 6: true, 8: true}
	for index := uint64(1); index <= 10; index++ {
		b.Append(func(dst []byte) []byte {
			if !good[index] {
				return append(dst, "rubbish"...)
			}
			return changelog.AppendNative(dst, &changelog.Record{Index: index, Type: changelog.Create})
		})
	}
	must(t, j.Apply(t.Context(), &b), store.Close())
	report, err := Repair(t.Context(), state)
	must(t, err)
	if want := "records 1 to 10 (was 10), 6 lost: gaps say so in their places"; !strings.Contains(report, want) {
		t.Errorf("got %q, want %q", report, want)
	}
	n, err := Check(t.Context(), state, func(int64) {})
	must(t, err)
	store, err = journal.OpenStore(StoreDir(state), journal.Options{})
	must(t, err)
	j, err = store.Open(journal.UUID{1})
	must(t, err)
	c := journal.Chunk{MaxRecords: 100, MaxBytes: 1 << 20}
	must(t, j.Read(1, &c))
	var got []string
	begin := 0
	for _, end := range c.Ends {
		var r changelog.Record
		must(t, changelog.DecodeNative(c.Data[begin:end], &r))
		begin = end
		text := r.Type.String()
		if m := r.Mark; m != nil {
			text = fmt.Sprintf("%v %s %d-%d %d", m.Kind, m.Reason, m.From, m.To, m.Lost)
		}
		got = append(got, text)
	}
	lost := "gap read_error 3-5 3"
	want := []string{"CREAT", "CREAT", lost, lost, lost, "CREAT", "gap read_error 7-7 1", "CREAT", "gap read_error 9-10 2", "gap read_error 9-10 2"}
	if !slices.Equal(got, want) || n != 1 {
		t.Errorf("got %q of %d journals, want %q", got, n, want)
	}
	must(t, store.Close())
}
