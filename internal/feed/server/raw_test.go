// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/wait"
)

// raw is a connection on which a test says what it likes.
type raw struct {
	*net.UnixConn

	t  *testing.T
	in []byte
}

func (a *agent) raw() *raw {
	a.t.Helper()
	n, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: a.socket, Net: "unix"})
	must(a.t, err)
	a.t.Cleanup(func() { n.Close() })
	must(a.t, n.SetDeadline(time.Now().Add(wait.Patience)))
	return &raw{UnixConn: n, t: a.t}
}

// say writes bytes; the server may have closed the connection already.
func (r *raw) say(b []byte) {
	r.t.Helper()
	if _, err := r.Write(b); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		r.t.Fatal(err)
	}
}

func frame(op client.Op, payload string) []byte {
	f := client.Frame{Op: op, Tag: 7, Payload: []byte(payload)}
	return f.Append(nil)
}

func hello(f client.Format) []byte { return frame(client.OpHello, string(client.AppendHello(nil, f))) }

// greeted is a connection that has said hello.
func (a *agent) greeted(f client.Format) *raw {
	a.t.Helper()
	r := a.raw()
	r.say(hello(f))
	if got := r.hear(); got.Op != client.OpHello|client.OpAnswer || got.Tag != 7 {
		a.t.Fatalf("answer to HELLO: got %+v", got)
	}
	return r
}

// hear reads one frame.
func (r *raw) hear() client.Frame {
	r.t.Helper()
	f, err := client.ReadFrame(r, &r.in, client.MaxFrame)
	must(r.t, err)
	return f
}

// ask makes a request and returns the code of the error, or "" and the payload.
func (r *raw) ask(op client.Op, payload string) (code client.Code, answer []byte) {
	r.t.Helper()
	r.say(frame(op, payload))
	return r.code(r.hear())
}

func (r *raw) code(f client.Frame) (client.Code, []byte) {
	r.t.Helper()
	if f.Op != client.OpError {
		return "", f.Payload
	}
	var e client.Error
	must(r.t, json.Unmarshal(f.Payload, &e))
	if e.Message == "" {
		r.t.Errorf("error %q has no message", e.Code)
	}
	return e.Code, f.Payload
}

// wantClosed reads up to the end, and returns the code of the error before it.
func (r *raw) wantClosed() (last client.Code) {
	r.t.Helper()
	for errs := 0; ; {
		f, err := client.ReadFrame(r, &r.in, client.MaxFrame)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
			return last
		case err != nil:
			r.t.Fatalf("end of the connection: %v", err)
		}
		if code, text := r.code(f); code != "" {
			if errs++; errs > 1 {
				r.t.Errorf("another error before the end, behind %q: %s", last, text)
			}
			last = code
		}
	}
}

// idle waits until the server has no connections.
func (a *agent) idle() {
	a.t.Helper()
	wait.Until(a.t, "all connections are closed", func() bool {
		a.server.mu.Lock()
		defer a.server.mu.Unlock()
		return len(a.server.conns) == 0 && len(a.server.byUser) == 0
	})
}
