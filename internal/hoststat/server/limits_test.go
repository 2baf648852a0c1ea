// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/wait"
)

func TestLongLines(t *testing.T) {
	h := start(t, Options{})
	fits := "on " + strings.Repeat(" ", 1024-len("on \n")-len("version")) + "version\n"
	if len(fits) != 1024 {
		t.Fatal(len(fits))
	}
	c := h.dial(t)
	if got := code(t, c.ask("init\nack on\n"+fits)); got != "ok" {
		t.Errorf("a line of 1024 bytes: %s", got)
	}
	for name, long := range map[string]string{
		"1025 bytes": " " + fits, "no end": strings.Repeat("x", 1024), "much more": strings.Repeat("on version ", 100000) + "\n",
		"behind others": strings.Repeat("verbose 0\n", 5000) + " " + fits,
	} {
		c := h.dial(t)
		c.say("init\n" + "ack on\n")
		go func() { _, _ = io.WriteString(c.Conn, long) }() // ends with the connection
		got := c.gone()
		if n := strings.Count(got, "<code>E_LINE</code>"); n != 1 {
			t.Errorf("%s: %d times E_LINE in %.300q", name, n, got[max(0, len(got)-300):])
		}
	}
	c = h.dial(t)
	c.say(strings.Repeat("x", 2000))
	if got := c.gone(); got != "" {
		t.Errorf("without acks: %q", got)
	}
}

func TestShortLines(t *testing.T) {
	h := start(t, Options{MaxLine: 16})
	c := h.dial(t)
	if got := code(t, c.ask("ack on\non      version\n")); got != "ok" {
		t.Errorf("a line of 16 bytes: %s", got)
	}
	if got := code(t, c.ask("on       version\n")); got != "E_LINE" {
		t.Errorf("a line of 17 bytes: %s", got)
	}
	c.gone()
}

// Commands are answered in their order, however many wait.
func TestPipeline(t *testing.T) {
	const commands = 100000
	h := start(t, Options{})
	c := h.dial(t)
	go func() { // ends with the last command, or the connection
		w := bufio.NewWriter(c.Conn)
		_, _ = w.WriteString("init\noff all\non version\nack on\n")
		for i := range commands {
			line := "verbose 0\n"
			if i%100 == 99 {
				line = "send\n"
			}
			_, _ = w.WriteString(line)
		}
		_, _ = w.WriteString("quit\nsend\nafter the end")
		_ = w.Flush()
	}()
	for i := range commands {
		body, _ := c.frame()
		want := fmt.Sprintf("<ack id=\"%d\">", 5+i)
		if i%100 == 99 {
			want = "<version>"
		}
		if !strings.Contains(string(body), want) {
			t.Fatalf("answer %d: no %s in %s", i, want, body)
		}
	}
	if got := code(t, string(firstOf(c.frame()))); got != "ok" || c.gone() != "" {
		t.Errorf("quit: %s, and more", got)
	}
}

func firstOf[A, B any](a A, _ B) A { return a }

func TestHalfClose(t *testing.T) {
	h := start(t, Options{})
	c := h.dial(t)
	c.say("init\nsend\nsend\nunfinished")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.frame()
	}
	if got := c.gone(); got != "" {
		t.Errorf("then it sends %q", got)
	}
}

// A counted number of messages is finished, one without an end ends.
func TestHalfCloseOfEvery(t *testing.T) {
	h := start(t, Options{IdleTimeout: time.Hour})
	for _, tt := range []struct {
		lines string
		most  int // messages, of which the first may be all
		least int
	}{{"every 0.1 3\n", 3, 3}, {"every 0.1\n", 1000, 1}, {"every 0.1 3\nstop\n", 1, 0}, {"every 7200 3\n", 1, 1}} {
		c := h.dial(t)
		c.say("init\n" + tt.lines)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(c.gone(), "Content-Length: "); got < tt.least || got > tt.most {
			t.Errorf("%q: %d messages, want %d to %d", tt.lines, got, tt.least, tt.most)
		}
	}
	// A stop does not wait for them.
	c := h.dial(t)
	c.ask("init\nevery 600 3\n")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := h.stop(); err != nil || c.gone() != "" {
		t.Errorf("Serve() = %v", err)
	}
}

func TestQuitIgnoresTheRest(t *testing.T) {
	for _, verb := range []string{"quit", "EXIT", "bye"} {
		c := start(t, Options{}).dial(t)
		c.ask("init\nsend\n" + verb + "\nsend\n" + strings.Repeat("junk\n", 10000))
		if got := c.gone(); got != "" {
			t.Errorf("after %s: %q", verb, got)
		}
	}
}

// A client that does not read keeps nobody else waiting, and is gone in the end.
func TestClientThatNeverReads(t *testing.T) {
	h := start(t, Options{WriteTimeout: 300 * time.Millisecond})
	deaf := h.dial(t)
	sent := make(chan struct{})
	go func() { // ends with the connection
		defer close(sent)
		for {
			if _, err := io.WriteString(deaf.Conn, strings.Repeat("send\n", 1000)); err != nil {
				return
			}
		}
	}()
	c := h.dial(t)
	for range 10 {
		c.ask("init\nsend\n")
	}
	<-sent
	wait.Until(t, "the session has ended", func() bool { return h.open() == 1 })
	c.ask("send\n")
}

func TestHTTP(t *testing.T) {
	h := start(t, Options{})
	for _, method := range []string{"GET", "POST", "HEAD"} {
		c := h.dial(t)
		c.say(method + " /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\n\r\n" + strings.Repeat("body", 1000))
		if got := c.gone(); !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.HasSuffix(got, "\r\n\r\n"+hint) {
			t.Errorf("%s: %q", method, got)
		}
	}
}

func TestTooManySessions(t *testing.T) {
	h := start(t, Options{MaxSessions: 2})
	a, b := h.dial(t), h.dial(t)
	a.ask("init\nsend\n")
	b.ask("init\nsend\n")
	for range 3 {
		if got := h.dial(t).gone(); got != "" {
			t.Errorf("one too many is sent %q", got)
		}
	}
	if got := h.Refused.Full.Load(); got != 3 {
		t.Errorf("%d are counted, want 3", got)
	}
	a.say("quit\n")
	a.gone()
	wait.Until(t, "there is room", func() bool { return h.open() == 1 })
	h.dial(t).ask("init\nsend\n")
	b.ask("send\n")
}

// flaky is a listener that fails before it accepts.
type flaky struct {
	net.Listener
	fail chan error
}

func (f *flaky) Accept() (net.Conn, error) {
	select {
	case err := <-f.fail:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

func TestAcceptSurvives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{l, make(chan error, 3)}
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
		f.fail <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	h := startOn(t, Options{Engine: newEngine(t, hoststat.Options{})}, f)
	h.dial(t).ask("init\nsend\n")
}

// A stop lets a message that is being read out of the host finish, and does not
// wait for clients.
func TestStop(t *testing.T) {
	h := start(t, Options{})
	idle, pushed, deaf := h.dial(t), h.dial(t), h.dial(t)
	idle.ask("init\nsend\n")
	pushed.ask("init\nevery 3600\n")
	go func() { // ends with the connection
		for {
			if _, err := io.WriteString(deaf.Conn, strings.Repeat("send\n", 1000)); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Errorf("Serve() = %v", err)
	}
	if took := time.Since(began); took > stopTimeout+5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if got := idle.gone() + pushed.gone(); got != "" {
		t.Errorf("clients are sent %q", got)
	}
	if _, err := net.Dial("tcp", h.at.String()); err == nil {
		t.Error("it still listens")
	}
}

// Goroutines and descriptors are back to what they were.
func TestNothingIsLeft(t *testing.T) {
	before, files := runtime.NumGoroutine(), descriptors(t)
	e, err := hoststat.New(hoststat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, ended := New(Options{Engine: e}), make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }() // received below
	for i := range 30 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "init\non all\nsend\nevery 0.1\n"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readFrame(bufio.NewReader(conn)); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		if i%3 > 0 {
			conn.Close()
		} else {
			defer conn.Close()
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	e.Close()
	wait.Until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
	const clients = 10 // that are open until the test ends
	if now := descriptors(t); now > files+clients {
		t.Errorf("%d descriptors, before %d", now, files)
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
