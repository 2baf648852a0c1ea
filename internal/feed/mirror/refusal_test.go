// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// troubles has the mirror catch up, and returns the paths in the target that are in
// trouble, each with its kind.
func (m *mirrored) troubles(mi *Mirror) []string {
	m.t.Helper()
	must(m.t, mi.Run(m.t.Context(), true))
	all := []string{}
	for _, t := range mi.Troubles() {
		path := t.Path
		if t.Bytes != nil {
			path = string(t.Bytes)
		}
		rel, err := filepath.Rel(m.target, path)
		must(m.t, err)
		all = append(all, string(t.Kind)+" "+rel)
	}
	return all
}

// isInTrouble has the mirror catch up until so many paths are in trouble.
func (m *mirrored) isInTrouble(mi *Mirror, want ...string) {
	m.t.Helper()
	var got []string
	deadline := time.Now().Add(m.patience)
	for got = m.troubles(mi); !slices.Equal(got, want) && time.Now().Before(deadline); {
		got = m.troubles(mi)
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("troubles: got %q, want %q: %v", got, want, mi.Troubles())
	}
}

// sameBytes has the mirror catch up, and compares names and contents, where the target has
// no exact times and tells names in its own case.
func (m *mirrored) sameBytes(mi *Mirror) {
	m.t.Helper()
	tree := func(dir string) string {
		c := exec.Command("sh", "-ec", `find . -path ./lost+found -prune -o -path ./.weir-mirror -prune -o \( -type d -printf '%P\n' -o -type f -exec md5sum {} + \) | tr A-Z a-z | sort`)
		c.Dir = dir
		out, err := c.CombinedOutput()
		must(m.t, err)
		return string(out)
	}
	src, dst := tree(m.src.Dir), ""
	deadline := time.Now().Add(m.patience)
	for dst = tree(m.target); src != dst && time.Now().Before(deadline); dst = tree(m.target) {
		must(m.t, mi.Run(m.t.Context(), true))
	}
	if src != dst {
		m.t.Errorf("target: got\n%s\nwant\n%s", dst, src)
	}
}

// has has the mirror catch up until a file of the target has these contents.
func (m *mirrored) has(mi *Mirror, name, contents string) {
	m.t.Helper()
	m.until(fmt.Sprintf("%q in %s", contents, name), func() bool {
		must(m.t, mi.Run(m.t.Context(), true))
		b, err := os.ReadFile(filepath.Join(m.target, name))
		return err == nil && string(b) == contents
	})
}

// retryNow has all troubles be due.
func (m *Mirror) retryNow() {
	for _, t := range m.st.troubles.all {
		t.next = time.Time{}
	}
}

// A target of another kind does not have all names. The others go on, and those that it
// has not are named.
func TestNamesThatTheTargetCannotHave(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "ext4")
	m.onto("ntfs")
	m.sh(`echo 1 > a; echo 2 > A; mkdir 'd:'; echo 3 > 'd:/f'; mkdir d; echo 4 > d/f
	      echo 5 > 'q?'; echo 6 > z; printf 7 > "$(printf 'b\377')"; mkdir -p e/sub; echo 8 > e/sub/f`)
	mi := m.start()
	must(t, mi.Run(t.Context(), true))
	clash := "unmirrorable A"
	if _, err := os.ReadFile(filepath.Join(m.target, "a")); err != nil {
		t.Fatal(err)
	}
	if got := m.troubles(mi); slices.Contains(got, "unmirrorable a") {
		clash = "unmirrorable a" // the directory had told A first
	}
	want := []string{clash, "unmirrorable b\xff", "unmirrorable d:", "unmirrorable q?"}
	slices.Sort(want)
	m.isInTrouble(mi, want...)

	// What has a name and moves to one that cannot be waits, with what changes in it.
	m.sh(`mv e 'e?'; echo 9 >> 'e?/sub/f'; mkdir 'e?/sub/new'; echo 10 > z`)
	want = append(want, "unmirrorable e?")
	slices.Sort(want)
	m.isInTrouble(mi, want...)
	m.has(mi, "z", "10\n")

	// All that outlives the process.
	m.stop()
	s, err := ReadStatus(m.target)
	must(t, err)
	if len(s.Troubles) != len(want) || s.Progress.Trouble != len(want) {
		t.Errorf("status: got %d troubles, %d in progress, want %d", len(s.Troubles), s.Progress.Trouble, len(want))
	}
	mi = m.start()
	m.isInTrouble(mi, want...)

	// Names that the target can have end it. Only case differs: the one makes room.
	m.sh(`mv 'e?' e; mv 'd:' dd; mv 'q?' q; rm b*; rm a; mv d D`)
	m.sameBytes(mi)
	m.isInTrouble(mi)
	m.sh(`mv A a; mv D/f D/F; echo 11 >> D/F; echo 12 > e/sub/new/f`)
	m.sameBytes(mi)
	m.isInTrouble(mi)
}

// A directory that gets its name again is compared with all below it, also where records
// of the same batch have had names in it looked at before.
func TestDirectoryThatComesBackWithRecordsBelow(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "tmpfs")
	m.onto("ntfs")
	m.sh("mkdir -p e/sub")
	mi := m.start()
	m.sameBytes(mi)
	untold := func() uint64 {
		i, err := m.api.Info(t.Context(), m.info.ID)
		must(t, err)
		return i.Available
	}
	m.sh("mv e 'e?'; mkdir 'e?/sub/new'; touch end")
	m.isInTrouble(mi, "unmirrorable e?")
	m.until("all to be told", func() bool {
		must(t, mi.Run(t.Context(), true))
		_, err := os.Lstat(filepath.Join(m.target, "end"))
		return err == nil && untold() == 0
	})
	m.sh("mv 'e?' e; chmod 751 e/sub")
	wait.Until(t, "both records to be there", func() bool { return untold() >= 2 })
	m.sameBytes(mi)
}

// What others have put at a name is no clash.
func TestNameOfOthersOnAFoldingTarget(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "tmpfs")
	m.onto("ntfs")
	m.sh("echo 1 > f")
	mi := m.start()
	m.isInTrouble(mi)
	must(t, os.WriteFile(filepath.Join(m.target, "G"), []byte("mine"), 0o600))
	m.sh("echo 2 > g")
	var changed *ChangedError
	if err := m.fails(mi); !errors.As(err, &changed) {
		t.Errorf("got error %v, want that others have changed the target", err)
	}
}

// Times are compared as exactly as the target has them.
func TestVerifyWhereTimesAreInexact(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "ext4")
	m.onto("ntfs")
	m.sh("echo 1 > f; mkdir d; echo 2 > d/g; touch -d '2001-02-03 04:05:06.123456789' f d/g d")
	mi := m.start()
	m.equal(mi)
	m.stop()
	if unit := TimeUnit(m.target); unit != 100 {
		t.Errorf("exactness of the target's times: got %v, want 100 ns", unit)
	}
	for _, tt := range []struct {
		what, time string
		differs    bool
	}{
		{"the same", "123456700", false},
		{"next", "123456800", true},
		{"before", "123456600", true},
	} {
		c := exec.Command("touch", "-d", "2001-02-03 04:05:06."+tt.time, filepath.Join(m.target, "f"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if d := m.differences(); (len(d) > 0) != tt.differs || len(d) > 1 {
			t.Errorf("%s time: got differences %v, want any: %t", tt.what, d, tt.differs)
		}
	}
}

// A link target may be too long for the target, and a file too large.
func TestObjectsThatTheTargetCannotHave(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.onto("ext4-1k")
	m.sh("ln -s " + strings.Repeat("x", 3000) + " link; echo 1 > f; echo 2 > large; mkdir d")
	mi := m.start()
	m.isInTrouble(mi, "unmirrorable link")

	m.sh("truncate -s 8T large; echo 3 > f")
	m.isInTrouble(mi, "failing large", "unmirrorable link")
	m.has(mi, "f", "3\n")

	m.sh(`rm link; truncate -s 10 large`)
	m.equal(mi)
	m.isInTrouble(mi)
}

// An object that cannot have all its extended attributes has the others, and its contents
// and times.
func TestXattrsThatTheTargetCannotHave(t *testing.T) {
	m := newMirrored(t, "xfs")
	m.target = fstest.New(t, "ext4").Path("copy")
	m.sh("echo 1 > f; mkdir d; echo 2 > d/g")
	large := bytes.Repeat([]byte("x"), 20_000) // ext4 has room for a block of them
	must(t, unix.Setxattr(m.src.Path("f"), "user.large", large, 0), unix.Setxattr(m.src.Path("f"), "user.small", []byte("y"), 0),
		unix.Setxattr(m.src.Path("d"), "user.large", large, 0))
	mi := m.start()
	m.isInTrouble(mi, "failing d", "failing f")
	m.sh("echo 3 >> f; chmod 751 d; echo 4 >> d/g; chown 7:8 d")
	m.equalBut(mi, func(d Difference) bool {
		return strings.HasPrefix(d.What, "extended attributes: ") && d.Path != "d/g"
	})
	m.isInTrouble(mi, "failing d", "failing f")
	var b [8]byte
	if k, err := unix.Getxattr(filepath.Join(m.target, "f"), "user.small", b[:]); err != nil || string(b[:k]) != "y" {
		t.Errorf("attribute beside a refused one: got %q, %v", b[:max(k, 0)], err)
	}

	must(t, unix.Removexattr(m.src.Path("f"), "user.large"), unix.Removexattr(m.src.Path("d"), "user.large"))
	m.sh("touch f d") // the test's own changes are not told of
	m.equal(mi)
	m.isInTrouble(mi)
}

// A target that has nothing of a kind is refused before anything is copied.
func TestTargetThatIsNotAble(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "tmpfs")
	m.onto("ntfs-plain")
	m.sh("echo 1 > f")
	o := m.options()
	_, err := Open(t.Context(), o)
	if !errors.Is(err, unix.EOPNOTSUPP) || !strings.Contains(err.Error(), "--no-xattr") {
		t.Errorf("target without extended attributes: got %v, want %v that names --no-xattr", err, unix.EOPNOTSUPP)
	}
	if _, err := os.Lstat(filepath.Join(m.target, "f")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("file of a refused mirror: got %v, want none", err)
	}
	o.NoXattr = true
	mi := m.startWith(o)
	m.sameBytes(mi)
	m.isInTrouble(mi)
}

// Some file systems have other handles after each mount.
func TestTargetThatIsMountedAnew(t *testing.T) {
	peer.Need(t, "mkfs.ntfs")
	m := newMirrored(t, "tmpfs")
	fs := fstest.New(t, "ntfs-plain")
	m.target = fs.Path("copy")
	m.noXattr = true
	m.sh("mkdir -p a/b; echo 1 > a/b/f; echo 2 > g; ln g a/h")
	mi := m.start()
	m.isInTrouble(mi)
	m.stop()
	fs.Unmount()
	fs.Mount()
	_, err := os.Stat(filepath.Join(m.target, "a/b/f")) // the handles are given in this order
	must(t, err)
	m.sh("echo 3 >> a/b/f; mv a/b c; echo 4 > g; rm a/h")
	mi = m.start()
	m.sameBytes(mi)
	m.isInTrouble(mi)

	// What has its time is not copied again, though the target's times are less exact.
	copied := mi.count.copied
	m.sh("chmod 640 g")
	wait.Until(t, "the mode", func() bool {
		m.isInTrouble(mi)
		st, err := os.Stat(filepath.Join(m.target, "g"))
		return err == nil && st.Mode().Perm() == 0o640
	})
	if mi.count.copied > copied {
		t.Errorf("bytes copied for a new mode: got %d, want none", mi.count.copied-copied)
	}
}

// Who may not make devices has all but those, and has them when it may.
func TestDevicesThatCannotBeMade(t *testing.T) {
	m := newMirrored(t, "ext4")
	m.sh("mknod null c 1 3; mkfifo fifo; echo 1 > f")
	mi := m.start()
	withoutMknod(t, func() { m.isInTrouble(mi, "unmirrorable null") })
	mi.retryNow()
	m.equal(mi)
	m.isInTrouble(mi)
}

// withoutMknod runs f without the right to make devices.
func withoutMknod(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread() // the right is a thread's
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, less [2]unix.CapUserData
	must(t, unix.Capget(&header, &have[0]))
	less = have
	less[0].Effective &^= 1 << unix.CAP_MKNOD
	must(t, unix.Capset(&header, &less[0]))
	f()
	must(t, unix.Capset(&header, &have[0]))
}

// What is found at a name that the target takes for another is none that could be removed,
// whatever its rule is.
func TestNamesThatAreFolded(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir d; echo 1 > d/strasse; echo 2 > d/g")
	mi := m.start()
	m.equal(mi)
	must(t, os.Link(filepath.Join(m.target, "d/strasse"), filepath.Join(m.target, "d/linked")))
	in, f, err := mi.find("d/strasse")
	must(t, err)
	dir, err := mi.dst.openDir(in.parent)
	must(t, err)
	mi.dst.folds = true
	for _, tt := range []struct {
		name string
		dir  bool // the same
		want bool
	}{
		{"STRASSE", true, true},
		{"straße", true, true},   // not listed: the target takes it for another
		{"linked", true, false},  // by others
		{"strasse", true, false}, // itself
		{"straße", false, false},
	} {
		n := name{in.parent, tt.name}
		if !tt.dir {
			n.parent = mi.src.topFID()
		}
		if got, err := mi.dst.isFolded(dir, n, f); got != tt.want || err != nil {
			t.Errorf("%q in the same directory: %v: got folded %v, %v, want %v", tt.name, tt.dir, got, err, tt.want)
		}
	}
}
