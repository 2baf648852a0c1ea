// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemon of 2002: names of sections only, no replies but to send.
func serve2002(t testing.TB, l net.Listener, body []byte) (commands chan string) {
	t.Helper()
	commands = make(chan string, 64) // closed when the client has gone
	go func() {                      // ends with the listener or the client
		defer close(commands)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for in := bufio.NewScanner(conn); in.Scan(); {
			commands <- in.Text()
			switch in.Text() {
			case "send":
				fmt.Fprintf(conn, "Content-Length: %d\n\n%s", len(body), body)
			case "quit":
				return
			}
		}
	}()
	return commands
}

func listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestClient(t *testing.T) {
	_, body := sample(t)
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			l := listen(t, network, address)
			commands := serve2002(t, l, body)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			c, err := new(Dialer).Dial(ctx, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(ctx, "stat", "/proc/net/dev/interface[devtype=eth]"); err != nil {
				t.Fatal(err)
			}
			// Three messages are asked for before the first is taken.
			if err := c.Send(ctx, "send", "send"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := c.Receive(ctx); err != nil || string(got) != string(body) {
					t.Fatalf("%.40q, %v", got, err)
				}
			}
			if got, err := c.Sample(ctx); err != nil || string(got) != string(body) {
				t.Fatalf("%.40q, %v", got, err)
			}
			if err := c.Send(ctx, "quit"); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(ctx); !errors.Is(err, io.EOF) {
				t.Errorf("after quit: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			var got []string
			for line := range commands {
				got = append(got, line)
			}
			want := []string{"init", "off all", "on stat /proc/net/dev/interface[devtype=eth]", "send", "send", "send", "quit"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientTLS(t *testing.T) {
	_, body := sample(t)
	keys := httptest.NewTLSServer(nil) // for its certificate only
	defer keys.Close()
	l := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), &tls.Config{Certificates: keys.TLS.Certificates})
	serve2002(t, l, body)
	trusted := x509.NewCertPool()
	trusted.AddCert(keys.Certificate())
	d := Dialer{TLS: &tls.Config{RootCAs: trusted, ServerName: "example.com"}}
	c, err := d.Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Sample(t.Context()); err != nil || string(got) != string(body) {
		t.Fatalf("%.40q, %v", got, err)
	}
}

func TestClientContext(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	c := NewClient(here)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := c.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("receive cancelled: %v", err)
	}
	if _, err := c.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("receive after that: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive late: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := c.Send(ctx, "send"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send to who does not read: %v", err)
	}
	// The end of one context is not that of the next call.
	go func() { // ends with the pipe
		_, _ = io.WriteString(there, "Content-Length: 2\n\nab")
	}()
	if got, err := c.Receive(t.Context()); err != nil || string(got) != "ab" {
		t.Errorf("receive afterwards: %q, %v", got, err)
	}
}

func TestClientRefuses(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	c := NewClient(here)
	defer c.Close()
	for line, code := range map[string]Code{
		strings.Repeat("x", MaxLine): CodeLine,
		"on a\nquit":                 CodeArg,
		"on a\x00":                   CodeArg,
	} {
		err := c.Send(t.Context(), line)
		if ce, ok := errors.AsType[*CommandError](err); !ok || ce.Code != code {
			t.Errorf("Send(%.20q) = %v, want %s", line, err, code)
		}
	}
}

// Many selectors go in several lines, each of which a daemon takes.
func TestOnLines(t *testing.T) {
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("/proc/vmstat/counter_%d", i))
	}
	var got []string
	for _, line := range onLines(all) {
		c, err := ParseCommand([]byte(line + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.Selectors...)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Error(diff)
	}
}
