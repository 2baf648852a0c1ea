// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	daemon "github.com/weir-io/weir/internal/agent"
)

func TestOneDaemonHasTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir", "agent.sock")
	first, err := daemon.OpenSocket(t.Context(), path, -1)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("socket has mode %v, %v, want 0600", info.Mode(), err)
	}
	_, err = daemon.OpenSocket(t.Context(), path, -1)
	running, ok := errors.AsType[*daemon.RunningError](err)
	if !ok || running.PID != os.Getpid() || !strings.Contains(err.Error(), "already running, pid ") {
		t.Errorf("second daemon: %v, want that process %d is running", err, os.Getpid())
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the first one's socket: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after Close: %v, want none", err)
	}
	again, err := daemon.OpenSocket(t.Context(), path, -1)
	if err != nil {
		t.Fatalf("after the first: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestStaleSockets(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := daemon.OpenSocket(t.Context(), stale, -1)
	if err != nil {
		t.Errorf("a socket that nobody listens on: %v", err)
	} else {
		s.Close()
	}

	taken := filepath.Join(dir, "taken.sock")
	other, err := net.Listen("unix", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := daemon.OpenSocket(t.Context(), taken, -1); err == nil || !strings.Contains(err.Error(), "already running, pid ") {
		t.Errorf("somebody's socket: %v, want that it is in use", err)
	}

	file := filepath.Join(dir, "file.sock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.OpenSocket(t.Context(), file, -1); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v, want a refusal", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file: %v", err)
	}
}

// Only root can give a socket to a group it is not in, so the test's own is
// used.
func TestSocketOfAGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	s, err := daemon.OpenSocket(t.Context(), path, os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o660 || info.Sys().(*syscall.Stat_t).Gid != uint32(os.Getgid()) {
		t.Errorf("socket has mode %v, group %d, want 0660 of %d", info.Mode(), info.Sys().(*syscall.Stat_t).Gid, os.Getgid())
	}
}

// callerVariable makes the test's program a caller: it connects to the socket
// named and waits for the end.
const callerVariable = "WEIR_TEST_CALLER"

func TestMain(m *testing.M) {
	if path := os.Getenv(callerVariable); path != "" {
		c, err := net.Dial("unix", path)
		if err != nil {
			os.Exit(1)
		}
		_, _ = c.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestCallers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not root: the callers are this user's only")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(filepath.Join(dir, "s"), 0o666); err != nil {
		t.Fatal(err)
	}
	const tracing = 4242
	tests := []struct {
		name   string
		cred   *syscall.Credential
		member bool
	}{
		{"itself", nil, os.Getuid() == 0},
		{"stranger", &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}, false},
		{"primary group", &syscall.Credential{Uid: 65534, Gid: tracing}, true},
		{"supplementary group", &syscall.Credential{Uid: 65534, Gid: 65534, Groups: append(manyGroups(), tracing)}, true},
	}
	for _, tt := range tests {
		if tt.cred != nil && os.Getuid() != 0 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			program := filepath.Join(dir, "caller")
			copyProgram(t, program)
			c := exec.CommandContext(t.Context(), program)
			c.Env = []string{callerVariable + "=" + l.Addr().String()}
			c.SysProcAttr = &syscall.SysProcAttr{Credential: tt.cred}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := l.AcceptUnix()
			if err != nil {
				t.Fatal(err)
			}
			by, err := daemon.ReadCaller(conn, tracing)
			conn.Close()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			want := daemon.Caller{PID: int32(c.Process.Pid), UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Tracing: tt.member}
			if tt.cred != nil {
				want.UID, want.GID = tt.cred.Uid, tt.cred.Gid
			}
			if by != want {
				t.Errorf("caller %+v, want %+v", by, want)
			}
		})
	}
}

// manyGroups are more than the first buffer holds.
func manyGroups() []uint32 {
	var all []uint32
	for g := range uint32(300) {
		all = append(all, 70000+g)
	}
	return all
}

// copyProgram puts the test's program where everybody may run it.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}
