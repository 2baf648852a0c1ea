// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { fstest.Main(m) }

// TestKernelHandles turns handles of the kernel into FIDs and back, and opens the
// objects by what came out.
func TestKernelHandles(t *testing.T) {
	kinds := map[string]changelog.FSKind{
		"ext4": changelog.FSExt4, "xfs": changelog.FSXFS, "btrfs": changelog.FSBtrfs, "tmpfs": changelog.FSTmpfs,
	}
	for _, name := range fstest.Kinds {
		t.Run(name, func(t *testing.T) {
			fs, kind := fstest.New(t, name), kinds[name]
			if kind.String() != name {
				t.Fatalf("kind %v, want %s", kind, name)
			}
			for _, err := range []error{
				os.Mkdir(fs.Path("dir"), 0o755), os.WriteFile(fs.Path("dir", "file"), nil, 0o644), os.Symlink("file", fs.Path("dir", "link")),
				unix.Mkfifo(fs.Path("dir", "fifo"), 0o600),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.Open(fs.Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			seen := make(map[changelog.FID]string)
			for _, path := range []string{fs.Dir, fs.Path("dir"), fs.Path("dir", "file"), fs.Path("dir", "link"), fs.Path("dir", "fifo")} {
				f := checkHandle(t, root, path, kind)
				if other := seen[f]; other != "" {
					t.Errorf("%s and %s are both %v", path, other, f)
				}
				seen[f] = path
			}
		})
	}
}

// checkHandle returns the FID of an object after it was opened by it.
func checkHandle(t *testing.T, root *os.File, path string, kind changelog.FSKind) changelog.FID {
	t.Helper()
	want, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := changelog.FIDOfHandle(want.Type(), want.Bytes())
	if !ok {
		t.Fatalf("%s: handle %#x %x has no FID", path, want.Type(), want.Bytes())
	}
	h, ok := changelog.HandleOf(f, kind)
	if !ok || h.Type != want.Type() || !bytes.Equal(h.Bytes(), want.Bytes()) {
		t.Fatalf("%s: FID %v is handle %#x %x, want %#x %x", path, f, h.Type, h.Bytes(), want.Type(), want.Bytes())
	}
	fd, err := unix.OpenByHandleAt(int(root.Fd()), unix.NewFileHandle(h.Type, h.Bytes()), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		t.Fatalf("%s: open by handle: %v", path, err)
	}
	defer unix.Close(fd)
	var opened, named unix.Stat_t
	if err := unix.Fstat(fd, &opened); err != nil {
		t.Fatal(err)
	}
	if err := unix.Lstat(path, &named); err != nil {
		t.Fatal(err)
	}
	if opened.Ino != named.Ino || opened.Dev != named.Dev {
		t.Errorf("%s: FID %v opens inode %d, want %d", path, f, opened.Ino, named.Ino)
	}
	return f
}
