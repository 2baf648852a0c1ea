// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdTime is how long a ring in which something has just happened is waited for
// without Go's scheduler being told.
const holdTime = 200 * time.Millisecond

// monitorPeriod is how often Go's monitor asks for the processor.
const monitorPeriod = 10 * time.Millisecond

// WaitFor is Wait that ends also when another descriptor, such as an eventfd, is
// readable; with ring false it waits for that alone.
//
// After a wait that the ring has ended, or a reading that brought something, it keeps
// its processor of Go's scheduler for a while. If that were free for others, Go's
// monitor would take it away, and would then wake every 20 µs for 1 ms after each
// return (sysmon and retake in Go's runtime/proc.go): at full load that cost a
// third of all CPU time, and at little load nearly all of it.
func (r *Ring) WaitFor(other int, ring bool, timeout time.Duration) (bool, error) {
	fds := [2]unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}, {Fd: int32(r.pipe), Events: unix.POLLIN}}
	watched := fds[:2]
	if !ring {
		watched = fds[:1]
	}
	start := time.Now()
	for {
		left := timeout
		if timeout >= 0 {
			left = max(timeout-time.Since(start), 0)
		}
		n, err := 0, error(nil)
		if held := holdTime - time.Since(start); ring && r.busy && held > 0 {
			if timeout >= 0 {
				held = min(held, left)
			}
			n, err = pollHolding(watched, held, r.calm.lasts(held))
			if n == 0 && err == nil && held != left {
				continue
			}
		} else {
			ms := -1
			if timeout >= 0 {
				ms = milliseconds(left)
			}
			n, err = unix.Poll(watched, ms)
		}
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, fmt.Errorf("wait for a ring: %w", err)
		case ring && fds[1].Revents&(unix.POLLERR|unix.POLLNVAL) != 0:
			return false, fmt.Errorf("wait for a ring: events %#x", fds[1].Revents)
		default:
			r.busy = ring && n > 0 && fds[1].Revents&unix.POLLIN != 0
			return r.busy, nil
		}
	}
}

// HoldTime is how long at most [Holder.Hold] should be given.
const HoldTime = holdTime

// Holder waits for other rings than the kernel's as [Ring.WaitFor] does while something
// happens. There have to be more processors of Go's scheduler than who does so.
type Holder struct{ calm calm }

// Hold is poll that does not give the processor of Go's scheduler away.
func (h *Holder) Hold(fds []unix.PollFd, most time.Duration) (int, error) {
	n, err := pollHolding(fds, most, h.calm.lasts(most))
	if err == unix.EINTR {
		err = nil
	}
	return n, err
}

// pollHolding is poll that does not give the processor of Go's scheduler away. Go's
// monitor asks each 10 ms that others may have it, by a signal; nobody wants it,
// as there are enough, and answering wakes other threads. So it is not answered.
// Who stops all goroutines, to collect garbage, asks again after 0.1 ms and is
// answered then.
//
// When it is deaf the thread does not even wake: the signal waits, and there is no
// other one meanwhile. Then nobody may want to stop all goroutines, as he would
// wait until the end.
//
// A call or return into a function that checks its stack is an answer: there is
// none in the loop.
//
//go:nosplit
func pollHolding(fds []unix.PollFd, timeout time.Duration, deaf bool) (int, error) {
	left := unix.Timespec{Sec: int64(timeout / time.Second), Nsec: int64(timeout % time.Second)}
	var mask unix.Sigset_t
	var blocked unsafe.Pointer // nil: the thread's own
	if deaf {
		mask.Val[0] = 1 << (unix.SIGURG - 1)
		blocked = unsafe.Pointer(&mask)
	}
	for {
		begin := left.Nsec + left.Sec*int64(time.Second)
		n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)),
			uintptr(unsafe.Pointer(&left)), uintptr(blocked), signalSetBytes, 0)
		switch {
		case e == 0:
			return int(n), nil
		case e == unix.EINTR && begin-left.Nsec-left.Sec*int64(time.Second) > int64(monitorPeriod/2):
			continue // the kernel leaves in left what is left
		default:
			return 0, e
		}
	}
}

// signalSetBytes is the size of the kernel's set of signals, of which unix.Sigset_t
// begins with one.
const signalSetBytes = 8
