// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A parked loop hears of descriptors, timers and calls, and ends, as the other one.
func TestParked(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	a, b := socketPair(t)
	got := make(chan string, 16)
	echo := handlerFunc(func(bool, bool) {
		buf := make([]byte, 16)
		n, err := Recv(a, buf)
		if err != nil {
			t.Errorf("Recv: %v", err)
		}
		got <- string(buf[:n])
	})
	if err := l.Add(a, echo, Readable); err != nil {
		t.Fatal(err)
	}
	l.After(time.Millisecond, func() { got <- "timer" })
	go func() { done <- l.RunParked() }() // received below
	if s := <-got; s != "timer" {
		t.Errorf("%q, want the timer", s)
	}
	for _, text := range []string{"one", "two", "three"} { // with nothing to do between
		if _, err := unix.Write(b, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != text {
			t.Errorf("%q, want %q", s, text)
		}
	}
	for range 3 {
		if err := l.Post(func() { got <- "posted" }); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "posted" {
			t.Errorf("%q, want the call", s)
		}
	}
	if err := l.Post(func() { l.After(time.Millisecond, func() { got <- "later" }) }); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "later" {
		t.Errorf("%q, want the second timer", s)
	}
	l.Stop()
	if err := <-done; err != nil {
		t.Errorf("RunParked = %v, want nil", err)
	}
	if err := l.Post(func() {}); err != ErrStopped {
		t.Errorf("Post to a loop that has ended: %v", err)
	}
}
