// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// consumerIdentity is whom the session's consumer processes run as: nobody for
// root's sessions, their creator for those of others; 0 stands for whom the daemon
// runs as.
func (s *Session) consumerIdentity() (uid, gid uint32) {
	switch {
	case os.Geteuid() != 0:
		return 0, 0
	case s.uid == 0:
		return s.d.opts.ConsumerUID, s.d.opts.ConsumerGID
	}
	return s.uid, s.gid
}

// asCreator does something to files with the rights of the session's creator: the
// paths are theirs to choose, and links in them theirs to set. Other threads of the
// daemon keep their rights.
func (s *Session) asCreator(do func() error) error {
	if os.Geteuid() != 0 || s.uid == 0 {
		return do()
	}
	done := make(chan error, 1)
	go func() { // received below
		// Never unlocked: the thread, which has lost its rights, ends with the
		// goroutine.
		runtime.LockOSThread()
		done <- s.loseRights(do)
	}()
	return <-done
}

// loseRights gives this thread the file system rights of the creator alone. The
// kernel takes the capabilities that go around these with the user id.
func (s *Session) loseRights(do func() error) error {
	// Raw, as those of packages syscall and unix change all threads.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("rights of user %d: groups: %w", s.uid, errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(s.gid), 0, 0) // the second call tells
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(s.uid), 0, 0)
	none := ^uintptr(0)
	gid, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, none, 0, 0)
	uid, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, none, 0, 0)
	if uint32(gid) != s.gid || uint32(uid) != s.uid {
		return fmt.Errorf("rights of user %d: got user %d and group %d, want group %d", s.uid, uint32(uid), uint32(gid), s.gid)
	}
	return do()
}
