// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/mirror"
	"github.com/weir-io/weir/internal/feed/server"
)

// serveFeeds serves feeds until the test ends, and returns the socket.
func serveFeeds(t *testing.T) string {
	t.Helper()
	store, err := journal.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	socket := filepath.Join(t.TempDir(), "feed.sock")
	l, err := daemon.ListenUnix(t.Context(), socket, 0o600, -1)
	if err != nil {
		t.Fatal(errors.Join(err, store.Close()))
	}
	m, err := feed.New(feed.Options{Store: store, Log: log})
	if err != nil {
		t.Fatal(errors.Join(err, l.Close(), store.Close()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- m.Run(ctx) }() // both end with ctx
	go func() {
		ended <- server.New(server.Options{Manager: feed.DoorTo(m), Log: log, Group: -1}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return socket
}

func TestMirrorCommand(t *testing.T) {
	src, target := fstest.New(t, "ext4"), fstest.New(t, "ext4-1k").Path("copy")
	socket := serveFeeds(t)
	sh := func(dir, script string) {
		t.Helper()
		c := exec.Command("sh", "-ec", script) // what the agent's own process does is left out
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	weir := func(want int, flags ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		args := append([]string{"weir", "mirror", "--socket", socket, src.Dir, target}, flags...)
		if got := Main(args, &out, &errs); got != want {
			t.Fatalf("%q: got exit code %d, want %d: %s%s", args, got, want, &out, &errs)
		}
		return out.String(), errs.String()
	}
	has := func(what, got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: got %q, want %q in it", what, got, w)
			}
		}
	}

	_, errs := weir(1, "--status")
	has("status of no mirror", errs, "no mirror")
	_, errs = weir(1, "--verify", "--repair")
	has("repair of no mirror", errs, "no mirror", "--adopt")
	_, errs = weir(2, "--repair")
	has("repair without verify", errs, "--verify")

	sh(src.Dir, "mkdir d; echo 1 > d/f; ln -s "+strings.Repeat("x", 3000)+" long")
	weir(0, "--once")
	out, _ := weir(0, "--status")
	has("status", out, "mirror of "+src.Dir, "1 left out", "unmirrorable: "+filepath.Join(target, "long"), "name too long")
	out, _ = weir(0, "--status", "--json")
	var s mirror.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Troubles) != 1 || s.Troubles[0].Kind != mirror.Unmirrorable {
		t.Errorf("status as JSON: got %s, %v, want one name that is unmirrorable", out, err)
	}
	out, errs = weir(1, "--verify")
	has("verify", out, "long: missing in the target")
	has("verify", errs, "differ in 1 place")

	sh(src.Dir, "rm long")
	weir(0, "--once")
	out, _ = weir(0, "--verify")
	has("verify of equal trees", out, "equal")
	sh(target, "rm -r d; echo mine > d")
	weir(1, "--verify")
	sh(src.Dir, "echo 1 > d/g; rm d/g")
	d := filepath.Join(target, "d")
	for range 2 {
		_, errs = weir(1, "--once")
		has("mirror whose target others have changed", errs, "target "+d+": ", "changed by others", "--take-over")
	}
	out, _ = weir(0, "--status")
	has("status", out, "stopped: target "+d)
	weir(0, "--once", "--take-over")
	out, _ = weir(0, "--verify")
	has("target that was taken over", out, "equal")
	out, _ = weir(0, "--status")
	if strings.Contains(out, "stopped") {
		t.Errorf("status after the target was taken over: got %q", out)
	}
	sh(target, "rm -r d; echo mine > d")
	out, _ = weir(0, "--verify", "--repair")
	has("repair", out, "d: type", "source and target are equal")
	if b, err := os.ReadFile(filepath.Join(target, "d", "f")); string(b) != "1\n" {
		t.Errorf("repaired file: got %q, %v", b, err)
	}
	out, _ = weir(0, "--verify", "--repair")
	has("repair of equal trees", out, "source and target are equal")
	out, _ = weir(0, "--status")
	has("status", out, "0 left out")

	mine := filepath.Join(target, ".weir-mirror", "staged", "7.0.1", "mine")
	sh(target, "mkdir -p "+mine)
	_, errs = weir(1, "--forget")
	has("forgetting a mirror with what others have put in it", errs, mine, "--take-over")
	weir(0, "--status")
	weir(0, "--forget", "--take-over")
	weir(1, "--status")
	if _, err := os.Lstat(filepath.Join(target, "d", "f")); err != nil {
		t.Errorf("copy of a mirror that was forgotten: %v", err)
	}
}
