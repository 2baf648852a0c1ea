// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/mirror"
)

func TestMirrorCommand(t *testing.T) {
	src, target := fstest.New(t, "ext4"), fstest.New(t, "ext4-1k").Path("copy")
	socket := feedtest.Start(t).Socket
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

	var other bytes.Buffer
	if got := Main([]string{"weir", "mirror", "--socket", socket, "--forget", t.TempDir(), target}, &other, &other); got != 1 {
		t.Errorf("forgetting the mirror of another source: got exit code %d: %s", got, &other)
	}
	has("forgetting the mirror of another source", other.String(), "is a mirror of "+src.Dir)
	weir(0, "--status")

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

// A mirror whose target's file system is not mounted is not copied into the empty directory
// there, unless it is to begin anew.
func TestMirrorOntoWhatIsNotMounted(t *testing.T) {
	src, target := fstest.New(t, "tmpfs"), fstest.New(t, "ext4")
	socket := feedtest.Start(t).Socket
	weir := func(want int, flags ...string) (stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		args := append([]string{"weir", "mirror", "--socket", socket, src.Dir, target.Dir}, flags...)
		if got := Main(args, &out, &errs); got != want {
			t.Fatalf("%q: got exit code %d, want %d: %s%s", args, got, want, &out, &errs)
		}
		return errs.String()
	}
	copied := func() bool {
		_, err := os.Lstat(target.Path("f"))
		return err == nil
	}
	if err := os.WriteFile(src.Path("f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target.Path("mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if errs := weir(1, "--once"); !strings.Contains(errs, "not empty") { // and no feed is made
		t.Errorf("target that is not empty: got %q", errs)
	}
	if err := os.Remove(target.Path("mine")); err != nil {
		t.Fatal(err)
	}
	weir(0, "--once")
	if !copied() {
		t.Fatal("first copy: nothing was copied")
	}
	target.Unmount()
	for _, flags := range [][]string{{"--once"}, {"--once", "--adopt", "--take-over"}, {"--forget"}} {
		errs := weir(1, flags...)
		if !strings.Contains(errs, target.Dir) || !strings.Contains(errs, "mounted?") || copied() {
			t.Errorf("%q of a target that is not mounted: got %q, copied %v, want that it is refused", flags, errs, copied())
		}
	}
	if entries, err := os.ReadDir(target.Dir); len(entries) > 0 || err != nil {
		t.Errorf("what the mirror left where it was refused: got %v, %v", entries, err)
	}
	target.Mount()
	weir(0, "--once")
	weir(0, "--verify")
	target.Unmount()
	weir(0, "--once", "--begin-anew")
	if !copied() {
		t.Error("mirror that was to begin anew: nothing was copied")
	}
	weir(0, "--once") // it is a mirror now
	weir(0, "--forget")
	weir(0, "--once", "--adopt", "--take-over")
}

// A directory of another host may have the path of its copy here, or one above it.
func TestMirrorOfTheSamePathElsewhere(t *testing.T) {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/feeds" && r.Method == http.MethodGet {
			fmt.Fprint(w, `{"items": []}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		status, code := http.StatusNotFound, "feed_not_found"
		if r.Method == http.MethodPost { // the feed is asked for: the places were taken
			status, code = http.StatusForbidden, "feed_denied"
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code": %q, "detail": "%s %s"}`, code, r.Method, r.URL.Path)
	}))
	defer agent.Close()
	dir := t.TempDir()
	for _, target := range []string{dir, filepath.Join(dir, "copy")} {
		var out, errs bytes.Buffer
		got := Main([]string{"weir", "mirror", "--once", "--socket", agent.URL, dir, target}, &out, &errs)
		if got != 1 || !strings.Contains(errs.String(), "POST /api/v1/feeds") {
			t.Errorf("%s to %s: got %d, %q, want what the agent says of a new feed", dir, target, got, &errs)
		}
	}
}

// What is under way is not told as being level.
func TestProgressText(t *testing.T) {
	for _, tt := range []struct {
		p    mirror.Progress
		want string
	}{
		{mirror.Progress{Through: 7, Created: 2}, "level with record 7: 2 objects made"},
		{mirror.Progress{Through: 7, Created: 2, Amid: true}, "copying: 2 objects made"},
		{mirror.Progress{Through: 7, Created: 2, Directories: 3}, "copying: 2 objects made"},
	} {
		if got := progressText(&tt.p); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: got %q, want %q first", tt.p, got, tt.want)
		}
	}
}
