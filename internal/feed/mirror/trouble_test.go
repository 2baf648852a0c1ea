// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

func TestNamesThatMeet(t *testing.T) {
	m := newMirrored(t, "ext4")
	m.sh("mkdir -p a/b/c x; echo 1 > a/f; ln a/f x/f; ln a/f a/b/f")
	mi := m.start()
	m.equal(mi)
	for _, script := range []string{
		"mv a/b b; mv a b/a; mv b/c b/a/c",            // a directory comes to be below its child
		"mv b/a/f x/g; ln x/g b/f2; rm x/f; mv b/f h", // hard links go across directories
		"rm -r b/a; mv x b/x; mkdir x; mv b x/b",
		"mv x/b/x/g x/b/x/h; : > x/b/x/h; echo 2 >> h",
	} {
		m.sh(script)
		m.equal(mi)
	}
}

func TestTargetWithoutRoom(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	small := fstest.Sized(t, "ext4", 96<<20)
	m.target = small.Path("copy")
	mi := m.start()
	m.sh("echo 1 > f; head -c 100000000 /dev/urandom > large; mkdir d; echo 2 > d/g")
	if err := m.fails(mi); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("target without room: got %v, want %v", err, unix.ENOSPC)
	}
	m.stop()
	m.sh("head -c 1000 large > x; mv x large")
	mi = m.start()
	m.equal(mi)
}

func TestTargetReadOnly(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	mi := m.start()
	m.sh("echo 1 > f")
	m.equal(mi)
	dir := filepath.Dir(m.target)
	m.stop()
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	o := m.options()
	if _, err := Open(t.Context(), o); !errors.Is(err, unix.EROFS) {
		t.Errorf("target that is mounted to be read only: got %v, want %v", err, unix.EROFS)
	}
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
	m.sh("echo 2 > g")
	mi = m.start()
	m.equal(mi)
}

// After a gap that no scan tells of, all is compared.
func TestFeedThatWasReset(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir -p a/b; echo 1 > a/b/f; echo 2 > gone")
	mi := m.start()
	m.equal(mi)
	m.stop()
	m.sh("mv a/b c; rm gone; echo 3 >> c/f; mkdir -p new/dir")
	m.resetFeed()
	mi = m.start()
	m.equal(mi)
}

// What is mounted in the source is not part of it, and does not take away what it covers.
func TestMountInTheSource(t *testing.T) {
	m := newMirrored(t, "ext4")
	other := fstest.New(t, "ext4")
	m.sh("mkdir -p a/b; echo 1 > a/f")
	mi := m.start()
	m.equal(mi)
	on := m.src.Path("a")
	must(t, unix.Mount(other.Dir, on, "", unix.MS_BIND, ""))
	m.sh("touch other") // has the root looked at, and a's times
	must(t, mi.Run(t.Context(), true))
	mi.compareAll()
	must(t, mi.Run(t.Context(), true), unix.Unmount(on, 0))
	m.equal(mi)
}

// A file that is dated in the future comes to rest.
func TestFileOfTheFuture(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	mi := m.start()
	m.sh("echo 1 > f; touch -d '2037-01-02' f")
	m.equal(mi)
	wait.Until(t, "no object to be looked at again", func() bool {
		must(t, mi.Run(t.Context(), true))
		return len(mi.again) == 0
	})
	m.sh("echo 2 >> f; touch -d '2037-01-03' f")
	m.equal(mi)
}

// late is a source whose files change between the look at them and their copying.
type late struct {
	origin
	changed func() time.Time
}

func (l *late) copyTo(ctx context.Context, p *pace, out int, f changelog.FID, st *unix.Stat_t) (int64, error) {
	n, err := l.origin.copyTo(ctx, p, out, f, st)
	st.Mtim = unix.NsecToTimespec(l.changed().UnixNano())
	return n, err
}

// A file that changed between the look at it and its copying may have changed once more
// within the same tick: it is looked at again.
func TestFileThatIsNewerThanWhenItWasLookedAt(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo 1 > f; touch -d 2001-02-03 f")
	mi := m.start()
	m.equal(mi)
	in, f, err := mi.find("f")
	must(t, err)
	src := mi.src
	defer func() { mi.src = src }()
	for _, tt := range []struct {
		what    string
		changed func() time.Time
		want    bool
	}{
		{"just now", time.Now, true},
		{"long before", func() time.Time { return time.Unix(1e9, 0) }, false},
		{"in the future", func() time.Time { return time.Now().Add(time.Hour) }, false},
	} {
		clear(mi.again)
		mi.src = &late{src, tt.changed}
		st, _, err := src.stat(f)
		must(t, err)
		st.Mtim.Sec--
		c := &copying{w: mi.newWork(), f: f, st: st, dir: mi.dst.root, base: in.name}
		must(t, c.run(t.Context()))
		if mi.again[f] != tt.want {
			t.Errorf("changed %s: got looked at again %v, want %v", tt.what, mi.again[f], tt.want)
		}
	}
}
