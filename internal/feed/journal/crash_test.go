// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/weir-io/weir/changelog"
)

// hookFS calls a function after each sync, and instead of it if that returns an error.
type hookFS struct {
	vfs.FS
	sync func(name string) error
	// reuse is held while a file is reused: the memory's file system takes its lock twice
	// then, between which nobody may clone it. May be nil.
	reuse *sync.Mutex
}

type hookFile struct {
	vfs.File
	fs   hookFS
	name string
}

func (h hookFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return hookFile{f, h, name}, nil
}

func (h hookFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, c)
	return h.wrap(name, f, err)
}

func (h hookFS) ReuseForWrite(o, n string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if h.reuse != nil {
		h.reuse.Lock()
		defer h.reuse.Unlock()
	}
	f, err := h.FS.ReuseForWrite(o, n, c)
	return h.wrap(n, f, err)
}

func (h hookFS) OpenDir(name string) (vfs.File, error) {
	f, err := h.FS.OpenDir(name)
	return h.wrap(name, f, err)
}

func (f hookFile) Sync() error {
	if err := f.fs.sync(f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f hookFile) SyncData() error {
	if err := f.fs.sync(f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}

// fillIndexed appends a record for each of n new objects with one name each.
func fillIndexed(b *Batch, n int) {
	for range n {
		f := changelog.FID{Seq: 100 + b.Next()}
		b.PutObject(f, &Object{Type: syscall.S_IFREG, Links: 1, Last: b.Next()})
		b.PutDirent(changelog.FID{Seq: 1}, record(b.Next()), f)
		appendRecords(b, 1)
	}
}

// agrees looks whether a journal holds what fillIndexed has made, and nothing else.
func agrees(t *testing.T, j *source, atLeast uint64) {
	t.Helper()
	if err := j.Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	first, last := j.Bounds()
	if last < atLeast {
		t.Errorf("last = %d, and %d was acknowledged", last, atLeast)
	}
	var c Chunk
	for from := first; from <= last; from = c.Next {
		if err := j.Read(from, &c); err != nil {
			t.Fatal(err)
		}
		at := 0
		for i, end := range c.Ends {
			if want := string(record(c.First + uint64(i))); string(c.Data[at:end]) != want {
				t.Fatalf("record is %q, want %q", c.Data[at:end], want)
			}
			at = end
		}
	}
	names := uint64(0)
	err := j.Children(changelog.FID{Seq: 1}, func(name []byte, f changelog.FID) bool {
		if string(name) != string(record(f.Seq-100)) {
			t.Errorf("name %q stands for %v", name, f)
		}
		names++
		return true
	})
	if err != nil || names != last {
		t.Errorf("%d names, %v, want %d", names, err, last)
	}
}

// Whatever the disk holds after a crash at a sync, what was acknowledged before is
// there.
func TestCrashAtEverySync(t *testing.T) {
	type crash struct {
		fs    *vfs.MemFS
		acked uint64
	}
	var mu sync.Mutex
	var crashes []crash
	var acked atomic.Uint64
	mem := vfs.NewCrashableMem()
	r := rand.New(rand.NewPCG(4, 2))
	fs := hookFS{FS: mem, reuse: &mu, sync: func(string) error {
		mu.Lock()
		defer mu.Unlock()
		known := acked.Load()
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (len(crashes) % 3), RNG: r}
		crashes = append(crashes, crash{mem.CrashClone(cfg), known})
		return nil
	}}
	opts := Options{FS: fs, CacheBytes: 1 << 20, MemTableBytes: 64 << 10}
	_, j := openTest(t, "feeds", opts)
	var b Batch
	for next := uint64(1); next < 1200; next = b.Next() {
		b.Reset(next)
		fillIndexed(&b, 50)
		if err := j.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		acked.Store(b.Next() - 1)
		if next%200 == 1 {
			if err := j.Trim(t.Context(), next/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	mu.Lock()
	all := crashes
	mu.Unlock()
	if len(all) < 30 {
		t.Fatalf("%d syncs, want at least 30", len(all))
	}
	for _, c := range all {
		opts.FS = c.fs
		d, err := openDatabase("feeds", opts)
		if err != nil {
			t.Fatalf("after the crash with %d: %v", c.acked, err)
		}
		j, err := d.Open(sourceA)
		if err != nil {
			t.Fatal(err)
		}
		agrees(t, j.(*source), c.acked)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}

// A sync that fails ends no process: the store says what it was, reads go on, and
// another one can be opened at once.
func TestSyncFails(t *testing.T) {
	for _, files := range []string{".log", ".sst", "MANIFEST"} {
		t.Run(files, func(t *testing.T) {
			var broken atomic.Bool
			mem := vfs.NewMem()
			opts := Options{CacheBytes: 1 << 20, MemTableBytes: 64 << 10, FS: hookFS{FS: mem, sync: func(name string) error {
				if broken.Load() && strings.Contains(name, files) {
					return &pathError{name, syscall.EIO}
				}
				return nil
			}}}
			d, err := openDatabase("feeds", opts)
			if err != nil {
				t.Fatal(err)
			}
			journal, err := d.Open(sourceA)
			if err != nil {
				t.Fatal(err)
			}
			j := journal.(*source)
			var b Batch
			for next := uint64(1); next < 20000 && err == nil; next = b.Next() {
				broken.Store(next > 1000)
				b.Reset(next)
				fillIndexed(&b, 100)
				err = j.Apply(t.Context(), &b)
			}
			acked := b.first - 1
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("Apply: %v, want EIO", err)
			}
			if err := d.PutFeed(t.Context(), Feed{ID: 1}); !errors.Is(err, syscall.EIO) {
				t.Errorf("PutFeed: %v, want EIO", err)
			}
			var c Chunk
			if err := j.Read(1, &c); err != nil || len(c.Ends) == 0 {
				t.Errorf("Read: %v, %d records", err, len(c.Ends))
			}
			if err := d.Close(); !errors.Is(err, syscall.EIO) {
				t.Errorf("Close: %v, want EIO", err)
			}
			broken.Store(false)
			_, j = openTest(t, "feeds", opts)
			agrees(t, j, acked)
			// The batch is there, or is taken now.
			if _, last := j.Bounds(); last == acked {
				if err := j.Apply(t.Context(), &b); err != nil {
					t.Error(err)
				}
			}
			agrees(t, j, b.Next()-1)
		})
	}
}

type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

func TestNewerVersionIsRefused(t *testing.T) {
	opts := Options{FS: vfs.NewMem()}
	d, _ := openTest(t, "feeds", opts)
	if err := d.put(t.Context(), appendMeta(nil, metaVersion), []byte{0, 0, 0, storeVersion + 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var version *VersionError
	if _, err := OpenStore("feeds", opts); !errors.As(err, &version) || version.Got != storeVersion+1 {
		t.Errorf("OpenStore: %v, want a VersionError", err)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	for _, opts := range []Options{{}, {FS: vfs.NewMem()}} {
		dir := t.TempDir()
		d, _ := openTest(t, dir, opts)
		if _, err := OpenStore(dir, opts); !errors.Is(err, ErrLocked) {
			t.Errorf("second OpenStore: %v, want ErrLocked", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		openTest(t, dir, opts)
	}
}

// Options that the database does not take must not reach an agent.
func TestDatabaseOptions(t *testing.T) {
	o := Options{}.withDefaults()
	cache := pebble.NewCache(1)
	defer cache.Unref()
	p := o.pebble(newDisk(o.FS, "x", o.Log), cache)
	p.EnsureDefaults()
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}
