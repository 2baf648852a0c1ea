// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/server"
)

// watcher is an agent that watches a file system and serves its feeds by HTTP.
type watcher struct {
	*feed.Manager

	t      *testing.T
	fs     *fstest.FS
	server *httptest.Server
	caller atomic.Pointer[feed.Caller] // who all are taken for; nil: who they are
	cut    atomic.Bool                 // cut off the next answer with records
}

func newWatcher(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{t: t, fs: fstest.New(t, "tmpfs")}
	store, err := journal.OpenMemory()
	must(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w.Manager, err = feed.New(feed.Options{Store: store, Log: log})
	must(t, err)
	a, err := NewFeeds(Options{Feeds: FeedsOf(feed.DoorTo(w.Manager)), Log: log, Caller: func(n net.Conn) (feed.Caller, error) {
		if c := w.caller.Load(); c != nil {
			return *c, nil
		}
		return server.Caller(n, -1)
	}})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- a.Run(ctx) }()
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/records") && w.cut.Swap(false) {
			rec := httptest.NewRecorder()
			a.Handler().ServeHTTP(rec, r)
			panic(http.ErrAbortHandler) // what was read is lost on its way
		}
		a.Handler().ServeHTTP(rw, r)
	}))
	w.server.Config.ConnContext = a.ConnContext
	w.server.Start()
	t.Cleanup(func() {
		w.server.Close()
		cancel()
		must(t, <-ended, <-ended, store.Close())
	})
	return w
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (w *watcher) dial() *feedclient.Client {
	w.t.Helper()
	c, err := feedclient.Dial(w.t.Context(), w.server.URL)
	must(w.t, err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

// sh changes the file system, by processes that are not the agent's.
func (w *watcher) sh(script string) {
	w.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = w.fs.Dir
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// take reads until n records have come.
func (w *watcher) take(n *feedclient.Consumer, want int, o feedclient.ReadOptions) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < want {
		o.Wait = -1
		b, err := n.Read(ctx, o)
		must(w.t, err)
		for i := range b.Records {
			got = append(got, fmt.Sprintf("%v %s", b.Records[i].Type, b.Records[i].Path))
		}
	}
	return strings.Join(got, ", ")
}

// The client has by HTTP what it has by the local socket.
func TestClientByHTTP(t *testing.T) {
	w := newWatcher(t)
	c := w.dial()
	info, err := c.Create(t.Context(), feedclient.CreateOptions{Name: "audit", Source: w.fs.Dir})
	must(t, err)
	if info.ID != "cl1" || info.AbortTimeout != feedclient.Seconds(2_592_000*time.Second) {
		t.Errorf("Create: %+v", info)
	}
	w.sh("mkdir d; mkdir d/e")
	n, err := c.Open(t.Context(), "cl1-audit", feedclient.OpenOptions{})
	must(t, err)
	// The two may come in one batch or in two: the second must not cancel the first.
	if got, want := w.take(n, 2, feedclient.ReadOptions{Keep: true}), "MKDIR d, MKDIR d/e"; got != want {
		t.Errorf("first batch %q, want %q", got, want)
	}
	_, err = c.Open(t.Context(), "audit", feedclient.OpenOptions{})
	if !errors.Is(err, &feedclient.Error{Code: feedclient.CodeBusy}) {
		t.Errorf("second Open: %v, want %s", err, feedclient.CodeBusy)
	}
	must(t, n.Close()) // nothing was cancelled

	n, err = c.Open(t.Context(), "audit", feedclient.OpenOptions{})
	must(t, err)
	w.cut.Store(true)
	if got, want := w.take(n, 2, feedclient.ReadOptions{}), "MKDIR d, MKDIR d/e"; got != want {
		t.Errorf("after the reader's end %q, want %q", got, want)
	}
	w.sh("rmdir d/e")
	w.cut.Store(true)
	if got, want := w.take(n, 1, feedclient.ReadOptions{}), "RMDIR d/e"; got != want {
		t.Errorf("after an answer was lost %q, want %q", got, want)
	}
	if w.cut.Load() {
		t.Error("no answer was lost")
	}
	info, err = c.Info(t.Context(), "cl1")
	must(t, err)
	if info.Available != 0 || info.First != info.Last || info.Consumer == nil {
		t.Errorf("Info: %+v, want one record, which is held", info)
	}
	if _, err := n.Pipe(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Pipe: %v", err)
	}
	must(t, n.Commit(t.Context()))
	info, err = c.Info(t.Context(), "cl1")
	must(t, err)
	if info.Available != 0 {
		t.Errorf("after Commit: %+v, want nothing available", info)
	}
	must(t, c.Destroy(t.Context(), "audit"))
	if all, err := c.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List: %v, %v, want none", all, err)
	}
}

func TestClientCalls(t *testing.T) {
	w := newWatcher(t)
	c := w.dial()
	_, err := c.Create(t.Context(), feedclient.CreateOptions{Source: w.fs.Dir, Mode: feedclient.ModeExplicit})
	must(t, err)
	w.sh(`mkdir d; touch d/f; ln d/f "$(printf 'd/\377')"`)
	n, err := c.Open(t.Context(), "cl1", feedclient.OpenOptions{})
	must(t, err)
	b, err := n.Read(t.Context(), feedclient.ReadOptions{Wait: -1, Linger: time.Second})
	must(t, err)
	i := slices.IndexFunc(b.Records, func(r changelog.Record) bool { return r.Type == changelog.Hardlink })
	if i < 0 {
		t.Fatalf("no link among %d records", len(b.Records))
	}
	fid := b.Records[i].Target.String()
	paths, err := c.Resolve(t.Context(), w.fs.Dir, fid)
	slices.Sort(paths)
	if err != nil || !slices.Equal(paths, []string{"d/f", "d/\xff"}) {
		t.Errorf("Resolve(%s) = %q, %v", fid, paths, err)
	}
	cancelled, err := n.Cancel(t.Context(), b.Through)
	if err != nil || cancelled != b.Through {
		t.Errorf("Cancel(%d) = %d, %v", b.Through, cancelled, err)
	}
	_, err = n.Cancel(t.Context(), b.Through+100)
	if !errors.Is(err, &feedclient.Error{Code: feedclient.CodeBadArgument}) {
		t.Errorf("Cancel out of range: %v", err)
	}
	must(t, n.Close())
	size := uint64(7)
	info, err := c.Set(t.Context(), "cl1", feedclient.CreateOptions{AbortSize: &size})
	if err != nil || info.AbortSize != size {
		t.Errorf("Set: %+v, %v", info, err)
	}
	if _, err = c.Reset(t.Context(), feedclient.ResetRequest{Feed: "cl1", Rescan: true}); err != nil {
		t.Errorf("Reset: %v", err)
	}
	if s, err := c.Rescan(t.Context(), w.fs.Dir); err != nil || !strings.Contains(string(s), `"last_scan":{"id":`) {
		t.Errorf("Rescan: got %s, %v, want what the scan has found", s, err)
	}
	if all, err := c.Sources(t.Context()); err != nil || len(all) != 1 || !strings.Contains(string(all[0]), w.fs.Dir) {
		t.Errorf("Sources = %s, %v", all, err)
	}
	if err := c.FIFO(t.Context(), feedclient.FIFORequest{Feed: "cl1", Path: "/x"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("FIFO: %v", err)
	}
}

// All forms are what the agent writes itself in them.
func TestClientForms(t *testing.T) {
	w := newWatcher(t)
	c := w.dial()
	_, err := c.Create(t.Context(), feedclient.CreateOptions{Source: w.fs.Dir})
	must(t, err)
	w.sh("mkdir d; echo x >d/f; mv d/f d/g; ln -s g d/l; rm d/g")
	n, err := c.Open(t.Context(), "cl1", feedclient.OpenOptions{})
	must(t, err)
	first, err := n.Read(t.Context(), feedclient.ReadOptions{Wait: -1, Linger: time.Second})
	must(t, err)
	want := len(first.Records)
	must(t, n.Close())
	for _, form := range []feedclient.Format{feedclient.FormatNative, feedclient.FormatLustre, feedclient.FormatJSON, feedclient.FormatText} {
		n, err := c.Open(t.Context(), "cl1", feedclient.OpenOptions{Format: form})
		must(t, err)
		var got []byte
		count := 0
		_, err = n.Raw(t.Context(), feedclient.ReadOptions{MaxRecords: want}, func(b []byte) error {
			if form == feedclient.FormatNative {
				got = append(got, byte(len(b)), byte(len(b)>>8), byte(len(b)>>16), byte(len(b)>>24))
			}
			got = append(got, b...)
			count++
			return nil
		})
		must(t, err, n.Close())
		answer, err := w.server.Client().Get(fmt.Sprintf("%s/api/v1/feeds/cl1/records?format=%v&max=%d", w.server.URL, form, want))
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		answer.Body.Close()
		r, err := http.NewRequestWithContext(t.Context(), "DELETE", w.server.URL+"/api/v1/feeds/cl1/consumer", nil)
		must(t, err)
		r.Header.Set("Weir-Consumer", answer.Header.Get("Weir-Consumer"))
		left, err := w.server.Client().Do(r)
		must(t, err)
		left.Body.Close()
		if !bytes.Equal(got, body) || count != want || answer.Header.Get("Content-Type") != recordKinds[form] {
			t.Errorf("%v: the client has %d records, %q; the agent answers %q as %s", form, count, got, body, answer.Header.Get("Content-Type"))
		}
	}
}

// What users may do does not depend on the way that they ask.
func TestUsersByHTTP(t *testing.T) {
	w := newWatcher(t)
	root := w.dial()
	owner := uint32(1234)
	_, err := root.Create(t.Context(), feedclient.CreateOptions{Name: "theirs", Source: w.fs.Dir, Owner: &owner})
	must(t, err)
	_, err = root.Create(t.Context(), feedclient.CreateOptions{Name: "ours", Source: w.fs.Dir})
	must(t, err)
	w.caller.Store(&feed.Caller{UID: owner, GID: owner})
	c := w.dial()
	denied := &feedclient.Error{Code: feedclient.CodeDenied}
	if all, err := c.List(t.Context()); err != nil || len(all) != 1 || all[0].Name != "theirs" {
		t.Errorf("List = %+v, %v, want the user's own", all, err)
	}
	if _, err := c.Open(t.Context(), "ours", feedclient.OpenOptions{}); !errors.Is(err, denied) {
		t.Errorf("Open of another's: %v", err)
	}
	if _, err := c.Create(t.Context(), feedclient.CreateOptions{Source: w.fs.Dir}); !errors.Is(err, denied) {
		t.Errorf("Create: %v", err)
	}
	if err := c.Destroy(t.Context(), "theirs"); !errors.Is(err, denied) {
		t.Errorf("Destroy: %v", err)
	}
	if _, err := c.Rescan(t.Context(), w.fs.Dir); !errors.Is(err, denied) {
		t.Errorf("Rescan: %v", err)
	}
	n, err := c.Open(t.Context(), "theirs", feedclient.OpenOptions{})
	must(t, err)
	w.sh("mkdir d")
	if got := w.take(n, 1, feedclient.ReadOptions{}); got != "MKDIR d" {
		t.Errorf("the owner reads %q", got)
	}
	must(t, n.Close())
}

// A tail is the client's for as long as it has it, also on a Unix socket.
func TestTailByHTTP(t *testing.T) {
	w := newWatcher(t)
	socket := filepath.Join(t.TempDir(), "feed-http.sock")
	l, err := net.Listen("unix", socket)
	must(t, err)
	s := &http.Server{Handler: w.server.Config.Handler, ConnContext: w.server.Config.ConnContext, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c, err := feedclient.Dial(t.Context(), "http+unix:"+socket)
	must(t, err)
	n, err := c.Tail(t.Context(), feedclient.CreateOptions{Source: w.fs.Dir}, feedclient.FormatNative)
	must(t, err)
	w.sh("mkdir d")
	if got := w.take(n, 1, feedclient.ReadOptions{}); got != "MKDIR d" {
		t.Errorf("tail %q", got)
	}
	must(t, n.Close(), c.Close())
	if all := w.List(feed.Caller{Admin: true}); len(all) != 0 {
		t.Errorf("after its end there are feeds %+v", all)
	}
	must(t, s.Close())
	<-ended
}

func TestDialByHTTP(t *testing.T) {
	for _, address := range []string{"http://", "http://127.0.0.1:1", "http+unix:/nowhere"} {
		if c, err := feedclient.Dial(t.Context(), address); err == nil {
			c.Close()
			t.Errorf("Dial(%s) works", address)
		}
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := feedclient.Dial(t.Context(), other.URL); err == nil || !strings.Contains(err.Error(), "not an answer of weir") {
		t.Errorf("Dial of another server: %v", err)
	}
}
