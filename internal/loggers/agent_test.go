// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/loggers/wire"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// log is what a source has told.
type log struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

// Write implements io.Writer.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until something was told.
func (l *log) await(t *testing.T, text string) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.more:
		case <-timer.C:
			t.Fatalf("not told: %s\n%s", text, l)
		}
	}
}

// serve makes a source that listens at a port of its own, until the test ends.
func serve(t *testing.T, patience time.Duration) (*Source, *log) {
	t.Helper()
	return serveWith(t, patience, nil)
}

// serveWith makes one that is changed before it serves.
func serveWith(t *testing.T, patience time.Duration, change func(*Source)) (*Source, *log) {
	t.Helper()
	told := &log{more: make(chan struct{}, 1)}
	s := New(Options{Log: slog.New(slog.NewTextHandler(told, &slog.HandlerOptions{Level: slog.LevelDebug})), Dir: t.TempDir(), Port: freePort(t)})
	s.patience = patience
	if s.Check() == nil {
		t.Fatal("the domains can be used before anybody listens")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		ended.Wait()
		if _, err := os.Stat(s.portPath()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the port is written down yet: %v", err)
		}
	})
	return s, told
}

// freePort is a port that nobody has.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// dial connects to where the file tells.
func dial(t *testing.T, s *Source) net.Conn {
	t.Helper()
	port, err := os.ReadFile(s.portPath())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", "127.0.0.1:"+strings.TrimSpace(string(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// registration is what this process would say.
func registration(d wire.Domain) []byte {
	r := wire.Registration{Domain: d, PID: uint32(os.Getpid()), Major: wire.Major}
	return r.Append(nil)
}

// fake is an agent that does what it is told.
type fake struct {
	t     *testing.T
	conn  net.Conn
	names []string
	got   chan string // what it was told
}

// join registers an agent, and has it answer.
func join(t *testing.T, s *Source, d wire.Domain, names ...string) *fake {
	t.Helper()
	f := &fake{t: t, conn: dial(t, s), names: names, got: make(chan string, 64)}
	if _, err := f.conn.Write(registration(d)); err != nil {
		t.Fatal(err)
	}
	go f.serve() // ends with the connection
	return f
}

// serve answers commands until the daemon goes.
func (f *fake) serve() {
	defer close(f.got)
	for {
		text, answer, err := f.next()
		if err != nil {
			return
		}
		f.got <- text
		if len(answer) > 0 {
			if _, err := f.conn.Write(answer); err != nil {
				return
			}
		}
	}
}

// next reads a command and makes the answer.
func (f *fake) next() (text string, answer []byte, err error) {
	var b [wire.HeaderLen]byte
	if _, err := io.ReadFull(f.conn, b[:]); err != nil {
		return "", nil, err
	}
	h, err := wire.ParseHeader(b[:])
	if err != nil {
		return "", nil, err
	}
	body := make([]byte, h.Len)
	if _, err := io.ReadFull(f.conn, body); err != nil {
		return "", nil, err
	}
	ok := []byte{0, 0, 0, byte(wire.OK)}
	switch h.Op {
	case wire.OpList:
		return "list", wire.AppendList(nil, wire.OK, f.names), nil
	case wire.OpEnable:
		r, err := wire.ParseRule(body)
		return fmt.Sprintf("enable %s %d %d %s", r.Name, r.LevelType, r.Level, r.Filter), ok, err
	case wire.OpDisable:
		name, err := wire.ParseName(body)
		return "disable " + name, ok, err
	case wire.OpDone:
		return "done", nil, nil
	}
	c, err := wire.ParseContext(body)
	return fmt.Sprintf("context %d %s:%s", h.Op, c.Provider, c.Name), ok, err
}

// want checks what the agent is told next.
func (f *fake) want(all ...string) {
	f.t.Helper()
	for _, text := range all {
		select {
		case got, ok := <-f.got:
			if !ok {
				f.t.Fatalf("the agent was dropped, want %q", text)
			}
			if got != text {
				f.t.Errorf("the agent is told %q, want %q", got, text)
			}
		case <-time.After(patience):
			f.t.Fatalf("the agent is told nothing, want %q", text)
		}
	}
}

// gone waits until the daemon has let go of a connection.
func gone(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the daemon has not let go after %d bytes: %v", n, err)
	}
}
