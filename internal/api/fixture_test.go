// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/lttng"
)

// update rewrites the documents that the tests keep fresh.
var update = flag.Bool("update", false, "rewrite docs/openapi.json, docs/errors.md and docs/metrics.md")

// fixture is an API over a real store in a directory of its own.
type fixture struct {
	t       *testing.T
	out     string
	opts    Options
	store   *tracestore.Store
	catalog *tracestore.Catalog
	api     *API
	server  *httptest.Server
	log     bytes.Buffer
	clock   time.Time
	last    uint64
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, out: filepath.Join(t.TempDir(), "traces"), clock: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	now := func() time.Time { return f.clock }
	files := fdpool.New(100)
	f.store = tracestore.New(tracestore.Options{
		Output: f.out, AllowClear: true, Files: files, Location: time.UTC, Now: now, Log: log,
	})
	f.catalog = tracestore.NewCatalog(f.store, tracestore.CatalogLimits{}, log)
	f.opts = Options{
		Store: f.store, Catalog: f.catalog, Files: files.Stats, Log: log, Now: now,
		Retention: tracestore.NewRetention(f.catalog, tracestore.RetentionOptions{
			Limits: tracestore.RetentionLimits{MaxAge: time.Hour}, Log: log,
		}),
		Relay:    func() RelayStats { return RelayStats{ControlOpen: 3, DataOpen: 2, Refused: 7, PendingOpen: 5} },
		Hop:      func() HopStats { return HopStats{} },
		Ships:    func() []ShipStats { return []ShipStats{{Service: "splunk"}} },
		Live:     func() LiveStats { return LiveStats{ViewersOpen: 4, Viewers: map[lttng.SessionID]int{1: 2}} },
		Metadata: func() MetadataStats { return MetadataStats{WaitingOpen: 1, Bytes: 2, Errors: 3, Unchecked: 4} },
		Version:  version.Info{Version: "1.2.3", Go: "go1.26"},
		Host:     hostMetrics,
		Registry: hosts.New(hosts.Options{Now: now, Log: log, Max: 3}), Statistics: statisticsDouble{},
		Feeds: newFakeFeeds(3), Caller: fakeCaller,
	}
	f.enrols()
	if change != nil {
		change(&f.opts)
	}
	var err error
	if f.api, err = New(f.opts); err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(f.api.Handler())
	f.server.Config.ConnContext = f.api.ConnContext
	f.server.Start()
	t.Cleanup(f.server.Close)
	return f
}

// enrols gives the hub an authority.
func (f *fixture) enrols() {
	f.t.Helper()
	a, err := enrol.Open(enrol.Options{Dir: filepath.Join(f.t.TempDir(), "enrol"), Name: "h", Now: f.opts.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { a.Close() })
	f.opts.Enrol, f.opts.EnrolAt = a, func() []string { return []string{"https://h:9348"} }
}

// hostMetrics stands for the views of the host.
func hostMetrics(more func([]byte, bool) ([]byte, error), refuse func(http.ResponseWriter, *http.Request, int, string)) (native, node http.Handler) {
	native = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open := r.Header.Get("Accept") == "application/openmetrics-text"
		if open {
			w.Header().Set("Content-Type", "application/openmetrics-text")
		}
		b, err := more([]byte("# first\n"), open)
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err.Error())
			return
		}
		_, _ = w.Write(append(b, "weir_load1 1\n"...))
	})
	return native, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		refuse(w, r, status, "the reason")
	})
}

// write makes a file below the output directory.
func (f *fixture) write(name string, content string) {
	f.t.Helper()
	name = filepath.Join(f.out, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o770); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
		f.t.Fatal(err)
	}
}

// trace makes a stored trace of 14 bytes in two files and an empty one.
func (f *fixture) trace(dir string) {
	f.t.Helper()
	f.write(dir+"/ust/uid/0/64-bit/metadata", "meta")
	f.write(dir+"/ust/uid/0/64-bit/ch_0", "0123456789")
	f.write(dir+"/ust/uid/0/64-bit/index/ch_0.idx", "")
}

// open opens a session with metadata and one channel.
func (f *fixture) open(name string) (*tracestore.Session, *tracestore.Stream) {
	f.t.Helper()
	f.last++
	ss, err := f.store.CreateSession(lttng.CreateSession{
		Name: name, Hostname: "vm", SessiondUUID: [16]byte{1}, SessiondSessionID: f.last,
		CreationTime: uint64(f.clock.Unix()), LiveTimer: 1000000,
	}, lttng.MinorChunks, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(ss.Close)
	if err := ss.CreateChunk(lttng.CreateTraceChunk{Chunk: 0, CreationTime: uint64(f.clock.Unix())}); err != nil {
		f.t.Fatal(err)
	}
	var st *tracestore.Stream
	for _, channel := range []string{"metadata", "ch_0"} {
		if st, _, err = ss.AddStream(lttng.AddStream{Channel: channel, Path: "ust/uid/0/64-bit"}); err != nil {
			f.t.Fatal(err)
		}
	}
	ss.Publish()
	return ss, st
}

// packet stores a packet of 100 bytes.
func (f *fixture) packet(st *tracestore.Stream, seq uint64) {
	f.t.Helper()
	if err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: seq, DataSize: 100}); err != nil {
		f.t.Fatal(err)
	}
	st.Write(make([]byte, 100))
	st.Finish()
	x := lttng.Index{Stream: st.ID(), NetSeqNum: seq, PacketSeqNum: seq, PacketSize: 800, ContentSize: 800, TimestampEnd: 77, EventsDiscarded: 9}
	if err := st.PutIndex(x); err != nil {
		f.t.Fatal(err)
	}
	st.Session().FlushIndexes()
}

// do makes a request and returns the answer with its body read.
func (f *fixture) do(method, path string, change func(*http.Request)) (*http.Response, []byte) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	answer, err := f.server.Client().Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer, body
}

// get reads a JSON answer of status 200.
func get[T any](f *fixture, path string) T {
	f.t.Helper()
	answer, body := f.do(http.MethodGet, path, nil)
	var v T
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
		f.t.Fatalf("GET %s: %s %s: %s", path, answer.Status, answer.Header.Get("Content-Type"), body)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		f.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
	return v
}

// refused makes a request that is to be refused with a code.
func (f *fixture) refused(method, path string, want code, change func(*http.Request)) client.Problem {
	f.t.Helper()
	answer, body := f.do(method, path, change)
	var p client.Problem
	if err := json.Unmarshal(body, &p); err != nil {
		f.t.Fatalf("%s %s: %s: %v in %q", method, path, answer.Status, err, body)
	}
	row := rowOf(want)
	if p.Code != string(want) || p.Number != row.Number || p.Status != row.Status || answer.StatusCode != row.Status ||
		p.Title != row.Title || p.Type != "urn:weir:error:"+string(want) || answer.Header.Get("Content-Type") != "application/problem+json" {
		f.t.Errorf("%s %s: %s %s %+v, want %s", method, path, answer.Status, answer.Header.Get("Content-Type"), p, want)
	}
	return p
}

// id returns the identifier of the session of a name.
func (f *fixture) id(name string) string {
	f.t.Helper()
	page := get[client.Page[client.Session]](f, "/api/v1/sessions?name="+name)
	if len(page.Items) != 1 {
		f.t.Fatalf("%d sessions are called %s: %+v", len(page.Items), name, page.Items)
	}
	return page.Items[0].ID
}

// freshBefore is fresh for the part of a document before a line. What follows is
// another package's.
func freshBefore(t *testing.T, name, line, want string) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(old), line)
	if found {
		want += line + rest
	}
	fresh(t, name, want)
}

// fresh compares a document in docs with what it is to be.
func fresh(t *testing.T, name, want string) {
	t.Helper()
	name = filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s is stale (go test ./internal/api -update): line %d is\n%s\nwant\n%s", name, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s is stale (go test ./internal/api -update): %d lines, want %d", name, len(g), len(w))
}
