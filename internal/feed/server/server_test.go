// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// agent is a manager and its server, on a file system.
type agent struct {
	*feed.Manager

	t      *testing.T
	fs     *fstest.FS
	socket string
	server *Server
}

func start(t *testing.T) *agent {
	t.Helper()
	store, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return startOn(t, fstest.New(t, "tmpfs"), store)
}

func startOn(t *testing.T, fs *fstest.FS, store journal.Store) *agent {
	t.Helper()
	return startWith(t, fs, store, Options{})
}

func startWith(t *testing.T, fs *fstest.FS, store journal.Store, o Options) *agent {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := feed.New(feed.Options{Store: store, Log: log})
	must(t, err)
	o.Manager, o.Log, o.Group = feed.DoorTo(m), log, -1
	a := &agent{Manager: m, t: t, fs: fs, socket: filepath.Join(t.TempDir(), "feed.sock"), server: New(o)}
	l, err := daemon.ListenUnix(t.Context(), a.socket, 0o666, -1)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- m.Run(ctx) }()
	go func() { ended <- a.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended, <-ended)
	})
	return a
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (a *agent) dial() *client.Client {
	a.t.Helper()
	c, err := client.Dial(a.t.Context(), a.socket)
	must(a.t, err)
	a.t.Cleanup(func() { c.Close() })
	return c
}

// sh changes the file system, by processes that are not the agent's.
func (a *agent) sh(script string) {
	a.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = a.fs.Dir
	if out, err := c.CombinedOutput(); err != nil {
		a.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// take reads until n records have come.
func take(t *testing.T, n *client.Consumer, want int, o client.ReadOptions) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < want {
		o.Wait = -1
		b, err := n.Read(ctx, o)
		must(t, err)
		for i := range b.Records {
			got = append(got, brief(&b.Records[i]))
		}
	}
	return got
}

func brief(r *changelog.Record) string {
	if r.Mark != nil {
		return fmt.Sprintf("%v %v", r.Type, r.Mark.Kind)
	}
	return fmt.Sprintf("%v %s", r.Type, r.Path)
}

func TestNextReadCancels(t *testing.T) {
	a := start(t)
	c := a.dial()
	info, err := c.Create(t.Context(), client.CreateOptions{Name: "audit", Source: a.fs.Dir})
	must(t, err)
	if info.ID != "cl1" || info.State != "active" {
		t.Errorf("Create: got %+v", info)
	}
	a.sh("mkdir d; mkdir d/e")
	n, err := c.Open(t.Context(), "cl1-audit", client.OpenOptions{})
	must(t, err)
	if got, want := strings.Join(take(t, n, 2, client.ReadOptions{Keep: true}), ", "), "MKDIR d, MKDIR d/e"; got != want {
		t.Errorf("first batch: got %q, want %q", got, want)
	}
	n.Close() // nothing was cancelled

	n, err = reopen(t, c, "audit")
	must(t, err)
	if got, want := strings.Join(take(t, n, 2, client.ReadOptions{Keep: true}), ", "), "MKDIR d, MKDIR d/e"; got != want {
		t.Errorf("after the reader's end: got %q, want %q", got, want)
	}
	a.sh("rmdir d/e")
	if got, want := strings.Join(take(t, n, 1, client.ReadOptions{}), ", "), "RMDIR d/e"; got != want {
		t.Errorf("next batch: got %q, want %q", got, want)
	}
	info, err = c.Info(t.Context(), "cl1")
	must(t, err)
	if info.Available != 0 || info.First != info.Last || info.Cancelled+1 != info.First || info.Consumer == nil || info.Consumer.Held != 1 {
		t.Errorf("GETINFO: got %+v, consumer %+v, want one record, which is held and not available", info, info.Consumer)
	}
	must(t, n.Commit(t.Context()))
	info, err = c.Info(t.Context(), "cl1")
	must(t, err)
	if info.Available != 0 || info.First != 0 {
		t.Errorf("after commit: got %+v, want nothing available", info)
	}
}

// reopen opens a feed whose reader has just gone, once the agent has seen that.
func reopen(t *testing.T, c *client.Client, name string) (*client.Consumer, error) {
	t.Helper()
	for {
		n, err := c.Open(t.Context(), name, client.OpenOptions{})
		if !errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			return n, err
		}
	}
}

func TestOneConsumer(t *testing.T) {
	a := start(t)
	c := a.dial()
	_, err := c.Create(t.Context(), client.CreateOptions{Source: a.fs.Dir})
	must(t, err)
	first, err := c.Open(t.Context(), "cl1", client.OpenOptions{})
	must(t, err)
	if _, err := c.Open(t.Context(), "cl1", client.OpenOptions{}); !errors.Is(err, &client.Error{Code: client.CodeBusy}) {
		t.Errorf("second Open: got %v, want %s", err, client.CodeBusy)
	}
	second, err := c.Open(t.Context(), "cl1", client.OpenOptions{Steal: true})
	must(t, err)
	defer second.Close()
	if _, err := first.Read(t.Context(), client.ReadOptions{Wait: -1}); err == nil {
		t.Error("Read after the feed was stolen: got no error")
	}
}

func TestPartOfAFileSystem(t *testing.T) {
	a := start(t)
	a.sh("mkdir in out; touch in/old out/other")
	c := a.dial()
	_, err := c.Create(t.Context(), client.CreateOptions{Source: a.fs.Path("in")})
	must(t, err)
	n, err := c.Open(t.Context(), "cl1", client.OpenOptions{})
	must(t, err)
	defer n.Close()
	a.sh("mkdir out/x; mv out/x in/y; mv in/old out/z; mkdir in/end")
	got := strings.Join(take(t, n, 3, client.ReadOptions{}), ", ")
	if want := "RENME in/y, RENME , MKDIR in/end"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestResolve(t *testing.T) {
	a := start(t)
	c := a.dial()
	_, err := c.Create(t.Context(), client.CreateOptions{Source: a.fs.Dir, Filter: []byte(`{"types":"HLINK"}`)})
	must(t, err)
	a.sh(`echo x > f; ln f "$(printf '\377')"`)
	n, err := c.Open(t.Context(), "cl1", client.OpenOptions{})
	must(t, err)
	b, err := n.Read(t.Context(), client.ReadOptions{Wait: -1})
	must(t, err)
	fid := b.Records[0].Target.String()
	_, answer := a.greeted(client.FormatNative).ask(client.OpResolve, fmt.Sprintf(`{"source":%q,"fid":%q}`, a.fs.Dir, fid))
	var doc struct {
		Paths []any `json:"paths"`
	}
	must(t, json.Unmarshal(answer, &doc))
	slices.SortFunc(doc.Paths, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	if got, want := fmt.Sprint(doc.Paths), "[f map[b64:/w==]]"; got != want {
		t.Errorf("answer: got %s of %s, want %s", got, answer, want)
	}
	paths, err := c.Resolve(t.Context(), a.fs.Dir, fid)
	slices.Sort(paths)
	if err != nil || !slices.Equal(paths, []string{"f", "\xff"}) {
		t.Errorf("Resolve: got %q, %v", paths, err)
	}
	paths, err = c.Resolve(t.Context(), a.fs.Dir, b.Records[0].Parent.String())
	if err != nil || !slices.Equal(paths, []string{""}) {
		t.Errorf("Resolve of the root: got %q, %v, want its empty path", paths, err)
	}
	info, err := c.Info(t.Context(), "cl1")
	must(t, err)
	must(t, n.Close())
	a.until("the consumer is gone", func() bool {
		info, err = c.Info(t.Context(), "cl1")
		must(t, err)
		return info.Consumer == nil
	})
	if info.AvailableExact || info.AvailableMax == 0 || info.AvailableMax != info.Available {
		t.Errorf("GETINFO with a filter: got %+v, want the most that may be available", info)
	}
}
