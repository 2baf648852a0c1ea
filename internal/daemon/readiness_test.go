// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadline bounds the wait for what has to come at once.
func deadline() time.Time { return time.Now().Add(10 * time.Second) }

func TestReadinessNotifies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	var r Readiness
	for _, step := range []struct {
		call func() error
		want string
	}{{r.Ready, "READY=1"}, {r.Stopping, "STOPPING=1"}} {
		if err := step.call(); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(deadline()); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != step.want {
			t.Errorf("notified %q, %v, want %q", buf[:n], err, step.want)
		}
	}
}

func TestReadinessReportsTrouble(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := (Readiness{}).Ready(); err == nil {
		t.Error("Ready with a dead service manager: no error")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := (Readiness{}).Ready(); err != nil {
		t.Errorf("Ready without anyone concerned: %v", err)
	}
}

func TestSignalParent(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)
	// A process that is not the parent is left alone.
	if err := SignalParent(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-got:
		t.Fatal("SignalParent signalled a process that is not the parent")
	default:
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"=signal")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	select {
	case <-got:
	case <-time.After(10 * time.Second):
		t.Error("no SIGUSR1 from the child")
	}
}
