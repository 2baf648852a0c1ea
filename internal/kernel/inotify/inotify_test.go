// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inotify

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/wait"
)

func watched(t *testing.T) (q *Queue, dir string, watch int32) {
	t.Helper()
	dir = t.TempDir()
	q, err := OpenQueue()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if watch, err = q.Add(fd, Changes); err != nil {
		t.Fatal(err)
	}
	if again, err := q.Add(fd, Changes); err != nil || again != watch {
		t.Errorf("Add again: got %d, %v, want %d", again, err, watch)
	}
	return q, dir, watch
}

// next reads what has come.
func next(t *testing.T, q *Queue) []byte {
	t.Helper()
	b := make([]byte, 64*MinBuffer)
	if err := q.Wake(time.Now().Add(wait.Patience)); err != nil {
		t.Fatal(err)
	}
	n, err := q.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestEvents(t *testing.T) {
	q, dir, watch := watched(t)
	long := strings.Repeat("\xff", unix.NAME_MAX)
	for _, err := range []error{
		os.Mkdir(dir+"/d", 0o755), os.WriteFile(dir+"/"+long, []byte("x"), 0o600), os.Rename(dir+"/d", dir+"/e"), os.Remove(dir + "/e"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b := next(t, q)
	var cookie uint32
	for _, want := range []struct {
		mask uint32
		name string
	}{
		{Create | OnDir, "d"},
		{Create, long},
		{Modify, long},
		{CloseWrite, long},
		{MovedFrom | OnDir, "d"},
		{MovedTo | OnDir, "e"},
		{Delete | OnDir, "e"},
	} {
		var e Event
		rest, err := Decode(b, &e)
		if err != nil {
			t.Fatal(err)
		}
		b = rest
		if e.Watch != watch || e.Mask != want.mask || string(e.Name) != want.name {
			t.Errorf("got %+v, want mask %#x of %q", e, want.mask, want.name)
		}
		if e.Is(MovedFrom) {
			cookie = e.Cookie
		}
		if e.Is(MovedTo) && (cookie == 0 || e.Cookie != cookie) {
			t.Errorf("second half of a rename: got cookie %d, want %d", e.Cookie, cookie)
		}
	}
	if len(b) != 0 {
		t.Errorf("%d bytes are left", len(b))
	}
	if err := q.Remove(watch); err != nil {
		t.Fatal(err)
	}
	var e Event
	if _, err := Decode(next(t, q), &e); err != nil || !e.Is(Ignored) {
		t.Errorf("after Remove: got %+v, %v, want Ignored", e, err)
	}
	if err := q.Wake(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Read(make([]byte, MinBuffer)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read behind the deadline: got %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestDecodeCutAnywhere(t *testing.T) {
	q, dir, _ := watched(t)
	if err := os.Mkdir(dir+"/name", 0o755); err != nil {
		t.Fatal(err)
	}
	b := next(t, q)
	for n := range b {
		if _, err := Decode(b[:n], new(Event)); err == nil {
			t.Errorf("cut at %d of %d: got no error", n, len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x01\x00\x40\x00\x00\x00\x00\x10\x00\x00\x00name\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Event
		rest, err := Decode(b, &e)
		if err == nil && (len(rest) > len(b)-headerLen || len(e.Name) > len(b)-headerLen-len(rest)) {
			t.Errorf("%x: got %+v and %d bytes behind it", b, e, len(rest))
		}
	})
}
