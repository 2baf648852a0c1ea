// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fstest makes file systems for tests: ext4, xfs, btrfs and tmpfs, in a mount
// namespace of the test process's own, so that nothing stays behind it however it
// ends.
package fstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// Kinds are the kinds of file systems that can be watched.
var Kinds = []string{"ext4", "xfs", "btrfs", "tmpfs"}

// inside is set in the process that has the namespace.
const inside = "WEIR_FSTEST_NAMESPACE"

// Ready reports whether Main has nothing to do but to run the tests.
func Ready() bool { return os.Geteuid() != 0 || os.Getenv(inside) != "" }

// Main runs the tests of a package in a mount namespace of its own: TestMain calls
// it. Without root it runs them as they are, and New skips.
func Main(m *testing.M) {
	if Ready() {
		os.Exit(m.Run())
	}
	// The child is killed at the end of the thread that started it, which is to be that
	// of the process.
	runtime.LockOSThread()
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Unshare makes all mounts private, as unshare(1) does.
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var exit *exec.ExitError
	switch err := c.Run(); {
	case errors.As(err, &exit):
		fmt.Fprintln(os.Stderr, "tests in a mount namespace:", exit)
		os.Exit(max(exit.ExitCode(), 1))
	case err != nil:
		fmt.Fprintln(os.Stderr, "mount namespace for tests:", err)
		os.Exit(1)
	}
}

// makers are the commands that make file systems in an image.
var makers = map[string][]string{
	"ext4":  {"mkfs.ext4", "-q", "-F"},
	"xfs":   {"mkfs.xfs", "-q"},
	"btrfs": {"mkfs.btrfs", "-q"},
	// These cannot have all that the others can.
	"ext4-1k":     {"mkfs.ext4", "-q", "-F", "-b", "1024"},
	"ext4-nouuid": {"mkfs.ext4", "-q", "-F", "-U", "clear"},
	"ntfs":        {"mkfs.ntfs", "-Q", "-F", "-q"},
	// This has no extended attributes, and other handles at each mount.
	"ntfs-plain": {"mkfs.ntfs", "-Q", "-F", "-q"},
}

// Size is how large the file systems of New are, in bytes; images are sparse.
const Size = 512 << 20

// FS is a mounted file system.
type FS struct {
	Kind  string
	Dir   string // where it is mounted
	image string // empty for tmpfs
	tb    testing.TB
}

// New makes a file system of a kind and mounts it until the test ends. The test is
// skipped without root, and where the kind cannot be made.
func New(tb testing.TB, kind string) *FS { return Sized(tb, kind, Size) }

// Sized is New with a size in bytes.
func Sized(tb testing.TB, kind string, size int64) *FS {
	tb.Helper()
	peer.Root(tb, "to mount file systems")
	f := &FS{Kind: kind, Dir: tb.TempDir(), tb: tb}
	if maker := makers[kind]; maker != nil {
		peer.Need(tb, maker[0])
		f.image = filepath.Join(imageDir(tb, size), kind+".img")
		f.makeImage(maker, size)
	}
	f.Mount()
	tb.Cleanup(func() { _ = syscall.Unmount(f.Dir, syscall.MNT_DETACH) })
	return f
}

// imageDir makes a directory in memory for an image of a size: what the file systems of
// tests sync need not go to a disk, which others may keep busy. Benchmarks have them on
// the disk.
func imageDir(tb testing.TB, size int64) string {
	tb.Helper()
	dir := tb.TempDir()
	if _, is := tb.(*testing.B); is {
		return dir
	}
	// Keep has a second one beside it.
	if err := syscall.Mount("images", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", 2*size+1<<20)); err != nil {
		tb.Fatalf("tmpfs for images at %s: %v", dir, err)
	}
	tb.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func (f *FS) makeImage(maker []string, size int64) {
	f.tb.Helper()
	img, err := os.Create(f.image)
	if err == nil {
		err = errors.Join(img.Truncate(size), img.Close())
	}
	if err != nil {
		f.tb.Fatal(err)
	}
	f.run(append(maker, f.image)...)
}

func (f *FS) run(args ...string) {
	f.tb.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		f.tb.Fatalf("%v: %v: %s", args, err, out)
	}
}

// Mount mounts the file system again; a tmpfs is a new one then.
func (f *FS) Mount() {
	f.tb.Helper()
	if f.image == "" {
		f.run("mount", "-t", "tmpfs", "-o", "size=50%", "tmpfs", f.Dir)
		return
	}
	switch f.Kind {
	case "ntfs": // names are as on the systems that it comes from
		f.run("lowntfs-3g", "-o", "permissions,streams_interface=xattr,windows_names,ignore_case", f.image, f.Dir)
	case "ntfs-plain":
		f.run("ntfs-3g", "-o", "permissions,streams_interface=none", f.image, f.Dir)
	default:
		f.run("mount", "-o", "loop", f.image, f.Dir)
	}
}

// Keep copies the image of a file system that is not mounted, and returns what has it be
// as it was then.
func (f *FS) Keep() (restore func()) {
	f.tb.Helper()
	kept := f.image + ".kept"
	f.run("cp", "--sparse=always", f.image, kept)
	return func() {
		f.tb.Helper()
		f.run("cp", "--sparse=always", kept, f.image)
	}
}

// Unmount unmounts it; nobody may use it.
func (f *FS) Unmount() {
	f.tb.Helper()
	f.run("umount", f.Dir)
}

// Path is a path in the file system.
func (f *FS) Path(elem ...string) string { return filepath.Join(append([]string{f.Dir}, elem...)...) }
