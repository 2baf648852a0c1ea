// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

const (
	adminToken = "administrator-0123456789"
	readToken  = "reader-of-one-feed-0123456789"
)

func tokens(t *testing.T) *Tokens {
	t.Helper()
	list, err := parseTokens(strings.NewReader("# of tests\n\n" + adminToken + " feed:admin\n" + readToken + " feed:read:audit # one\n"))
	must(t, err)
	return list
}

// farAgent is an agent of another host, and a hub that it has registered with.
func farAgent(t *testing.T) (w *watcher, hub *fixture, far *httptest.Server) {
	t.Helper()
	w = newWatcher(t)
	a, err := NewFeeds(Options{Feeds: FeedsOf(feed.DoorTo(w.Manager)), Tokens: tokens(t), Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	far = httptest.NewUnstartedServer(a.Handler())
	far.StartTLS()
	t.Cleanup(func() {
		far.Close()
		cancel()
		must(t, <-ended)
	})
	pool := x509.NewCertPool()
	pool.AddCert(far.Certificate())
	hub = newFixture(t, func(o *Options) { o.OwnHost, o.FeedsTrust = "here", &tls.Config{RootCAs: pool} })
	answer, b := hub.put("there", fmt.Sprintf(`{"feeds":%q,"feeds_tls":true}`, far.Listener.Addr()))
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(b), `"feeds":true`) {
		t.Fatalf("registration: got %s: %s", answer.Status, b)
	}
	return w, hub, far
}

// What a client has of its own agent, it has of another host's through the hub.
func TestFeedsThroughTheHub(t *testing.T) {
	w, hub, _ := farAgent(t)
	t.Setenv("WEIR_FEED_TOKEN", adminToken)
	c, err := feedclient.Dial(t.Context(), hub.server.URL+"/api/v1/hosts/there")
	must(t, err)
	defer c.Close()
	info, err := c.Create(t.Context(), feedclient.CreateOptions{Name: "audit", Source: w.fs.Dir, Mask: "CREAT,MKDIR"})
	must(t, err)
	n, err := c.Open(t.Context(), info.Name, feedclient.OpenOptions{})
	must(t, err)
	w.sh("touch a b; mkdir d")
	if got := w.take(n, 3, feedclient.ReadOptions{}); got != "CREAT a, CREAT b, MKDIR d" {
		t.Errorf("got %q", got)
	}
	must(t, n.Commit(t.Context()))
	if _, err := c.Resolve(t.Context(), info.Source, "[0x1:0x0:0x0]"); err != nil {
		t.Errorf("paths: %v", err)
	}
	sources, err := c.Sources(t.Context())
	if must(t, err); len(sources) != 1 {
		t.Errorf("got %d sources, want 1", len(sources))
	}

	// A stream comes line by line, as it is made.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hub.server.URL+"/api/v1/hosts/there/feeds/audit/stream", nil)
	must(t, err)
	r.Header.Set("Authorization", "bearer "+readToken)
	answer, err := hub.server.Client().Do(r)
	must(t, err)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	if got := answer.Header.Values("Cache-Control"); len(got) != 1 {
		t.Errorf("header Cache-Control: got %q, want it once", got)
	}
	for _, want := range []string{"streamed", "more"} {
		w.sh("touch " + want)
		for lines.Scan() && lines.Text() == "" {
		}
		if !strings.Contains(lines.Text(), `"name":"`+want+`"`) {
			t.Errorf("stream: got %q, want %s", lines.Text(), want)
		}
	}
}

func TestTokensAreForWhatTheySay(t *testing.T) {
	w, hub, far := farAgent(t)
	for _, name := range []string{"audit", "other"} {
		_, err := w.Create(t.Context(), feed.Caller{Admin: true}, feedclient.CreateOptions{Name: name, Source: w.fs.Dir})
		must(t, err)
	}
	answer, _ := hub.put("silent", "{}")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("registration: got %s", answer.Status)
	}
	ask := func(method, path, token string) (int, string) {
		answer, b := hub.do(method, path, func(r *http.Request) {
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			if method != http.MethodGet {
				withBody(`{"source":"/"}`)(r)
			}
		})
		return answer.StatusCode, string(b)
	}
	const there = "/api/v1/hosts/there"
	for _, c := range []struct {
		method, path, token string
		status              int
		want                string
	}{
		{"GET", there + "/feeds", "", 401, `"feed_token"`},
		{"GET", there + "/feeds", "of-nobody-0123456789-0123456789", 401, `"feed_token"`},
		{"GET", there + "/feeds", adminToken, 200, `"other"`},
		{"GET", there + "/feeds", readToken, 200, `"audit"`},
		{"GET", there + "/feeds/audit", readToken, 200, `"cl1"`},
		{"GET", there + "/feeds/cl1-audit/records", readToken, 200, ""},
		{"GET", there + "/feeds/other", readToken, 403, `"feed_denied"`},
		{"GET", there + "/feeds/other/records", readToken, 403, `"feed_denied"`},
		{"DELETE", there + "/feeds/audit", readToken, 403, `"feed_denied"`},
		{"POST", there + "/feeds", readToken, 403, `"feed_denied"`},
		{"GET", there + "/feed-sources", readToken, 403, `"feed_denied"`},
		{"GET", there + "/feed-tail?source=/", readToken, 403, `"feed_denied"`},
		{"GET", there + "/feeds/none", adminToken, 404, `"feed_not_found"`},
		{"GET", there + "/nothing", adminToken, 404, `"no-such-path"`},
		{"GET", "/api/v1/hosts/nobody/feeds", adminToken, 404, `"no-such-host"`},
		{"GET", "/api/v1/hosts/silent/feeds", adminToken, 404, `"feed_not_found"`},
		{"GET", "/api/v1/hosts/here/feeds", "", 200, `"audit"`},
		{"GET", "/api/v1/hosts/here/feeds/cl1/records?format=text", "", 200, "file1"},
	} {
		status, body := ask(c.method, c.path, c.token)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s with %q: got %d %s, want %d and %s", c.method, c.path, c.token, status, body, c.status, c.want)
		}
		if c.token == readToken && strings.Contains(body, `"other"`) && c.status == 200 {
			t.Errorf("%s %s: a reader of one feed sees another: %s", c.method, c.path, body)
		}
	}
	far.Close()
	if status, body := ask("GET", there+"/feeds", adminToken); status != 502 || !strings.Contains(body, `"host-unreachable"`) {
		t.Errorf("agent that is gone: got %d %s", status, body)
	}
}

func TestTokenFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "no token",
		"short feed:admin":             "line 1: a token of 5 characters",
		"\n" + adminToken:              "line 2: a token without a scope",
		adminToken + " feed:write":     `scope "feed:write"`,
		adminToken + " feed:read:":     `scope "feed:read:"`,
		strings.Repeat("x", 1_000_000): "too long",
	} {
		if _, err := parseTokens(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "tokens")
	must(t, os.WriteFile(path, []byte(adminToken+" feed:admin feed:read:x\n"), 0o600))
	if _, err := ReadTokens(path); err != nil {
		t.Error(err)
	}
	must(t, os.Chmod(path, 0o640))
	if _, err := ReadTokens(path); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("file that others may read: got %v", err)
	}
}
