// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weir-io/weir/changelog"
)

var sourceA = UUID{0xA}

// openTest opens a store in a directory and a journal of it.
func openTest(t testing.TB, dir string, opts Options) (*database, *source) {
	t.Helper()
	d, err := openDatabase(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	j, err := d.Open(sourceA)
	if err != nil {
		t.Fatal(err)
	}
	return d, j.(*source)
}

// record is the bytes of the test's record of an index.
func record(index uint64) []byte { return fmt.Appendf(nil, "record %d", index) }

// appendRecords adds n records to a batch.
func appendRecords(b *Batch, n int) {
	for range n {
		b.Append(func(p []byte) []byte { return append(p, record(b.Next())...) })
	}
}

func TestApplyReadTrim(t *testing.T) {
	d, j := openTest(t, t.TempDir(), Options{})
	last, changed := j.Changed()
	if last != 0 {
		t.Errorf("last = %d in a new journal, want 0", last)
	}
	var b Batch
	b.Reset(1)
	appendRecords(&b, 10)
	fid, parent := changelog.FID{Seq: 7, Ver: 9}, changelog.FID{Seq: 2}
	b.PutObject(fid, &Object{Mode: 0o644, Links: 1, Last: 3})
	b.PutDirent(parent, []byte("a"), fid)
	b.SetMeta("boot", []byte("x"))
	b.Serial = 5
	if err := j.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("the channel of Changed is open after Apply")
	}
	var seq *SequenceError
	if err := j.Apply(t.Context(), &b); !errors.As(err, &seq) || seq.Want != 11 {
		t.Errorf("Apply of the same batch again: %v, want a SequenceError that wants 11", err)
	}
	for range 2 {
		var o Object
		if found, err := j.Object(fid, &o); err != nil || !found || o.Last != 3 || o.Mode != 0o644 {
			t.Errorf("Object = %+v, %v, %v", o, found, err)
		}
		if f, found, err := j.Dirent(parent, []byte("a")); err != nil || !found || f != fid {
			t.Errorf("Dirent = %v, %v, %v", f, found, err)
		}
		if _, found, err := j.Dirent(parent, []byte("b")); err != nil || found {
			t.Errorf("Dirent of no name: %v, %v", found, err)
		}
		if v, err := j.Meta("boot"); err != nil || string(v) != "x" || j.Serial() != 5 {
			t.Errorf("Meta = %q, %v, serial %d", v, err, j.Serial())
		}
		if err := j.Trim(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		if first, last := j.Bounds(); first != 5 || last != 10 {
			t.Errorf("Bounds = %d, %d, want 5, 10", first, last)
		}
		c := Chunk{MaxRecords: 4}
		if err := j.Read(1, &c); err != nil || c.First != 5 || c.Next != 9 || len(c.Ends) != 4 || string(c.Data[:c.Ends[0]]) != "record 5" {
			t.Errorf("Read = %+v, %v", c, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d, j = openTest(t, d.dir, Options{})
	}
}

// A batch may change objects and no names: that is all that chmod does.
func TestBatchOfObjectsAlone(t *testing.T) {
	_, j := openTest(t, t.TempDir(), Options{})
	var b Batch
	b.Reset(1)
	for i := range uint64(100) {
		b.PutObject(changelog.FID{Seq: i + 1}, &Object{Mode: uint32(i), Links: 1})
	}
	b.DeleteObject(changelog.FID{Seq: 50})
	if err := j.Apply(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	var o Object
	for _, seq := range []uint64{1, 2, 50, 100} {
		found, err := j.Object(changelog.FID{Seq: seq}, &o)
		if err != nil || found == (seq == 50) || found && o.Mode != uint32(seq-1) {
			t.Errorf("object %d: got %v, mode %#o, %v", seq, found, o.Mode, err)
		}
	}
}
