// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/wait"
)

// everything is exposed where a test needs no limits.
var everything = hoststat.Expose{Cmdline: true, Sessions: true, Raw: true, Cgroups: true}

// host is a server under test with its listener.
type host struct {
	*Server
	engine *hoststat.Engine
	at     net.Addr
	stop   func() error // ends it, once or more often
}

// start runs a server on loopback with an engine of this host, until the test ends.
func start(t testing.TB, o Options) *host {
	t.Helper()
	if o.Engine == nil {
		o.Engine = newEngine(t, hoststat.Options{Expose: o.Expose, MinInterval: -1})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, o, l)
}

func startOn(t testing.TB, o Options, l net.Listener) *host {
	t.Helper()
	h := &host{Server: New(o), engine: o.Engine, at: l.Addr()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var result error
	go func() { // ends by stop
		defer close(ended)
		result = h.Serve(ctx, l)
	}()
	h.stop = func() error {
		cancel()
		<-ended
		return result
	}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return h
}

func newEngine(t testing.TB, o hoststat.Options) *hoststat.Engine {
	t.Helper()
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// open is how many sessions hold a seat.
func (h *host) open() int { return len(h.seats) }

// client is a raw client: it sends bytes and reads frames by itself.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// dial connects a client.
func (h *host) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial(h.at.Network(), h.at.String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(wait.Patience)); err != nil {
		t.Fatal(err)
	}
	return &client{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

// say sends text.
func (c *client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// frame reads a message: a header that is exactly as it should be, and its body.
func (c *client) frame() (body []byte, encoding string) {
	c.t.Helper()
	body, encoding, err := readFrame(c.in)
	if err != nil {
		c.t.Fatalf("read message: %v", err)
	}
	return body, encoding
}

func readFrame(in *bufio.Reader) (body []byte, encoding string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, "", err
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "Content-Length: ")
	n, numErr := strconv.Atoi(digits)
	if !ok || numErr != nil || strconv.Itoa(n) != digits {
		return nil, "", fmt.Errorf("header %q", line)
	}
	line, err = in.ReadString('\n')
	if e, ok := strings.CutPrefix(line, "Content-Encoding: "); ok {
		encoding = strings.TrimSuffix(e, "\n")
		line, err = in.ReadString('\n')
	}
	if err != nil || line != "\n" {
		return nil, "", fmt.Errorf("header ends with %q, %v", line, err)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, "", err
	}
	if encoding == "" && (!bytes.HasPrefix(body, []byte("<?xml version=\"1.0\"?>\n<xmlsysd")) || !bytes.HasSuffix(body, []byte("</xmlsysd>\n"))) {
		return nil, "", fmt.Errorf("body %.60q...%.20q", body, body[max(0, len(body)-20):])
	}
	return body, encoding, nil
}

// ask sends text and reads a message.
func (c *client) ask(text string) string {
	c.t.Helper()
	c.say(text)
	body, _ := c.frame()
	return string(body)
}

// gone waits for the end of the connection, and returns what comes before it.
func (c *client) gone() string {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("the connection stays open; it sent %q", rest)
	}
	return string(rest)
}

// twoInterfaces makes a proc root in which all is this host's but the network
// interfaces: the two of the sample of 2002.
func twoInterfaces(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	link := func(from, to string, skip ...string) {
		entries, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if len(skip) > 0 && e.Name() == skip[0] {
				continue
			}
			if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	link("/proc", root, "net")
	if err := os.Mkdir(filepath.Join(root, "net"), 0o755); err != nil {
		t.Fatal(err)
	}
	link("/proc/self/net", filepath.Join(root, "net"), "dev")
	const dev = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo: 97083646 141291 0 0 0 0 0 0 97083646 141291 0 0 0 0 0 0\n" +
		"  eth0: 762887796 2036397 0 0 0 0 0 0 326138029 1860317 0 0 0 0 0 0\n"
	if err := os.WriteFile(filepath.Join(root, "net", "dev"), []byte(dev), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}
