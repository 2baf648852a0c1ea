// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readCaller asks the kernel who is at the other end of a connection. Group
// tracing is that of gid; -1 stands for a group that is not there.
func readCaller(c *net.UnixConn, tracing int) (Caller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Caller{}, fmt.Errorf("credentials of caller: %w", err)
	}
	var by Caller
	var askErr error
	if err := raw.Control(func(fd uintptr) { by, askErr = credentials(int(fd), tracing) }); err != nil {
		return Caller{}, fmt.Errorf("credentials of caller: %w", err)
	}
	if askErr != nil {
		return Caller{}, fmt.Errorf("credentials of caller: %w", askErr)
	}
	return by, nil
}

func credentials(fd, tracing int) (Caller, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Caller{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	by := Caller{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}
	if by.UID == 0 {
		by.Tracing = true
		return by, nil
	}
	if tracing < 0 {
		return by, nil
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Caller{}, fmt.Errorf("SO_PEERGROUPS: %w", err)
	}
	by.Tracing = by.GID == uint32(tracing) || slices.Contains(groups, uint32(tracing))
	return by, nil
}

// peerGroups returns the supplementary groups of the process at the other end,
// as the kernel has them: the user database may say otherwise by now, or may
// not be readable without cgo.
func peerGroups(fd int) ([]uint32, error) {
	for n := 32; ; n *= 8 {
		groups := make([]uint32, n)
		size := uint32(n) * 4
		// x/sys has no call for an option that is an array of numbers.
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		const most = 1 << 16 // NGROUPS_MAX
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errors.Is(errno, unix.ERANGE) && n < most:
			continue
		}
		return nil, errno
	}
}
