// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFiles(t *testing.T) {
	d := NewPromptDir("/proc")
	defer d.Close()
	f := NewFiles(d, 2)
	defer f.Close()
	own, parent := int32(os.Getpid()), int32(os.Getppid())
	now := time.Now()
	read := func(n int32) {
		t.Helper()
		b, uid, err := f.Read(n, now)
		if err != nil || uid != uint32(os.Geteuid()) || !bytes.HasPrefix(b, []byte(strconv.Itoa(int(n))+" (")) {
			t.Errorf("%d: %.40q of %d, %v", n, b, uid, err)
		}
	}
	for range 3 {
		f.Begin()
		read(own)
		read(parent)
		read(1) // there is no room to keep it
		f.End()
		if len(f.kept) != 2 {
			t.Errorf("%d files are open, want 2", len(f.kept))
		}
	}
	fd := f.kept[own].fd
	f.Begin()
	read(own)
	f.End()
	if _, there := f.kept[parent]; there || f.kept[own].fd != fd {
		t.Errorf("open: %v, want %d as before", f.kept, own)
	}
	now = now.Add(keepAge + keepSpread*time.Second)
	read(own)
	if !f.kept[own].since.Equal(now) {
		t.Error("an old one is not opened anew")
	}
	f.Close()
	if len(f.kept) != 0 {
		t.Errorf("%d files are open, want none", len(f.kept))
	}
	read(own)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = f.Read(own, now) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// A process that has ended is gone, kept open or not.
func TestFilesOfTheGone(t *testing.T) {
	d := NewPromptDir("/proc")
	defer d.Close()
	f := NewFiles(d, 10)
	defer f.Close()
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := int32(c.Process.Pid)
	for range 2 {
		if _, _, err := f.Read(pid, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	for range 2 {
		if b, _, err := f.Read(pid, time.Now()); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%q, %v, want ENOENT", b, err)
		}
	}
	if len(f.kept) != 0 {
		t.Errorf("%d files are open, want none", len(f.kept))
	}
}

// Owners that change are seen when a file is opened anew, at the latest.
func TestFilesOwner(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/7", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/7/stat", "7 (x) S")
	d := NewDir(dir)
	defer d.Close()
	f := NewFiles(d, 1)
	defer f.Close()
	now := time.Now()
	if b, _, err := f.Read(7, now); err != nil || string(b) != "7 (x) S" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := os.Remove(dir + "/7/stat"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/7/stat", "7 (y) S")
	if b, _, err := f.Read(7, now); err != nil || string(b) != "7 (x) S" {
		t.Errorf("at once: %q, %v", b, err)
	}
	if b, _, err := f.Read(7, now.Add(2*keepAge)); err != nil || string(b) != "7 (y) S" {
		t.Errorf("later: %q, %v", b, err)
	}
}
