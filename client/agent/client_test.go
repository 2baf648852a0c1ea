// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// answering starts a server that gives every request the same answer.
func answering(t *testing.T, kind string, status int, body string) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }() // ends by Close, waited for below
	t.Cleanup(func() {
		if err := errors.Join(server.Close()); err != nil {
			t.Error(err)
		}
		<-served
	})
	c := New(path)
	t.Cleanup(c.Close)
	return c
}

func TestAnswersOfOthers(t *testing.T) {
	tests := []struct {
		name, kind string
		status     int
		body, want string
	}{
		{"a page", "text/html", 502, "<html>no", `502 Bad Gateway: "<html>no": not an answer of weir`},
		{"a problem without a code", "application/problem+json", 400, `{"title":"no"}`, "not an answer of weir"},
		{"no JSON", "application/json", 200, `{"name":`, "GET /api/v1/sessions/x: read answer: unexpected EOF"},
		{"a redirect", "text/plain", 302, "", "302 Found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := answering(t, tt.kind, tt.status, tt.body)
			_, err := c.Session(t.Context(), "x")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "session daemon at ") {
				t.Errorf("= %v, want %q", err, tt.want)
			}
			if _, ok := errors.AsType[*Problem](err); ok {
				t.Error("is a problem, which it cannot be")
			}
		})
	}
}

func TestContextEndsCalls(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := answering(t, "application/json", 200, "[]").Sessions(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("= %v, want the context's error", err)
	}
}

func TestWatcherReadsForeignStreams(t *testing.T) {
	c := answering(t, "text/event-stream", 200, ": hello\n\nid: 7\nevent: x\ndata: {\"type\":\"state\",\"text\":\"a\"}\n\ndata: {\n\n")
	w, err := c.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if n, err := w.Next(); err != nil || n.Text != "a" {
		t.Errorf("Next = %+v, %v, want the notice", n, err)
	}
	if n, err := w.Next(); err == nil || !strings.Contains(err.Error(), "read notice") {
		t.Errorf("Next = %+v, %v, want an error of bad JSON", n, err)
	}
	if _, err := w.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next = %v, want EOF", err)
	}
}

func TestChooseSocket(t *testing.T) {
	tests := []struct {
		name               string
		own                string
		root, usable, ours bool
		want               string
	}{
		{"the host's", "own", false, true, true, "system"},
		{"not allowed there", "own", false, false, true, "own"},
		{"none yet", "own", false, false, false, "own"},
		{"no directory", "", false, false, false, "system"},
		{"root, none yet", "own", true, false, false, "system"},
		{"root, only a user's daemon", "own", true, false, true, "own"},
	}
	for _, tt := range tests {
		if got := chooseSocket("system", tt.own, tt.root, tt.usable, tt.ours); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	if got := UserSocket(); got != "/run/user/7/weir/agent.sock" {
		t.Errorf("UserSocket = %q", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	if got := UserSocket(); got != "" {
		t.Errorf("UserSocket = %q, want none", got)
	}
	t.Setenv(SocketVariable, "/a/b")
	if got := DefaultSocket(); got != "/a/b" {
		t.Errorf("DefaultSocket = %q, want what the variable says", got)
	}
}

func TestProblemOfCodes(t *testing.T) {
	p := NewProblem(CodeSessionNotFound, "x")
	if p.Name != "SESS_NOT_FOUND" || p.Error() != "x" || Code(999).String() != "code 999" {
		t.Errorf("%+v, %v", p, Code(999))
	}
}
