// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

// fillDisk takes all room of a file system but what remove gives back.
func fillDisk(t *testing.T, dir string) (remove func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size >= 512; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	// What the file system allots late is taken now, or the room comes and goes.
	if err := errors.Join(f.Sync(), f.Close()); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// A full disk ends nothing: the batch is refused with ENOSPC and taken when there is
// room, whether there was room for it in the reserve or not.
func TestDiskFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts Options
	}{
		{"reserve", Options{MemTableBytes: 256 << 10}},
		{"no reserve", Options{MemTableBytes: 256 << 10, ReserveBytes: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := fstest.Sized(t, "ext4", 64<<20)
			d, j := openTest(t, disk.Path("feeds"), tt.opts)
			var b Batch
			append100 := func() error {
				_, last := j.Bounds()
				b.Reset(last + 1)
				fillIndexed(&b, 100)
				return j.Apply(t.Context(), &b)
			}
			for range 20 {
				if err := append100(); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				remove := fillDisk(t, disk.Dir)
				var err error
				for n := 0; err == nil && n < 10000; n++ {
					err = append100()
				}
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("Apply on a full disk: %v, want ENOSPC", err)
				}
				t.Log(err)
				if err := j.Apply(t.Context(), &b); !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("Apply again: %v, want ENOSPC", err)
				}
				var c Chunk
				if err := j.Read(1, &c); err != nil || len(c.Ends) == 0 {
					t.Errorf("Read: %v, %d records", err, len(c.Ends))
				}
				remove()
				// More has come meanwhile.
				fillIndexed(&b, 10)
				wait.Until(t, "a batch is taken", func() bool {
					err = j.Apply(t.Context(), &b)
					return err == nil || !errors.Is(err, syscall.ENOSPC)
				})
				if err != nil {
					t.Fatal(err)
				}
				agrees(t, j, b.Next()-1)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			_, j = openTest(t, d.dir, tt.opts)
			agrees(t, j, b.Next()-1)
		})
	}
}

// A store that is closed while it has no room gives up its lock, and what was
// acknowledged is there when it is opened with room.
func TestCloseOnFullDisk(t *testing.T) {
	disk := fstest.Sized(t, "ext4", 64<<20)
	opts := Options{MemTableBytes: 256 << 10, ReserveBytes: -1}
	d, err := openDatabase(disk.Path("feeds"), opts)
	if err != nil {
		t.Fatal(err)
	}
	j, err := d.Open(sourceA)
	if err != nil {
		t.Fatal(err)
	}
	remove := fillDisk(t, disk.Dir)
	var b Batch
	for next := uint64(1); err == nil; next = b.Next() {
		b.Reset(next)
		fillIndexed(&b, 100)
		err = j.Apply(t.Context(), &b)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Apply on a full disk: %v, want ENOSPC", err)
	}
	if err := d.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v, want ENOSPC", err)
	}
	if _, err := OpenStore(d.dir, opts); err == nil {
		t.Error("a store was opened without room")
	}
	remove()
	_, reopened := openTest(t, d.dir, opts)
	agrees(t, reopened, b.first-1)
}
