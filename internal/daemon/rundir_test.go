// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

func TestOpenRunDir(t *testing.T) {
	tests := []struct {
		name string
		gid  int
		mode os.FileMode
	}{
		{"user", -1, 0o700},
		{"group", os.Getgid(), 0o755},
	}
	for _, tt := range tests {
		root := filepath.Join(t.TempDir(), "deep", "lttng")
		d, err := OpenRunDir(root, tt.gid)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for _, path := range []string{root, filepath.Join(root, "relayd")} {
			info, err := os.Stat(path)
			if err != nil || info.Mode() != os.ModeDir|tt.mode {
				t.Errorf("%s: %s has mode %v, %v, want %v", tt.name, path, info.Mode(), err, tt.mode)
			}
		}
		if got, want := d.PortFile("live"), filepath.Join(root, "relayd", "live.port"); got != want {
			t.Errorf("PortFile = %q, want %q", got, want)
		}
		if got, want := d.HealthSocket(42), filepath.Join(root, "relayd", "health-42"); got != want {
			t.Errorf("HealthSocket = %q, want %q", got, want)
		}
	}
}

func TestOpenRunDirGroup(t *testing.T) {
	peer.Root(t, "to give directories to a group")
	root := filepath.Join(t.TempDir(), "lttng")
	const group = 4242
	if _, err := OpenRunDir(root, group); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(root, "relayd"))
	if err != nil {
		t.Fatal(err)
	}
	if gid := info.Sys().(*syscall.Stat_t).Gid; gid != group {
		t.Errorf("group %d, want %d", gid, group)
	}
}

func TestOpenRunDirExisting(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := OpenRunDir(root, os.Getgid()); err != nil {
			t.Fatal(err)
		}
	}
	if info, _ := os.Stat(root); info.Mode().Perm() != 0o711 {
		t.Errorf("mode of an existing run directory became %v, want 0711", info.Mode().Perm())
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := OpenRunDir(path, -1); err == nil {
			t.Errorf("OpenRunDir(%s) with a file in the way: no error", path)
		}
	}
}

func TestGroupID(t *testing.T) {
	if gid, err := GroupID("root"); gid != 0 || err != nil {
		t.Errorf("GroupID(root) = %d, %v, want 0", gid, err)
	}
	if gid, err := GroupID("1234567"); gid != 1234567 || err != nil {
		t.Errorf("GroupID(1234567) = %d, %v, want the number", gid, err)
	}
	for _, name := range []string{"", "no such group", "-1"} {
		if gid, err := GroupID(name); err == nil {
			t.Errorf("GroupID(%q) = %d, want an error", name, gid)
		}
	}
}
