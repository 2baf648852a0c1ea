// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// openFIFO opens a named pipe for reading, once it is there.
func (a *agent) openFIFO(path string) *os.File {
	a.t.Helper()
	var f *os.File
	a.until("the pipe is there", func() bool {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			return false
		}
		must(a.t, err)
		f = os.NewFile(uintptr(fd), path)
		return true
	})
	// The agent takes the name away when it has found the reader.
	a.until("the name is gone", func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
	return f
}

func TestFIFO(t *testing.T) {
	a := start(t)
	api := a.dial()
	owner := uint32(3001)
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir, Owner: &owner})
	must(t, err)
	path := t.TempDir() + "/pipe"
	must(t, api.FIFO(t.Context(), client.FIFORequest{Feed: "f", Path: path}))
	st, err := os.Lstat(path)
	must(t, err)
	if sys := st.Sys().(*syscall.Stat_t); st.Mode() != os.ModeNamedPipe|0o600 || sys.Uid != owner {
		t.Errorf("the pipe: mode %v of user %d, want 0600 of %d", st.Mode(), sys.Uid, owner)
	}
	if err := api.FIFO(t.Context(), client.FIFORequest{Feed: "f", Path: path}); !errors.Is(err, &client.Error{Code: client.CodeBusy}) {
		t.Errorf("second FIFO of the feed: got %v, want %s", err, client.CodeBusy)
	}

	first := a.openFIFO(path)
	if _, err := os.Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("second reader: got %v, want %v", err, os.ErrNotExist)
	}
	a.sh("mkdir a")
	lines(t, first, 1)
	a.sh("mkdir b")
	if got := lines(t, first, 1); got[0] != "b" {
		t.Errorf("first reader: got %q, want b", got)
	}
	a.until("the first batch is cancelled", func() bool { i := a.feeds()[0]; return i.First == i.Last })
	must(t, first.Close())

	second := a.openFIFO(path) // made again though nothing has changed since
	if got := lines(t, second, 1); got[0] != "b" {
		t.Errorf("second reader: got %q, want b again", got)
	}
	a.sh("mkdir c")
	if !polled(t, second, wait.Patience, pollers[0].wait) {
		t.Fatal("c did not come")
	}
	must(t, second.Close()) // c is in the pipe
	third := a.openFIFO(path)
	if got := lines(t, third, 2); got[0] != "b" || got[1] != "c" {
		t.Errorf("third reader: got %q, want b and c, of which neither was gone beyond", got)
	}
	must(t, api.Destroy(t.Context(), "f"))
	b := make([]byte, 1)
	if n, err := third.Read(b); n != 0 || err == nil {
		t.Errorf("after the feed's end: got %q, %v, want the end", b[:n], err)
	}
	must(t, third.Close())
}

// TestFIFOOutlivesTheAgent has the next agent write to the pipe of the one before, also if
// that was killed and has left it there with somebody waiting for it to be opened.
func TestFIFOOutlivesTheAgent(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	path := t.TempDir() + "/pipe"
	t.Run("first", func(t *testing.T) {
		a := startOn(t, fs, store)
		api := a.dial()
		_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: fs.Dir})
		must(t, err, api.FIFO(t.Context(), client.FIFORequest{Feed: "f", Path: path}))
		a.sh("mkdir a")
	})
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the first agent: got %v, want %v", err, os.ErrNotExist)
	}
	t.Run("second", func(t *testing.T) {
		a := startOn(t, fs, store)
		a.until("the pipe is there again", func() bool {
			_, err := os.Lstat(path)
			return err == nil
		})
		f := a.openFIFO(path)
		if got := lines(t, f, 1); got[0] != "a" {
			t.Errorf("got %q, want a", got)
		}
		must(t, f.Close())
	})
	must(t, syscall.Mkfifo(path, 0o600))
	left, err := os.Lstat(path)
	must(t, err)
	t.Run("third", func(t *testing.T) {
		a := startOn(t, fs, store)
		a.sh("mkdir b")
		f := a.openFIFO(path)
		if st, err := f.Stat(); err != nil || !os.SameFile(st, left) {
			t.Errorf("got another pipe (%v), want the one that was left: somebody may wait at it", err)
		}
		if got := lines(t, f, 1); got[0] != "a" { // nobody has gone beyond it
			t.Errorf("got %q, want a again", got)
		}
		must(t, f.Close())
		must(t, a.dial().Destroy(t.Context(), "f"))
	})
	t.Run("fourth", func(t *testing.T) {
		a := startOn(t, fs, store)
		if all := a.FIFOs(); len(all) > 0 {
			t.Errorf("after the feed's end: got %+v, want none", all)
		}
	})
}

// TestFIFOOfAManagerThatEndsLate has what wrote to a named pipe end after the next manager's
// consumer goes on with the pipe that is there.
func TestFIFOOfAManagerThatEndsLate(t *testing.T) {
	a := start(t)
	_, err := a.dial().Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	path := t.TempDir() + "/pipe"
	must(t, makeFIFO(path, 0))
	late, err := a.Attach(feed.Caller{Admin: true}, "f", false)
	must(t, err)
	a.server.claim(path, late)
	must(t, late.Close(t.Context(), false))
	next, err := a.Attach(feed.Caller{Admin: true}, "f", false)
	must(t, err)
	a.server.claim(path, next)
	a.server.giveBack(path, late)
	if !isFIFO(path, 0) {
		t.Error("the pipe of the next one was removed")
	}
	a.server.giveBack(path, next)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("at its own end: got %v, want %v", err, os.ErrNotExist)
	}
	must(t, next.Close(t.Context(), false))
}

// TestFIFOComesBeforeOthers has a client of the next agent ask for the feed of a named pipe as
// soon as anybody is listened to.
func TestFIFOComesBeforeOthers(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	path := t.TempDir() + "/pipe"
	t.Run("first", func(t *testing.T) {
		api := startOn(t, fs, store).dial()
		_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: fs.Dir})
		must(t, err, api.FIFO(t.Context(), client.FIFORequest{Feed: "f", Path: path}))
	})
	t.Run("second", func(t *testing.T) {
		// The manager that is there is not told of, as where that takes its time.
		a := startWith(t, fs, store, Options{Arrivals: make(chan *feed.Manager)})
		if _, err := a.dial().Open(t.Context(), "f", client.OpenOptions{}); !errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			t.Errorf("feed of a named pipe: got %v, want %s", err, client.CodeBusy)
		}
	})
}

// TestFIFOLeavesTheFilesOfOthers has a file put where the pipe was, while a reader has it.
func TestFIFOLeavesTheFilesOfOthers(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	path := t.TempDir() + "/pipe"
	must(t, api.FIFO(t.Context(), client.FIFORequest{Feed: "f", Path: path}))
	f := a.openFIFO(path)
	must(t, os.WriteFile(path, []byte("mine"), 0o600), f.Close())
	a.until("the feed is free", func() bool { return a.feeds()[0].Consumer == nil })
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file of others: got %q, %v, want it as it was", b, err)
	}
}

func TestFIFORefusals(t *testing.T) {
	a := start(t)
	api := a.dial()
	_, err := api.Create(t.Context(), client.CreateOptions{Name: "f", Source: a.fs.Dir})
	must(t, err)
	file := t.TempDir() + "/file"
	must(t, os.WriteFile(file, []byte("x"), 0o600))
	for _, r := range []client.FIFORequest{
		{Feed: "f", Path: "relative"},
		{Feed: "f", Path: file},
		{Feed: "f", Path: "/nowhere/pipe"},
		{Feed: "f", Path: file + "2", Format: "xml"},
	} {
		if err := api.FIFO(t.Context(), r); !errors.Is(err, &client.Error{Code: client.CodeBadArgument}) {
			t.Errorf("%+v: got %v, want %s", r, err, client.CodeBadArgument)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "x" {
		t.Errorf("the file in the way: got %q, %v, want it as it was", b, err)
	}
	if i := a.feeds()[0]; i.Consumer != nil {
		t.Errorf("after refusals: the feed is held: %+v", i.Consumer)
	}
}
