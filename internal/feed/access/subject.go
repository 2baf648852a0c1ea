// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed"
)

// subject is a thread that has the rights of a user and no others. It is never unlocked
// from its goroutine: the runtime ends it instead of giving it to others.
type subject struct {
	do chan func()
}

// newSubject starts the thread.
func newSubject(c feed.Caller) (*subject, error) {
	s := &subject{do: make(chan func())}
	ready := make(chan error, 1)
	go func() { // ends when do is closed
		runtime.LockOSThread()
		err := become(c)
		ready <- err
		if err != nil {
			return
		}
		for f := range s.do {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("rights of user %d: %w", c.UID, err)
	}
	return s, nil
}

// run has the thread do something and waits for it.
func (s *subject) run(f func()) {
	done := make(chan struct{})
	s.do <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (s *subject) end() { close(s.do) }

// become gives the calling thread the rights of a user on file systems. The calls are raw
// ones: those of the library change all threads.
func become(c feed.Caller) error {
	var list unsafe.Pointer
	if len(c.Groups) > 0 {
		list = unsafe.Pointer(&c.Groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(list), 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	// Both return what was before and tell no error; a second call tells what is.
	const noChange = ^uintptr(0)
	unix.RawSyscall(unix.SYS_SETFSGID, uintptr(c.GID), 0, 0)
	if gid, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, noChange, 0, 0); uint32(gid) != c.GID {
		return fmt.Errorf("setfsgid: got %d, want %d", uint32(gid), c.GID)
	}
	unix.RawSyscall(unix.SYS_SETFSUID, uintptr(c.UID), 0, 0)
	if uid, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, noChange, 0, 0); uint32(uid) != c.UID {
		return fmt.Errorf("setfsuid: got %d, want %d", uint32(uid), c.UID)
	}
	// The kernel takes file-system capabilities away only when the user was root before.
	header, none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
