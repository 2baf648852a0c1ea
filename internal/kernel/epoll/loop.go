// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Interest says which conditions of a descriptor a handler wants to hear of.
// Errors and hang-ups are always reported.
type Interest uint32

// Conditions of a descriptor, level-triggered.
const (
	Readable Interest = unix.EPOLLIN | unix.EPOLLRDHUP
	Writable Interest = unix.EPOLLOUT
)

// Handler is called when a descriptor is ready.
type Handler interface {
	// Ready runs on the loop's goroutine. It must not block and should
	// bound what it does for one call: the loop calls again as long as
	// the condition holds.
	Ready(readable, writable bool)
}

// ErrStopped is returned by Post and Add after Stop.
var ErrStopped = errors.New("epoll: loop stopped")

const (
	maxEvents = 128 // descriptors taken from the kernel in one wait
	maxPosted = 1 << 16

	// turnTime is half of what Go's monitor lets pass before it takes action
	// against a goroutine that is not scheduled anew.
	turnTime = 5 * time.Millisecond
)

// Loop waits for descriptors and calls their handlers.
type Loop struct {
	// Immutable after New.
	epfd   int
	wakefd int

	// Owned by Run.
	slots  []slot // by descriptor
	timers timerHeap
	events []unix.EpollEvent
	turn   time.Time // when the goroutine was last scheduled
	wait   func(ms int) (events int, err error)

	mu      sync.Mutex
	posted  []func() // guarded by mu; bound maxPosted, Post then refuses
	stopped bool     // guarded by mu
}

// slot is one registered descriptor. The generation tells an event of a
// closed descriptor from one of its successor with the same number, which may
// stand in the same batch.
type slot struct {
	handler Handler
	gen     int32
}

// New makes a loop that is not running yet. Close it if Run is never called.
func New() (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll create: %w", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l := &Loop{epfd: epfd, wakefd: wakefd, events: make([]unix.EpollEvent, maxEvents)}
	l.wait = func(ms int) (int, error) { return unix.EpollWait(l.epfd, l.events, ms) }
	if err := l.Add(wakefd, wakeHandler{l}, Readable); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// Add begins to watch fd for h. The descriptor stays the caller's.
func (l *Loop) Add(fd int, h Handler, want Interest) error {
	for fd >= len(l.slots) {
		l.slots = append(l.slots, slot{})
	}
	s := &l.slots[fd]
	s.handler = h
	s.gen++
	ev := unix.EpollEvent{Events: uint32(want), Fd: int32(fd), Pad: s.gen}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		s.handler = nil
		return fmt.Errorf("epoll add descriptor %d: %w", fd, err)
	}
	return nil
}

// Modify changes what fd is watched for.
func (l *Loop) Modify(fd int, want Interest) error {
	ev := unix.EpollEvent{Events: uint32(want), Fd: int32(fd), Pad: l.slots[fd].gen}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev); err != nil {
		return fmt.Errorf("epoll modify descriptor %d: %w", fd, err)
	}
	return nil
}

// Remove ends the watch. It must precede the close of fd. A handler is not
// called again after it, not even for an event already taken. Once the loop has ended
// there is nothing to do.
func (l *Loop) Remove(fd int) {
	if fd < 0 || fd >= len(l.slots) || l.slots[fd].handler == nil {
		return
	}
	l.slots[fd].handler = nil
	l.slots[fd].gen++
	// The descriptor is open, and registered by Add: this cannot fail while the loop
	// has not ended.
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Post runs fn on the loop soon. It may be called from any goroutine.
func (l *Loop) Post(fn func()) error {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return ErrStopped
	}
	if len(l.posted) >= maxPosted {
		l.mu.Unlock()
		return fmt.Errorf("epoll: %d calls already posted", maxPosted)
	}
	first := len(l.posted) == 0
	l.posted = append(l.posted, fn)
	l.mu.Unlock()
	if first {
		l.wake()
	}
	return nil
}

// Stop makes Run return after the current round. Functions posted before it
// still run.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.wake()
}

// Run serves until Stop, then closes the loop's own descriptors. Registered
// descriptors stay open: their owners close them.
func (l *Loop) Run() error {
	defer l.close()
	for {
		n, err := l.wait(l.timeout())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll wait: %w", err)
		}
		l.takeTurn()
		for i := range max(n, 0) {
			l.dispatch(&l.events[i])
		}
		l.runTimers()
		if l.isStopped() {
			l.runPosted()
			return nil
		}
	}
}

// takeTurn lets the scheduler have the goroutine now and then. Without that it
// looks like one that runs for ever: Go's monitor then takes away the processor
// each time that it finds the goroutine in a system call, wakes every 20 µs to
// do so, and costs a tenth of all time (retake in Go's runtime/proc.go).
func (l *Loop) takeTurn() {
	if now := time.Now(); now.Sub(l.turn) > turnTime {
		runtime.Gosched()
		l.turn = now
	}
}

// RunBehind is Run on a thread of its own whose nice value is higher by nice,
// for work that can wait while other threads of the program have some.
func (l *Loop) RunBehind(nice int) error {
	done := make(chan error, 1)
	go func() { // received below
		// Never unlocked: the thread ends with the goroutine, and nobody gets
		// one of that priority.
		runtime.LockOSThread()
		// The system call's result is 20 - nice. Where it is refused, the
		// thread competes like the others.
		if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, min(20-now+nice, 19))
		}
		done <- l.Run()
	}()
	return <-done
}

func (l *Loop) dispatch(ev *unix.EpollEvent) {
	s := &l.slots[ev.Fd]
	if s.handler == nil || s.gen != ev.Pad {
		return
	}
	const readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	const writable = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
	s.handler.Ready(ev.Events&readable != 0, ev.Events&writable != 0)
}

func (l *Loop) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// The counter can only be full when a wake-up is already pending.
	_, _ = unix.Write(l.wakefd, one[:])
}

type wakeHandler struct{ l *Loop }

func (w wakeHandler) Ready(bool, bool) {
	var buf [8]byte
	_, _ = unix.Read(w.l.wakefd, buf[:])
	w.l.runPosted()
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	batch := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, fn := range batch {
		fn()
	}
}

func (l *Loop) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// timeout is the wait in milliseconds until the first timer, rounded up so
// that the loop does not spin through the last part of one; -1 without timers.
func (l *Loop) timeout() int {
	if len(l.timers) == 0 {
		return -1
	}
	d := time.Until(l.timers[0].when)
	if d <= 0 {
		return 0
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}

func (l *Loop) close() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	unix.Close(l.wakefd)
	unix.Close(l.epfd)
	l.epfd = -1 // the number may be another's soon
}
