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
	// A program that ends need not wait; what is woken up besides looks again.
	defer context.AfterFunc(ctx, func() { futex(page, futexWake, 1<<30, nil) })()
	if ctx.Err() == nil {
		late := unix.NsecToTimespec(int64(retry))
		futex(page, futexWait, 0, &late)
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
