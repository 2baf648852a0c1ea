// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	peers "github.com/weir-io/weir/internal/peer"
)

// Programs wait at a page that one of them has made, if it came before the daemon: it is
// found, and then nobody but root's daemon writes to it.
func TestBeckonAtSomebodysPage(t *testing.T) {
	peers.Root(t, "own a file that another user has made")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "wait")
	if err := os.WriteFile(path, make([]byte, os.Getpagesize()), 0o666); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, there := range []byte{1, 0, 1} {
		if err := beckon(path, there); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || b[0] != there {
			t.Errorf("the page has %d, %v; want %d", b[0], err, there)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || info.Mode() != everybodysPage {
			t.Errorf("the page is of user %d, mode %v; want root's, %v", st.Uid, info.Mode(), os.FileMode(everybodysPage))
		}
	}
	// What is a page under another name, too, is not changed.
	other := filepath.Join(dir, "other")
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	if err := beckon(other, 0); err == nil {
		t.Error("a file of two names: no error")
	}
	if err := beckon(filepath.Join(dir, "new"), 1); err != nil {
		t.Error(err)
	}
}
