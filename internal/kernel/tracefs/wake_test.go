// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHoldingIsInterrupted collects garbage while a ring is waited for without
// Go's scheduler knowing: the wait would be over in an hour.
func TestHoldingIsInterrupted(t *testing.T) {
	var ends [2]int
	must(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
	defer unix.Close(ends[0])
	entered, left := make(chan struct{}), make(chan error)
	go func() { // ends when it is interrupted, or the pipe is closed below
		fds := []unix.PollFd{{Fd: int32(ends[0]), Events: unix.POLLIN}}
		close(entered)
		_, err := pollHolding(fds, time.Hour)
		left <- err
	}()
	<-entered
	for range 3 {
		runtime.GC()
	}
	must(t, unix.Close(ends[1]))
	if err := <-left; err != nil && !errors.Is(err, unix.EINTR) {
		t.Errorf("waiting: %v", err)
	}
}

// TestHoldingEnds waits for what does not come, and is asked for its processor
// meanwhile.
func TestHoldingEnds(t *testing.T) {
	var ends [2]int
	must(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	fds := []unix.PollFd{{Fd: int32(ends[0]), Events: unix.POLLIN}}
	begin := time.Now()
	n, err := pollHolding(fds, 5*monitorPeriod)
	if n != 0 || err != nil && !errors.Is(err, unix.EINTR) {
		t.Errorf("got %d, %v", n, err)
	}
	if err == nil && time.Since(begin) < 5*monitorPeriod {
		t.Error("it ended before its time")
	}
}
