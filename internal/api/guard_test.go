// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuardHost(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Hosts = []string{"Hub.Example", ""} })
	tests := []struct {
		host  string
		local net.Addr
		want  bool
	}{
		{"127.0.0.1:9347", nil, true},
		{"127.9.9.9", nil, true},
		{"[::1]:9347", nil, true},
		{"[::ffff:127.0.0.1]:1", nil, true},
		{"localhost:9347", nil, true},
		{"LOCALHOST", nil, true},
		{"localhost.", nil, true},
		{"hub.example:9347", nil, true},
		{"evil.example:9347", nil, false},
		{"localhost.evil.example", nil, false},
		{"127.0.0.1.evil.example", nil, false},
		{"", nil, false},
		{"192.0.2.1:9347", nil, false},
		{"192.0.2.1:9347", &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 9347}, true},
		{"192.0.2.2:9347", &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 9347}, false},
		{"[fe80::1%25eth0]:9347", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 9347, Zone: "eth0"}, true},
		{"anything", &net.UnixAddr{Name: "weir.sock", Net: "unix"}, true},
	}
	for _, tt := range tests {
		for path, guarded := range map[string]bool{"/api/v1/sessions": true, "/metrics": true, "/openapi.json": true, "/healthz": false, "/readyz": false} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			req.Host = tt.host
			if tt.local != nil {
				req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, tt.local))
			}
			w := httptest.NewRecorder()
			f.api.Handler().ServeHTTP(w, req)
			want := http.StatusOK
			if guarded && !tt.want {
				want = http.StatusMisdirectedRequest
			}
			if w.Code != want {
				t.Errorf("GET %s of host %q = %d, want %d", path, tt.host, w.Code, want)
			}
		}
	}
}

func TestGuardOrigin(t *testing.T) {
	f := newFixture(t, nil)
	set := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	const run = "/api/v1/retention/run?dry_run=true"
	tests := []struct {
		name, method string
		change       func(*http.Request)
		refused      bool
	}{
		{"no browser", "POST", nil, false},
		{"another page", "POST", set("Origin", "http://evil.example"), true},
		{"another port", "POST", set("Origin", "http://127.0.0.1:1"), true},
		{"a file", "POST", set("Origin", "null"), true},
		{"this hub's page", "POST", set("Origin", f.server.URL), false},
		{"another site", "POST", set("Sec-Fetch-Site", "cross-site"), true},
		{"same site", "POST", set("Sec-Fetch-Site", "same-site"), true},
		{"same origin", "POST", set("Sec-Fetch-Site", "same-origin"), false},
		{"reading", "GET", set("Origin", "http://evil.example"), false},
	}
	for _, tt := range tests {
		path := run
		if tt.method == "GET" {
			path = "/api/v1/sessions"
		}
		if tt.refused {
			f.refused(tt.method, path, codeCrossOrigin, tt.change)
			continue
		}
		answer, body := f.do(tt.method, path, tt.change)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", tt.name, answer.Status, body)
		}
		// What a page of another origin may send it may not read.
		if answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: the answer is open to other origins", tt.name)
		}
	}
	f.refused("DELETE", "/api/v1/sessions/x", codeCrossOrigin, set("Origin", "http://evil.example"))
	f.refused("DELETE", "/api/v1/sessions/x/chunks/y", codeCrossOrigin, set("Sec-Fetch-Site", "cross-site"))
}

func TestProblems(t *testing.T) {
	f := newFixture(t, nil)
	tests := []struct {
		method, path string
		want         code
		location     string
	}{
		{"GET", "/", codeNoSuchPath, ""},
		{"GET", "/docs", codeNoSuchPath, ""},
		{"GET", "/api/v1/sessions/", codeNoSuchPath, ""},
		{"GET", "/api/v1/nothing", codeNoSuchPath, ""},
		{"POST", "/api/v1/sessions", codeMethodNotAllowed, ""},
		{"PUT", "/healthz", codeMethodNotAllowed, ""},
		{"GET", "/api/v1/retention/run", codeMethodNotAllowed, ""},
		{"GET", "/api/v1/sessions?limit=0", codeInvalidRequest, "query.limit"},
		{"GET", "/api/v1/sessions?limit=501", codeInvalidRequest, "query.limit"},
		{"GET", "/api/v1/sessions?limit=x", codeInvalidRequest, "query.limit"},
		{"GET", "/api/v1/sessions?state=half", codeInvalidRequest, "query.state"},
		{"GET", "/api/v1/sessions?offset=3", codeInvalidRequest, "query.offset"},
		{"GET", "/api/v1/sessions?cursor=*", codeInvalidCursor, ""},
		{"GET", "/api/v1/sessions/" + strings.Repeat("x", 65), codeInvalidRequest, "path.id"},
		{"GET", "/api/v1/sessions/none", codeNoSuchSession, ""},
		{"GET", "/api/v1/sessions/none/streams", codeNoSuchSession, ""},
		{"GET", "/api/v1/sessions/none/chunks", codeNoSuchSession, ""},
		{"GET", "/api/v1/sessions/none/chunks/x/archive", codeNoSuchSession, ""},
		{"POST", "/api/v1/retention/run?dry_run=perhaps", codeInvalidRequest, "query.dry_run"},
	}
	for _, tt := range tests {
		p := f.refused(tt.method, tt.path, tt.want, nil)
		if tt.location != "" && (len(p.Errors) != 1 || p.Errors[0].Location != tt.location || p.Errors[0].Message == "") {
			t.Errorf("%s %s: errors %+v, want one at %s", tt.method, tt.path, p.Errors, tt.location)
		}
	}
	answer, _ := f.do("PATCH", "/api/v1/sessions/x", nil)
	if got := answer.Header.Get("Allow"); got != "GET, HEAD, DELETE" {
		t.Errorf("Allow = %q", got)
	}
	f.refused("POST", "/api/v1/retention/run", codeBodyTooLarge, func(r *http.Request) {
		big := strings.NewReader(strings.Repeat("x", maxBody+1))
		r.Body, r.ContentLength = nopCloser{big}, int64(big.Len())
	})
	if f.log.Len() != 0 {
		t.Errorf("refusals were logged:\n%s", &f.log)
	}
}

// nopCloser makes a body of a reader.
type nopCloser struct{ *strings.Reader }

// Close does nothing.
func (nopCloser) Close() error { return nil }
