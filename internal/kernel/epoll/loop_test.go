// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startLoop runs a loop and returns a function that stops it and waits.
func startLoop(t *testing.T) (*Loop, func()) {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	return l, func() {
		l.Stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}
}

func socketPair(t *testing.T) (int, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

type handlerFunc func(readable, writable bool)

func (f handlerFunc) Ready(r, w bool) { f(r, w) }

func TestReadableDelivered(t *testing.T) {
	l, stop := startLoop(t)
	defer stop()
	a, b := socketPair(t)
	got := make(chan string, 1)
	err := l.Post(func() {
		h := handlerFunc(func(readable, _ bool) {
			buf := make([]byte, 16)
			n, err := Recv(a, buf)
			if err != nil || !readable {
				t.Errorf("Recv = %d, %v (readable %v)", n, err, readable)
			}
			l.Remove(a)
			got <- string(buf[:n])
		})
		if err := l.Add(a, h, Readable); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Send(b, []byte("flow"), false); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "flow" {
		t.Errorf("received %q, want %q", s, "flow")
	}
}

func TestRemovedHandlerIsNotCalled(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	a, b := socketPair(t)
	c, d := socketPair(t)
	var calls int
	add := func(fd, other int) {
		h := handlerFunc(func(bool, bool) {
			calls++
			l.Remove(fd)
			l.Remove(other) // its event stands in the same batch
			l.Stop()
		})
		if err := l.Add(fd, h, Readable); err != nil {
			t.Fatal(err)
		}
	}
	add(a, c)
	add(c, a)
	for _, fd := range []int{b, d} {
		if _, err := Send(fd, []byte("x"), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if calls != 1 {
		t.Errorf("%d handlers called, want 1", calls)
	}
}

func TestTimersRunInOrderAndCancel(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	l.After(2*time.Millisecond, func() { order = append(order, 2); l.Stop() })
	cancelled := l.After(time.Millisecond, func() { order = append(order, 9) })
	l.After(time.Millisecond, func() { order = append(order, 1) })
	l.Cancel(cancelled)
	l.Cancel(cancelled)
	l.Cancel(nil)
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if len(order) != 2 || order[0] != 1 || order[1] != 2 {
		t.Errorf("timers ran as %v, want [1 2]", order)
	}
}

func TestPostAfterStop(t *testing.T) {
	l, stop := startLoop(t)
	ran := make(chan struct{})
	if err := l.Post(func() { close(ran) }); err != nil {
		t.Fatal(err)
	}
	<-ran
	stop()
	if err := l.Post(func() {}); !errors.Is(err, ErrStopped) {
		t.Errorf("Post after Stop = %v, want ErrStopped", err)
	}
}

// The loop's thread has the lower priority, and no other keeps it.
func TestRunBehind(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const nice = 2
	priority := func() int { // 20 - nice of this thread
		p, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Error(err)
		}
		return p
	}
	before, during := priority(), 0
	if err := l.Post(func() { during = priority(); l.Stop() }); err != nil {
		t.Fatal(err)
	}
	if err := l.RunBehind(nice); err != nil {
		t.Fatal(err)
	}
	if want := max(before-nice, 1); during != want {
		t.Errorf("the loop ran with priority %d, want %d", during, want)
	}
	if after := priority(); after != before {
		t.Errorf("priority %d after the loop, want %d", after, before)
	}
}
