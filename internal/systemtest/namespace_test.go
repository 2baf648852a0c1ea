// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of one test. The inner one lets the test tell what it waits for.
const (
	bodyLimit  = 100 * time.Second
	outerLimit = bodyLimit + 10*time.Second
)

// hostName is the name of the machine inside of the namespaces.
const hostName = "weirhost"

// namespaces are those that a test does not share.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
	syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// isolated runs the body of a test on a machine of its own. Outside of it, it
// starts the namespaces and reports how the body ended.
func isolated(t *testing.T, body func(*machine)) {
	t.Helper()
	if os.Getenv(roleEnv) == roleBody {
		body(newMachine(t, os.Getenv(scratchEnv)))
		return
	}
	if testing.Short() && t.Name() != shortTest {
		t.Skipf("with -short only %s runs", shortTest)
	}
	need(t)
	t.Parallel()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), outerLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^")+"$",
		"-test.timeout="+bodyLimit.String(), "-test.count=1", fmt.Sprintf("-kills=%d", *kills))
	cmd.Env = append(os.Environ(), roleEnv+"="+roleInit, scratchEnv+"="+t.TempDir())
	out := &quoter{to: t.Output()}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	// The signal comes at the end of the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		t.Errorf("in its namespaces: %v", err)
	}
}

// quoter marks lines of an inner test, which otherwise look like results of
// this one to programs that read them.
type quoter struct {
	to   io.Writer
	rest []byte
}

func (q *quoter) Write(b []byte) (int, error) {
	q.rest = append(q.rest, b...)
	for {
		line, rest, ok := bytes.Cut(q.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(q.to, "| %s\n", line); err != nil {
			return 0, err
		}
		q.rest = rest
	}
}

// runInit is process 1 of the namespaces: it furnishes them, starts the body,
// waits for it and for all orphans, and returns the body's exit code.
func runInit() int {
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		return 1
	}
	if err := os.Setenv(roleEnv, roleBody); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	body, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "wait:", err)
			return 1
		case pid == body.Pid && status.Signaled():
			fmt.Fprintln(os.Stderr, "test ended by", status.Signal())
			return 1
		case pid == body.Pid:
			return status.ExitStatus()
		}
	}
}

// furnish makes new namespaces usable: private directories, loopback, a name.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// LTTng's shared memory and run directory.
	for dir, mode := range map[string]string{"/dev/shm": "1777", "/run": "0755", "/var/run": "0755"} {
		if info, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue // a link into one of the others
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode="+mode); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := os.MkdirAll(filepath.Join("/var/run", "lttng"), 0o755); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(hostName)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	return loopbackUp()
}

// loopbackUp switches the namespace's loopback device on; the kernel gives it
// its addresses.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback up: %w", err)
	}
	return nil
}
