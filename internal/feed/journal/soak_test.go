// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"flag"
	"math"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/wait"
)

var soak = flag.Int("soak", 200_000, "how many records TestSoak appends")

// Disk use is flat while as much is trimmed as is appended, also where each object is
// made and deleted again.
func TestSoak(t *testing.T) {
	const window, size = 50_000, 1000
	d, j := openTest(t, t.TempDir(), Options{MemTableBytes: 1 << 20, CacheBytes: 8 << 20})
	dir := changelog.FID{Seq: 2}
	var b Batch
	// Fewest bytes on disk in the second and in the last third behind the window. The
	// most say how far behind the engine is with what it rewrites: on a busy machine
	// that is twice as much.
	early, late := int64(math.MaxInt64), int64(math.MaxInt64)
	third := (*soak - window) / 3
	for n := 0; n < *soak; n += size {
		b.Reset(uint64(n) + 1)
		for range size {
			f := changelog.FID{Seq: 10 + b.Next()%window}
			if b.Next() > window {
				b.DeleteDirent(dir, record(b.Next()-window), f)
				b.DeleteObject(f)
			}
			b.PutObject(f, &Object{Mode: 0o644, Links: 1, Last: b.Next()})
			b.PutDirent(dir, record(b.Next()), f)
			b.Append(func(p []byte) []byte { return benchRecord(p, b.Next()) })
		}
		if err := j.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if n%10_000 == 0 && n > window {
			if err := j.Trim(t.Context(), uint64(n-window)); err != nil {
				t.Fatal(err)
			}
		}
		switch bytes := d.Bytes(); {
		case n >= window+third && n < window+2*third:
			early = min(early, bytes)
		case n >= window+2*third:
			late = min(late, bytes)
		}
	}
	first, last := j.Bounds()
	t.Logf("%d records, %d kept: at least %d bytes early, %d late", last, last+1-first, early, late)
	if late > early*4/3 {
		t.Errorf("at least %d bytes early and %d late, want about the same", early, late)
	}
	// What is kept is about what BytesFrom says.
	if got, want := j.BytesFrom(first), int64(last+1-first)*150; got < want*9/10 || got > want*11/10 {
		t.Errorf("BytesFrom(%d) = %d, want about %d", first, got, want)
	}
	if err := j.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// What was young when it was written to the disk goes from there once it is trimmed: after
// many such rounds there are no more tables than after a few.
func TestTrimmedTablesGo(t *testing.T) {
	const rounds, size, young = 60, 1000, 200
	d, j := openTest(t, t.TempDir(), Options{})
	var b Batch
	for range rounds {
		_, last := j.Bounds()
		b.Reset(last + 1)
		for range size {
			b.Append(func(p []byte) []byte { return benchRecord(p, b.Next()) })
		}
		if err := j.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if err := j.Trim(t.Context(), last+size-young); err != nil {
			t.Fatal(err)
		}
		if err := d.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	wait.Until(t, "trimmed tables to go", func() bool {
		total := d.db.Metrics().Total()
		return total.TablesCount < rounds/4
	})
	if first, last := j.Bounds(); last+1-first != young {
		t.Errorf("records %d to %d are kept, want %d", first, last, young)
	}
	if err := j.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
