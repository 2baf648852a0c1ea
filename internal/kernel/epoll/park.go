// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package epoll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RunParked is Run for a loop that rests most of the time. It waits as a goroutine
// that is parked, with Go's own poller watching the loop's descriptor: a goroutine
// that waits in a system call has Go's monitor of threads look every 20 µs what
// becomes of it, for a millisecond at least after each wake-up. A loop that is woken
// thousands of times a second is better off with Run, which waits with one system
// call instead of three.
func (l *Loop) RunParked() error {
	p, err := newParking(l)
	if err != nil {
		l.close()
		return err
	}
	defer p.file.Close()
	l.wait = p.wait
	return l.Run()
}

// parking is where a loop waits.
type parking struct {
	loop   *Loop
	file   *os.File // a second descriptor of the loop's, which Go's poller watches
	raw    syscall.RawConn
	look   func(fd uintptr) (done bool) // made once
	events int                          // of the last look
	err    error
}

func newParking(l *Loop) (*parking, error) {
	fd, err := unix.FcntlInt(uintptr(l.epfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("epoll: second descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what os takes for one to be watched
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: second descriptor: %w", err)
	}
	p := &parking{loop: l, file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("epoll: second descriptor: %w", err)
	}
	p.look = func(uintptr) bool {
		p.events, p.err = l.poll()
		return p.events != 0 || p.err != nil
	}
	return p, nil
}

// wait waits for events, at most for ms; below 0: for ever.
func (p *parking) wait(ms int) (int, error) {
	if ms == 0 {
		return p.loop.poll()
	}
	var late time.Time
	if ms > 0 {
		late = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	if err := p.file.SetReadDeadline(late); err != nil {
		return 0, err
	}
	err := p.raw.Read(p.look)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return p.events, p.err
}

// poll takes the events that are there. The call cannot block: see Recv.
func (l *Loop) poll() (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(l.events))), uintptr(len(l.events)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}
