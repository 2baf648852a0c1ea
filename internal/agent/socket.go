// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/daemon"
)

// RunningError tells that another session daemon has the socket.
type RunningError struct {
	Socket string
	PID    int // 0 if it has not said yet
}

// Error says who it is.
func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("session daemon at %s: already running", e.Socket)
	}
	return fmt.Sprintf("session daemon at %s: already running, pid %d", e.Socket, e.PID)
}

// Socket is the listening socket of a daemon and the lock beside it, which one
// daemon at a time can have.
type Socket struct {
	listener *net.UnixListener
	lock     *os.File
}

// OpenSocket takes the lock and listens. A socket that a killed daemon left is
// removed. With gid -1 only the user may connect (mode 0600), otherwise also that
// group (0660). Directories that are missing are made.
func OpenSocket(ctx context.Context, path string, gid int) (*Socket, error) {
	if err := makeDirectory(filepath.Dir(path), gid); err != nil {
		return nil, fmt.Errorf("socket directory: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	l, err := listenUnix(ctx, path, gid)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return &Socket{l, lock}, nil
}

// Listener returns what accepts connections.
func (s *Socket) Listener() net.Listener { return s.listener }

// Close removes the socket and gives the lock back. The lock's file stays: who
// waits for it would wait for a file that nobody finds any more.
func (s *Socket) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // by the server that listened
	}
	return errors.Join(err, s.lock.Close())
}

// makeDirectory makes the directory of the socket: open to look into where a
// group may connect.
func makeDirectory(dir string, gid int) error {
	mode := fs.FileMode(0o700)
	if gid >= 0 {
		mode = 0o755
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode) // whatever the umask is
}

// takeLock locks the file beside the socket, agent.lock for agent.sock, and
// writes the process's number into it.
func takeLock(path string) (*os.File, error) {
	name := strings.TrimSuffix(path, ".sock") + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &RunningError{Socket: path, PID: readPID(f)}
	} else if err != nil {
		err = fmt.Errorf("lock %s: %w", name, err)
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// readPID reads the number in a lock's file; 0 if there is none.
func readPID(f *os.File) int {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}

// listenUnix makes the socket: for its owner alone, or for a group as well. Another
// daemon may listen there and not have the lock: one that was told another name
// for the socket.
func listenUnix(ctx context.Context, path string, gid int) (*net.UnixListener, error) {
	mode := fs.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
	}
	l, err := daemon.ListenUnix(ctx, path, mode, gid)
	if used, ok := errors.AsType[*daemon.SocketInUseError](err); ok {
		return nil, &RunningError{Socket: path, PID: used.PID}
	}
	return l, err
}
