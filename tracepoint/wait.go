// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wait returns when the daemon may be there: when it has told those who wait, and after
// a while in any case.
func (d *daemon) wait(ctx context.Context) {
	page, err := d.openPage()
	if err != nil {
		pause(ctx) // there is no shared memory, or it is not ours
		return
	}
	defer func() { _ = unix.Munmap(page) }() // it is mapped
	defer wakeAtEnd(ctx, page)()
	if ctx.Err() == nil {
		late := unix.NsecToTimespec(int64(retry))
		futex(page, futexWait, 0, &late)
	}
}

// wakeAtEnd wakes up who waits on the page when ctx ends, until the function that it
// returns is called: one who has not begun to wait yet would not notice otherwise.
// What is woken up besides looks again.
func wakeAtEnd(ctx context.Context, page []byte) (done func()) {
	awake, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			futex(page, futexWake, 1<<30, nil)
			select {
			case <-awake:
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(awake)
		if !stop() {
			<-ended // the page is about to go
		}
	}
}

// pause waits for the time between attempts.
func pause(ctx context.Context) {
	late := time.NewTimer(retry)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}

// Operations of the system call.
const (
	futexWait = 0
	futexWake = 1
)

// futex waits while the page begins with value, or wakes value others up. The memory is
// looked at by the kernel only: where the file has become shorter, that is an error
// there, and would be the end of the program here.
func futex(page []byte, op, value uintptr, late *unix.Timespec) {
	// Whatever comes of it, the daemon is looked for next.
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&page[0])), op, value, uintptr(unsafe.Pointer(late)), 0, 0)
}

// pageLen is how much of the page's file is mapped.
const pageLen = 4096

// openPage maps the page, and makes it if there is none: a daemon that starts later
// finds it.
func (d *daemon) openPage() ([]byte, error) {
	mode := os.FileMode(0o640)
	if d.others {
		mode = 0o666
	}
	const flags = unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(d.page, os.O_RDWR|os.O_CREATE|os.O_EXCL|flags, mode)
	switch {
	case err == nil:
		err = errors.Join(f.Chmod(mode), f.Truncate(pageLen))
	case errors.Is(err, os.ErrExist):
		f, err = os.OpenFile(d.page, os.O_RDONLY|flags, 0)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if !d.others && int(st.Uid) != os.Getuid() || st.Size < pageLen {
		return nil, os.ErrPermission // the daemon could not wake us up by this
	}
	return unix.Mmap(int(f.Fd()), 0, pageLen, unix.PROT_READ, unix.MAP_SHARED)
}
