// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteNumber(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		prep func(path string) error
		fail bool
	}{
		{"fresh", func(string) error { return nil }, false},
		{"stale file", func(p string) error { return os.WriteFile(p, []byte("99999 and more text"), 0o600) }, false},
		{"link to a file", func(p string) error { return os.Symlink(victim, p) }, false},
		{"dangling link", func(p string) error { return os.Symlink("/nowhere/at/all", p) }, false},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, true},
		{"no parent", func(p string) error { return os.Remove(filepath.Dir(p)) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "relayd.pid")
			if err := tt.prep(path); err != nil {
				t.Fatal(err)
			}
			s, err := WriteNumber(path, 4711)
			if (err != nil) != tt.fail {
				t.Fatalf("WriteNumber: %v, want error %v", err, tt.fail)
			}
			if err != nil {
				return
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != 0o644 {
				t.Errorf("mode %v, %v, want a file of mode 0644", info.Mode(), err)
			}
			if text, _ := os.ReadFile(path); string(text) != "4711\n" {
				t.Errorf("content %q, want %q", text, "4711\n")
			}
			if err := s.Remove(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("%d files left, want none", len(left))
			}
			if err := s.Remove(); err != nil {
				t.Errorf("second Remove: %v, want nil", err)
			}
		})
	}
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("the target of a link was written: %q", text)
	}
}

func TestStateFileRemoveSparesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relayd.pid")
	s, err := WriteNumber(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteNumber(path, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != "2\n" {
		t.Errorf("file of the other process: %q, %v, want it untouched", text, err)
	}
}
