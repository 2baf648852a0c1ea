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
// a ring that has little. One goroutine uses it.
type waiter struct {
	file *os.File // an epoll descriptor
	raw  syscall.RawConn

	until time.Time // the deadline that the file has; zero: none
}

func newWaiter(fds ...int) (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // has the runtime wait for it
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	for _, fd := range fds {
		if err := w.add(fd); err != nil {
			return nil, errors.Join(err, w.file.Close())
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
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.until, err = time.Now(), nil // which has passed
	}
	return errors.Join(err, failed)
}

// alarm has a wait end after a time. An alarm that goes off wakes several threads, one
// that is moved on none: as long as something happens it never does.
func (w *waiter) alarm(timeout time.Duration) error {
	var until time.Time
	if timeout >= 0 {
		now := time.Now()
		until = now.Add(timeout)
		if early := until.Sub(w.until); w.until.After(now) && early >= 0 && early <= timeout/4 {
			return nil
		}
	} else if w.until.IsZero() {
		return nil
	}
	w.until = until
	return w.file.SetReadDeadline(until)
}

func (w *waiter) close() error { return w.file.Close() }
