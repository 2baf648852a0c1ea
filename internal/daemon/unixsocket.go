// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketInUseError tells that another process listens on a Unix socket.
type SocketInUseError struct {
	Path string
	PID  int // who that is, by the credentials of the socket; 0: not known
}

// Error says who it is.
func (e *SocketInUseError) Error() string {
	if e.PID == 0 {
		return e.Path + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Path, e.PID)
}

// ListenUnix makes a Unix socket of a mode, of a group unless gid is -1, and
// listens. A socket that nobody listens on is replaced; if somebody does, the
// error is a [*SocketInUseError].
func ListenUnix(ctx context.Context, path string, mode fs.FileMode, gid int) (*net.UnixListener, error) {
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	// The mode of the descriptor becomes the mode of the socket file (less
	// the umask), so that the socket is at no time open to others.
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if ctlErr := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if gid >= 0 {
		err = os.Chown(path, -1, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// clearSocket removes a socket that a killed process left behind.
func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is no socket", path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		defer conn.Close()
		return &SocketInUseError{Path: path, PID: listenerOf(conn.(*net.UnixConn))}
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// listenerOf returns the process that listens at the other end, 0 if unknown.
func listenerOf(conn *net.UnixConn) (pid int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
