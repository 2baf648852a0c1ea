// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed"
)

// caller asks the kernel who is at the other end of a connection.
func caller(n *net.UnixConn, group int) (feed.Caller, error) {
	raw, err := n.SyscallConn()
	if err != nil {
		return feed.Caller{}, err
	}
	var c feed.Caller
	var askErr error
	if err := raw.Control(func(fd uintptr) { c, askErr = credentials(int(fd)) }); err != nil {
		return c, err
	}
	if askErr != nil {
		return c, fmt.Errorf("credentials of caller: %w", askErr)
	}
	c.Admin = c.UID == 0 || group >= 0 && (c.GID == uint32(group) || slices.Contains(c.Groups, uint32(group)))
	return c, nil
}

func credentials(fd int) (feed.Caller, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return feed.Caller{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return feed.Caller{}, fmt.Errorf("SO_PEERGROUPS: %w", err)
	}
	return feed.Caller{UID: cred.Uid, GID: cred.Gid, Groups: groups, PID: int(cred.Pid)}, nil
}

// peerGroups returns the supplementary groups of the process at the other end, as the
// kernel has them.
func peerGroups(fd int) ([]uint32, error) {
	const most = 1 << 16 // NGROUPS_MAX
	for n := 32; ; n *= 8 {
		groups := make([]uint32, n)
		size := uint32(n) * 4
		// x/sys has no call for an option that is an array of numbers.
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errors.Is(errno, unix.ERANGE) && n < most:
			continue
		}
		return nil, errno
	}
}
