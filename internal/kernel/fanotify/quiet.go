// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows calls the kernel without telling Go's scheduler. A call that it is told of
// and that lasts for more than 20 µs, as reading events with a descriptor of the process
// for each does, has the monitor of threads give the goroutine's processor to another
// thread, which looks for work, finds none and goes to sleep, while the goroutine looks for
// a processor. None of these calls waits for anything; who collects garbage waits for them.

// quietBytes bounds what is read in a call: nothing else runs on its processor meanwhile.
const quietBytes = 64 << 10

// pollNow is how many of one descriptor have something to read, at once.
func pollNow(fd uintptr) (int, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		var at unix.Timespec
		n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), 1, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, e
	}
}

// readNow reads events of which there are some.
func readNow(fd uintptr, b []byte) (int, error) {
	b = b[:min(len(b), quietBytes)]
	n, _, e := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// CloseProcesses closes all descriptors from the first to the last.
func CloseProcesses(first, last int32) error {
	if _, _, e := unix.RawSyscall(unix.SYS_CLOSE_RANGE, uintptr(first), uintptr(last), 0); e != 0 {
		return e
	}
	return nil
}
