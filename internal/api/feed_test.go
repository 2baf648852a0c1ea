// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/feed"
)

// feedAPI is the interface of an agent, asked without a network: in a bubble of
// synctest, its clock is the bubble's.
type feedAPI struct {
	t     *testing.T
	api   *API
	feeds *fakeFeeds
}

func newFeedAPI(t *testing.T, records int) *feedAPI {
	t.Helper()
	f := newFakeFeeds(records)
	a, err := NewFeeds(Options{Feeds: f, Caller: fakeCaller, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &feedAPI{t, a, f}
}

// do makes a request; options are headers, "Name: value", and the body.
func (f *feedAPI) do(method, path string, options ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.api.Handler().ServeHTTP(w, f.request(f.t.Context(), method, path, options...))
	return w
}

func (f *feedAPI) request(ctx context.Context, method, path string, options ...string) *http.Request {
	body := ""
	for _, o := range options {
		if strings.HasPrefix(o, "{") {
			body = o
		}
	}
	r := httptest.NewRequestWithContext(f.api.ConnContext(ctx, nil), method, path, strings.NewReader(body))
	r.Host = "localhost"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		if name, value, ok := strings.Cut(o, ": "); ok && !strings.HasPrefix(o, "{") {
			r.Header.Set(name, value)
		}
	}
	return r
}

// want makes a request that is to be answered with a status, and returns the token.
func (f *feedAPI) want(status int, method, path string, options ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	w := f.do(method, path, options...)
	if w.Code != status {
		f.t.Errorf("%s %s: status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w
}

const recordsPath = "/api/v1/feeds/audit/records"

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 5)
		first := f.want(200, "GET", recordsPath+"?max=2")
		token := "Weir-Consumer: " + first.Header().Get("Weir-Consumer")
		if h := first.Header(); h.Get("Weir-Through") != "2" || h.Get("Weir-Count") != "2" || h.Get("Weir-Flags") != "more" {
			t.Errorf("headers %v", h)
		}
		if lines := strings.Split(strings.TrimSpace(first.Body.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], `"i":2,`) {
			t.Errorf("records %q", lines)
		}
		var p client.Problem
		if err := json.Unmarshal(f.want(409, "GET", recordsPath).Body.Bytes(), &p); err != nil || p.Code != "feed_busy" || p.Holder == nil || p.Holder.UID != 12 {
			t.Errorf("problem %+v, %v", p, err)
		}
		f.want(409, "GET", recordsPath, "Weir-Consumer: another")
		<-time.After(59 * time.Second)
		f.want(200, "GET", recordsPath+"?max=2", token) // it cancels what was before
		if f.feeds.cancelled != 2 {
			t.Errorf("cancelled through %d, want 2", f.feeds.cancelled)
		}
		<-time.After(59 * time.Second)
		f.want(200, "GET", "/api/v1/feeds/cl1", token) // it renews the lease
		<-time.After(59 * time.Second)
		f.want(200, "GET", recordsPath+"?cancel=none&wait=300s", token) // so does waiting
		f.want(200, "GET", recordsPath+"?cancel=none&wait=300s", token)
		<-time.After(leaseTime)
		synctest.Wait()
		if f.feeds.isRead() {
			t.Error("the feed has a consumer after its lease")
		}
		f.want(409, "GET", recordsPath, token)
		again := f.want(200, "GET", recordsPath)
		if !strings.HasPrefix(again.Body.String(), `{"i":3,`) {
			t.Errorf("after the lease the first record is %.40s, want that of index 3", again.Body)
		}
		f.want(204, "DELETE", "/api/v1/feeds/cl1-audit/consumer?commit=true", "Weir-Consumer: "+again.Header().Get("Weir-Consumer"))
		if f.feeds.isRead() || f.feeds.cancelled != 5 {
			t.Errorf("after commit: consumer %t, cancelled through %d, want 5", f.feeds.isRead(), f.feeds.cancelled)
		}
	})
}

// A consumer whose answer was lost says what it has: the rest comes again.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 6)
		open := f.want(201, "POST", "/api/v1/feeds/audit/consumer")
		token := "Weir-Consumer: " + open.Header().Get("Weir-Consumer")
		f.want(200, "GET", recordsPath+"?max=2", token)
		f.want(200, "GET", recordsPath+"?max=2&after=2", token) // lost
		w := f.want(200, "GET", recordsPath+"?max=2&after=2", token)
		if !strings.HasPrefix(w.Body.String(), `{"i":3,`) || f.feeds.cancelled != 2 {
			t.Errorf("got %.30s, cancelled through %d, want index 3 and 2", w.Body, f.feeds.cancelled)
		}
		f.want(400, "GET", recordsPath+"?after=7", token)

		// By the number of the batch it is found even where the index is the same.
		f.want(200, "GET", recordsPath+"?max=2&after=4&batch="+w.Header().Get("Weir-Batch"), token)
		if f.feeds.rewinds != 0 {
			t.Error("no answer was lost, and the feed goes back")
		}
		f.want(200, "GET", recordsPath+"?max=2&after=4&batch=1", token)
		if f.feeds.rewinds != 1 {
			t.Error("an answer was lost, and the feed does not go back")
		}
		c := f.want(200, "POST", "/api/v1/feeds/audit/cancel", token, `{"through":"5"}`)
		if strings.TrimSpace(c.Body.String()) != `{"cancelled":"5"}` {
			t.Errorf("cancel answers %s", c.Body)
		}
		f.want(409, "POST", "/api/v1/feeds/audit/cancel", `{"through":"5"}`) // without the token
		f.want(204, "DELETE", "/api/v1/feeds/audit/consumer", token)
		f.want(200, "POST", "/api/v1/feeds/audit/cancel", `{"through":"0"}`) // nobody reads it
	})
}

func TestDestroyedWhileLeased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 1)
		token := "Weir-Consumer: " + f.want(200, "GET", recordsPath).Header().Get("Weir-Consumer")
		waited := make(chan int)
		go func() { waited <- f.do("GET", recordsPath+"?wait=60s", token).Code }()
		synctest.Wait()
		f.want(409, "GET", recordsPath, token) // one request at a time
		f.want(204, "DELETE", "/api/v1/feeds/audit")
		if code := <-waited; code != 404 {
			t.Errorf("a read that waits ends with %d, want 404", code)
		}
		f.want(404, "GET", recordsPath, token)
	})
}

func TestLeasesEndWithTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.api.Run(ctx) }()
		f.want(200, "GET", recordsPath)
		f.want(202, "POST", "/api/v1/feed-sources/"+fakeUUID+"/rescan")
		cancel()
		if err := <-ended; err != nil || f.feeds.isRead() {
			t.Errorf("Run = %v, consumer %t", err, f.feeds.isRead())
		}
		f.want(503, "GET", recordsPath)
	})
}

// streamed is what a stream writes; a test lets it write.
type streamed struct {
	*httptest.ResponseRecorder
	writes chan string
}

func (s *streamed) Write(b []byte) (int, error) {
	s.writes <- string(b)
	return len(b), nil
}

func (s *streamed) Flush() {}

// open begins a stream, which ends with the function that it returns.
func (f *feedAPI) open(path string, options ...string) (writes chan string, end func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	s := &streamed{httptest.NewRecorder(), make(chan string)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.api.Handler().ServeHTTP(s, f.request(ctx, "GET", path, options...))
	}()
	return s.writes, func() {
		cancel()
		for {
			select {
			case <-s.writes:
			case <-ended:
				return
			}
		}
	}
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 2)
		const path = "/api/v1/feeds/audit/stream"
		writes, end := f.open(path, "Accept: text/event-stream")
		first := <-writes
		if !strings.HasPrefix(first, "id: 1\ndata: {\"i\":1,") || strings.Count(first, "\n\n") != 2 || !strings.HasSuffix(first, "}\n\n") {
			t.Errorf("first events %q", first)
		}
		began := time.Now()
		if got := <-writes; got != ": heartbeat\n\n" || time.Since(began) != heartbeat {
			t.Errorf("after %v: %q, want a heartbeat after %v", time.Since(began), got, heartbeat)
		}
		f.feeds.append(1)
		if got := <-writes; !strings.HasPrefix(got, "id: 3\n") {
			t.Errorf("then %q", got)
		}
		f.want(409, "GET", path)
		end()
		if f.feeds.isRead() || f.feeds.cancelled != 0 {
			t.Errorf("after the stream: consumer %t, cancelled through %d, want none", f.feeds.isRead(), f.feeds.cancelled)
		}

		// A browser comes back with what it has; lines are for others.
		writes, end = f.open(path+"?after=1", "Last-Event-ID: 2")
		if got := <-writes; !strings.HasPrefix(got, `{"i":3,`) || strings.Count(got, "\n") != 1 {
			t.Errorf("resumed with %q, want record 3", got)
		}
		if got := <-writes; got != "\n" {
			t.Errorf("heartbeat %q, want an empty line", got)
		}
		f.want(204, "DELETE", "/api/v1/feeds/audit")
		if got := <-writes; !strings.Contains(got, `{"problem":{`) || !strings.Contains(got, `"code":"feed_not_found"`) {
			t.Errorf("last line %q", got)
		}
		end()
	})
}

// Records that a filter leaves out move the place of a browser all the same.
func TestStreamMovesOverFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 2)
		f.feeds.filter = func(r *changelog.Record) bool { return r.Index == 1 }
		writes, end := f.open("/api/v1/feeds/audit/stream", "Accept: text/event-stream")
		<-writes
		if got := <-writes; got != "id: 2\n\n" {
			t.Errorf("heartbeat %q, want the id of what was looked at", got)
		}
		end()
	})
}

// Nothing more is read for a client that takes nothing.
func TestStreamSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 10*streamRecords)
		writes, end := f.open("/api/v1/feeds/audit/stream")
		synctest.Wait()
		<-time.After(time.Hour)
		if f.feeds.reads != 1 {
			t.Errorf("%d batches were read for a client that has taken none, want 1", f.feeds.reads)
		}
		if got := <-writes; strings.Count(got, "\n") != streamRecords {
			t.Errorf("%d records at once, want %d", strings.Count(got, "\n"), streamRecords)
		}
		end()
	})
}

func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeedAPI(t, 9)
		writes, end := f.open("/api/v1/feed-tail?source=/srv&filter={}", "Last-Event-ID: 4", "Accept: text/event-stream")
		if got := <-writes; !strings.HasPrefix(got, "id: 9\n") || !strings.Contains(got, `"mark":{"kind":"gap","from":"5","to":"9","reason":"skipped"`) {
			t.Errorf("first event %q, want a gap of 5 to 9", got)
		}
		f.feeds.append(1)
		if got := <-writes; !strings.HasPrefix(got, "id: 10\n") {
			t.Errorf("then %q", got)
		}
		end()
		f.want(400, "GET", "/api/v1/feed-tail?source=/srv&filter=x")
		f.want(422, "GET", "/api/v1/feed-tail")
		if w := f.want(201, "POST", "/api/v1/feed-tail", `{"source":"/srv"}`); w.Header().Get("Weir-Consumer") == "" {
			t.Error("no token")
		}
	})
}

func TestFeedProblems(t *testing.T) {
	f := newFeedAPI(t, 3)
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/api/v1/feeds/none", "", 404, "feed_not_found"},
		{"GET", "/api/v1/feeds/none/records", "", 404, "feed_not_found"},
		{"GET", "/api/v1/feeds/none/stream", "", 404, "feed_not_found"},
		{"GET", "/api/v1/feeds/" + strings.Repeat("x", 81), "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds/%ff%00", "", 404, "feed_not_found"},
		{"PATCH", "/api/v1/feeds/none", `{}`, 404, "feed_not_found"},
		{"DELETE", "/api/v1/feeds/none", "", 404, "feed_not_found"},
		{"POST", "/api/v1/feeds/none/reset", `{}`, 404, "feed_not_found"},
		{"POST", "/api/v1/feeds/none/cancel", `{"through":"1"}`, 404, "feed_not_found"},
		{"POST", "/api/v1/feeds/none/consumer", "", 404, "feed_not_found"},
		{"DELETE", "/api/v1/feeds/audit/consumer", "", 422, "invalid-request"},
		{"PUT", "/api/v1/feeds/audit", `{}`, 405, "method-not-allowed"},
		{"POST", "/api/v1/feeds", `{"source":"/proc"}`, 422, "unsupported_fs"},
		{"POST", "/api/v1/feeds", `{"source":"/srv","name":"audit"}`, 409, "feed_exists"},
		{"POST", "/api/v1/feeds", `{}`, 422, "invalid-request"},
		{"POST", "/api/v1/feeds", `{"source":"/srv","sauce":1}`, 422, "invalid-request"},
		{"POST", "/api/v1/feeds", `{"source":7}`, 422, "invalid-request"},
		{"POST", "/api/v1/feeds", `{"source":"/srv"`, 400, "invalid-request"},
		{"POST", "/api/v1/feeds", `{"source":"` + strings.Repeat("x", maxBody) + `"}`, 413, "body-too-large"},
		{"POST", "/api/v1/feeds/audit/cancel", `{"through":"-1"}`, 400, "bad_argument"},
		{"POST", "/api/v1/feeds/audit/cancel", `{"through":"4"}`, 400, "bad_argument"},
		{"POST", "/api/v1/feeds/audit/cancel", `{"through":4}`, 422, "invalid-request"},
		{"GET", "/api/v1/feeds/audit/records?max=0", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?max=-1", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?max=x", "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds/audit/records?max_bytes=-1", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?wait=x", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?wait=-1s", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?wait=11m", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?linger=2s", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?format=xml", "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds/audit/records?cancel=all", "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds/audit/records?after=x", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?after=99999999999999999999", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/records?after=4", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/stream?after=4", "", 400, "bad_argument"},
		{"GET", "/api/v1/feeds/audit/stream?before=4", "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds?limit=0", "", 422, "invalid-request"},
		{"GET", "/api/v1/feeds?cursor=*", "", 400, "invalid-cursor"},
		{"GET", "/api/v1/feed-sources/none", "", 404, "feed_not_found"},
		{"POST", "/api/v1/feed-sources/none/rescan", "", 404, "feed_not_found"},
		{"GET", "/api/v1/feed-sources/" + fakeUUID + "/paths?fid=x", "", 400, "bad_argument"},
		{"GET", "/api/v1/feed-sources/" + fakeUUID + "/paths", "", 422, "invalid-request"},
	} {
		w := f.do(tt.method, tt.path, tt.body)
		var p client.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != tt.status || p.Code != tt.code || p.Status != tt.status {
			t.Errorf("%s %.60s %.60s: status %d, %+v, %v; want %d %s", tt.method, tt.path, tt.body, w.Code, p, err, tt.status, tt.code)
		}
	}
	if f.feeds.isRead() {
		t.Error("a refused request has left a consumer")
	}
}

func TestFeedAnswers(t *testing.T) {
	f := newFeedAPI(t, 3)
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/api/v1/feeds", "", `"id":"cl1"`},
		{"GET", "/api/v1/feeds/cl1-audit", "", `"available":3`},
		{"POST", "/api/v1/feeds", `{"source":"/srv","name":"other","abort_timeout":0.5}`, `"id":"cl1"`},
		{"PATCH", "/api/v1/feeds/audit", `{"abort_timeout":0.5}`, `"abort_timeout":0.5`},
		{"PATCH", "/api/v1/feeds/audit", `{"filter":{"types":"CREAT"}}`, `"filter":{"types":"CREAT"}`},
		{"PATCH", "/api/v1/feeds/audit", `{"filter":null}`, `"filter":null`},
		{"POST", "/api/v1/feeds/audit/reset", `{"from":"oldest"}`, `"id":"cl1"`},
		{"GET", "/api/v1/feed-sources", "", `"dir":"/srv"`},
		{"GET", "/api/v1/feed-sources/" + strings.ReplaceAll(fakeUUID, "-", ""), "", `"state":"active"`},
		{"POST", "/api/v1/feed-sources/%2Fsrv/rescan?wait=true", "", `"kind":"ext4"`},
		{"GET", "/api/v1/feed-sources/" + fakeUUID + "/paths?fid=%5B0x1:0x0:0x2%5D", "", `["d/a",{"b64":"ZC//"}]`},
		{"GET", "/metrics", "", "\nweir_feed_records_total{feed=\"cl1\",name=\"audit\"} 7\n"},
		{"GET", "/healthz", "", "ok"},
		{"GET", "/openapi.json", "", "read-feed"},
	} {
		w := f.do(tt.method, tt.path, tt.body)
		if w.Code/100 != 2 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %s: status %d, %s; want %s", tt.method, tt.path, tt.body, w.Code, w.Body, tt.want)
		}
	}
}

// What takes a feed from its consumer is not for pages of other origins, and nothing of
// feeds is for who is not known.
func TestFeedCallers(t *testing.T) {
	f := newFeedAPI(t, 3)
	for _, path := range []string{recordsPath, "/api/v1/feeds/audit/stream", "/api/v1/feed-tail?source=/srv"} {
		if w := f.do("GET", path, "Sec-Fetch-Site: cross-site"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "cross-origin") {
			t.Errorf("GET %s from another site: status %d, %s", path, w.Code, w.Body)
		}
	}
	var asked atomic.Int32
	f.api.opts.Caller = func(net.Conn) (feed.Caller, error) {
		asked.Add(1)
		return feed.Caller{}, errors.New("a stranger")
	}
	for i, path := range []string{"/api/v1/feeds", "/api/v1/feeds/audit", recordsPath, "/api/v1/feed-sources", "/api/v1/feed-tail?source=/srv"} {
		w := f.do("GET", path)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "a stranger") || int(asked.Load()) != i+1 {
			t.Errorf("GET %s by a stranger: status %d, %s; asked %d times", path, w.Code, w.Body, asked.Load())
		}
	}
}

// A stream by a network: it resumes where the client's connection was cut.
func TestStreamOverNetwork(t *testing.T) {
	f := newFeedAPI(t, 3)
	server := httptest.NewUnstartedServer(f.api.Handler())
	server.Config.ConnContext = f.api.ConnContext
	server.Start()
	defer server.Close()
	last := ""
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/v1/feeds/audit/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/event-stream")
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		answer := retryBusy(t, server.Client(), r)
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				if want := fmt.Sprint(round + 1); id != want {
					t.Errorf("round %d begins with record %s, want %s", round, id, want)
				}
				last = id
				break
			}
		}
		cancel()
		answer.Body.Close()
	}
}

// retryBusy makes a request until the agent has seen that the consumer before is gone.
func retryBusy(t *testing.T, c *http.Client, r *http.Request) *http.Response {
	t.Helper()
	for {
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusConflict {
			return answer
		}
		answer.Body.Close()
	}
}
