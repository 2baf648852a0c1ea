// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// waiterVar tells a child of Spawn where its readiness is awaited:
// "DESCRIPTOR:PID", the number of the inherited pipe and the waiting process.
const waiterVar = "WEIR_BACKGROUND"

// readyMessage is what the child writes into the pipe.
const readyMessage = "ready\n"

// Command is a process for Spawn to start in a session of its own.
type Command struct {
	Args []string // with argv[0], kept as it stands
	Env  []string
	// Detach gives the child /dev/null as standard input at once; the child
	// itself leaves standard output and error when it is ready, so that what
	// went wrong before is still seen. Without Detach the child keeps all
	// three.
	Detach bool
	// Stdin, Stdout, Stderr are the console of the child.
	Stdin, Stdout, Stderr *os.File
}

// StartError tells how a child of Spawn ended before it was ready.
type StartError struct {
	PID   int
	State *os.ProcessState
}

// Error names the process and its end.
func (e *StartError) Error() string {
	return fmt.Sprintf("background process %d ended before it was ready: %s", e.PID, e.State)
}

// Exited tells that the child ended by itself and has had the chance to say
// why on its standard error, other than one killed by a signal.
func (e *StartError) Exited() bool { return e.State.Exited() }

// Spawn starts the running program again and returns the child's process id
// when the child is ready. A *StartError means that it ended before. When ctx
// ends first, the child is stopped.
func Spawn(ctx context.Context, c Command) (pid int, err error) {
	path, err := executable(c.Args[0])
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("pipe to background process: %w", err)
	}
	defer r.Close()
	process, err := c.start(path, w)
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("start background process: %w", err)
	}
	// A daemon may be told to stop while it starts: the signal goes on to
	// the child, whose end closes the pipe.
	stop := context.AfterFunc(ctx, func() { _ = process.Signal(unix.SIGTERM) })
	defer stop()
	message, err := io.ReadAll(io.LimitReader(r, int64(len(readyMessage))))
	if err == nil && string(message) == readyMessage {
		return process.Pid, process.Release()
	}
	state, waitErr := process.Wait()
	if waitErr != nil {
		return 0, errors.Join(err, fmt.Errorf("wait for background process: %w", waitErr))
	}
	return 0, &StartError{PID: process.Pid, State: state}
}

// start launches the child with the write end of the pipe behind the standard
// descriptors and the service manager's sockets.
func (c Command) start(path string, w *os.File) (*os.Process, error) {
	stdin := c.Stdin
	if c.Detach {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		stdin = null
	}
	// Whatever the caller of this process left open stays here: a script
	// that waits for the end of such a pipe must not wait for the daemon.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("mark descriptors: %w", err)
	}
	files := append([]*os.File{stdin, c.Stdout, c.Stderr}, activationFiles()...)
	marker := fmt.Sprintf("%s=%d:%d", waiterVar, len(files), os.Getpid())
	return os.StartProcess(path, c.Args, &os.ProcAttr{
		Env:   append(without(c.Env, waiterVar), marker),
		Files: append(files, w),
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

func without(env []string, name string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, pair := range env {
		if !strings.HasPrefix(pair, name+"=") {
			kept = append(kept, pair)
		}
	}
	return kept
}

// executable returns the path to start the running program by. The path of
// the call is best, for its last element becomes the process's name; but the
// directory may have changed since, or the name may be made up.
func executable(argv0 string) (string, error) {
	const self = "/proc/self/exe"
	running, err := os.Stat(self)
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	if called, err := exec.LookPath(argv0); err == nil {
		if info, err := os.Stat(called); err == nil && os.SameFile(info, running) {
			return called, nil
		}
	}
	if path, err := os.Executable(); err == nil {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, running) {
			return path, nil
		}
	}
	// Removed or replaced since the start.
	return self, nil
}

// commMax is the length of a process name in the kernel (TASK_COMM_LEN - 1).
const commMax = 15

// KeepName makes the process's name in /proc/PID/comm the base name of argv0,
// which it lacks when the program was started by another path.
func KeepName(argv0 string) error {
	want := filepath.Base(argv0)
	want = want[:min(len(want), commMax)]
	const comm = "/proc/self/comm"
	got, err := os.ReadFile(comm)
	if err == nil && strings.TrimSuffix(string(got), "\n") == want {
		return nil
	}
	return os.WriteFile(comm, []byte(want), 0)
}

// Waiter is the process that waits for the readiness of this one.
type Waiter struct {
	pipe   *os.File
	detach bool
}

// Adopt returns the process that waits for this one, or nil when this process
// was not started by Spawn. It removes the mark from the environment and makes
// sockets of the service manager this process's own. Call it once, before
// anything that starts processes.
func Adopt() (*Waiter, error) {
	mark, ok := os.LookupEnv(waiterVar)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(waiterVar); err != nil {
		return nil, err
	}
	number, parent, _ := strings.Cut(mark, ":")
	fd, err1 := strconv.Atoi(number)
	pid, err2 := strconv.Atoi(parent)
	// A mark meant for another process came down to this one through an
	// environment: not an error, this process is nobody's background.
	if err1 != nil || err2 != nil || fd < 3 || pid != os.Getppid() {
		return nil, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("inherited descriptor %d is no pipe", fd)
	}
	unix.CloseOnExec(fd)
	if os.Getenv("LISTEN_PID") == parent {
		if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
			return nil, err
		}
	}
	return &Waiter{pipe: os.NewFile(uintptr(fd), "readiness")}, nil
}

// DetachWhenReady makes Ready give up standard output and error.
func (w *Waiter) DetachWhenReady() { w.detach = true }

// Ready lets the waiting process end with success.
func (w *Waiter) Ready() error {
	defer w.pipe.Close()
	if w.detach {
		// Before the word: whoever waits for the parent and then for the
		// end of its output must not wait for the daemon.
		if err := detachConsole(); err != nil {
			return err
		}
	}
	if _, err := w.pipe.WriteString(readyMessage); err != nil {
		return fmt.Errorf("report readiness: %w", err)
	}
	return nil
}

// detachConsole turns descriptors 0, 1 and 2 to /dev/null.
func detachConsole() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("redirect descriptor %d to %s: %w", fd, os.DevNull, err)
		}
	}
	return nil
}
