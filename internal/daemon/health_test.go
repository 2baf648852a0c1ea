// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// serveHealth runs a health server until the test ends.
func serveHealth(t *testing.T, status func() uint64) (*HealthServer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "health-1")
	h, err := ListenHealth(t.Context(), HealthConfig{Path: path, GID: -1, Status: status, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve() }()
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v, want nil after Close", err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("socket after Close: %v, want it gone", err)
		}
	})
	return h, path
}

// ask sends a request and returns all that comes back until the end.
func ask(t *testing.T, path string, request []byte) []byte {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(conn)
	// A server that closes with unread bytes in its socket resets.
	if err != nil && len(request) <= healthRequestLen {
		t.Fatalf("read of the reply: %v", err)
	}
	return reply
}

func word(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestHealthRequests(t *testing.T) {
	var status atomic.Uint64
	_, path := serveHealth(t, status.Load)
	reply := func(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }
	tests := []struct {
		name    string
		status  uint64
		request []byte
		want    []byte
	}{
		{"all well", 0, word(0), reply(0)},
		{"one stuck", HealthListener, word(0), reply(4)},
		{"all stuck", HealthDispatcher | HealthWorker | HealthListener | HealthLiveDispatcher | HealthLiveWorker | HealthLiveListener, word(0), reply(63)},
		{"unknown command", 0, word(1), nil},
		{"greatest command", 0, word(1<<32 - 1), nil},
		{"nothing", 0, nil, nil},
		{"cut request", 0, word(0)[:3], nil},
		{"more than a request", 0, append(word(0), make([]byte, 1000)...), reply(0)},
		{"well after all that", 0, word(0), reply(0)},
	}
	for _, tt := range tests {
		status.Store(tt.status)
		got := ask(t, path, tt.request)
		if len(tt.request) > healthRequestLen && len(got) == 0 {
			continue // reset before the reply was read
		}
		if !bytes.Equal(got, tt.want) {
			t.Errorf("%s: reply %x, want %x", tt.name, got, tt.want)
		}
	}
}

// TestHealthSilentClients opens far more connections than are served at a time,
// says nothing on them, and asks on one more.
func TestHealthSilentClients(t *testing.T) {
	h, path := serveHealth(t, func() uint64 { return 7 })
	const silent = 4 * healthClients
	for range silent {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if got := ask(t, path, word(0)); len(got) != healthReplyLen {
		t.Errorf("reply beside %d silent clients: %x, want %d bytes", silent, got, healthReplyLen)
	}
	// The one that asked made room for itself.
	if got, want := h.Evicted(), uint64(silent+1-healthClients); got != want {
		t.Errorf("Evicted = %d, want %d", got, want)
	}
}

func TestListenHealthMode(t *testing.T) {
	tests := []struct {
		gid  int
		mode os.FileMode
	}{{-1, 0o600}, {os.Getgid(), 0o660}}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "h")
		h, err := ListenHealth(t.Context(), HealthConfig{Path: path, GID: tt.gid, Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != os.ModeSocket|tt.mode {
			t.Errorf("gid %d: mode %v, %v, want %v", tt.gid, info.Mode(), err, tt.mode)
		}
		h.Close()
	}
}

func TestListenHealthLeftovers(t *testing.T) {
	listen := func(path string) error {
		h, err := ListenHealth(t.Context(), HealthConfig{Path: path, GID: -1, Log: testLog(t)})
		if err == nil {
			h.Close()
		}
		return err
	}
	path := filepath.Join(t.TempDir(), "h")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := listen(path); err == nil {
		t.Error("a socket in use was replaced")
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := listen(path); err != nil {
		t.Errorf("a socket nobody listens on: %v, want it replaced", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := listen(file); err == nil {
		t.Error("a file was replaced by a socket")
	}
	if err := listen(filepath.Join(t.TempDir(), "no", "such", "directory")); err == nil {
		t.Error("no error for a missing directory")
	}
}

// TestServeAfterClose: a server that is closed before it serves must not hang.
func TestServeAfterClose(t *testing.T) {
	h, err := ListenHealth(t.Context(), HealthConfig{Path: filepath.Join(t.TempDir(), "h"), GID: -1, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	if err := h.Serve(); err != nil {
		t.Errorf("Serve after Close: %v, want nil", err)
	}
}
