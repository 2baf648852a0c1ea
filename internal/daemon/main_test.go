// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// roleVar makes the test binary another program: what a daemon does can only be
// seen from outside of its process.
const roleVar = "WEIR_DAEMON_TEST_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func() error{
		"daemon": daemonRole, "fail": daemonRole, "die": daemonRole, "activated": daemonRole, "stop": daemonRole,
		"limit": limitRole, "signal": signalRole,
	}
	role, ok := os.LookupEnv(roleVar)
	if !ok {
		os.Exit(m.Run())
	}
	if err := roles[role](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// facts is what a background process says about itself, in the file that its
// argument -facts names.
type facts struct {
	PID, PPID, SID int
	Argv0, Comm    string
	Cwd            string
	Descriptors    map[int]string
	Stray          bool // the mark of the caller is still in the environment
	Listeners      []string
}

// daemonRole is a small daemon: in the foreground it starts itself in the
// background. Arguments: FACTSFILE [detach].
func daemonRole() error {
	path, detach := os.Args[1], len(os.Args) > 2
	if n := os.Getenv("WEIR_DAEMON_TEST_SOCKETS"); n != "" && os.Getenv(waiterVar) == "" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		os.Setenv("LISTEN_FDS", n)
	}
	waiter, err := Adopt()
	if err != nil {
		return err
	}
	if waiter == nil {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if os.Getenv(roleVar) == "stop" {
			cancel()
		}
		pid, err := Spawn(ctx, Command{
			Args: os.Args, Env: os.Environ(), Detach: detach,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		})
		if e, ok := errors.AsType[*StartError](err); ok && e.Exited() {
			os.Exit(1)
		}
		fmt.Println("started", pid)
		return err
	}
	switch os.Getenv(roleVar) {
	case "fail":
		return errors.New("port in use")
	case "stop":
		never := make(chan os.Signal, 1)
		signal.Notify(never, unix.SIGUSR2)
		<-never // SIGTERM ends the process
	case "die":
		return unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	if detach {
		waiter.DetachWhenReady()
	}
	if err := KeepName(os.Args[0]); err != nil {
		return err
	}
	listeners, err := ActivatedListeners("control", "data")
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	f := gather()
	for _, name := range []string{"control", "data"} {
		if l := listeners[name]; l != nil {
			f.Listeners = append(f.Listeners, name+" "+l.Addr().String())
			l.Close()
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	if err := waiter.Ready(); err != nil {
		return err
	}
	<-stop
	return nil
}

func gather() facts {
	comm, _ := os.ReadFile("/proc/self/comm")
	cwd, _ := os.Getwd()
	sid, _ := unix.Getsid(0)
	_, stray := os.LookupEnv(waiterVar)
	f := facts{
		PID: os.Getpid(), PPID: os.Getppid(), SID: sid, Argv0: os.Args[0], Cwd: cwd, Stray: stray,
		Comm: strings.TrimSuffix(string(comm), "\n"), Descriptors: descriptors(os.Getpid()),
	}
	return f
}

// descriptors returns what the open descriptors of a process lead to.
func descriptors(pid int) map[int]string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	open := make(map[int]string)
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && target != dir {
			open[fd] = target
		}
	}
	return open
}

// limitRole prints the limit it was started with and the one it has.
func limitRole() error {
	limit, err := StartFileLimit()
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return err
	}
	fmt.Println(limit, now.Cur)
	return err
}

// signalRole signals its parent as a daemon started with --sig-parent does.
func signalRole() error { return Readiness{SignalPID: os.Getppid()}.Ready() }

// asDaemon is a program file of the test binary by another name.
func asDaemon(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// stopProcess ends a process that is no child of the test and waits for it.
func stopProcess(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Errorf("daemon %d is gone: %v", pid, err)
		return
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		t.Error(err)
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 10_000)
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			t.Errorf("daemon %d does not end: %v", pid, err)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return
	}
}

// loopback opens a listening socket and returns it as a file too.
func loopback(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}
