// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"errors"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/ust/wire"
)

const (
	// maxCounted bounds the threads that a counter counts for: each takes a descriptor.
	maxCounted = 1024
	// counterSweep is how often threads are looked for that have ended. One that gets
	// the number of such within that time has its count.
	counterSweep = time.Second
	// ownerUse is how often a counter is in use as it is not closed: more often than by all
	// who read.
	ownerUse = 1 << 32
)

// counter is one of the kernel's or the processor's for what each thread of the program
// does. Goroutines have none: an event has that of the thread which writes it, and context
// vtid beside it tells which. It is opened where a thread writes its first event, and 0 where
// that fails, as in LTTng's library.
type counter struct {
	attr unix.PerfEventAttr // immutable
	once sync.Once          // close

	// users are those who read, and ownerUse until close: the last one closes the files.
	users atomic.Int64
	files atomic.Pointer[map[int]int] // by threads, -1: not to be had; replaced, never changed

	// Owned by sweep, and by the last of the users.
	gone []int // files of threads that have ended; somebody may yet read them
}

// openCounter makes a counter, if the program's threads can have it.
func openCounter(kind uint32, config uint64) (*counter, error) {
	c := &counter{attr: unix.PerfEventAttr{Type: kind, Config: config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}}
	if paranoid() >= 2 { // the kernel would refuse to count what it does itself
		c.attr.Bits |= unix.PerfBitExcludeKernel
	}
	fd, err := c.open(0)
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	c.files.Store(new(map[int]int))
	c.users.Store(ownerUse)
	c.arm()
	return c, nil
}

// paranoid is how much the kernel keeps counters from users.
func paranoid() int {
	text, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		return 2 // the kernel's default
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 2
	}
	return n
}

// open opens the counter of a thread, 0 for the one that asks.
func (c *counter) open(thread int) (int, error) {
	attr := c.attr // the kernel may write to it
	return unix.PerfEventOpen(&attr, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
}

// enter begins to use the files, unless they are closed, or are to be.
func (c *counter) enter() bool {
	for {
		n := c.users.Load()
		if n < ownerUse { // those who come would keep the last one from going
			return false
		}
		if c.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *counter) leave() { c.end(1) }

// end ends as many uses.
func (c *counter) end(uses int64) {
	if c.users.Add(-uses) > 0 {
		return
	}
	for _, fd := range *c.files.Load() {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	c.closeGone()
}

func (c *counter) closeGone() {
	for _, fd := range c.gone {
		unix.Close(fd)
	}
	c.gone = nil
}

// close ends it: the files are closed as soon as nobody reads them.
func (c *counter) close() { c.once.Do(func() { c.end(ownerUse) }) }

// value is what the thread has counted that asks. It waits for nobody.
func (c *counter) value(int) uint64 {
	if !c.enter() {
		return 0
	}
	defer c.leave()
	thread := unix.Gettid()
	fd, ok := (*c.files.Load())[thread]
	if !ok {
		fd = c.add(thread)
	}
	var n uint64
	if fd < 0 {
		return 0
	}
	if size, _, _ := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&n)), unsafe.Sizeof(n)); size != unsafe.Sizeof(n) {
		return 0
	}
	return n
}

// add opens the counter of a thread, by its number: the goroutine may be on another one
// by now.
func (c *counter) add(thread int) int {
	fd := -1
	if len(*c.files.Load()) < maxCounted {
		var err error
		if fd, err = c.open(thread); err != nil {
			fd = -1
		}
	}
	for {
		old := c.files.Load()
		if other, ok := (*old)[thread]; ok { // of another goroutine that was on it
			if fd >= 0 {
				unix.Close(fd)
			}
			return other
		}
		if fd < 0 && len(*old) >= maxCounted {
			return fd // not even that is remembered
		}
		files := make(map[int]int, len(*old)+1)
		maps.Copy(files, *old)
		files[thread] = fd
		if c.files.CompareAndSwap(old, &files) {
			return fd
		}
	}
}

// arm has threads that have ended looked for later, for as long as there is a counter.
func (c *counter) arm() {
	time.AfterFunc(counterSweep, func() {
		if !c.enter() {
			return
		}
		defer c.leave()
		c.sweep()
		c.arm()
	})
}

// sweep forgets threads that have ended, and those that had no counter. Files are closed
// when nobody else is there: one who came before may read what was there then.
func (c *counter) sweep() {
	old := c.files.Load()
	files := make(map[int]int, len(*old))
	var over []int
	for thread, fd := range *old {
		switch {
		case fd < 0:
		case hungUp(fd):
			over = append(over, fd)
		default:
			files[thread] = fd
		}
	}
	if len(files) < len(*old) && c.files.CompareAndSwap(old, &files) {
		c.gone = append(c.gone, over...)
	}
	if c.users.Load() == ownerUse+1 { // and this
		c.closeGone()
	}
}

// hungUp reports whether the thread of a counter has ended.
func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1 && p[0].Revents&unix.POLLHUP != 0
}

// newCounterContext makes the context that the body of a command asks for.
func newCounterContext(body []byte) (contextWriter, error) {
	kind, config, field, err := wire.ParsePerfContext(body)
	if err != nil {
		return contextWriter{}, wire.CodeInvalid
	}
	c, err := openCounter(kind, config)
	if err != nil {
		return contextWriter{}, codeOf(err)
	}
	return contextWriter{kind: wire.ContextPerf, name: field, size: 8, now: c.value, counter: c}, nil
}

// codeOf is how LTTng's library tells that the kernel has refused a counter.
func codeOf(err error) wire.Code {
	switch {
	case errors.Is(err, unix.ENOENT):
		return wire.CodeNoEntry
	case errors.Is(err, unix.EINVAL):
		return wire.CodeInvalid
	}
	return wire.CodeFailed
}
