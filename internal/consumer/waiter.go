// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for descriptors as the runtime waits for sockets: a thread that waits in
// the kernel has the runtime look at it again and again, which costs more than reading
// a ring that has little. Time is one of the descriptors, as an alarm of the runtime's
// wakes its monitor, which looks around each 20 µs then. One goroutine uses it.
type waiter struct {
	file *os.File // an epoll descriptor
	raw  syscall.RawConn

	timer int       // its descriptor
	until time.Time // when it goes off; zero: it does not
}

func newWaiter(fds ...int) (*waiter, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		unix.Close(timer)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // has the runtime wait for it
		unix.Close(timer)
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "epoll"), timer: timer}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	for _, fd := range append(fds, timer) {
		if err := w.add(fd); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// control changes what is waited for.
func (w *waiter) control(op, fd int) (err error) {
	cerr := w.raw.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), op, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	})
	return errors.Join(err, cerr)
}

// add has it wait for one more, remove for one less.
func (w *waiter) add(fd int) error    { return w.control(unix.EPOLL_CTL_ADD, fd) }
func (w *waiter) remove(fd int) error { return w.control(unix.EPOLL_CTL_DEL, fd) }

// wait waits until one can be read, or a time has passed; below 0 for ever. It may end
// early, by a quarter of that time or where an earlier alarm still goes off.
func (w *waiter) wait(timeout time.Duration) error {
	if err := w.alarm(timeout); err != nil {
		return err
	}
	var failed error
	err := w.raw.Read(func(epoll uintptr) (ready bool) {
		ready, failed = quietEvents(int(epoll))
		return ready || failed != nil
	})
	return errors.Join(err, failed)
}

// alarm has a wait end after a time. It is moved on before it goes off, but not each time.
func (w *waiter) alarm(timeout time.Duration) error {
	var until time.Time
	var in unix.ItimerSpec // zero: never
	if timeout >= 0 {
		now := time.Now()
		until = now.Add(timeout)
		if early := until.Sub(w.until); w.until.After(now) && early >= 0 && early <= timeout/4 {
			return nil
		}
		in.Value = unix.NsecToTimespec(int64(max(timeout, 1)))
	} else if w.until.IsZero() {
		return nil
	}
	if err := quietTimer(w.timer, &in); err != nil {
		return fmt.Errorf("timer: %w", err)
	}
	w.until = until
	return nil
}

func (w *waiter) close() error { return errors.Join(w.file.Close(), unix.Close(w.timer)) }
