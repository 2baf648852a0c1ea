// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/client"
)

// sessionHub answers with two sessions on two pages and records what changes.
type sessionHub struct {
	*httptest.Server
	changes []string
}

func newSessionHub(t *testing.T) *sessionHub {
	t.Helper()
	h := new(sessionHub)
	mux := http.NewServeMux()
	created := time.Now().Add(-3 * time.Hour)
	active := client.Session{
		ID: "aaaa", Name: "demo", Host: "vm\x1b[2J", State: client.Active, Live: true, Directory: "vm/demo", Created: created, Viewers: 2,
		Stored:         client.Stored{Bytes: 2048, Files: 3, Chunks: 1},
		Received:       &client.Received{Streams: 4, Packets: 17, Bytes: 1 << 20, Rate: &client.Rate{Bytes: 2 << 20}},
		Producers:      []client.Peer{{ID: "1", Address: "192.0.2.1", Protocol: "2.13", LiveTimer: 1000000}},
		MetadataErrors: []client.MetadataError{{Trace: "ust/uid/0/64-bit", Message: "tsdl: line 9, column 12: got \"\x1b\", want \";\""}},
	}
	closed := client.Session{ID: "bbbb", Name: "old", Host: "vm", State: client.Closed, Created: created.Add(-50 * time.Hour), Stored: client.Stored{Bytes: 10}}
	mux.HandleFunc("GET /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("state") == "closed":
			h.answer(w, client.Page[client.Session]{Items: []client.Session{closed}})
		case r.FormValue("cursor") == "":
			h.answer(w, client.Page[client.Session]{Items: []client.Session{active}, Next: "next"})
		default:
			h.answer(w, client.Page[client.Session]{Items: []client.Session{closed}})
		}
	})
	mux.HandleFunc("GET /api/v1/sessions/aaaa", func(w http.ResponseWriter, _ *http.Request) { h.answer(w, active) })
	mux.HandleFunc("GET /api/v1/sessions/aaaa/streams", func(w http.ResponseWriter, _ *http.Request) {
		h.answer(w, client.Page[client.Stream]{Items: []client.Stream{{ID: "5", Channel: "ch_0", Trace: "ust/uid/0/64-bit", Packets: 17, Bytes: 99}}})
	})
	mux.HandleFunc("GET /api/v1/sessions/aaaa/chunks", func(w http.ResponseWriter, _ *http.Request) {
		h.answer(w, client.Page[client.Chunk]{Items: []client.Chunk{{ID: ".session", State: client.ChunkOpen, Bytes: 2048, Files: 3}}})
	})
	mux.HandleFunc("DELETE /api/v1/sessions/bbbb", h.change)
	mux.HandleFunc("DELETE /api/v1/sessions/bbbb/chunks/{chunk}", h.change)
	mux.HandleFunc("DELETE /api/v1/sessions/aaaa", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		h.answer(w, client.Problem{Code: "session-open", Detail: "vm/demo is in use"})
	})
	mux.HandleFunc("GET /api/v1/sessions/bbbb/chunks/{chunk}/archive", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "archive")
		if r.PathValue("chunk") == "broken" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *sessionHub) answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func (h *sessionHub) change(w http.ResponseWriter, r *http.Request) {
	h.changes = append(h.changes, r.Method+" "+r.URL.EscapedPath())
	w.WriteHeader(http.StatusNoContent)
}

// weir runs "weir sessions" against the hub.
func (h *sessionHub) weir(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	c := newSessionsCommand()
	started := prepare(c)
	c.SetArgs(append(args, "--api", h.URL))
	c.SetOut(&out)
	c.SetErr(&errs)
	err := c.ExecuteContext(ctx)
	if err == nil {
		return exitOK, out.String(), errs.String()
	}
	code = exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
	} else if !*started {
		code = exitUsage
	}
	return code, out.String(), oneLine(err)
}

func TestSessionsTable(t *testing.T) {
	h := newSessionHub(t)
	code, out, _ := h.weir(t.Context())
	want := `ID    SESSION  HOST    STATE   LIVE  STREAMS  PACKETS  BYTES    RATE       VIEWERS  AGE
aaaa  demo     vm?[2J  active  yes   4        17       2.0 KiB  2.0 MiB/s  2        3h
bbbb  old      vm      closed  -     -        -        10 B     -          0        2d
`
	if diff := cmp.Diff(want, out); diff != "" || code != 0 {
		t.Errorf("exit code %d, table (-want +got):\n%s", code, diff)
	}
	if _, out, _ := h.weir(t.Context(), "--state", "closed"); strings.Contains(out, "demo") || !strings.Contains(out, "old") {
		t.Errorf("--state closed printed\n%s", out)
	}
	_, out, _ = h.weir(t.Context(), "--json")
	var sessions []client.Session
	if err := json.Unmarshal([]byte(out), &sessions); err != nil || len(sessions) != 2 || sessions[0].Received.Packets != 17 {
		t.Errorf("--json printed %s, %v", out, err)
	}
}

func TestSessionsShow(t *testing.T) {
	h := newSessionHub(t)
	code, out, _ := h.weir(t.Context(), "show", "aaaa")
	for _, want := range []string{
		"Session:   demo on vm?[2J (aaaa)\n", "State:     active\n", ", 3h ago\n", "Stored:    2.0 KiB in 3 files, 1 chunks\n",
		"Producer:  192.0.2.1, protocol 2.13, live timer 1s\n",
		"Metadata:  ust/uid/0/64-bit: tsdl: line 9, column 12: got \"?\", want \";\"\n", "\nSTREAM  TRACE             CHANNEL", "\n5       ust/uid/0/64-bit  ch_0",
		"\nCHUNK     STATE  BYTES    FILES\n.session  open   2.0 KiB  3\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("show has no %q:\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	_, out, _ = h.weir(t.Context(), "show", "aaaa", "--json")
	var d sessionDetails
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.ID != "aaaa" || len(d.Streams) != 1 || len(d.Chunks) != 1 {
		t.Errorf("show --json printed %s, %v", out, err)
	}
}

func TestSessionsDelete(t *testing.T) {
	h := newSessionHub(t)
	for _, args := range [][]string{{"delete", "bbbb"}, {"delete", "bbbb", "--chunk", "a+b c"}} {
		if code, out, err := h.weir(t.Context(), args...); code != 0 || out != "" {
			t.Errorf("%q: exit code %d, %q %s", args, code, out, err)
		}
	}
	want := []string{"DELETE /api/v1/sessions/bbbb", "DELETE /api/v1/sessions/bbbb/chunks/a+b%20c"}
	if diff := cmp.Diff(want, h.changes); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if code, _, err := h.weir(t.Context(), "delete", "aaaa"); code != exitFailed || err != "vm/demo is in use (session-open)" {
		t.Errorf("delete of an open session: exit code %d, %s", code, err)
	}
}

func TestSessionsDownload(t *testing.T) {
	h := newSessionHub(t)
	file := filepath.Join(t.TempDir(), "a.tar.zst")
	if code, _, err := h.weir(t.Context(), "download", "bbbb", "c1", "-o", file); code != 0 {
		t.Errorf("exit code %d: %s", code, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "archive" {
		t.Errorf("file holds %q, %v", got, err)
	}
	if code, _, err := h.weir(t.Context(), "download", "bbbb", "c1", "-o", file); code != exitFailed || !strings.Contains(err, "there already") {
		t.Errorf("second download: exit code %d: %s", code, err)
	}
	if _, out, _ := h.weir(t.Context(), "download", "bbbb", "c1", "-o", "-"); out != "archive" {
		t.Errorf("standard output has %q", out)
	}
	broken := file + "2"
	if code, _, err := h.weir(t.Context(), "download", "bbbb", "broken", "-o", broken); code != exitFailed || !strings.Contains(err, "incomplete after 7 bytes") {
		t.Errorf("broken download: exit code %d: %s", code, err)
	}
	if _, err := os.Stat(broken); !os.IsNotExist(err) {
		t.Errorf("a broken file was left: %v", err)
	}
}

func TestSessionsRefuse(t *testing.T) {
	h := newSessionHub(t)
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--state", "half"}, exitUsage, "want active or closed"},
		{[]string{"--watch", "--json"}, exitUsage, "exclude"},
		{[]string{"nosuch"}, exitUsage, "unknown command"},
		{[]string{"show"}, exitUsage, "accepts 1 arg"},
		{[]string{"delete"}, exitUsage, "accepts 1 arg"},
		{[]string{"delete", "bbbb", "--chunk", ""}, exitUsage, "want the ID"},
		{[]string{"delete", "bbbb", "--chunk", ".."}, exitFailed, "identifier"},
		{[]string{"download", "bbbb", "c1"}, exitUsage, "--output"},
		{[]string{"show", "none"}, exitFailed, "404"},
	}
	for _, tt := range tests {
		code, out, err := h.weir(t.Context(), tt.args...)
		if code != tt.code || !strings.Contains(err, tt.want) || out != "" {
			t.Errorf("%q: exit code %d, %q, %s; want %d with %q", tt.args, code, out, err, tt.code, tt.want)
		}
	}
	if len(h.changes) != 0 {
		t.Errorf("the hub was asked for %q", h.changes)
	}
	h.URL = "ftp://host"
	if code, _, err := h.weir(t.Context()); code != exitUsage || !strings.Contains(err, "--api") {
		t.Errorf("wrong URL: exit code %d, %s", code, err)
	}
	h.Close()
	h.URL = "http://127.0.0.1:1"
	if code, _, err := h.weir(t.Context()); code != exitFailed || !strings.Contains(err, "ask the hub") {
		t.Errorf("no hub: exit code %d, %s", code, err)
	}
}

// watchWriter ends the watch after some tables.
type watchWriter struct {
	bytes.Buffer
	left int
	end  context.CancelFunc
}

// Write counts tables.
func (w *watchWriter) Write(b []byte) (int, error) {
	if w.left--; w.left == 0 {
		w.end()
	}
	return w.Buffer.Write(b)
}

func TestSessionsWatch(t *testing.T) {
	h := newSessionHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	api, err := client.New(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	w := &watchWriter{left: 2, end: cancel}
	if err := watchSessions(ctx, w, api, client.Filter{}, time.Millisecond); err != nil {
		t.Errorf("watchSessions = %v, want nil after its end", err)
	}
	if n := strings.Count(w.String(), clearScreen+"ID "); n != 2 {
		t.Errorf("%d tables, want 2:\n%q", n, w.String())
	}
}

func TestTexts(t *testing.T) {
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 1000: "1.0 KiB", 1024: "1.0 KiB", 10 << 20: "10 MiB", 1.5 * (1 << 30): "1.5 GiB", 1 << 60: "1024 PiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%v) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-1: "-", 0: "0s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 3 * time.Hour: "3h", 49 * time.Hour: "2d"} {
		if got := ageText(d); got != want {
			t.Errorf("ageText(%v) = %s, want %s", d, got, want)
		}
	}
}
