// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// Whatever others have done to a target can be undone.
func TestRepair(t *testing.T) {
	m := newMirrored(t, "ext4")
	mi := m.start()
	for _, tt := range []struct{ what, change string }{
		{"contents of the same times", "touch -r f ref; printf 9 | dd of=f conv=notrunc 2>/dev/null; touch -r ref f; rm ref"},
		{"another file", "echo mine > new; mv new f"},
		{"another dir", "mv d e; mkdir d; chmod 711 d"},
		{"removed", "rm -r d f"},
		{"something there", "mkdir -p n/m; echo mine > n/m/x; ln -s x l"},
		{"links that are none", "cp -p f g; mv g d/h; chmod 600 d/g"},
		{"kinds", "rm -r d f; mkdir f; echo mine > d"},
	} {
		m.sh("rm -rf d f n; printf 1 > f; mkdir -p d/sub; echo 2 > d/g; ln f d/h; echo 3 > d/sub/k")
		m.equal(mi)
		c := exec.Command("sh", "-ec", tt.change)
		c.Dir = m.target
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", tt.what, err, out)
		}
		d := m.differences()
		if len(d) == 0 {
			t.Fatalf("%s: change of the target is no difference", tt.what)
		}
		must(t, mi.Repair(t.Context(), d))
		if d := m.differences(); len(d) > 0 {
			t.Errorf("%s: got %v after a repair, want nothing", tt.what, d)
		}
		m.sh("mv d n; echo 4 >> f") // it goes on
		m.equal(mi)
	}
}

// What belongs to the file systems of source and target is none of the mirror's.
func TestLostAndFoundIsLeftOut(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.target = filepath.Dir(m.target)
	kept := filepath.Join(m.target, "lost+found", "#12")
	must(t, os.MkdirAll(kept, 0o700))
	m.sh("mkdir -p lost+found/a/b; echo 1 > lost+found/a/b/c; echo 2 > f")
	mi := m.start()
	m.equal(mi)
	m.sh("echo 3 > lost+found/a/b/d; mv f lost+found/a; mkdir g")
	m.equal(mi)
	must(t, mi.Repair(t.Context(), []Difference{{Path: "lost+found"}, {Path: "lost+found/#12"}}))
	if _, err := os.Lstat(kept); err != nil {
		t.Errorf("lost+found of the target after a repair: %v", err)
	}
	if len(mi.retry) > 0 {
		t.Errorf("names to be looked at again: got %v, want none: lost+found never gets a place", mi.retry)
	}
}

// A repair does not empty what is mounted in the target, at any depth, nor what is beside
// it.
func TestRepairLeavesMounts(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	mi := m.start()
	m.sh("echo 1 > f")
	m.equal(mi)
	other := fstest.New(t, "tmpfs")
	must(t, os.WriteFile(other.Path("mine"), nil, 0o600))
	mount := filepath.Join(m.target, "x/y")
	must(t, os.MkdirAll(mount, 0o700), unix.Mount(other.Dir, mount, "", unix.MS_BIND, ""))
	err := mi.Repair(t.Context(), m.differences())
	_, stays := os.Lstat(other.Path("mine"))
	must(t, unix.Unmount(mount, 0), stays)
	var mounted *MountedError
	if !errors.As(err, &mounted) || mounted.Path != mount {
		t.Errorf("repair with a mount in the way: got %v, want a MountedError of %s", err, mount)
	}
	must(t, mi.Repair(t.Context(), m.differences()))
	if d := m.differences(); len(d) > 0 {
		t.Errorf("got %v after a repair without the mount, want nothing", d)
	}
}

// What is mounted in the source keeps nothing from being repaired, and is no difference.
func TestRepairWithMountInTheSource(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir -p a/b; echo 1 > a/b/f; echo 2 > g")
	mi := m.start()
	m.equal(mi)
	other := fstest.New(t, "tmpfs")
	must(t, os.WriteFile(other.Path("x"), nil, 0o600), unix.Mount(other.Dir, m.src.Path("a/b"), "", unix.MS_BIND, ""))
	covered := m.differences()
	must(t, os.Remove(filepath.Join(m.target, "g")))
	err := mi.Repair(t.Context(), append(m.differences(), Difference{Path: "a/b"}, Difference{Path: "a/b/x"}))
	left := m.differences()
	must(t, unix.Unmount(m.src.Path("a/b"), 0), err)
	if len(covered)+len(left) > 0 {
		t.Errorf("source with a mount: got differences %v, after a repair %v, want none", covered, left)
	}
	m.equal(mi)
}

// Contents that do not differ are not copied by a repair.
func TestRepairOfAttributesCopiesNothing(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo 1 > f; touch -d 2001-02-03 f")
	mi := m.start()
	m.equal(mi)
	clear(mi.again)
	f := filepath.Join(m.target, "f")
	for _, tt := range []struct {
		what   string
		change func() error
		copied uint64
	}{
		{"mode", func() error { return os.Chmod(f, 0o666) }, 0},
		{"owner", func() error { return os.Chown(f, 1, 2) }, 0},
		{"contents", func() error {
			return errors.Join(os.WriteFile(f, []byte("9\n"), 0), os.Chtimes(f, time.Time{}, mtime(t, m.src.Path("f"))))
		}, 2},
	} {
		before := mi.count.copied
		must(t, tt.change(), mi.Repair(t.Context(), m.differences()))
		if got := mi.count.copied - before; got != tt.copied {
			t.Errorf("%s: got %d bytes copied, want %d", tt.what, got, tt.copied)
		}
		if d := m.differences(); len(d) > 0 {
			t.Errorf("%s: got %v after a repair, want nothing", tt.what, d)
		}
	}
}

func mtime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.ModTime()
}
