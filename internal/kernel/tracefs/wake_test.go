// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/wait"
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
		_, err := pollHolding(fds, time.Hour, false)
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
	n, err := pollHolding(fds, 5*monitorPeriod, false)
	if n != 0 || err != nil && !errors.Is(err, unix.EINTR) {
		t.Errorf("got %d, %v", n, err)
	}
	if err == nil && time.Since(begin) < 5*monitorPeriod {
		t.Error("it ended before its time")
	}
}

// TestDeafHoldingSleepsOn sends a thread that waits the signal by which Go's monitor
// asks for the processor: it stays pending until what is waited for comes.
func TestDeafHoldingSleepsOn(t *testing.T) {
	// Who collected garbage meanwhile would stop this goroutine, and wait. It needs a
	// processor of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var ends [2]int
	must(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
	defer unix.Close(ends[0])
	hangUp := sync.OnceFunc(func() { unix.Close(ends[1]) })
	defer hangUp()
	tid, left := make(chan int), make(chan error, 1)
	go func() { // ends when the pipe is closed below
		runtime.LockOSThread()
		fds := []unix.PollFd{{Fd: int32(ends[0]), Events: unix.POLLIN}}
		tid <- unix.Gettid()
		n, err := pollHolding(fds, wait.Patience, true)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d descriptors are ready", n)
		}
		left <- err
	}()
	status := fmt.Sprintf("/proc/self/task/%d/status", <-tid)
	const urgent = 1 << (unix.SIGURG - 1)
	wait.Until(t, "it does not hear the signal", func() bool { return signals(t, status, "SigBlk:")&urgent != 0 })
	// Go's monitor sends it; the wait is that of a goroutine that is running.
	wait.Until(t, "the signal is pending", func() bool { return signals(t, status, "SigPnd:")&urgent != 0 })
	hangUp()
	if err := <-left; err != nil {
		t.Errorf("waiting: %v", err)
	}
}

// signals reads a set of signals of a thread.
func signals(t *testing.T, status, name string) (set uint64) {
	t.Helper()
	text, err := os.ReadFile(status)
	must(t, err)
	_, rest, _ := strings.Cut(string(text), name)
	if _, err := fmt.Sscanf(rest, "%x", &set); err != nil {
		t.Fatalf("%s of %s: %v", name, status, err)
	}
	return set
}
