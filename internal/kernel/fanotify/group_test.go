// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/peer"
)

// names are the bits of masks in the order of the text of an event.
var names = []struct {
	mask uint64
	name string
}{
	{Create, "create"},
	{Modify, "modify"},
	{Attrib, "attrib"},
	{CloseWrite, "close"},
	{Rename, "rename"},
	{Delete, "delete"},
	{OnDir, "dir"},
	{Overflow, "overflow"},
}

// text is an event as tests name it: "create|close a", "rename a>b".
func text(e *Event) string {
	var bits []string
	for _, n := range names {
		if e.Is(n.mask) {
			bits = append(bits, n.name)
		}
	}
	s := strings.Join(bits, "|")
	switch {
	case e.Is(Rename):
		return fmt.Sprintf("%s %s>%s", s, e.OldName, e.NewName)
	case e.Name != nil:
		return fmt.Sprintf("%s %s", s, e.Name)
	}
	return s
}

// watch opens a group on a file system of a kind.
func watch(t *testing.T, kind string) (*fstest.FS, *Group) {
	t.Helper()
	fs := fstest.New(t, kind)
	g, err := OpenGroup(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	if err := g.Mark(fs.Dir, Changes); err != nil {
		t.Fatal(err)
	}
	return fs, g
}

// take reads all events that wait, those of other processes left out.
func take(t *testing.T, g *Group, each func(*Event)) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := g.TryRead(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			var e Event
			if b, err = Decode(b, &e); err != nil {
				t.Fatal(err)
			}
			if e.PIDFD >= 0 {
				unix.Close(int(e.PIDFD))
			}
			if int(e.PID) == os.Getpid() {
				each(&e)
			}
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestOperations(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs, g := watch(t, kind)
			a, b, d := fs.Path("a"), fs.Path("b"), fs.Path("d")
			for _, op := range []struct {
				name string
				do   func() error
				want []string
			}{
				{"write", func() error { return os.WriteFile(a, []byte("x"), 0o600) }, []string{"create|modify|close a"}},
				{"mkdir", func() error { return os.Mkdir(d, 0o700) }, []string{"create|dir d"}},
				{"symlink", func() error { return os.Symlink("a", fs.Path("s")) }, []string{"create s"}},
				{"link", func() error { return os.Link(a, b) }, []string{"attrib", "create b"}},
				{"unlink", func() error { return os.Remove(b) }, []string{"attrib", "delete b"}},
				{"chmod", func() error { return os.Chmod(a, 0o644) }, []string{"attrib a"}},
				{"chmod of a directory", func() error { return os.Chmod(d, 0o755) }, []string{"attrib|dir ."}},
				{"rename", func() error { return os.Rename(a, fs.Path("d", "c")) }, []string{"rename a>c"}},
				{"truncate", func() error { return os.Truncate(fs.Path("d", "c"), 0) }, []string{"modify c"}},
				{"rmdir", func() error { return os.RemoveAll(d) }, nil},
			} {
				if err := op.do(); err != nil {
					t.Fatalf("%s: %v", op.name, err)
				}
				var got []string
				take(t, g, func(e *Event) { got = append(got, text(e)) })
				if op.want != nil && !slices.Equal(got, op.want) {
					t.Errorf("%s: got events %q, want %q", op.name, got, op.want)
				}
			}
		})
	}
}

func TestHandlesOpen(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs, g := watch(t, kind)
			root, err := OpenRoot(fs.Dir)
			must(t, err)
			defer root.Close()
			fsid, err := root.FSID()
			must(t, err, os.WriteFile(fs.Path("a"), []byte("hello"), 0o600))
			var seen int
			take(t, g, func(e *Event) {
				seen++
				if e.Object.FSID != fsid {
					t.Errorf("file system of %s: got %#x, want %#x", text(e), e.Object.FSID, fsid)
				}
				dir, err := root.Open(e.Dir, unix.O_PATH)
				must(t, err)
				h, err := HandleAt(dir, string(e.Name))
				must(t, err, unix.Close(dir))
				if h.String() != e.Object.String() {
					t.Errorf("handle of %s: got %v, want %v", text(e), h, e.Object)
				}
			})
			if seen == 0 {
				t.Error("no event came")
			}
			must(t, os.Remove(fs.Path("a")))
			take(t, g, func(e *Event) {
				if _, err := root.Open(e.Object, unix.O_PATH); !errors.Is(err, unix.ESTALE) {
					t.Errorf("opening what was removed: got %v, want %v", err, unix.ESTALE)
				}
			})
		})
	}
}

func TestIdentityOutlivesTheMount(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			before := identity(t, fs.Dir)
			fs.Unmount()
			fs.Mount()
			if after := identity(t, fs.Dir); after != before || after == [16]byte{} {
				t.Errorf("UUID: got %x, then %x, want the same", before, after)
			}
		})
	}
}

func identity(t *testing.T, dir string) [16]byte {
	t.Helper()
	root, err := OpenRoot(dir)
	must(t, err)
	defer root.Close()
	id, err := root.UUID()
	must(t, err)
	return id
}

func TestUnsupportedIsNamed(t *testing.T) {
	g, err := OpenGroup(false)
	if err != nil {
		peer.Lack(t, "to watch file systems: %v", err)
	}
	defer g.Close()
	var unsupported *UnsupportedError
	if err := g.Mark("/proc", Changes); !errors.As(err, &unsupported) {
		t.Errorf("watching /proc: got %v, want a refusal that names what is missing", err)
	}
}

func TestOverflowIsAnEvent(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	g, err := OpenGroup(true)
	must(t, err)
	defer g.Close()
	must(t, g.Mark(fs.Dir, Create))
	limit := queueLimit(t)
	for i := range limit + 100 {
		must(t, os.WriteFile(fs.Path(fmt.Sprint(i)), nil, 0o600))
	}
	unread, err := g.Unread()
	must(t, err)
	if unread < limit {
		t.Errorf("unread events: got %d, want %d", unread, limit)
	}
	var last string
	buf := make([]byte, 1<<16)
	for n := 1; n > 0; {
		n, err = g.TryRead(buf)
		must(t, err)
		for b := buf[:n]; len(b) > 0; {
			var e Event
			if b, err = Decode(b, &e); err != nil {
				t.Fatal(err)
			}
			if e.PIDFD >= 0 {
				unix.Close(int(e.PIDFD))
			}
			last = text(&e)
		}
	}
	if last != "overflow" {
		t.Errorf("last event: got %q, want overflow", last)
	}
}

func queueLimit(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/fs/fanotify/max_queued_events")
	must(t, err)
	var n int
	_, err = fmt.Sscan(string(b), &n)
	must(t, err)
	return n
}
