// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package reread

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Prompt files give what others give.
func TestPrompt(t *testing.T) {
	for _, kind := range []Kind{Whole, Pieces, Lines, Replaced} {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, "")
		f := NewPrompt(path, 4, kind)
		defer f.Close()
		for _, text := range []string{"", "a", "four", strings.Repeat("long ", 1000), "abc"} {
			write(t, path, text)
			if b, err := f.Read(); err != nil || string(b) != text {
				t.Errorf("kind %d: %.20q, %v, want %.20q", kind, b, err, text)
			}
		}
	}
	if _, err := NewPrompt(t.TempDir(), 4, Whole).Read(); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
	d := NewPromptDir("/proc")
	defer d.Close()
	pid := int32(os.Getpid())
	for _, name := range []string{"stat", "cmdline"} {
		if b, uid, err := d.ReadOf(pid, name); err != nil || len(b) == 0 || uid != uint32(os.Geteuid()) {
			t.Errorf("%s: %.40q of %d, %v", name, b, uid, err)
		}
	}
	var st unix.Stat_t
	if err := d.Stat(&st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
}

// One that is not there is not looked for all the time.
func TestPromptAbsence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	synctest.Test(t, func(t *testing.T) {
		f := NewPrompt(path, 16, Whole)
		defer f.Close()
		if _, err := f.Read(); !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
		write(t, path, "text")
		if _, err := f.Read(); !errors.Is(err, unix.ENOENT) {
			t.Errorf("at once: %v, want ENOENT", err)
		}
		<-time.After(absence)
		if b, err := f.Read(); err != nil || string(b) != "text" {
			t.Errorf("later: %q, %v", b, err)
		}
	})
}

// The beginning of a file that the kernel makes line by line is the beginning of the
// whole.
func TestReadHead(t *testing.T) {
	f := NewPrompt("/proc/vmstat", 16<<10, Lines)
	defer f.Close()
	for range 3 {
		whole, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		first := bytes.Clone(whole[:bytes.IndexByte(whole, ' ')])
		size := len(whole)
		head, err := f.ReadHead(100)
		if err != nil || len(head) != 100 || !bytes.HasPrefix(head, first) {
			t.Errorf("%q, %v", head, err)
		}
		if all, err := f.ReadHead(1 << 30); err != nil || len(all) < size/2 {
			t.Errorf("%d bytes, %v, want about %d", len(all), err, size)
		}
	}
	if b, err := New("/proc/no-such-file", 16, Whole).ReadHead(8); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%q, %v", b, err)
	}
}
