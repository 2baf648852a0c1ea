// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve makes a client of a hub that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(server.URL + "/below/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:9347", "ftp://host", "http://", "http://[::1", "/api"} {
		if _, err := New(url); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("New(%q) = %v, want an error on one line", url, err)
		}
	}
	if _, err := New(DefaultURL); err != nil {
		t.Errorf("New(DefaultURL) = %v", err)
	}
}

// Each call becomes the right request; what is odd in an identifier stays in
// its place.
func TestRequests(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.RequestURI
		_, _ = io.WriteString(w, "{}")
	})
	ctx := t.Context()
	tests := []struct {
		want string
		call func() error
	}{
		{"GET /below/api/v1/sessions?host=a%26b&state=active", func() error { return drain(c.Sessions(ctx, Filter{Host: "a&b", State: Active})) }},
		{"GET /below/api/v1/sessions", func() error { return drain(c.Sessions(ctx, Filter{})) }},
		{"GET /below/api/v1/hub", func() error { _, err := c.Hub(ctx); return err }},
		{"GET /below/api/v1/hosts", func() error { return drain(c.Hosts(ctx)) }},
		{"GET /below/api/v1/hosts?values=load1%2Cmem_pct", func() error { return drain(c.Hosts(ctx, "load1", "mem_pct")) }},
		{"GET /below/api/v1/sessions/x%2Fy", func() error { _, err := c.Session(ctx, "x/y"); return err }},
		{"GET /below/api/v1/sessions/x/streams", func() error { return drain(c.Streams(ctx, "x")) }},
		{"GET /below/api/v1/sessions/x/chunks", func() error { return drain(c.Chunks(ctx, "x")) }},
		{"DELETE /below/api/v1/sessions/x", func() error { return c.DeleteSession(ctx, "x") }},
		{"DELETE /below/api/v1/sessions/x/chunks/.tmp%3F", func() error { return c.DeleteChunk(ctx, "x", ".tmp?") }},
		{"GET /below/api/v1/sessions/x/chunks/1+2/archive", func() error {
			body, err := c.Archive(ctx, "x", "1+2")
			if err == nil {
				err = body.Close()
			}
			return err
		}},
		{"POST /below/api/v1/retention/run?dry_run=true", func() error { _, err := c.RunRetention(ctx, true); return err }},
	}
	for _, tt := range tests {
		if err := tt.call(); err != nil || got != tt.want {
			t.Errorf("request %q, %v, want %q", got, err, tt.want)
		}
	}
	for _, id := range []string{"", ".", ".."} {
		got = ""
		if err := c.DeleteChunk(ctx, "x", id); err == nil || got != "" {
			t.Errorf("DeleteChunk(%q) = %v, sent %q, want a refusal", id, err, got)
		}
	}
}

func drain[T any](walk func(func(T, error) bool)) (err error) {
	walk(func(_ T, e error) bool { err = e; return true })
	return err
}

func TestPagesEndEarly(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = io.WriteString(w, `{"items":[{"id":"a"},{"id":"b"}],"next_cursor":"`+r.FormValue("cursor")+`x"}`)
	})
	var ids []string
	for s, err := range c.Sessions(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, s.ID); len(ids) == 5 {
			break
		}
	}
	if asked != 3 || strings.Join(ids, "") != "ababa" {
		t.Errorf("asked %d times for %q, want 3 for ababa", asked, ids)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := drain(c.Sessions(ended, Filter{})); !errors.Is(err, context.Canceled) {
		t.Errorf("walk of an ended context = %v", err)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name, kind, body string
		status           int
		code, want       string
	}{
		{
			"problem", "application/problem+json; charset=utf-8", `{"code":"invalid-request","title":"T","errors":[{"message":"m","location":"query.x"},{"message":"n"}]}`, 422,
			"invalid-request", "T: query.x: m; n (invalid-request)",
		},
		{"without a code", "application/problem+json", `{"title":"T"}`, 400, "", "not an answer of weir"},
		{"another server", "text/html", "<html>", 502, "", `502 Bad Gateway: "<html>"`},
		{"redirect", "text/plain", "", 307, "", "307"},
		{"not JSON", "application/json", "{", 200, "", "read answer"},
	}
	for _, tt := range tests {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "elsewhere") {
				t.Errorf("%s: the client followed", tt.name)
			}
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		_, err := c.Session(t.Context(), "x")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		p, ok := errors.AsType[*Problem](err)
		if ok != (tt.code != "") || ok && p.Code != tt.code {
			t.Errorf("%s: problem %+v", tt.name, p)
		}
	}
}
