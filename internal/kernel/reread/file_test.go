// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Files of each kind grow and shrink under an open descriptor.
func TestRead(t *testing.T) {
	for _, kind := range []Kind{Whole, Pieces, Lines, Replaced} {
		path := filepath.Join(t.TempDir(), "f")
		f := New(path, 4, kind)
		defer f.Close()
		if _, err := f.Read(); !errors.Is(err, unix.ENOENT) {
			t.Errorf("kind %d: %v, want ENOENT", kind, err)
		}
		for _, text := range []string{"", "a", "four", strings.Repeat("long ", 1000), "abc"} {
			write(t, path, text)
			if b, err := f.Read(); err != nil || string(b) != text {
				t.Errorf("kind %d: %.20q, %v, want %.20q", kind, b, err, text)
			}
		}
	}
}

// Files of the kernel that come in pieces, and those that come in one only.
func TestReadProc(t *testing.T) {
	for path, kind := range map[string]Kind{
		"/proc/vmstat": Lines, "/proc/kallsyms": Lines, "/proc/interrupts": Pieces, "/proc/self/maps": Pieces, "/proc/sys/fs/dentry-state": Whole, "/proc/version": Whole,
	} {
		f := New(path, 2, kind)
		defer f.Close()
		for range 2 {
			b, err := f.Read()
			other, err2 := os.ReadFile(path)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if bytes.Count(b, []byte("\n")) < bytes.Count(other, []byte("\n"))-3 || len(b) == 0 || b[len(b)-1] != '\n' {
				t.Errorf("%s: %d bytes, want about %d", path, len(b), len(other))
			}
		}
	}
}

func TestReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "one")
	f, stale := New(path, 16, Replaced), New(path, 16, Whole)
	defer f.Close()
	defer stale.Close()
	for _, x := range []*File{f, stale} {
		if _, err := x.Read(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, path+".new", "two")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Read(); err != nil || string(b) != "two" {
		t.Errorf("%q, %v, want the new file", b, err)
	}
	if b, err := stale.Read(); err != nil || string(b) != "one" {
		t.Errorf("%q, %v, want the file that was opened", b, err)
	}
}

// A process that has ended takes its files along: they are opened anew, and are not
// there.
func TestGone(t *testing.T) {
	p, err := os.StartProcess("/proc/self/exe", []string{"x", "-test.run=^$"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	f := New("/proc/"+strconv.Itoa(p.Pid)+"/stat", 4096, Whole)
	defer f.Close()
	if _, err := f.Read(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b, err := f.Read(); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%q, %v, want ENOENT", b, err)
		}
	}
}

func TestNotRegular(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Dir(path), "/dev/null"} {
		f := New(p, 16, Whole)
		if _, err := f.Read(); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", p, err)
		}
		if f.FD() >= 0 {
			t.Errorf("%s stays open", p)
		}
		if _, err := Read(0, p, nil); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestReadOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	long := strings.Repeat("x", 3000)
	write(t, path, long)
	room := make([]byte, 8)
	if b, err := Read(0, path, room); err != nil || string(b) != long {
		t.Errorf("%d bytes, %v, want %d", len(b), err, len(long))
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, limit := range []int{1, 100, 512, 2999, 3000, 5000} {
		if b, err := ReadFD(fd, room, limit); err != nil || len(b) != min(limit, len(long)) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(b), err)
		}
	}
}

func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	var want []int32
	for i := range 3000 {
		want = append(want, int32(i))
		write(t, filepath.Join(dir, strconv.Itoa(i)), "")
	}
	for _, name := range []string{"x", "1x", "-1", "99999999999", "self"} {
		write(t, filepath.Join(dir, name), "")
	}
	d := NewDir(dir)
	defer d.Close()
	var list []int32
	for range 2 {
		var err error
		if list, err = d.Numbers(list[:0]); err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		if !slices.Equal(list, want) {
			t.Errorf("%d names, want %d", len(list), len(want))
		}
	}
}

func TestReadOf(t *testing.T) {
	d := NewDir("/proc")
	defer d.Close()
	pid := int32(os.Getpid())
	b, uid, err := d.ReadOf(pid, "stat")
	if err != nil || uid != uint32(os.Geteuid()) || !bytes.HasPrefix(b, []byte(strconv.Itoa(int(pid))+" (")) {
		t.Errorf("%.40q of %d, %v", b, uid, err)
	}
	if _, _, err := d.ReadOf(pid, "no-such-file"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, want ENOENT", err)
	}
	for _, n := range []int32{0, 9, 10, 2147483647} {
		if got := string(appendNumber(nil, n)); got != strconv.Itoa(int(n)) {
			t.Errorf("appendNumber(%d) = %s", n, got)
		}
	}
}

func TestStatFollowsTheName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := NewDir(dir)
	defer d.Close()
	var before, after unix.Stat_t
	if err := d.Stat(&before); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := d.Stat(&after); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, want ENOENT", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Stat(&after); err != nil {
		t.Error(err)
	}
}

func TestReadBelow(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "eth0", "statistics"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "eth0", "statistics", "n")
	d := NewDir(root)
	defer d.Close()
	for _, text := range []string{"1\n", strings.Repeat("x", 5000), ""} {
		write(t, path, text)
		if got, err := d.ReadBelow([]byte("eth0"), "/statistics/n"); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	for name, want := range map[string]error{"eth1": unix.ENOENT, "eth0": ErrNotRegular} {
		file := "/statistics"
		if got, err := d.ReadBelow([]byte(name), file); !errors.Is(err, want) {
			t.Errorf("%s%s: %q, %v, want %v", name, file, got, err, want)
		}
	}
}

func TestAllocations(t *testing.T) {
	f := New("/proc/loadavg", 256, Whole)
	defer f.Close()
	absent := New("/proc/no-such-file", 256, Whole)
	d := NewDir("/proc")
	defer d.Close()
	pid, self := int32(os.Getpid()), []byte("self")
	for name, read := range map[string]func(){
		"Read":   func() { _, _ = f.Read() },
		"absent": func() { _, _ = absent.Read() },
		"ReadOf": func() { _, _, _ = d.ReadOf(pid, "stat") },
		"below":  func() { _, _ = d.ReadBelow(self, "/stat") },
	} {
		read()
		if n := testing.AllocsPerRun(100, read); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func FuzzDirents(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x00", 16) + "\x18\x00\x04" + "123\x00\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) { numbers(nil, b) })
}

// BenchmarkRead is the cost of an open file next to opening it each time.
func BenchmarkRead(b *testing.B) {
	for _, path := range []string{"/proc/loadavg", "/proc/stat"} {
		b.Run("open"+strings.ReplaceAll(path, "/", "-"), func(b *testing.B) {
			f := New(path, 16<<10, Whole)
			defer f.Close()
			for b.Loop() {
				if _, err := f.Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("ReadFile"+strings.ReplaceAll(path, "/", "-"), func(b *testing.B) {
			for b.Loop() {
				if _, err := os.ReadFile(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
