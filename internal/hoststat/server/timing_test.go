// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
)

// inBubble runs a session on a pipe with a clock that goes on when all wait. The
// session reads nothing but files, which are no wait.
func inBubble(t *testing.T, o Options, talk func(*testing.T, *client)) {
	synctest.Test(t, func(t *testing.T) {
		e, err := hoststat.New(hoststat.Options{MinInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		o.Engine = e
		server, conn := net.Pipe()
		c := newClient(t, conn)
		if err := conn.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { // received below
			defer close(ended)
			New(o).ServeConn(context.Background(), server)
		}()
		c.say("init\noff all\non loadavg\n")
		talk(t, c)
		c.Close()
		<-ended
	})
}

// rest reads until the end of a session.
func rest(t *testing.T, c *client) string {
	t.Helper()
	text, err := io.ReadAll(c.in)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestEvery(t *testing.T) {
	inBubble(t, Options{IdleTimeout: time.Minute}, func(t *testing.T, c *client) {
		began := time.Now()
		at := func(want time.Duration) {
			t.Helper()
			c.frame()
			if got := time.Since(began); got != want {
				t.Errorf("a message after %v, want %v", got, want)
			}
		}
		// Longer than the idle time-out, which does not count meanwhile.
		c.say("every 100 3\n")
		at(0)
		at(100 * time.Second)
		// Other commands work, in between and in the middle of a line.
		c.say("sen")
		time.AfterFunc(10*time.Second, func() { c.say("d\noff all\n") })
		at(110 * time.Second)
		at(200 * time.Second)
		// That was the last one: the idle time-out counts again.
		if got := rest(t, c); got != "" || time.Since(began) != 260*time.Second {
			t.Errorf("then %q after %v", got, time.Since(began))
		}
	})
}

func TestStopAndNewEvery(t *testing.T) {
	inBubble(t, Options{IdleTimeout: time.Hour}, func(t *testing.T, c *client) {
		began := time.Now()
		c.say("every 10\n")
		c.frame()
		c.frame()
		c.say("every 0.5 2\n") // in the place of the other
		c.frame()
		c.frame()
		if got := time.Since(began); got != 10500*time.Millisecond {
			t.Errorf("four messages after %v", got)
		}
		c.say("every 7\n")
		c.frame()
		c.say("stop\n")
		if got := rest(t, c); got != "" || time.Since(began) < time.Hour {
			t.Errorf("after stop: %q, %v", got, time.Since(began))
		}
	})
}

func TestIdle(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *client) {
		began := time.Now()
		c.say("sen") // no command
		time.AfterFunc(5*time.Minute, func() { c.say("d") })
		if got := rest(t, c); got != "" || time.Since(began) != DefaultIdleTimeout {
			t.Errorf("the end comes after %v, want %v; %q", time.Since(began), DefaultIdleTimeout, got)
		}
	})
	inBubble(t, Options{}, func(t *testing.T, c *client) {
		for range 5 {
			time.AfterFunc(9*time.Minute, func() { c.say("send\n") })
			c.frame() // buffers were given back in between
		}
	})
}

// A client that reads nothing of a message loses its session after the time-out.
func TestWriteTimeout(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *client) {
		began := time.Now()
		c.say("send\n")
		// The session does not read this before the message is written.
		if _, err := io.WriteString(c.Conn, "send\n"); err == nil || time.Since(began) != DefaultWriteTimeout {
			t.Errorf("%v after %v, want an error after %v", err, time.Since(began), DefaultWriteTimeout)
		}
	})
}

// A slow client misses messages; they are not made up for.
func TestSlowClient(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *client) {
		began := time.Now()
		c.say("every 1\n")
		c.frame()
		late := make(chan struct{})
		time.AfterFunc(5500*time.Millisecond, func() { close(late) })
		<-late
		for _, want := range []time.Duration{5500, 5500, 6000, 7000} {
			c.frame() // the one that waited, one that is due, then as they become due
			if got := time.Since(began); got != want*time.Millisecond {
				t.Errorf("a message after %v, want %v", got, want*time.Millisecond)
			}
		}
	})
}

func TestPush(t *testing.T) {
	t0 := time.Unix(1000, 0)
	var p push
	if p.on() || p.take(t0) {
		t.Error("the zero value pushes")
	}
	p.start(t0, time.Second, 2)
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Millisecond, false}, {3500 * time.Millisecond, true}, {time.Hour, false}} {
		if got := p.take(t0.Add(tt.after)); got != tt.want {
			t.Errorf("after %v: %v, want %v", tt.after, got, tt.want)
		}
	}
	p.start(t0, time.Second, 0)
	p.take(t0.Add(1500 * time.Millisecond))
	if want := t0.Add(2 * time.Second); !p.next.Equal(want) {
		t.Errorf("next at %v, want %v", p.next, want)
	}
}

func TestLines(t *testing.T) {
	text := "one\n\ntwo\r\n" + strings.Repeat("x", 15) + "\n" + strings.Repeat("y", 15)
	for chunk := 1; chunk <= len(text); chunk++ {
		l := newLines(&dripping{text, chunk}, 16)
		for _, want := range []string{"one\n", "\n", "two\r\n", strings.Repeat("x", 15) + "\n"} {
			if got, err := l.next(); string(got) != want || err != nil {
				t.Fatalf("chunks of %d: %q, %v, want %q", chunk, got, err, want)
			}
		}
		if got, err := l.next(); got != nil || err != io.EOF {
			t.Errorf("chunks of %d: %q, %v at the end", chunk, got, err)
		}
	}
	for _, long := range []string{strings.Repeat("x", 16), strings.Repeat("x", 16) + "\n"} {
		if _, err := newLines(strings.NewReader(long), 16).next(); err != errLongLine {
			t.Errorf("%q: %v", long, err)
		}
	}
	if _, err := newLines(strings.NewReader("\x16\x03\x01\x02"), 16).next(); err != errTLS {
		t.Errorf("a TLS client: %v", err)
	}
}

// dripping reads a text in chunks.
type dripping struct {
	text  string
	chunk int
}

func (d *dripping) Read(b []byte) (int, error) {
	if d.text == "" {
		return 0, io.EOF
	}
	n := copy(b, d.text[:min(d.chunk, len(d.text))])
	d.text = d.text[n:]
	return n, nil
}
