// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fdpool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func newFile(t *testing.T, p *Pool, path string) *File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return p.File(f, func() (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) })
}

func TestBudgetIsKept(t *testing.T) {
	dir, p := t.TempDir(), New(3)
	var files []*File
	for i := range 10 {
		files = append(files, newFile(t, p, filepath.Join(dir, fmt.Sprint(i))))
	}
	for round := range 3 {
		for i, f := range files {
			fd, err := f.Acquire()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Pwrite(fd, []byte{byte('a' + i)}, int64(round)); err != nil {
				t.Fatal(err)
			}
			f.Release()
		}
	}
	if s := p.Stats(); s.Open > 3 || s.Evictions < 7 {
		t.Errorf("Stats() = %+v, want at most 3 open and some evictions", s)
	}
	for i, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		c := string(rune('a' + i))
		if want := c + c + c; err != nil || string(b) != want {
			t.Errorf("file %d holds %q (%v), want %q", i, b, err, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Acquire(); !errors.Is(err, ErrClosed) {
			t.Errorf("Acquire after Close = %v, want ErrClosed", err)
		}
	}
	if s := p.Stats(); s.Open != 0 {
		t.Errorf("%d files counted as open after all were closed", s.Open)
	}
}

func TestPinnedStaysOpen(t *testing.T) {
	dir, p := t.TempDir(), New(1)
	path := filepath.Join(dir, "gone")
	f := newFile(t, p, path)
	if err := f.Pin(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := newFile(t, p, filepath.Join(dir, "other"))
	defer other.Close()
	if _, err := f.Acquire(); err != nil {
		t.Errorf("Acquire of a pinned file = %v", err)
	}
	f.Release()
	f.Close()
}

func TestCloseWhileInUse(t *testing.T) {
	p := New(1)
	f := newFile(t, p, filepath.Join(t.TempDir(), "f"))
	fd, err := f.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(fd, []byte("x"), 0); err != nil {
		t.Errorf("write while still acquired: %v", err)
	}
	f.Release()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
		t.Error("descriptor still open after the last Release")
	}
}

func TestReopenErrorIsReturned(t *testing.T) {
	dir, p := t.TempDir(), New(1)
	path := filepath.Join(dir, "f")
	f := newFile(t, p, path)
	defer f.Close()
	other := newFile(t, p, filepath.Join(dir, "other"))
	defer other.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Acquire(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Acquire = %v, want a not-exist error", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	dir, p := t.TempDir(), New(2)
	var files []*File
	for i := range 8 {
		files = append(files, newFile(t, p, filepath.Join(dir, fmt.Sprint(i))))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 500 {
				f := files[(n*7+g)%len(files)]
				fd, err := f.Acquire()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := unix.Pwrite(fd, []byte{'x'}, int64(g)); err != nil {
					t.Error(err)
				}
				f.Release()
			}
		})
	}
	wg.Wait()
	for _, f := range files {
		f.Close()
	}
	if s := p.Stats(); s.Open != 0 {
		t.Errorf("%d files counted as open at the end", s.Open)
	}
}
