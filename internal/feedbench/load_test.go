// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		left int // files
	}{{Churn, 0}, {Make, 100}, {Stamp, 100}, {Keep, 50}} {
		l := Load{Kind: tt.kind, Dir: t.TempDir(), Threads: 2, Count: 100}
		var out strings.Builder
		if err := l.Run(t.Context(), strings.NewReader("\n"), &out); err != nil {
			t.Fatalf("%s: %v", tt.kind, err)
		}
		first, second, _ := strings.Cut(out.String(), "\n")
		var done Loaded
		if err := json.Unmarshal([]byte(second), &done); err != nil || first != readyLine {
			t.Fatalf("%s says %q: %v", tt.kind, out.String(), err)
		}
		if done.Files != 100 || done.Operations != 100*operations[tt.kind] || done.Took <= 0 || done.CPU <= 0 {
			t.Errorf("%s has done %+v, want 100 files", tt.kind, done)
		}
		left := 0
		err := filepath.WalkDir(l.Dir, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				left++
			}
			return err
		})
		if err != nil || left != tt.left {
			t.Errorf("%s leaves %d files, %v, want %d", tt.kind, left, err, tt.left)
		}
	}
	l := Load{Kind: "nothing", Dir: t.TempDir(), Count: 1}
	if err := l.Run(t.Context(), strings.NewReader("\n"), &strings.Builder{}); err == nil {
		t.Error("a kind of load that is none is done")
	}
}

// Without a count it goes on until its input ends.
func TestLoadEndsWithItsInput(t *testing.T) {
	l := Load{Kind: Random, Dir: t.TempDir(), Rate: 1}
	var out strings.Builder
	if err := l.Run(t.Context(), strings.NewReader("\n"), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"files":`) {
		t.Errorf("says %q", out.String())
	}
}

// What a thread of Churn cannot do is told with the file's name.
func TestChurnFails(t *testing.T) {
	dir := t.TempDir()
	c, err := newChurner(filepath.Join(dir, "d"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "d", "a1234567890123456789")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = c.one(1234567890123456789)
	var at *fs.PathError
	if !errors.As(err, &at) || at.Path != file || !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want that %s is there", err, file)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if _, err := newChurner(file); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("error %v for a directory that is a file", err)
	}
}
