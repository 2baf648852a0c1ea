// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/kernel/tcpowner"
)

// Caller tells who is at the other end of a connection by a Unix socket, or by TCP from
// this host. Members of a group may do everything; -1 is none.
func Caller(n net.Conn, group int) (feed.Caller, error) {
	switch n := n.(type) {
	case *net.UnixConn:
		return CallerOf(n, group)
	case *net.TCPConn:
		return callerByTCP(n, group)
	}
	return feed.Caller{}, fmt.Errorf("connection of type %T: want a Unix socket, or TCP", n)
}

// callerByTCP is the user whose socket is at the other end. Of groups there are those
// that the user database has; a process may have given some up.
func callerByTCP(n *net.TCPConn, group int) (feed.Caller, error) {
	local, ok1 := n.LocalAddr().(*net.TCPAddr)
	remote, ok2 := n.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return feed.Caller{}, fmt.Errorf("addresses %v and %v: want those of TCP", n.LocalAddr(), n.RemoteAddr())
	}
	uid, found, err := tcpowner.Owner(remote.AddrPort(), local.AddrPort())
	if err != nil {
		return feed.Caller{}, err
	}
	if !found {
		return feed.Caller{}, fmt.Errorf("no process of this host has the other end, %v: users of other hosts are not known here", remote)
	}
	c := feed.Caller{UID: uid, GID: nobody}
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		c.GID = parseID(u.Gid)
		ids, _ := u.GroupIds() // without them the caller sees less
		for _, id := range ids {
			c.Groups = append(c.Groups, parseID(id))
		}
	}
	c.Admin = isAdmin(&c, group)
	return c, nil
}

// nobody is the group of a user that the user database does not have.
const nobody = 65534

func parseID(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nobody
	}
	return uint32(n)
}

// CallerOf asks the kernel who is at the other end of a connection. Members of a group
// may do everything; -1 is none.
func CallerOf(n *net.UnixConn, group int) (feed.Caller, error) {
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
	c.Admin = isAdmin(&c, group)
	return c, nil
}

// isAdmin tells who may do everything.
func isAdmin(c *feed.Caller, group int) bool {
	return c.UID == 0 || group >= 0 && (c.GID == uint32(group) || slices.Contains(c.Groups, uint32(group)))
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
