// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/mirror"
	"github.com/weir-io/weir/internal/wait"
)

// A mirror copies a directory of another host through the hub and follows it.
func TestMirrorOfAnotherHost(t *testing.T) {
	w, hub, _ := farAgent(t)
	w.sh(`mkdir -p a/b; echo 1 > a/f; ln a/f a/b/g; ln -s 'x y' l; mkfifo p; printf x > "$(printf 'n\nl\377')"
		truncate -s 40M sparse; echo end >> sparse; setfattr -n user.x -v y a; chmod 4750 a/f; chown 7:8 a/b`)
	t.Setenv("WEIR_FEED_TOKEN", adminToken)
	c, err := feedclient.Dial(t.Context(), hub.server.URL+"/api/v1/hosts/there")
	must(t, err)
	defer c.Close()
	w.sh("mkdir part; mv a l p sparse n* part; touch beside; ln -s part link")
	info, err := c.Create(t.Context(), feedclient.CreateOptions{Name: "m", Source: w.fs.Path("part"), Mode: feedclient.ModeExplicit})
	must(t, err)
	n, err := c.Open(t.Context(), "m", feedclient.OpenOptions{})
	must(t, err)
	defer n.Close()
	o := mirror.Options{
		Source: w.fs.Path("link"), Part: true, Target: fstest.New(t, "ext4").Path("copy"), Agent: c, Feed: n, UUID: info.Source, FeedID: info.ID,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	m, err := mirror.Open(t.Context(), o)
	must(t, err)
	defer m.Close()
	equal := func() {
		t.Helper()
		var left []mirror.Difference
		end := time.Now().Add(10 * time.Second)
		wait.Until(t, "the mirror to be equal", func() bool {
			must(t, m.Run(t.Context(), true))
			left = nil
			local := o
			local.Source = w.fs.Path("part")
			must(t, mirror.Compare(t.Context(), local, func(d mirror.Difference) { left = append(left, d) }))
			return len(left) == 0 || time.Now().After(end)
		})
		if len(left) > 0 {
			t.Fatalf("differences: %v", left)
		}
	}
	equal()
	for _, script := range []string{
		"mv a/b b; mv a b/a; rm b/g; echo 2 >> b/a/f; mkdir -p n/m; echo 3 > n/m/o",
		"mv n/m/o b/a/f; rm -r n sparse; chmod 600 b/a/f; setfattr -x user.x b/a; ln b/a/f h; truncate -s 1 h",
		"rm -r b; mkdir b; seq 300 | xargs -I{} sh -c 'echo {} > b/{}'; mv b/7 b/8",
	} {
		w.sh("cd part\n" + script)
		equal()
	}
	blocks, err := filepath.Glob(filepath.Join(o.Target, "b", "*"))
	if must(t, err); len(blocks) != 299 {
		t.Errorf("got %d files in b, want 299", len(blocks))
	}
}

func TestTreesAreForAdministrators(t *testing.T) {
	w := newWatcher(t)
	w.sh("mkdir d; echo hello > d/f; mkfifo d/p")
	c := w.dial()
	ask := func(dir string, q ...feedclient.TreeQuestion) ([]feedclient.TreeAnswer, error) {
		return c.Tree(t.Context(), feedclient.TreeRequest{Dir: dir, Ask: q})
	}
	all, err := ask(w.fs.Dir, feedclient.TreeQuestion{Op: feedclient.AskTop})
	must(t, err)
	top := all[0].FID
	look := func(fid, name string) feedclient.TreeAnswer {
		t.Helper()
		all, err := ask(w.fs.Dir, feedclient.TreeQuestion{Op: feedclient.AskLookUp, FID: fid, Name: []byte(name)})
		must(t, err)
		return all[0]
	}
	d := look(top, "d").FID
	file, pipe := look(d, "f").FID, look(d, "p").FID
	body, err := c.TreeContent(t.Context(), w.fs.Dir, file, 1, 3)
	must(t, err)
	got := make([]byte, 10)
	k, _ := body.Read(got)
	must(t, body.Close())
	if string(got[:k]) != "ell" {
		t.Errorf("content: got %q, want ell", got[:k])
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\x00"} {
		if a := look(d, name); a.Error == "" {
			t.Errorf("name %q: got %+v, want it refused", name, a)
		}
	}
	for what, a := range map[string]struct {
		path string
		code feedclient.Code
	}{
		"a pipe":       {fmt.Sprintf("dir=%s&fid=%s&length=1", url.QueryEscape(w.fs.Dir), url.QueryEscape(pipe)), feedclient.CodeBadArgument},
		"none":         {fmt.Sprintf("dir=%s&fid=[0x7777:0x0:0x1]&length=1", url.QueryEscape(w.fs.Dir)), feedclient.CodeNotFound},
		"no FID":       {fmt.Sprintf("dir=%s&fid=x&length=1", url.QueryEscape(w.fs.Dir)), feedclient.CodeBadArgument},
		"no directory": {"dir=/none&fid=[0x1:0x0:0x1]&length=1", feedclient.CodeNotFound},
		"relative":     {"dir=x&fid=[0x1:0x0:0x1]&length=1", feedclient.CodeBadArgument},
		"unsupported":  {"dir=/proc&fid=[0x1:0x0:0x1]&length=1", feedclient.CodeBadArgument},
	} {
		answer, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/feed-tree/content?"+a.path, nil)
		must(t, err)
		got, err := w.server.Client().Do(answer)
		must(t, err)
		b := make([]byte, 4096)
		k, _ := got.Body.Read(b)
		must(t, got.Body.Close())
		if !strings.Contains(string(b[:k]), `"code":"`+string(a.code)+`"`) {
			t.Errorf("%s: got %s %s, want %s", what, got.Status, b[:k], a.code)
		}
	}
	w.caller.Store(&feed.Caller{UID: 1000, GID: 1000})
	other := w.dial()
	if _, err := other.Tree(t.Context(), feedclient.TreeRequest{Dir: w.fs.Dir}); !errors.Is(err, &feedclient.Error{Code: feedclient.CodeDenied}) {
		t.Errorf("another user: got %v, want %s", err, feedclient.CodeDenied)
	}
}
