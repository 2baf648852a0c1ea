// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/ust/wire"
	"github.com/weir-io/weir/internal/wait"
)

// taskClock counts the time that a thread has run, by software.
const taskClock = unix.PERF_COUNT_SW_TASK_CLOCK

func newTaskClock(t *testing.T) *counter {
	t.Helper()
	c, err := openCounter(unix.PERF_TYPE_SOFTWARE, taskClock)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		peer.Lack(t, "counters of threads (perf_event_open)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// onThread does something on a thread that nobody else gets, and that ends with it.
func onThread(do func()) {
	var over sync.WaitGroup
	over.Go(func() {
		runtime.LockOSThread()
		do()
	})
	over.Wait()
}

// A counter counts for each thread, and only on.
func TestCounterOfThread(t *testing.T) {
	c := newTaskClock(t)
	onThread(func() {
		last := c.value(0)
		for range 100 {
			n := c.value(0)
			if n <= last {
				t.Fatalf("a thread that runs has %d after %d", n, last)
			}
			last = n
		}
		onThread(func() {
			if n := c.value(0); n >= last {
				t.Errorf("another thread begins with %d, want less than the %d of the first", n, last)
			}
		})
	})
	if n := testing.AllocsPerRun(100, func() { c.value(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Threads that have ended are forgotten, so that others which get their number begin anew.
func TestCounterForgetsThreads(t *testing.T) {
	c := newTaskClock(t)
	var thread int
	onThread(func() {
		thread = unix.Gettid()
		c.value(0)
		// While it is there: it may be forgotten a moment later.
		if fd, ok := (*c.files.Load())[thread]; !ok || fd < 0 {
			t.Errorf("counter of thread %d: %d, %v", thread, fd, ok)
		}
	})
	wait.Until(t, "the thread is forgotten", func() bool { // by the counter's own timer
		_, ok := (*c.files.Load())[thread]
		return !ok
	})
}

// A counter that is closed is closed when nobody reads it any more, and is 0 then.
func TestCounterClosed(t *testing.T) {
	c := newTaskClock(t)
	var readers sync.WaitGroup
	begun := make(chan struct{}, 4)
	for range 4 {
		readers.Go(func() {
			c.value(0)
			begun <- struct{}{}
			for c.value(0) != 0 {
			}
		})
	}
	for range 4 {
		<-begun
	}
	c.close()
	c.close()
	readers.Wait()
	if n := c.users.Load(); n != 0 {
		t.Fatalf("%d uses of a counter that is closed", n)
	}
	for thread, fd := range *c.files.Load() {
		if to, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)); err == nil && to == "anon_inode:[perf_event]" {
			t.Errorf("counter of thread %d is open", thread)
		}
	}
}

// No more threads have a counter than descriptors are to be had for: the others have 0.
func TestCounterOfTooManyThreads(t *testing.T) {
	c := newTaskClock(t)
	full := make(map[int]int)
	for i := range maxCounted {
		full[-1-i] = -1
	}
	c.files.Store(&full)
	onThread(func() {
		if n := c.value(0); n != 0 || len(*c.files.Load()) > maxCounted {
			t.Errorf("counter %d of a thread too many, %d threads", n, len(*c.files.Load()))
		}
	})
	c.sweep()
	onThread(func() {
		if c.value(0) == 0 {
			t.Error("no counter where there is room again")
		}
	})
}

// A counter that the kernel does not have is refused, as LTTng's library does, and the
// channel goes on without. One that it has is declared as in C.
func TestCounterContext(t *testing.T) {
	ch := &channel{}
	c := &client{objects: map[uint32]any{1: ch}}
	context := func(body []byte) error {
		return c.context(nil, &wire.Command{Handle: 1, Op: wire.OpContext, Body: body})
	}
	strange := wire.PerfContext{Name: "perf:thread:strange", Type: 1 << 30}.Append(nil)
	if err := context(strange); !errors.Is(err, wire.CodeNoEntry) || ch.refused || len(ch.contexts) != 0 {
		t.Errorf("a counter that there is not: %v, refused: %v", err, ch.refused)
	}
	newTaskClock(t) // or there are none
	known, _ := wire.ParsePerfContextName("perf:thread:task-clock")
	if err := context(known.Append(nil)); err != nil {
		t.Fatal(err)
	}
	defer ch.retire()
	want := wire.Field{Name: "perf_thread_task_clock", Kind: wire.Integer, Bits: 64, Base: 10, Align: 8}
	if all := ch.contexts[0].records(nil); len(all) != 1 || all[0] != want {
		t.Errorf("declared as %+v, want %+v", all, want)
	}
}
