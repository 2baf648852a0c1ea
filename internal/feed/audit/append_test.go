// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestMissingRecordsAreNoted(t *testing.T) {
	dir := written(t)
	o := options(dir)
	o.Info.Cancelled, o.Info.Asked = 25, 20
	l, err := Open(o)
	must(t, err)
	reset := &client.Batch{Through: 20, Records: []changelog.Record{
		{Index: 20, Type: changelog.Mark, Mark: &changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapReset, From: 15, To: 20}},
	}}
	must(t, l.Append(reset), l.Append(batchOf(19, 22)), l.Close())
	if r, err := Verify(dir, ""); err != nil || r.Notes != 2 || r.Records != 11 || r.Through != 22 {
		t.Errorf("got %+v, %v, want 2 notes and records 1 to 9, 21 and 22", r, err)
	}
	var notes []Note
	for i, p := range files(t, dir) {
		c := chain{}
		_, _, err := c.read(p, uint64(i+1), func(l *line) {
			if l.note != nil {
				notes = append(notes, *l.note)
			}
		})
		must(t, err)
	}
	if len(notes) != 2 || notes[0].Note != "missing" || notes[0].First != 10 || notes[0].Last != 20 || notes[1].Reason != "reset" || notes[1].First != 15 {
		t.Errorf("notes: got %+v", notes)
	}
}

// one is a feed that has one batch.
type one struct {
	batch     *client.Batch
	cancelled []uint64
}

func (f *one) Read(context.Context, client.ReadOptions) (*client.Batch, error) { return f.batch, nil }

func (f *one) Cancel(_ context.Context, through uint64) (uint64, error) {
	f.cancelled = append(f.cancelled, through)
	return through, nil
}

// What a filter has dropped behind the last line is not missing from the log.
func TestWhatIsFilteredIsNotMissing(t *testing.T) {
	dir := written(t)
	o := options(dir)
	f := &one{batch: batchOf(10, 12)}
	f.batch.Through = 15
	o.Feed = f
	l, err := Open(o)
	must(t, err)
	_, err = l.Step(t.Context(), true)
	must(t, err, l.Close())
	if !slices.Equal(f.cancelled, []uint64{12}) {
		t.Errorf("cancelled: got %d, want 12", f.cancelled)
	}
	o.Info.Cancelled, o.Info.Asked = 15, 12 // as the agent has gone on by itself
	l, err = Open(o)
	must(t, err, l.Close())
	if r, err := Verify(dir, ""); err != nil || r.Notes != 0 || r.Records != 12 {
		t.Errorf("got %+v, %v, want 12 records and no note", r, err)
	}
}

// What is told of a directory that was moved in has the index of the move, whose batches
// are through an earlier one until all is told.
func TestMoveIsWrittenOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	batches := []*client.Batch{batchOf(1, 4), batchOf(4, 4), batchOf(4, 5)}
	batches[0].Through, batches[1].Through = 3, 3
	for _, b := range batches[1:] {
		b.Records[0].Flags = changelog.FlagSynth
	}
	for range 2 { // the second writer gets all of it again
		l, err := Open(options(dir))
		must(t, err)
		for _, b := range batches {
			must(t, l.Append(b))
		}
		must(t, l.Close())
	}
	if r, err := Verify(dir, ""); err != nil || r.Records != 5 || r.Through != 5 {
		t.Errorf("got %+v, %v, want records 1 to 5", r, err)
	}
}

// A full disk tears no line for good.
func TestFullDisk(t *testing.T) {
	fs := fstest.Sized(t, "ext4", 8<<20)
	dir, filler := fs.Path("log"), fs.Path("filler")
	o := options(dir)
	o.Size = 256 << 10
	l, err := Open(o)
	must(t, err, l.Append(batchOf(1, 10)))
	f, err := os.Create(filler)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	must(t, f.Close())
	next := uint64(11)
	for err = nil; err == nil; next += 100 {
		err = l.Append(batchOf(next, next+99))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("append to a full disk: got %v", err)
	}
	must(t, os.Remove(filler), l.Append(batchOf(next-100, next+99)), l.Close())
	if r, err := Verify(dir, ""); err != nil || r.Records != next+99 || r.Torn != 0 {
		t.Errorf("after the disk was full: got %+v, %v, want %d records", r, err, next+99)
	}
}

func BenchmarkAppend(b *testing.B) {
	o := options(b.TempDir())
	l, err := Open(o)
	must(b, err)
	defer l.Close()
	const n = 1000
	next := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		batch := batchOf(next, next+n-1)
		next += n
		b.StartTimer()
		must(b, l.Append(batch))
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
