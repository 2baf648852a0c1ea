// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/wait"
)

// reading has a goroutine read once, and returns when it waits.
func reading(t *testing.T, g *Group) (result <-chan error) {
	t.Helper()
	c := make(chan error, 1)
	go func() { // ends with the read, which the test awaits
		_, err := g.Read(make([]byte, 1<<16))
		c <- err
	}()
	wait.Until(t, "it waits", g.waiting.Load)
	return c
}

func TestReadWaits(t *testing.T) {
	fs, g := watch(t, "tmpfs")
	result := reading(t, g)
	must(t, os.WriteFile(fs.Path("a"), nil, 0o600))
	if err := <-result; err != nil {
		t.Errorf("read of an event: %v", err)
	}
	take(t, g, func(*Event) {})
	result = reading(t, g)
	must(t, g.Wake(time.Now()))
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read that is woken: %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if _, err := g.Read(make([]byte, MinBuffer)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the next read: %v, want %v", err, os.ErrDeadlineExceeded)
	}
	must(t, g.Wake(time.Now().Add(20*time.Millisecond)))
	if _, err := g.Read(make([]byte, MinBuffer)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read until a time: %v, want %v", err, os.ErrDeadlineExceeded)
	}
	must(t, g.Wake(time.Time{}), os.WriteFile(fs.Path("b"), nil, 0o600))
	if _, err := g.Read(make([]byte, MinBuffer)); err != nil {
		t.Errorf("a read without a time: %v", err)
	}
}

func TestCloseEndsARead(t *testing.T) {
	_, g := watch(t, "tmpfs")
	result := reading(t, g)
	must(t, g.Close())
	if err := <-result; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read when it is closed: %v, want %v", err, os.ErrClosed)
	}
	if _, err := g.Read(make([]byte, MinBuffer)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read after that: %v, want %v", err, os.ErrClosed)
	}
	if err := g.Gather(time.Hour, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("gathering after that: %v, want %v", err, os.ErrClosed)
	}
	if err := g.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed again: %v, want %v", err, os.ErrClosed)
	}
}

func TestWakeEndsGathering(t *testing.T) {
	fs, g := watch(t, "tmpfs")
	must(t, os.WriteFile(fs.Path("a"), nil, 0o600)) // which does not end it
	done := make(chan error, 1)
	go func() { done <- g.Gather(time.Hour, nil) }()
	wait.Until(t, "it gathers", g.waiting.Load)
	must(t, g.Wake(time.Now()), <-done)
	must(t, g.Gather(time.Millisecond, nil))
}

// A descriptor that an older weir opened is made to block, and goes on.
func TestGroupOfOneThatDoesNotBlock(t *testing.T) {
	fs, g := watch(t, "tmpfs")
	var fd int
	must(t, g.conn.Control(func(old uintptr) {
		var err error
		fd, err = unix.Dup(int(old))
		must(t, err, unix.SetNonblock(fd, true))
	}))
	other, err := GroupOf(os.NewFile(uintptr(fd), "group"))
	must(t, err)
	defer other.Close()
	must(t, other.conn.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		must(t, err)
		if flags&unix.O_NONBLOCK != 0 {
			t.Error("the descriptor does not block")
		}
	}))
	if n, err := other.TryRead(make([]byte, MinBuffer)); n != 0 || err != nil {
		t.Errorf("without an event: %d, %v", n, err)
	}
	result := reading(t, other)
	must(t, os.WriteFile(fs.Path("a"), nil, 0o600), <-result)
}

// Await waits for events, or until what it asks is over, whatever time Wake has set.
func TestAwait(t *testing.T) {
	fs, g := watch(t, "tmpfs")
	must(t, g.Wake(time.Unix(1, 0)))
	var over atomic.Bool
	await := func() (ready <-chan bool) {
		c := make(chan bool, 1)
		go func() { // ends with the wait, which the test awaits
			ready, err := g.Await(0, over.Load)
			if err != nil {
				t.Errorf("await: %v", err)
			}
			c <- ready
		}()
		wait.Until(t, "it waits", g.waiting.Load)
		return c
	}
	ready := await()
	must(t, os.WriteFile(fs.Path("a"), nil, 0o600))
	if !<-ready {
		t.Error("got no event, want one")
	}
	take(t, g, func(*Event) {})
	ready = await()
	over.Store(true)
	must(t, g.Interrupt())
	if <-ready {
		t.Error("got an event after an interrupt, want none")
	}
	must(t, os.WriteFile(fs.Path("b"), nil, 0o600))
	if ready, err := g.Await(0, over.Load); ready || err != nil {
		t.Errorf("over: got %v, %v, want nothing", ready, err)
	}
	take(t, g, func(*Event) {})
	if ready, err := g.Await(time.Millisecond, nil); ready || err != nil {
		t.Errorf("after a moment: got %v, %v, want nothing", ready, err)
	}
}
